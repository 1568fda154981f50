package container_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/gitsync/gitsync/container"
	"github.com/gitsync/gitsync/host"
	"github.com/gitsync/gitsync/runtime"
	"github.com/gitsync/gitsync/runtime/runtimetest"
)

// TestTwoAtOnceEndInTheStateOfOne lets two gitsyncs deploy the same to one host at
// the same time, interleaved at random, and then go on as their polls do: neither a
// duplicate nor a leftover stays, and nothing that runs is lost.
func TestTwoAtOnceEndInTheStateOfOne(t *testing.T) {
	for _, c := range changes {
		if c.fails {
			continue
		}
		t.Run(c.name, func(t *testing.T) {
			for seed := range uint64(20) {
				t.Run(fmt.Sprintf("seed %d", seed), func(t *testing.T) { c.twice(t, seed) })
			}
		})
	}
}

func (c change) twice(t *testing.T, seed uint64) {
	w := c.prepare(t)
	// The pauses before the calls interleave the two in another way for each seed.
	random := rand.New(rand.NewPCG(seed, 3))
	pauses := make([]time.Duration, 512)
	for i := range pauses {
		pauses[i] = time.Duration(random.IntN(300)) * time.Microsecond
	}
	rt, _, err := w.connect(t.Context(), spec("x").Host, container.RuntimeConfig{})
	if err != nil {
		t.Fatal(err)
	}
	watched := &runtimetest.Watched{Full: rt.(runtimetest.Full), Before: func(n int, _, _ string) error {
		timer := time.NewTimer(pauses[n%len(pauses)])
		defer timer.Stop()
		<-timer.C
		return nil
	}}
	w.hooks = func(runtime.Runtime) runtime.Runtime { return watched }
	recorded := w.record()
	var group errgroup.Group
	for range 2 {
		one := w.containers(c.after()...)
		one.PreviousState = recorded
		group.Go(func() error {
			// Either may fail: the other is in its way.
			_ = one.DeployContext(context.Background())
			return nil
		})
	}
	_ = group.Wait()
	w.hooks, w.previous = nil, recorded
	for range 3 {
		if err = w.deploy(c.after()...); err == nil {
			break
		}
	}
	if err != nil {
		t.Fatalf("they do not converge: %v", err)
	}
	w.want(c.want...)
	if c.check != nil {
		c.check(t, w)
	}
	if plan := w.plan(c.after()...); !plan.Empty() {
		t.Errorf("there is more to do:\n%s", plan)
	}
}

// hand is one of two gitsyncs whose calls are made one at a time, as a test says.
type hand struct {
	arrived, granted, ended chan struct{}
	over                    bool
}

// begin deploys in the background, up to the first call.
func (w *world) begin(ctx context.Context, c change, recorded container.ContainersState) *hand {
	h := &hand{arrived: make(chan struct{}), granted: make(chan struct{}), ended: make(chan struct{})}
	one := w.containers(c.after()...)
	one.PreviousState = recorded
	one.Connector = func(ctx context.Context, at host.Host, config container.RuntimeConfig) (runtime.Runtime, func(), error) {
		rt, release, err := w.connect(ctx, at, config)
		if err != nil {
			return nil, nil, err
		}
		return &runtimetest.Watched{Full: rt.(runtimetest.Full), Before: func(int, string, string) error {
			h.arrived <- struct{}{}
			<-h.granted
			return nil
		}}, release, nil
	}
	go func() {
		defer close(h.ended)
		// Either may fail: the other is in its way.
		_ = one.DeployContext(ctx)
	}()
	h.await()
	return h
}

func (h *hand) await() {
	select {
	case <-h.arrived:
	case <-h.ended:
		h.over = true
	}
}

// calls makes so many calls, and says how many there were.
func (h *hand) calls(n int) (made int) {
	for ; made < n && !h.over; made++ {
		h.granted <- struct{}{}
		h.await()
	}
	return made
}

const toTheEnd = 1000

// TestTwoAtOnceLoseNoDataWhereverTheyMeet lets one gitsync look at every call of another
// one, the other go on to every later call, and then the one act on what it saw: every
// fourth of these meetings, and all of them when GITSYNC_LONG is set.
func TestTwoAtOnceLoseNoDataWhereverTheyMeet(t *testing.T) {
	long := os.Getenv("GITSYNC_LONG")
	for _, c := range changes {
		if len(c.before()) > 1 || c.check == nil {
			continue
		}
		t.Run(c.name, func(t *testing.T) {
			w := c.prepare(t)
			all := w.begin(t.Context(), c, w.record()).calls(toTheEnd)
			for seen := range all {
				for later := seen; later < all; later++ {
					for acts := range all {
						if long == "" && (seen+later+acts)%4 != 0 {
							continue
						}
						t.Run(fmt.Sprintf("seen at %d, met at %d after %d", seen, later, acts), func(t *testing.T) {
							c.meet(t, seen, later, acts)
						})
					}
				}
			}
		})
	}
}

// TestALostLeaseLosesNoData takes the lease away from an instance at every call, while
// another one begins: what the first one takes back and what the second one does meet.
func TestALostLeaseLosesNoData(t *testing.T) {
	t.Parallel()
	for _, c := range changes {
		if len(c.before()) > 1 || c.check == nil {
			continue
		}
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			w := c.prepare(t)
			all := w.begin(t.Context(), c, w.record()).calls(toTheEnd)
			for lost := range all {
				for acts := range all {
					if (lost+acts)%3 == 0 {
						t.Run(fmt.Sprintf("lost at %d, met at %d", lost, acts), func(t *testing.T) { c.lose(t, lost, acts) })
					}
				}
			}
		})
	}
}

// lose lets the first one lose its lease after so many calls, the second one begin, and
// both go on by turns.
func (c change) lose(t *testing.T, lost, acts int) {
	w := c.prepare(t)
	recorded := w.record()
	ctx, lose := context.WithCancel(t.Context())
	defer lose()
	first := w.begin(ctx, c, recorded)
	first.calls(lost)
	lose()
	second := w.begin(t.Context(), c, recorded)
	second.calls(acts)
	for !first.over {
		first.calls(1)
		second.calls(1)
	}
	second.calls(toTheEnd)
	w.previous = recorded
	c.endsWell(t, w)
}

func (c change) meet(t *testing.T, seen, later, acts int) {
	w := c.prepare(t)
	recorded := w.record()
	first := w.begin(t.Context(), c, recorded)
	first.calls(seen)
	second := w.begin(t.Context(), c, recorded)
	second.calls(1) // it looks
	first.calls(later - seen)
	second.calls(acts)
	first.calls(toTheEnd)
	second.calls(toTheEnd)
	w.previous = recorded
	c.endsWell(t, w)
}

// endsWell goes on as polls do, and checks that all is there.
func (c change) endsWell(t *testing.T, w *world) {
	var err error
	for range 4 {
		if err = w.deploy(c.after()...); err == nil || c.fails && errors.Is(err, container.ErrNotReady) {
			break
		}
	}
	if err != nil && !c.fails {
		t.Fatalf("they do not converge: %v", err)
	}
	w.want(c.want...)
	c.check(t, w)
}
