package sync_test

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gitsync/gitsync/container"
	"github.com/gitsync/gitsync/state"
	"github.com/gitsync/gitsync/sync"
)

// these is a containers.yaml with these containers, all of one image.
func these(names ...string) string {
	if len(names) == 0 {
		return "containers: {}\n"
	}
	text := "containers:\n"
	for _, name := range names {
		text += "  " + name + ": {image: a, update: {monitor: 1ms}}\n"
	}
	return text
}

// has checks which containers are there.
func (w *world) has(names ...string) {
	w.t.Helper()
	if got := slices.Sorted(maps.Keys(w.machine.Containers())); !slices.Equal(got, names) {
		w.t.Errorf("there are %v, want %v", got, names)
	}
}

// held checks what the record says that removals are counted against.
func (w *world) held(deployed ...string) {
	w.t.Helper()
	record, err := state.Parse([]byte(w.repo.Show(branch, "hosts/web1/state.yaml")))
	if err != nil {
		w.t.Fatal(err)
	}
	switch {
	case record.HeldBack == nil && len(deployed) == 0:
	case record.HeldBack == nil || !slices.Equal(record.HeldBack.Deployed, deployed):
		w.t.Errorf("removals are counted against %+v, want %v", record.HeldBack, deployed)
	}
}

// refused runs a cycle that must hold removals back, and say this.
func (w *world) refused(text string) {
	w.t.Helper()
	if plan := hostNamed(w.t, w.syncer.Plan(w.t.Context()), "web1").Plan.String(); !strings.Contains(plan, text) {
		w.t.Errorf("the plan is\n%s\nwant %q", plan, text)
	}
	r := w.syncer.Once(w.t.Context())
	if h := hostNamed(w.t, r, "web1"); !errors.Is(h.Err, container.ErrBlocked) || !strings.Contains(h.Err.Error(), text) {
		w.t.Errorf("web1: %v, want ErrBlocked and %q", h.Err, text)
	}
}

// newAccident is a world in which the file of a host was replaced by another one's.
func newAccident(t *testing.T, names ...string) *world {
	w := newWorld(t)
	w.commit(map[string]string{web1: these("db", "mail", "web")}, "start")
	w.cycle()
	w.commit(map[string]string{web1: these(names...)}, "oops: the file of another host")
	w.refused("removes 3 of the 3 containers that were deployed")
	return w
}

func TestRemovalsThatAreHeldBackStayHeldBack(t *testing.T) {
	t.Parallel()
	for name, next := range map[string]func(w *world){
		"at the next poll":       func(*world) {},
		"in a new process":       func(w *world) { w.open(w.repo.Dir) },
		"without data directory": func(w *world) { w.lostData() },
		"after a commit that adds more": func(w *world) {
			w.commit(map[string]string{web1: these("n1", "n2", "n3", "n4", "n5", "n6", "n7")}, "more")
		},
		"after a commit elsewhere": func(w *world) { w.commit(map[string]string{db1: database("pg:1")}, "another host") },
		"after some were removed by hand": func(w *world) {
			w.machine.Remove("mail")
			w.machine.Remove("web")
		},
		"after a commit that brings too few back": func(w *world) { w.commit(map[string]string{web1: these("db", "n1", "n2", "n3")}, "one is back") },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newAccident(t, "n1", "n2", "n3")
			next(w)
			gone := 3
			if name == "after a commit that brings too few back" {
				gone = 2
			}
			for range 3 {
				w.refused(fmt.Sprintf("removes %d of the 3 containers that were deployed", gone))
				w.wait(time.Hour)
			}
			w.runs("db", "a")
			w.held("db", "mail", "web")
		})
	}
}

// Each commit removes what the one before added, and adds others.
func TestCommitsThatAddAndRemoveInTurnStayHeldBack(t *testing.T) {
	t.Parallel()
	w := newAccident(t, "a1", "a2", "a3")
	for i, name := range []string{"b", "c", "d"} {
		w.commit(map[string]string{web1: these(name+"1", name+"2", name+"3", name+"4", name+"5")}, fmt.Sprintf("turn %d", i))
		w.refused("removes 3 of the 3 containers that were deployed")
	}
	for _, name := range []string{"db", "mail", "web", "a1", "b1", "c1", "d1"} {
		w.runs(name, "a")
	}
}

func TestHeldBackRemovalsEndWhenTheyAreAllowedDoneOrNoLongerWanted(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		end  func(w *world)
		want []string
	}{
		"a commit allows them": {func(w *world) { w.commit(map[string]string{"README.md": "x"}, "Yes\n\nprune: allow") }, []string{"n1", "n2", "n3"}},
		"a flag allows them": {func(w *world) {
			w.opts.AllowPrune = true
			w.open(w.repo.Dir)
		}, []string{"n1", "n2", "n3"}},
		"somebody removed all of them": {func(w *world) {
			for _, name := range []string{"db", "mail", "web"} {
				w.machine.Remove(name)
			}
		}, []string{"n1", "n2", "n3"}},
		"the commit is taken back": {func(w *world) { w.commit(map[string]string{web1: these("db", "mail", "web")}, "Revert") }, []string{"db", "mail", "web"}},
		"so many are back that the others may go": {func(w *world) {
			w.commit(map[string]string{web1: these("db", "mail", "n1", "n2", "n3")}, "Two are back")
		}, []string{"db", "mail", "n1", "n2", "n3"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newAccident(t, "n1", "n2", "n3")
			tt.end(w)
			w.cycle()
			w.has(tt.want...)
			w.held()
			// The next accident is one of its own.
			w.opts.AllowPrune = false
			w.open(w.repo.Dir)
			w.commit(map[string]string{web1: these("z1", "z2", "z3", "z4", "z5", "z6")}, "again")
			for range 2 {
				w.refused(fmt.Sprintf("removes %d of the %d containers that were deployed", len(tt.want), len(tt.want)))
			}
		})
	}
}

