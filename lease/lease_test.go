package lease_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	stdsync "sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"
	"golang.org/x/sync/errgroup"

	"github.com/gitsync/gitsync/container"
	"github.com/gitsync/gitsync/container/types"
	"github.com/gitsync/gitsync/lease"
	"github.com/gitsync/gitsync/runtime"
	"github.com/gitsync/gitsync/runtime/memory"
	"github.com/gitsync/gitsync/runtime/runtimetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// machine is a machine in memory whose clock a test sets.
type machine struct {
	*memory.World
	mu  stdsync.Mutex
	now time.Time
}

// newMachine has a clock that no other clock agrees with.
func newMachine() *machine {
	m := &machine{World: &memory.World{}, now: time.Date(1999, 12, 31, 23, 59, 0, 0, time.UTC)}
	m.SetClock(func() time.Time {
		m.mu.Lock()
		defer m.mu.Unlock()
		return m.now
	})
	return m
}

func (m *machine) wait(d time.Duration) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.now = m.now.Add(d)
}

func (m *machine) watched(t *testing.T) *runtimetest.Watched {
	t.Helper()
	rt, err := (&memory.Config{World: m.World}).New()
	if err != nil {
		t.Fatal(err)
	}
	return &runtimetest.Watched{Full: rt.(runtimetest.Full)}
}

func claim() lease.Claim {
	return lease.Claim{Repo: "repo-1", Host: "web1", Address: "https://example.com/infra.git#main", Until: time.Now().Add(time.Minute)}
}

func impatient() lease.Claim {
	c := claim()
	c.Until = time.Now()
	return c
}

// begun is work that goes on until it is told to end, or its context does.
type begun struct {
	end  chan struct{}
	lost chan error
	err  chan error
}

func (b *begun) finish() error {
	close(b.end)
	return <-b.err
}

func begin(t *testing.T, i *lease.Instance, rt runtime.Runtime, c lease.Claim) *begun {
	t.Helper()
	b := &begun{end: make(chan struct{}), lost: make(chan error, 1), err: make(chan error, 1)}
	working := make(chan struct{})
	var group errgroup.Group
	group.Go(func() error {
		b.err <- i.Hold(t.Context(), rt, c, func(ctx context.Context) error {
			close(working)
			select {
			case <-b.end:
			case <-ctx.Done():
				b.lost <- context.Cause(ctx)
				<-b.end
			}
			return nil
		})
		return nil
	})
	select {
	case <-working:
	case err := <-b.err:
		t.Fatalf("the work does not begin: %v", err)
	}
	return b
}

func nothing(context.Context) error { return nil }

func mustNotWork(t *testing.T) func(context.Context) error {
	return func(context.Context) error {
		t.Error("it works although another instance does")
		return nil
	}
}

func rows(m *machine) []types.ContainerSummary {
	var out []types.ContainerSummary
	for _, row := range m.Containers() {
		out = append(out, row)
	}
	return out
}

func leases(m *machine) []container.LeaseHolder { return container.LeaseHolders(rows(m)) }

func TestAnotherInstanceIsWaitedForAndNamed(t *testing.T) {
	t.Parallel()
	m := newMachine()
	rt := m.watched(t)
	one, two := lease.New(lease.Options{}), lease.New(lease.Options{})
	work := begin(t, one, rt, claim())
	err := two.Hold(t.Context(), rt, impatient(), mustNotWork(t))
	want := fmt.Sprintf("host web1: another gitsync instance works on the host: instance %s at https://example.com/infra.git#main has been working there since 1999-12-31T23:59:00Z", one.Name())
	if !errors.Is(err, lease.ErrBusy) || !strings.HasPrefix(err.Error(), want) {
		t.Errorf("%v, want %s", err, want)
	}
	waiting := make(chan container.LeaseHolder, 9)
	c := claim()
	c.Waiting = func(h container.LeaseHolder) { waiting <- h }
	result := make(chan error)
	var group errgroup.Group
	group.Go(func() error {
		result <- two.Hold(t.Context(), rt, c, mustNotWork(t))
		return nil
	})
	if h := <-waiting; h.Instance != one.Name() {
		t.Errorf("it waits for %+v, want %s", h, one.Name())
	}
	if err := work.finish(); err != nil {
		t.Error(err)
	}
	// What it knew is out of date.
	if err := <-result; !errors.Is(err, lease.ErrWaited) {
		t.Errorf("%v, want %v", err, lease.ErrWaited)
	}
	if len(waiting) > 0 {
		t.Error("the wait is told more than once")
	}
	if err := two.Hold(t.Context(), rt, impatient(), nothing); err != nil {
		t.Error(err)
	}
	if left := m.Containers(); len(left) > 0 {
		t.Errorf("%v is left", left)
	}
}

