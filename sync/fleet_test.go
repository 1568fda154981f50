package sync_test

import (
	"fmt"
	"testing"

	"github.com/gitsync/gitsync/sync"
)

// A commit that touches one host of many costs one host's work: the others are looked
// at, and neither read, planned anew nor written.
func TestACommitToOneHostOfManyIsThatHostsWork(t *testing.T) {
	w := newWorld(t, func(o *sync.Options) { o.Parallel = 8 })
	const hosts = 200
	files := map[string]string{}
	for i := range hosts {
		files[fmt.Sprintf("hosts/h%d/containers.yaml", i)] = fmt.Sprintf("containers:\n  c%d:\n    image: nginx:1.26\n    update: {monitor: 1ms}\n", i)
	}
	w.commit(files, "many hosts")
	w.cycle()
	if got := len(w.machine.Containers()); got != hosts {
		t.Fatalf("%d containers run, want %d", got, hosts)
	}
	commit := w.commit(map[string]string{"hosts/h7/containers.yaml": "containers:\n  c7:\n    image: nginx:1.27\n    update: {monitor: 1ms}\n"}, "one host")
	w.watched.Reset()
	w.cycle()
	w.runs("c7", "nginx:1.27")
	lists, others := 0, 0
	for _, call := range w.watched.Calls() {
		if call == "list " {
			lists++
		} else {
			others++
		}
	}
	if lists != hosts || others > 14 {
		t.Errorf("%d lists and %d other calls, want %d lists and one replacement", lists, others, hosts)
	}
	if got, want := w.repo.Git("diff", "--name-only", "gitsync/state~1", "gitsync/state"), "hosts/h7/state.yaml"; got != want {
		t.Errorf("the state commit changes %q, want %q", got, want)
	}
	if got, want := w.diary()[0], fmt.Sprintf("Deploy %.7s to h7: replace c7 (image nginx:1.26 → 1.27)", commit); got != want {
		t.Errorf("diary begins with %q, want %q", got, want)
	}
}
