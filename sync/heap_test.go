package sync_test

import (
	"context"
	"fmt"
	"os"
	goruntime "runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gitsync/gitsync/container"
	"github.com/gitsync/gitsync/host"
	"github.com/gitsync/gitsync/report"
	"github.com/gitsync/gitsync/runtime"
	"github.com/gitsync/gitsync/runtime/runtimetest"
	"github.com/gitsync/gitsync/sync"
)

// uneventful is a runtime whose watch keeps nothing: what the machine in memory remembers for
// it would count as the syncer's.
type uneventful struct{ runtimetest.Full }

func (uneventful) Watch(ctx context.Context, _ time.Time, ready func(), _ func(runtime.Event)) error {
	ready()
	<-ctx.Done()
	return ctx.Err()
}

// tells counts how often a whole fleet was told of that is as its commit says.
type tells struct {
	hosts int
	well  atomic.Int64
}

func (r *tells) Tell(_ context.Context, f report.Fleet) {
	if len(f.Hosts) != r.hosts {
		return
	}
	for _, h := range f.Hosts {
		if h.Phase != report.Deployed {
			return
		}
	}
	r.well.Add(1)
}

// largeFleet is a repo of hosts with ten containers each.
func largeFleet(hosts int) map[string]string {
	files := map[string]string{}
	for i := range hosts {
		var containers strings.Builder
		containers.WriteString("containers:\n")
		for j := range 10 {
			fmt.Fprintf(&containers, `  app%d:
    image: registry.example.com/team/app%d:1.%d
    env: {LOG_LEVEL: info, DATABASE_URL: "postgres://db.h%d.example.com:5432/app%d", FEATURES: "a,b,c"}
    ports: ["%d:8080"]
    mounts: ["/srv/app%d/data:/data"]
    restart: always
    update: {monitor: 1ms}
`, j, j, i%7, i, j, 8000+j, j)
		}
		files[fmt.Sprintf("hosts/h%04d/containers.yaml", i)] = containers.String()
		files[fmt.Sprintf("hosts/h%04d/host.yaml", i)] = fmt.Sprintf("ssh: {address: h%d, user: deploy}\n", i)
	}
	return files
}

// liveHeap is what is reachable.
func liveHeap() int64 {
	// What finalizers and pools hold is gone after the second one.
	goruntime.GC()
	goruntime.GC()
	var m goruntime.MemStats
	goruntime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// What a daemon holds of a host that nothing happens on is its containers, about once: no
// result of an earlier cycle, no plan, no second copy of what is desired in what is recorded.
// GITSYNC_LONG measures a fleet of 1,000 hosts.
func TestADaemonHoldsLittleForEachHost(t *testing.T) {
	const perHost = 100 << 10
	hosts := 100
	if os.Getenv("GITSYNC_LONG") != "" {
		hosts = 1000
	}
	told := &tells{hosts: hosts}
	w, m := newMachines(t, func(o *sync.Options) { o.Now, o.Reporter = time.Now, told })
	w.close()
	w.opts.Connector = func(ctx context.Context, h host.Host, c container.RuntimeConfig) (runtime.Runtime, func(), error) {
		rt, release, err := m.connect(ctx, h, c)
		if err != nil {
			return nil, nil, err
		}
		return uneventful{rt.(runtimetest.Full)}, release, nil
	}
	w.commit(largeFleet(hosts), "a fleet")
	w.open(w.repo.Dir)
	after := w.heapOfDaemon(told, 3)
	before := liveHeap()
	goruntime.KeepAlive(m)
	held := (after - before) / int64(hosts)
	t.Logf("the daemon holds %d bytes for each of %d hosts", held, hosts)
	if held > perHost {
		t.Errorf("the daemon holds %d bytes for each host, want %d at most", held, perHost)
	}
}

// heapOfDaemon lets a daemon deploy, and run some cycles in which nothing is to be done. It
// returns the live heap then, and stops it.
func (w *world) heapOfDaemon(told *tells, cycles int64) int64 {
	w.t.Helper()
	schedule, err := sync.Every(time.Hour)
	if err != nil {
		w.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(w.t.Context())
	done := make(chan error, 1)
	go func() { done <- w.syncer.Run(ctx, schedule) }()
	eventuallyWithin(w.t, 10*time.Minute, "the fleet is deployed", func() bool { return told.well.Load() > 0 })
	for range cycles {
		was := told.well.Load()
		w.syncer.Trigger()
		eventuallyWithin(w.t, time.Minute, "a cycle ends", func() bool { return told.well.Load() > was })
	}
	heap := liveHeap()
	cancel()
	if err := <-done; err != nil {
		w.t.Errorf("run: %v", err)
	}
	w.close()
	return heap
}