func TestOfManyContendersOneWorksAtATime(t *testing.T) {
	t.Parallel()
	m := newMachine()
	var working, most, done atomic.Int32
	var group errgroup.Group
	for range 12 {
		group.Go(func() error {
			rt, i := m.watched(t), lease.New(lease.Options{})
			for range 3 {
				for {
					err := i.Hold(t.Context(), rt, claim(), func(ctx context.Context) error {
						most.Store(max(most.Load(), working.Add(1)))
						_, _ = rt.List(ctx, nil)
						working.Add(-1)
						done.Add(1)
						return nil
					})
					if err == nil {
						break
					}
					if !errors.Is(err, lease.ErrWaited) {
						return err
					}
				}
			}
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		t.Error(err)
	}
	if most.Load() != 1 || done.Load() != 36 {
		t.Errorf("%d work at once, and %d of 36 pieces of work are done", most.Load(), done.Load())
	}
	if left := m.Containers(); len(left) > 0 {
		t.Errorf("%v is left", left)
	}
}

// crash leaves the lease of an instance behind, as a killed process does.
func crash(t *testing.T, m *machine, i *lease.Instance) {
	t.Helper()
	rt := m.watched(t)
	work := begin(t, i, rt, claim())
	rt.Before = func(int, string, string) error { return errors.New("killed") }
	_ = work.finish()
	if got := leases(m); len(got) != 1 || got[0].Instance != i.Name() {
		t.Fatalf("the leases are %+v, want one of %s", got, i.Name())
	}
}

func TestALeaseThatACrashLeftRunsOut(t *testing.T) {
	t.Parallel()
	m := newMachine()
	crash(t, m, lease.New(lease.Options{Keeper: "other"}))
	rt, two := m.watched(t), lease.New(lease.Options{Keeper: "mine"})
	m.wait(59 * time.Second)
	if err := two.Hold(t.Context(), rt, impatient(), mustNotWork(t)); !errors.Is(err, lease.ErrBusy) {
		t.Errorf("%v, want %v", err, lease.ErrBusy)
	}
	m.wait(5 * time.Second)
	old := leases(m)[0]
	if err := two.Hold(t.Context(), rt, impatient(), nothing); err != nil {
		t.Error(err)
	}
	if !strings.Contains(strings.Join(rt.Calls(), "\n"), "delete "+old.ID) {
		t.Errorf("it is not removed by its ID: %q", rt.Calls())
	}
	if left := m.Containers(); len(left) > 0 {
		t.Errorf("%v is left", left)
	}
}

func TestALabelCannotClaimAMachineForLong(t *testing.T) {
	t.Parallel()
	m := newMachine()
	one := lease.New(lease.Options{Lifetime: 1000 * time.Hour})
	crash(t, m, one)
	m.wait(6 * time.Minute)
	if err := lease.New(lease.Options{}).Hold(t.Context(), m.watched(t), impatient(), nothing); err != nil {
		t.Error(err)
	}
}

func TestWhoKeepsTheDataDirectoryTakesOverAtOnce(t *testing.T) {
	t.Parallel()
	m := newMachine()
	crash(t, m, lease.New(lease.Options{Keeper: "mine"}))
	if err := lease.New(lease.Options{Keeper: "mine"}).Hold(t.Context(), m.watched(t), impatient(), nothing); err != nil {
		t.Error(err)
	}
	if left := m.Containers(); len(left) > 0 {
		t.Errorf("%v is left", left)
	}
}

func TestALeaseOfACrashedPredecessorIsSweptUnderAnyNameOfTheRepo(t *testing.T) {
	t.Parallel()
	m := newMachine()
	crash(t, m, lease.New(lease.Options{Keeper: "mine"}))
	m.wait(time.Hour)
	for _, c := range []struct {
		keeper string
		left   int
	}{{"other", 1}, {"mine", 0}} {
		err := lease.New(lease.Options{Keeper: c.keeper}).Sweep(t.Context(), m.watched(t), "repo-2", rows(m))
		if err != nil || len(m.Containers()) != c.left {
			t.Errorf("keeper %s: %v, %v is left", c.keeper, err, m.Containers())
		}
	}
}

func TestALeaseIsRenewedWhileWorkLasts(t *testing.T) {
	t.Parallel()
	m := newMachine()
	rt := m.watched(t)
	renewed := make(chan struct{}, 100)
	rt.After = func(_ int, method, _ string) error {
		if method == "delete" {
			select {
			case renewed <- struct{}{}:
			default:
			}
		}
		return nil
	}
	one := lease.New(lease.Options{Lifetime: 6 * time.Second})
	work := begin(t, one, rt, claim())
	for range 2 {
		m.wait(time.Second)
		<-renewed
	}
	held := leases(m)
	if len(held) != 1 || held[0].Generation != 3 || held[0].Since.Second() != 0 || held[0].Until.Second() < 7 {
		t.Errorf("the leases are %+v, want the third one since 23:59:00", held)
	}
	if err := lease.New(lease.Options{}).Hold(t.Context(), m.watched(t), impatient(), mustNotWork(t)); !errors.Is(err, lease.ErrBusy) {
		t.Errorf("%v, want %v", err, lease.ErrBusy)
	}
	if err := work.finish(); err != nil {
		t.Error(err)
	}
}

// TestWhoLosesTheLeaseIsTold takes the lease away in all ways that there are.
func TestWhoLosesTheLeaseIsTold(t *testing.T) {
	t.Parallel()
	for name, take := range map[string]func(t *testing.T, m *machine, rt *runtimetest.Watched){
		"removed by hand": func(_ *testing.T, m *machine, _ *runtimetest.Watched) { m.Remove(leases(m)[0].Name) },
		"run out and taken by another one, which is done already": func(t *testing.T, m *machine, _ *runtimetest.Watched) {
			m.wait(time.Minute)
			if err := lease.New(lease.Options{}).Hold(t.Context(), m.watched(t), impatient(), nothing); err != nil {
				t.Error(err)
			}
		},
		"run out and taken by another one, which works": func(t *testing.T, m *machine, _ *runtimetest.Watched) {
			m.wait(time.Minute)
			work := begin(t, lease.New(lease.Options{}), m.watched(t), claim())
			t.Cleanup(func() {
				if err := work.finish(); err != nil {
					t.Errorf("the new holder: %v", err)
				}
			})
		},
		"the engine does not answer any more": func(_ *testing.T, _ *machine, rt *runtimetest.Watched) {
			rt.Before = func(int, string, string) error { return runtime.ErrUnreachable }
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := newMachine()
			rt := m.watched(t)
			var mu stdsync.Mutex
			gate := &runtimetest.Watched{Full: rt, Before: func(int, string, string) error {
				mu.Lock()
				defer mu.Unlock()
				return nil
			}}
			work := begin(t, lease.New(lease.Options{Lifetime: 900 * time.Millisecond}), gate, claim())
			mu.Lock()
			take(t, m, rt)
			mu.Unlock()
			if cause := <-work.lost; !errors.Is(cause, lease.ErrLost) {
				t.Errorf("the work ends since %v, want %v", cause, lease.ErrLost)
			}
			if err := work.finish(); !errors.Is(err, lease.ErrLost) {
				t.Errorf("%v, want %v", err, lease.ErrLost)
			}
		})
	}
}

func TestWhoCreatesALeaseBesideAnotherOneGivesWay(t *testing.T) {
	t.Parallel()
	m := newMachine()
	crash(t, m, lease.New(lease.Options{}))
	m.wait(2 * time.Minute)
	// It sees the one that has run out, is stalled, and then takes the next number, when
	// the old one is gone and the first number is held again.
	var holder *begun
	late := m.watched(t)
	var once stdsync.Once
	late.Before = func(_ int, method, _ string) error {
		if method == "create" {
			once.Do(func() {
				if err := lease.New(lease.Options{}).Hold(t.Context(), m.watched(t), impatient(), nothing); err != nil {
					t.Error(err)
				}
				holder = begin(t, lease.New(lease.Options{}), m.watched(t), claim())
			})
		}
		return nil
	}
	if err := lease.New(lease.Options{}).Hold(t.Context(), late, impatient(), mustNotWork(t)); !errors.Is(err, lease.ErrBusy) {
		t.Errorf("%v, want %v", err, lease.ErrBusy)
	}
	if err := holder.finish(); err != nil {
		t.Errorf("the holder: %v", err)
	}
	if left := m.Containers(); len(left) > 0 {
		t.Errorf("%v is left", left)
	}
}

func TestOtherReposAndOtherHostsAreNotWaitedFor(t *testing.T) {
	t.Parallel()
	m := newMachine()
	rt, one := m.watched(t), lease.New(lease.Options{})
	work := begin(t, one, rt, claim())
	other, host := impatient(), impatient()
	other.Repo, host.Host = "repo-2", "web2"
	for _, c := range []lease.Claim{other, host} {
		if err := lease.New(lease.Options{}).Hold(t.Context(), rt, c, nothing); err != nil {
			t.Errorf("%+v: %v", c, err)
		}
	}
	if err := work.finish(); err != nil {
		t.Error(err)
	}
}

func TestARefusedLeaseIsAnErrorThatSaysWhatToAllow(t *testing.T) {
	t.Parallel()
	rt := newMachine().watched(t)
	rt.Before = func(_ int, method, _ string) error {
		if method == "create" {
			return errors.New("the proxy refuses that")
		}
		return nil
	}
	err := lease.New(lease.Options{}).Hold(t.Context(), rt, impatient(), mustNotWork(t))
	if err == nil || !strings.Contains(err.Error(), "the proxy refuses that") || !strings.Contains(err.Error(), "must allow POST /images/create, POST /containers/create") {
		t.Errorf("the error is %v", err)
	}
}

func TestALeaseEndsWithAPanicOfTheWork(t *testing.T) {
	t.Parallel()
	m := newMachine()
	func() {
		defer func() {
			if recover() == nil {
				t.Error("the panic is gone")
			}
		}()
		_ = lease.New(lease.Options{}).Hold(t.Context(), m.watched(t), claim(), func(context.Context) error { panic("boom") })
	}()
	if left := m.Containers(); len(left) > 0 {
		t.Errorf("%v is left", left)
	}
}
