package sync_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/gitsync/gitsync/sync"
)

func TestARemovedDirectoryRemovesItsContainersOnceThatIsAllowed(t *testing.T) {
	w, m := newMachines(t)
	w.commit(merged(on("web1", "a", map[string]string{"web": "nginx:1"}), on("web2", "b", map[string]string{"web2": "nginx:1"})), "start")
	w.cycle()
	w.repo.Remove("main", "hosts/web1")
	r := w.fail()
	if h := hostNamed(t, r, "web1"); !h.Gone || !strings.Contains(h.Err.Error(), "prune: allow") {
		t.Errorf("web1: gone %v, %v, want that it is held back and says what allows it", h.Gone, h.Err)
	}
	if got := m.runs("a"); got != "web" {
		t.Errorf("web1 runs %q, want that it is left alone", got)
	}
	w.commit(map[string]string{"README.md": "x"}, "Give web1 up\n\nprune: allow")
	w.cycle()
	if got := m.runs("a"); got != "" {
		t.Errorf("web1 still runs %q", got)
	}
	if got := w.repo.Git("ls-tree", "--name-only", "gitsync/state", "hosts/"); got != "hosts/web2" {
		t.Errorf("on record are %q, want web2 alone", got)
	}
	if got, want := w.diary()[0], "Clean web1, which is no longer in the repo: remove web"; !strings.HasPrefix(got, want) {
		t.Errorf("the diary tells %q, want %q", got, want)
	}
	w.cycle()
}

func TestAHostThatIsRemovedWhileItIsAwayIsCleanedWhenItReturns(t *testing.T) {
	w, m := newMachines(t)
	w.commit(merged(on("web1", "a", map[string]string{"web": "nginx:1"}), on("web2", "b", nil)), "start")
	w.cycle()
	m.lose("a")
	w.fail()
	w.repo.Remove("main", "hosts/web1")
	w.commit(map[string]string{"README.md": "x"}, "Give web1 up\n\nprune: allow")
	w.fail()
	// What allows it counts from then on, whatever is committed later.
	w.commit(map[string]string{"README.md": "y"}, "Something else")
	w.wait(time.Hour)
	w.fail()
	m.find("a")
	w.wait(time.Hour)
	w.open(w.repo.Dir)
	w.cycle()
	if got := m.runs("a"); got != "" {
		t.Errorf("web1 still runs %q", got)
	}
}

func TestAForgottenHostIsLeftAsItIs(t *testing.T) {
	w, m := newMachines(t)
	w.commit(merged(on("web1", "a", map[string]string{"web": "nginx:1"}), on("web2", "b", nil)), "start")
	w.cycle()
	if err := w.syncer.Forget(t.Context(), "web1"); !errors.Is(err, sync.ErrInRepo) {
		t.Errorf("forget a host of the repo: %v, want ErrInRepo", err)
	}
	if err := w.syncer.Forget(t.Context(), "web3"); !errors.Is(err, sync.ErrNotRecorded) {
		t.Errorf("forget a stranger: %v, want ErrNotRecorded", err)
	}
	m.lose("a")
	w.repo.Remove("main", "hosts/web1")
	w.fail()
	if err := w.syncer.Forget(t.Context(), "web1"); err != nil {
		t.Fatal(err)
	}
	w.wait(time.Hour)
	w.cycle()
	m.find("a")
	if got := m.runs("a"); got != "web" {
		t.Errorf("web1 runs %q, want that it is left as it is", got)
	}
	if got, want := w.diary()[0], "Forget web1: asked for by an operator, 1 containers are left as they are"; got != want {
		t.Errorf("the diary tells %q, want %q", got, want)
	}
}

func TestAnAgentCleansItsOwnHostAndNoOther(t *testing.T) {
	w, m := newMachines(t)
	w.commit(merged(on("web1", "a", map[string]string{"web": "nginx:1"}), on("web2", "b", map[string]string{"web2": "nginx:1"}), on("web3", "c", nil)), "start")
	w.cycle()
	w.repo.Remove("main", "hosts/web1", "hosts/web2")
	w.opts.Hosts, w.opts.AllowPrune = []string{"web1"}, true
	w.open(w.repo.Dir)
	w.cycle()
	if a, b := m.runs("a"), m.runs("b"); a != "" || b != "web2" {
		t.Errorf("web1 runs %q and web2 runs %q, want nothing and web2", a, b)
	}
}

func TestAHostIsCleanAlsoWhenThatCannotBeRecordedAtFirst(t *testing.T) {
	w, m := newMachines(t)
	w.commit(merged(on("web1", "a", map[string]string{"web": "nginx:1"}), on("web2", "b", nil)), "start")
	w.cycle()
	w.repo.Remove("main", "hosts/web1")
	w.commit(map[string]string{"README.md": "x"}, "Give web1 up\n\nprune: allow")
	w.repo.RefuseBranch("gitsync/state", "not now")
	for range 2 {
		if r := w.fail(); len(r.StateErrs) != 1 {
			t.Error("the refused push is not told")
		}
		if got := m.runs("a"); got != "" {
			t.Fatalf("web1 still runs %q", got)
		}
	}
	w.repo.RefuseBranch("gitsync/state", "")
	w.cycle()
	if got := w.repo.Git("ls-tree", "--name-only", "gitsync/state", "hosts/"); strings.Contains(got, "web1") {
		t.Errorf("on record are %q, want that web1 is not", got)
	}
	w.cycle()
}
