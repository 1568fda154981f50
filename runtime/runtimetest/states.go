package runtimetest

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/gitsync/gitsync/container/types"
	"github.com/gitsync/gitsync/runtime"
)

func (s *suite) wantStatus(t *testing.T, id, want string) {
	t.Helper()
	if got := s.status(t, id); got.Status != want {
		t.Errorf("the container is %s, want %s", got.Status, want)
	}
}

func pauses(t *testing.T, s *suite) {
	ctx := testContext(t)
	id, config := s.create(t)
	wantErr(t, "pause what was never started", s.rt.Pause(ctx, id), runtime.ErrNotRunning)
	ok(t, "start", s.rt.Start(ctx, id))
	ok(t, "pause", s.rt.Pause(ctx, id))
	ok(t, "pause again", s.rt.Pause(ctx, id))
	s.wantStatus(t, id, types.StatusPaused)
	if err := s.rt.Start(ctx, id); err == nil {
		t.Error("a paused container was started")
	}
	ok(t, "rename", s.rt.Rename(ctx, id, config.Name+"-2"))
	wantErr(t, "delete what is paused", s.rt.Delete(ctx, id), runtime.ErrRunning)
	s.wantStatus(t, id, types.StatusPaused)
	ok(t, "unpause", s.rt.Unpause(ctx, id))
	s.wantStatus(t, id, types.StatusRunning)
	ok(t, "pause", s.rt.Pause(ctx, id))
	ok(t, "stop", s.rt.Stop(ctx, id))
	s.wantStatus(t, id, types.StatusExited)
	wantErr(t, "pause nobody", s.rt.Pause(ctx, strings.Repeat("0", 64)), runtime.ErrNotFound)
}

// restarts is about a container that ends, and that the runtime starts again. What it refuses
// between two restarts it may do while the process runs.
func restarts(t *testing.T, s *suite) {
	ctx := testContext(t)
	id, config := s.create(t, func(c *types.ContainerConfig) { c.Image, c.Restart = s.EndingImage, "always" })
	ok(t, "start", s.rt.Start(ctx, id))
	ticker := time.NewTicker(10 * time.Millisecond)
	defer ticker.Stop()
	got, err := s.rt.Inspect(ctx, id)
	for ; err == nil && (got.Status != types.StatusRestarting || got.Restarts == 0); got, err = s.rt.Inspect(ctx, id) {
		select {
		case <-ctx.Done():
			t.Fatal("the container is not restarted")
		case <-ticker.C:
		}
	}
	ok(t, "inspect", err)
	if got.StartedAt.IsZero() || got.FinishedAt.IsZero() {
		t.Errorf("details between two restarts: %+v", got)
	}
	ok(t, "start what is restarted", s.rt.Start(ctx, id))
	wantErr(t, "delete what is restarted", s.rt.Delete(ctx, id), runtime.ErrRunning)
	if err := s.rt.Rename(ctx, id, config.Name+"-2"); err != nil && !errors.Is(err, runtime.ErrRestarting) {
		t.Errorf("rename: %v, want ErrRestarting or none", err)
	}
	ok(t, "stop", s.rt.Stop(ctx, id))
	s.wantStatus(t, id, types.StatusExited)
	ok(t, "rename", s.rt.Rename(ctx, id, config.Name+"-3"))
	ok(t, "delete", s.rt.Delete(ctx, id))
}
