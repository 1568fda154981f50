package container_test

import (
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/gitsync/gitsync/container"
	"github.com/gitsync/gitsync/container/types"
	"github.com/gitsync/gitsync/runtime/runtimetest"
)

var errKilled = errors.New("killed")

// die ends the world's runtime at call k, before or after it: neither that call's
// answer nor any later call gets through, as when the process is killed.
func (w *world) die(k int, after bool) *runtimetest.Watched {
	dead := false
	check := func(n int, kill bool) error {
		dead = dead || kill && n >= k
		if dead {
			return errKilled
		}
		return nil
	}
	return w.watch(&runtimetest.Watched{
		Before: func(n int, _, _ string) error { return check(n, !after) },
		After:  func(n int, _, _ string) error { return check(n, after) },
	})
}

// before and after are what a representative deploy goes from and to: a
// replacement, a changed config file, a removal, a creation, a port handed over.
func before() []*container.HostConfiguredContainer {
	return []*container.HostConfiguredContainer{
		spec("web", file("/etc/web.conf", "old"), port(80)), spec("db"), spec("gone", port(81)),
	}
}

func after() []*container.HostConfiguredContainer {
	return []*container.HostConfiguredContainer{
		spec("web", image("nginx:1.27"), file("/etc/web.conf", "new"), port(80)), spec("db"), spec("fresh", port(81)),
	}
}

func TestAKillBetweenAnyTwoCallsLosesNothing(t *testing.T) {
	probe := newWorld(t)
	probe.mustDeploy(before()...)
	watched := probe.watch(&runtimetest.Watched{})
	probe.mustDeploy(after()...)
	total := len(watched.Calls())
	if total < 20 {
		t.Fatalf("a representative deploy makes %d calls, want more", total)
	}
	for k := 1; k <= total; k++ {
		for _, late := range []bool{false, true} {
			t.Run(fmt.Sprintf("call %d, late %v", k, late), func(t *testing.T) {
				w := newWorld(t)
				w.mustDeploy(before()...)
				w.mustDeploy(before()...)
				recorded := w.previous
				db := w.Containers()["db"].ID
				w.die(k, late)
				if err := w.deploy(after()...); err == nil && !late {
					t.Fatal("the deploy did not notice that it was killed")
				}
				// The new process knows what was recorded before, and nothing else.
				w.previous, w.hooks = recorded, nil
				w.mustDeploy(after()...)
				w.want("web=nginx:1.27", "db=nginx:1.26", "fresh=nginx:1.26")
				if got, _ := w.HostFile("/etc/web.conf"); got.Content != "new" {
					t.Errorf("config file holds %q", got.Content)
				}
				if got := w.Containers()["db"].ID; got != db {
					t.Errorf("db was created anew")
				}
				if plan := w.plan(after()...); !plan.Empty() {
					t.Errorf("there is more to do:\n%s", plan)
				}
			})
		}
	}
}

// TestRandomHistoriesEndInTheDesiredState deploys random desired states one after
// the other, with random kills and damage by hand between them, and ends each with
// a deploy that is left alone: then all is as desired, and a plan is empty.
func TestRandomHistoriesEndInTheDesiredState(t *testing.T) {
	for seed := range uint64(150) {
		random := rand.New(rand.NewPCG(seed, 1))
		t.Run(fmt.Sprintf("seed %d", seed), func(t *testing.T) {
			w := newWorld(t)
			for range 6 {
				desired := randomState(random)
				if random.IntN(3) == 0 {
					recorded := w.previous
					w.die(1+random.IntN(30), random.IntN(2) == 0)
					_ = w.deploy(desired...)
					w.hooks = nil
					if random.IntN(2) == 0 {
						w.previous = recorded
					}
				}
				w.damage(random)
				if random.IntN(6) == 0 {
					w.previous = nil
				}
				w.mustDeploy(desired...)
				var want []string
				for _, m := range desired {
					want = append(want, m.Container.Config.Name+"="+m.Container.Config.Image)
				}
				w.want(want...)
				if plan := w.plan(desired...); !plan.Empty() {
					t.Fatalf("plan after deploy is not empty:\n%s", plan)
				}
			}
		})
	}
}

// randomState has up to four containers; no two publish one port.
func randomState(random *rand.Rand) []*container.HostConfiguredContainer {
	ports := random.Perm(6)
	var out []*container.HostConfiguredContainer
	for i, name := range []string{"a", "b", "c", "d"} {
		if random.IntN(4) == 0 {
			continue
		}
		m := spec(name, image(fmt.Sprintf("image:%d", random.IntN(3))))
		if random.IntN(2) == 0 {
			m = spec(name, image("nginx:1.27"), port(8000+ports[i]))
		}
		if random.IntN(2) == 0 {
			file("/etc/"+name+".conf", fmt.Sprint(random.IntN(2)))(m)
		}
		out = append(out, m)
	}
	return out
}

// damage does something by hand.
func (w *world) damage(random *rand.Rand) {
	names := slices.Sorted(maps.Keys(w.Containers()))
	if len(names) == 0 {
		return
	}
	name := names[random.IntN(len(names))]
	switch random.IntN(4) {
	case 0:
		w.Remove(name)
	case 1:
		if w.Containers()[name].Status == types.StatusRunning {
			w.SetStatus(name, types.StatusExited)
		}
	case 2:
		w.RemoveHostFile("/etc/" + name + ".conf")
	}
}

func TestThePlanDoesNotDependOnTheOrderOfItsInput(t *testing.T) {
	for seed := range uint64(50) {
		random := rand.New(rand.NewPCG(seed, 2))
		w := newWorld(t)
		w.mustDeploy(randomState(random)...)
		desired := randomState(random)
		want := w.plan(desired...).String()
		for range 3 {
			random.Shuffle(len(desired), func(i, j int) { desired[i], desired[j] = desired[j], desired[i] })
			if got := w.plan(desired...).String(); got != want {
				t.Fatalf("seed %d: plan\n%s\nwant\n%s", seed, got, want)
			}
		}
	}
}
