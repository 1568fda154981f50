package lease_test

import (
	"slices"
	"testing"
	"time"

	"github.com/gitsync/gitsync/container"
	"github.com/gitsync/gitsync/lease"
)

// idle are the instances that say that they manage the machine, once for each time.
func idle(m *machine) []string {
	var names []string
	for _, h := range leases(m) {
		if h.Idle {
			names = append(names, h.Instance)
		}
	}
	slices.Sort(names)
	return names
}

func TestAnIdleInstanceIsNotWaitedForAndStaysKnown(t *testing.T) {
	t.Parallel()
	m := newMachine()
	rt := m.watched(t)
	here, other := lease.New(lease.Options{}), lease.New(lease.Options{})
	for range 2 {
		// Each one replaces the one before.
		if err := here.Stay(t.Context(), rt, claim(), time.Hour); err != nil {
			t.Fatal(err)
		}
	}
	if got := idle(m); !slices.Equal(got, []string{here.Name()}) {
		t.Fatalf("idle are %q", got)
	}
	for _, i := range []*lease.Instance{other, here} {
		worked := begin(t, i, rt, impatient())
		if got := idle(m); !slices.Equal(got, []string{here.Name()}) {
			t.Errorf("while another one works, idle are %q", got)
		}
		if err := worked.finish(); err != nil {
			t.Error(err)
		}
	}
	if err := other.Sweep(t.Context(), rt, claim().Repo, rows(m)); err != nil {
		t.Error(err)
	}
	if got := idle(m); !slices.Equal(got, []string{here.Name()}) {
		t.Errorf("afterwards idle are %q", got)
	}
	if err := here.Leave(t.Context(), rt, claim()); err != nil {
		t.Error(err)
	}
	if got := leases(m); len(got) > 0 {
		t.Errorf("%+v are left", got)
	}
}

func TestAnIdleInstanceThatIsGoneIsForgotten(t *testing.T) {
	t.Parallel()
	for name, gone := range map[string]func(m *machine) *lease.Instance{
		"its time is over": func(m *machine) *lease.Instance {
			m.wait(time.Hour + time.Minute)
			return lease.New(lease.Options{})
		},
		"another process has its data directory": func(*machine) *lease.Instance { return lease.New(lease.Options{Keeper: "k"}) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := newMachine()
			rt := m.watched(t)
			if err := lease.New(lease.Options{Keeper: "k"}).Stay(t.Context(), rt, claim(), time.Hour); err != nil {
				t.Fatal(err)
			}
			next := gone(m)
			if err := next.Sweep(t.Context(), rt, claim().Repo, rows(m)); err != nil {
				t.Fatal(err)
			}
			if got := leases(m); len(got) > 0 {
				t.Errorf("%+v are left", got)
			}
		})
	}
}

func TestALabelCannotClaimForYearsThatAnInstanceIsThere(t *testing.T) {
	t.Parallel()
	m := newMachine()
	if err := lease.New(lease.Options{}).Stay(t.Context(), m.watched(t), claim(), 1000*time.Hour); err != nil {
		t.Fatal(err)
	}
	now := m.now
	if holders := container.LeaseHolders(rows(m)); holders[0].Valid(now.Add(49 * time.Hour)) {
		t.Errorf("it lasts until %s, and it is %s", holders[0].Until, now)
	}
}
