package sync_test

import (
	"context"
	"testing"
	"time"

	"github.com/gitsync/gitsync/sync"
)

// running is a Run that polls once an hour.
func running(t *testing.T, w *world) {
	t.Helper()
	schedule, err := sync.Every(time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- w.syncer.Run(ctx, schedule) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("run: %v", err)
		}
	})
}

func TestATriggerBeginsTheNextCycleAtOnce(t *testing.T) {
	w := newWorld(t)
	w.opts.Now = nil
	w.open(w.repo.Dir)
	w.commit(map[string]string{web1: web("nginx:1.26")}, "start")
	running(t, w)
	eventually(t, "the first commit is deployed", func() bool { return w.machine.Containers()["web"].Image == "nginx:1.26" })
	for _, image := range []string{"nginx:1.27", "nginx:1.28"} {
		w.commit(map[string]string{web1: web(image)}, "bump")
		// Many at a time, also while a cycle is at work, are no harm.
		for range 100 {
			w.syncer.Trigger()
		}
		eventually(t, image+" is deployed", func() bool { return w.machine.Containers()["web"].Image == image })
	}
}

func TestATriggerNeverWaits(t *testing.T) {
	w := newWorld(t)
	for range 1000 {
		w.syncer.Trigger()
	}
}