// A commit at a time may remove what its fraction allows of what is left.
func TestRemovalsWithinTheLimitAreCountedByCommit(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	names := []string{"aa", "bb", "cc", "dd", "ee", "ff", "gg", "hh"}
	w.commit(map[string]string{web1: these(names...)}, "start")
	w.cycle()
	for _, left := range []int{4, 2, 1} {
		w.commit(map[string]string{web1: these(names[:left]...)}, "half of it")
		w.cycle()
		w.held()
	}
	w.commit(map[string]string{web1: these("zz")}, "the last one")
	w.refused("removes the only container that was deployed")
	w.refused("removes the only container that was deployed")
	w.has("aa", "zz")
}

// What is suspended while a commit removes it is a part of that commit's removals.
func TestRemovalsAreHeldBackAlsoWhenASuspensionEnds(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.commit(map[string]string{web1: these("db", "mail", "web")}, "start")
	w.cycle()
	all := []sync.Target{{Host: "web1", Container: "db"}, {Host: "web1", Container: "mail"}, {Host: "web1", Container: "web"}}
	if err := w.syncer.Suspend(t.Context(), all, state.Suspension{Since: w.time()}); err != nil {
		t.Fatal(err)
	}
	w.commit(map[string]string{web1: these("n1", "n2", "n3", "n4")}, "oops")
	w.cycle()
	w.cycle()
	if _, err := w.syncer.Resume(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		w.refused("removes 3 of the 3 containers that were deployed")
	}
	w.has("db", "mail", "n1", "n2", "n3", "n4", "web")
}

// A directory that vanished, and comes back with something else, is the same accident.
func TestAHostThatVanishedAndComesBackIsGuardedAsBefore(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.commit(map[string]string{web1: these("db", "mail", "web"), db1: these("other")}, "start")
	w.cycle()
	w.repo.Remove("main", "hosts/web1")
	w.refused("removes 3 of the 3 containers that were deployed")
	w.held("db", "mail", "web")
	w.commit(map[string]string{web1: these("n1", "n2", "n3", "n4")}, "back, and another one")
	for range 3 {
		w.refused("removes 3 of the 3 containers that were deployed")
	}
	w.repo.Remove("main", "hosts/web1")
	w.fail()
	w.has("db", "mail", "n1", "n2", "n3", "n4", "other", "web")
}

// A permission to remove a host ends when its directory is there again.
func TestAPermissionEndsWhenTheHostIsWantedAgain(t *testing.T) {
	t.Parallel()
	w, m := newMachines(t)
	start := merged(on("web1", "a", map[string]string{"web": "nginx:1"}), on("web2", "b", nil))
	w.commit(start, "start")
	w.cycle()
	m.lose("a")
	w.repo.Remove("main", "hosts/web1")
	w.commit(map[string]string{"README.md": "x"}, "Give web1 up\n\nprune: allow")
	w.fail()
	w.wait(time.Hour)
	w.fail()
	w.commit(start, "No, keep it")
	w.fail()
	w.repo.Remove("main", "hosts/web1")
	w.fail()
	m.find("a")
	w.wait(time.Hour)
	w.fail()
	if got := m.runs("a"); got != "web" {
		t.Errorf("web1 runs %q, want that it is left alone", got)
	}
}

// Killed before it could record anything, the next process knows all the same what was
// deployed before.
func TestAKillMakesNoRemovalOfWhatIsHeldBack(t *testing.T) {
	t.Parallel()
	start := map[string]string{web1: these("db", "mail", "web")}
	next := map[string]string{web1: these("n1", "n2", "n3", "n4")}
	w, r := newMortalWorld(t)
	w.commit(start, "start")
	w.cycle()
	w.commit(next, "oops")
	r.set(0, false)
	w.fail()
	total := r.made()
	w.close()
	for k := 2; k <= total; k += 4 {
		w, r := newMortalWorld(t)
		w.commit(start, "start")
		w.cycle()
		w.commit(next, "oops")
		r.set(k, true)
		w.syncer.Cycle(t.Context())
		r.set(0, false)
		w.open(w.remote.String())
		for range 3 {
			w.fail()
		}
		w.has("db", "mail", "n1", "n2", "n3", "n4", "web")
		w.close()
	}
}

// A host that gets another address takes along what it keeps; the rest is guarded as ever.
func TestWhatAHostWithANewAddressNoLongerHasIsGuarded(t *testing.T) {
	t.Parallel()
	w, m := newMachines(t)
	w.commit(on("web1", "a", map[string]string{"db": "pg:1", "mail": "m:1", "web": "nginx:1"}), "start")
	w.cycle()
	w.commit(on("web1", "b", map[string]string{"web": "nginx:1"}), "move the host, and lose most of it")
	for range 3 {
		w.fail()
		w.wait(time.Hour)
	}
	if a, b := m.runs("a"), m.runs("b"); !strings.Contains(a, "db mail") || b != "web" {
		t.Errorf("the old address runs %q and the new one %q", a, b)
	}
}
