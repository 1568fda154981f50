package sync_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/gitsync/gitsync/container/types"
	"github.com/gitsync/gitsync/state"
	"github.com/gitsync/gitsync/sync"
)

func TestTheDiaryTellsOfDriftThatIsLeft(t *testing.T) {
	w := newWorld(t)
	w.commit(map[string]string{
		"hosts/web1/host.yaml":       "drift: {policy: report}\n",
		"hosts/web1/containers.yaml": "containers: {web: {image: nginx, memory: 512m, cpus: 1, update: {monitor: 1ms}}}\n",
	}, "one")
	w.cycle()
	look := func() []string {
		w.wait(10 * time.Minute)
		w.cycle()
		return w.diary()
	}
	set := func(memory int64, cpus float64) {
		w.machine.Change("web", func(c *types.ContainerConfig) { c.Memory, c.CPUs = types.Bytes(memory), cpus })
	}
	before := len(w.diary())
	set(1<<30, 2)
	look()
	look()
	set(1<<30, 1)
	look()
	set(512<<20, 1)
	got := look()
	want := []string{
		"Drift on web1 is gone",
		"Some drift on web1 is gone: web (cpus: 2 instead of 1)",
		"Find drift on web1: web (memory: 1GiB instead of 512MiB), web (cpus: 2 instead of 1)",
	}
	if diff := cmp.Diff(want, got[:len(got)-before]); diff != "" {
		t.Errorf("diary (-want +got):\n%s", diff)
	}
	entries, err := w.syncer.History(t.Context(), 3)
	if err != nil {
		t.Fatal(err)
	}
	lines := []string{
		"web1/web: drift: memory: 1GiB instead of 512MiB (reported only)",
		"web1/web: drift: cpus: 2 instead of 1 (reported only)",
	}
	if diff := cmp.Diff(lines, entries[2].Details); diff != "" {
		t.Errorf("details (-want +got):\n%s", diff)
	}
}

func TestASuspendedContainerIsNoChangeInTheDiary(t *testing.T) {
	w := newWorld(t)
	w.commit(map[string]string{"hosts/web1/containers.yaml": web("nginx:1.26")}, "one")
	w.cycle()
	if err := w.syncer.Suspend(t.Context(), []sync.Target{{Host: "web1"}}, state.Suspension{Reason: "restore", Since: w.time()}); err != nil {
		t.Fatal(err)
	}
	w.commit(map[string]string{"hosts/web1/containers.yaml": web("nginx:1.27")}, "two")
	w.cycle()
	w.runs("web", "nginx:1.26")
	if got := w.diary()[0]; !strings.HasSuffix(got, ": no container changes") {
		t.Errorf("the diary says %q", got)
	}
}
