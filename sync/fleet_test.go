package sync_test

import (
	"context"
	"fmt"
	goruntime "runtime"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gitsync/gitsync/container"
	"github.com/gitsync/gitsync/container/types"
	"github.com/gitsync/gitsync/host"
	"github.com/gitsync/gitsync/runtime"
	"github.com/gitsync/gitsync/runtime/memory"
	"github.com/gitsync/gitsync/runtime/runtimetest"
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
	// The lease of the one host takes three lists.
	if lists != hosts+3 || others > 14 {
		t.Errorf("%d lists and %d other calls, want %d lists and one replacement", lists, others, hosts+3)
	}
	if got, want := w.repo.Git("diff", "--name-only", "gitsync/state~1", "gitsync/state"), "hosts/h7/state.yaml"; got != want {
		t.Errorf("the state commit changes %q, want %q", got, want)
	}
	if got, want := w.diary()[0], fmt.Sprintf("Deploy %.7s to h7: replace c7 (image nginx:1.26 → 1.27)", commit); got != want {
		t.Errorf("diary begins with %q, want %q", got, want)
	}
}

// slowRuntime answers each call after a while, as a machine far away does; where a
// gathering is set, not before as many calls wait as it is for.
type slowRuntime struct {
	runtimetest.Full
	latency time.Duration
	calls   *gathering
}

// gathering is a number of calls that are to be under way at the same time.
type gathering struct {
	missing atomic.Int64
	all     chan struct{}
}

func (r slowRuntime) List(ctx context.Context, labels map[string]string) ([]types.ContainerSummary, error) {
	if g := r.calls; g != nil && g.all != nil {
		if g.missing.Add(-1) == 0 {
			close(g.all)
		}
		select {
		case <-g.all:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	<-time.After(r.latency)
	return r.Full.List(ctx, labels)
}

// A cycle over a thousand hosts that are far away takes about their latency times their
// number, divided by how many are handled at once: what gitsync itself does in between
// does not count. That they are is shown by calls that wait for each other; the time is
// told, and depends on the machine.
func TestAThousandHostsAreHandledAtOnce(t *testing.T) {
	const hosts, parallel, latency = 1000, 1000, 50 * time.Millisecond
	machines := &machines{worlds: map[string]*memory.World{}, lost: map[string]error{}, hangs: map[string]chan struct{}{}}
	calls := &gathering{}
	w := newWorld(t, func(o *sync.Options) {
		o.Parallel = parallel
		o.Connector = func(ctx context.Context, h host.Host, c container.RuntimeConfig) (runtime.Runtime, func(), error) {
			rt, err := (&memory.Config{World: machines.world(h.Address())}).New()
			return slowRuntime{rt.(runtimetest.Full), latency, calls}, func() {}, err
		}
	})
	files := map[string]string{}
	for i := range hosts {
		files = merged(files, map[string]string{
			fmt.Sprintf("hosts/h%d/containers.yaml", i): "containers:\n  web:\n    image: nginx:1\n    update: {monitor: 1ms}\n",
			fmt.Sprintf("hosts/h%d/host.yaml", i):       fmt.Sprintf("ssh: {address: h%d}\n", i),
		})
	}
	w.commit(files, "many hosts")
	w.cycle()
	took, serial := time.Hour, hosts*latency
	for range 5 {
		// The best of a few: the machine does other things too.
		begun := time.Now()
		w.cycle()
		took = min(took, time.Since(begun))
	}
	t.Logf("a cycle over %d hosts takes 1/%d of the time that they take one after the other", hosts, serial/took)
	calls.missing.Store(hosts)
	calls.all = make(chan struct{})
	if r := w.cycle(); !r.Converged() {
		t.Errorf("the hosts are not looked at all at once: %v", problems(r))
	}
	var memory goruntime.MemStats
	goruntime.GC()
	goruntime.ReadMemStats(&memory)
	if perHost := memory.HeapAlloc / hosts; perHost > 200<<10 {
		t.Errorf("%d bytes are kept for each host", perHost)
	}
}
