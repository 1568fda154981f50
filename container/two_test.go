package container_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/gitsync/gitsync/container"
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
