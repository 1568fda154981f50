package runtimetest

import (
	"strings"
	"testing"
	"time"

	"github.com/gitsync/gitsync/container/types"
	"github.com/gitsync/gitsync/runtime"
)

func details(t *testing.T, s *suite) {
	ctx := testContext(t)
	id, _ := s.create(t)
	got, err := s.rt.Inspect(ctx, id)
	ok(t, "inspect", err)
	if got.ID != id || got.Status != types.StatusCreated || got.Health != "" || !got.StartedAt.IsZero() {
		t.Errorf("details after create: %+v", got)
	}
	ok(t, "start", s.rt.Start(ctx, id))
	got, err = s.rt.Inspect(ctx, id)
	ok(t, "inspect", err)
	if got.Status != types.StatusRunning || got.StartedAt.IsZero() || !got.FinishedAt.IsZero() || got.Restarts != 0 {
		t.Errorf("details after start: %+v", got)
	}
	first := got
	ok(t, "stop", s.rt.Stop(ctx, id))
	got, err = s.rt.Inspect(ctx, id)
	ok(t, "inspect", err)
	if got.Status != types.StatusExited || !got.StartedAt.Equal(first.StartedAt) || got.FinishedAt.IsZero() {
		t.Errorf("details after stop: %+v", got)
	}
	stopped := got
	ok(t, "start again", s.rt.Start(ctx, id))
	got, err = s.rt.Inspect(ctx, id)
	ok(t, "inspect", err)
	if got.Status != types.StatusRunning || got.StartedAt.Equal(first.StartedAt) || !got.FinishedAt.Equal(stopped.FinishedAt) || got.Restarts != 0 {
		t.Errorf("details after another start: %+v", got)
	}
}

func ending(t *testing.T, s *suite) {
	ctx := testContext(t)
	id, config := s.create(t, func(c *types.ContainerConfig) { c.Image, c.Restart = s.EndingImage, "no" })
	ok(t, "start", s.rt.Start(ctx, id))
	ticker := time.NewTicker(10 * time.Millisecond)
	defer ticker.Stop()
	got, err := s.rt.Inspect(ctx, id)
	for ; err == nil && got.Status == types.StatusRunning; got, err = s.rt.Inspect(ctx, id) {
		select {
		case <-ctx.Done():
			t.Fatal("the container does not end")
		case <-ticker.C:
		}
	}
	ok(t, "inspect", err)
	if got.Status != types.StatusExited || got.ExitCode != 3 || got.FinishedAt.IsZero() {
		t.Errorf("details at the end: %+v", got)
	}
	logs, err := s.rt.Logs(ctx, id, 20)
	ok(t, "logs", err)
	if !strings.Contains(logs, "the end") {
		t.Errorf("logs %q", logs)
	}
	row, err := s.rt.List(ctx, config.Labels)
	ok(t, "list", err)
	for _, r := range row {
		if r.ID == id && !strings.HasPrefix(r.Detail, "Exited (3)") {
			t.Errorf("detail %q", r.Detail)
		}
	}
}

func anonymousVolumes(t *testing.T, s *suite) {
	ctx := testContext(t)
	first, _ := s.create(t, func(c *types.ContainerConfig) { c.Mounts = []types.Mount{{Target: "/data"}} })
	got, err := s.rt.Inspect(ctx, first)
	ok(t, "inspect", err)
	volume := got.AnonymousVolumes["/data"]
	if volume == "" || len(got.AnonymousVolumes) != 1 {
		t.Fatalf("anonymous volumes %v, want one at /data", got.AnonymousVolumes)
	}
	ok(t, "copy", s.rt.Copy(ctx, first, []*types.File{{Path: "/data/x", Content: "kept", Mode: 0o644}}))
	second, _ := s.create(t, func(c *types.ContainerConfig) {
		c.Mounts = []types.Mount{{Type: types.MountVolume, Source: volume, Target: "/data"}}
	})
	ok(t, "delete", s.rt.Delete(ctx, first))
	files, err := s.rt.Read(ctx, second, []string{"/data/x"})
	ok(t, "read", err)
	if len(files) != 1 || files[0].Content != "kept" {
		t.Errorf("the next container finds %v", files)
	}
	if got, err := s.rt.Inspect(ctx, second); err != nil || got.AnonymousVolumes["/data"] != volume {
		t.Errorf("anonymous volumes of the next container: %v, %v", got.AnonymousVolumes, err)
	}
}

func signals(t *testing.T, s *suite) {
	ctx := testContext(t)
	id, _ := s.create(t)
	wantErr(t, "a signal to a container that does not run", s.rt.Signal(ctx, id, "SIGHUP"), runtime.ErrNotRunning)
	ok(t, "start", s.rt.Start(ctx, id))
	wantErr(t, "a signal that does not exist", s.rt.Signal(ctx, id, "SIGNONE"), runtime.ErrInvalid)
	ok(t, "a signal that is ignored", s.rt.Signal(ctx, id, "SIGWINCH"))
	wantErr(t, "a signal to nobody", s.rt.Signal(ctx, strings.Repeat("0", 64), "SIGHUP"), runtime.ErrNotFound)
}
