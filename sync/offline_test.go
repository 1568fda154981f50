package sync_test

import (
	"strings"
	"testing"

	"github.com/gitsync/gitsync/sync"
)

// offline opens a syncer that asks no host.
func offline(w *world, m *machines, path string) *sync.Result {
	w.t.Helper()
	m.seen = func(address string) { w.t.Errorf("%s is asked", address) }
	w.opts.Offline, w.opts.Path = true, path
	w.open(w.repo.Dir)
	r := w.syncer.Plan(w.t.Context())
	if r.Err != nil || !r.Offline {
		w.t.Fatalf("plan: offline %v, %v", r.Offline, r.Err)
	}
	return r
}

func TestAPlanWithoutTheHostsIsMadeFromTheStateBranch(t *testing.T) {
	w, m := newMachines(t)
	w.commit(merged(on("web1", "a", map[string]string{"web": "nginx:1"}), on("web2", "b", map[string]string{"db": "pg:1"}), on("web3", "c", map[string]string{"old": "x:1"})), "start")
	w.cycle()
	m.lose("a")
	w.commit(merged(on("web1", "a", map[string]string{"web": "nginx:2"}), on("web4", "d", map[string]string{"new": "y:1"})), "change")
	w.repo.Remove("main", "hosts/web3")
	r := offline(w, m, "")
	if r.Failed() {
		t.Errorf("the plan failed: %v", problems(r))
	}
	for host, want := range map[string]string{
		"web1": "replace web: image nginx:1 → 2", "web2": "", "web3": "blocked old: its removal is held back", "web4": "create new: new container",
	} {
		plan := hostNamed(t, r, host).Plan
		if got := plan.String(); !strings.Contains(got, want) || want == "" && !plan.Empty() {
			t.Errorf("plan for %s: %q, want %q", host, got, want)
		}
	}
}

func TestAPlanOfADirectoryWithoutTheHostsKnowsTheRecord(t *testing.T) {
	w, m := newMachines(t)
	w.commit(merged(on("web1", "a", map[string]string{"web": "nginx:1"}), on("web2", "b", map[string]string{"db": "pg:1"})), "start")
	w.cycle()
	dir := t.TempDir()
	w.repo.Git("--work-tree="+dir, "checkout", "main", "--", "hosts/web1")
	r := offline(w, m, dir)
	if plan := hostNamed(t, r, "web1").Plan; !plan.Empty() {
		t.Errorf("nothing changed, and the plan for web1 is\n%s", plan)
	}
	// What left the repo is seen in a directory too.
	if h := hostNamed(t, r, "web2"); !h.Gone || h.Plan.Empty() {
		t.Errorf("web2: gone %v, plan %q, want that its container would be removed", h.Gone, h.Plan)
	}
}
