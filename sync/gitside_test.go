package sync_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/gitsync/gitsync/internal/gittest"
	"github.com/gitsync/gitsync/sync"
)

// served is a Run that follows a repo over HTTP, with a server that may hang.
func served(t *testing.T, interval time.Duration) (w *world, server *gittest.HTTPServer, stop func()) {
	t.Helper()
	w = newWorld(t, func(o *sync.Options) { o.Now, o.Patience = nil, 20*time.Millisecond })
	server = gittest.ServeHTTP(t, w.repo, gittest.HTTPOptions{})
	w.open(server.URL)
	w.commit(map[string]string{web1: web("nginx:1.26")}, "start")
	schedule, err := sync.Every(interval)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- w.syncer.Run(ctx, schedule) }()
	ended := false
	stop = func() {
		if ended {
			return
		}
		ended = true
		cancel()
		select {
		case err := <-done:
			if err != nil {
				t.Errorf("run: %v", err)
			}
		case <-time.After(50 * time.Second):
			t.Fatal("run does not stop")
		}
	}
	t.Cleanup(stop)
	eventually(t, "the first commit is deployed and recorded", func() bool {
		return w.machine.Containers()["web"].Image == "nginx:1.26" && len(w.repo.Git("branch", "--list", "gitsync/state")) > 0 && len(w.diary()) > 0
	})
	w.settled()
	return w, server, stop
}

// hangs makes the server hang, and waits until a fetch does.
func hangs(t *testing.T, w *world, server *gittest.HTTPServer) {
	t.Helper()
	server.Hang(true)
	server.ResetCounters()
	w.syncer.Trigger()
	eventually(t, "a fetch hangs", func() bool { return len(server.Requests()) > 0 })
}

func TestDriftIsRepairedWhileAFetchHangs(t *testing.T) {
	w, server, _ := served(t, time.Hour)
	hangs(t, w, server)
	for range 2 {
		w.machine.SetStatus("web", "exited")
		eventually(t, "the container is started again", func() bool { return w.machine.Containers()["web"].Status == "running" })
		w.settled()
	}
	for _, request := range server.Requests() {
		if strings.Contains(request, "receive-pack") {
			t.Errorf("a repair waited for the server to record it: %v", server.Requests())
		}
	}
	server.Hang(false)
	eventually(t, "the repairs are on record", func() bool {
		w.syncer.Trigger()
		return strings.HasPrefix(w.diary()[0], "Repair web1")
	})
	w.commit(map[string]string{web1: web("nginx:1.27")}, "bump")
	w.syncer.Trigger()
	eventually(t, "the next commit is deployed", func() bool { return w.machine.Containers()["web"].Image == "nginx:1.27" })
}

func TestAFetchThatHangsEndsWithRun(t *testing.T) {
	w, server, stop := served(t, time.Hour)
	hangs(t, w, server)
	w.machine.SetStatus("web", "exited")
	eventually(t, "the container is started again", func() bool { return w.machine.Containers()["web"].Status == "running" })
	stop()
	if c := w.machine.Containers()["web"]; c.Status != "running" {
		t.Errorf("the container is %s", c.Status)
	}
}
