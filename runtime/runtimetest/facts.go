package runtimetest

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gitsync/gitsync/container/types"
	"github.com/gitsync/gitsync/runtime"
)

func facts(t *testing.T, s *suite) {
	ctx := testContext(t)
	id, want := s.create(t, func(c *types.ContainerConfig) {
		c.Env, c.Labels, c.Restart = map[string]string{"A": "1"}, map[string]string{"mine": "yes"}, "on-failure:3"
		c.Memory, c.CPUs, c.CapDrop = 64<<20, 0.5, []string{"NET_RAW"}
		c.Mounts = []types.Mount{{Target: "/data"}, {Source: s.TempDir, Target: "/host", ReadOnly: true}}
	})
	got, err := s.rt.Describe(ctx, id)
	ok(t, "describe", err)
	c := got.Config
	if got.ID != id || got.Name != want.Name || c.Name != want.Name || got.ImageID == "" || c.Image != s.Image || got.Defaults == nil {
		t.Errorf("facts: %+v", got)
	}
	if c.Env["A"] != "1" || c.Labels["mine"] != "yes" || c.Restart != "on-failure:3" || c.Memory != 64<<20 || c.CPUs != 0.5 || len(c.CapDrop) != 1 {
		t.Errorf("config: %+v", c)
	}
	slices.SortFunc(c.Mounts, func(a, b types.Mount) int { return strings.Compare(a.Target, b.Target) })
	if len(c.Mounts) != 2 || !types.GeneratedVolume(c.Mounts[0].Source) || c.Mounts[0].Kind() != types.MountVolume || c.Mounts[1].Source != s.TempDir || !c.Mounts[1].ReadOnly {
		t.Errorf("mounts: %+v", c.Mounts)
	}
	if _, connected := got.Networks["bridge"]; !connected || len(got.Networks) != 1 || len(got.Other) != 0 {
		t.Errorf("networks %v, other %v", got.Networks, got.Other)
	}
	_, err = s.rt.Describe(ctx, strings.Repeat("0", 64))
	wantErr(t, "describe nobody", err, runtime.ErrNotFound)
}

func adjusts(t *testing.T, s *suite) {
	ctx := testContext(t)
	id, config := s.create(t, func(c *types.ContainerConfig) { c.Restart, c.Memory, c.CPUs = "no", 64<<20, 0.5 })
	ok(t, "start", s.rt.Start(ctx, id))
	want := *config
	want.Restart, want.Memory, want.CPUs = "always", 32<<20, 0.25
	ok(t, "adjust", s.rt.Adjust(ctx, id, &want))
	ok(t, "adjust what is right", s.rt.Adjust(ctx, id, &want))
	got, err := s.rt.Describe(ctx, id)
	ok(t, "describe", err)
	if got.Config.Restart != "always" || got.Config.Memory != want.Memory || got.Config.CPUs != want.CPUs || got.Status != types.StatusRunning {
		t.Errorf("adjusted: %+v", got)
	}
	want.Memory = 0
	wantErr(t, "take a limit away", s.rt.Adjust(ctx, id, &want), runtime.ErrInvalid)
	ok(t, "unpause what is not paused", s.rt.Unpause(ctx, id))
	wantErr(t, "adjust nobody", s.rt.Adjust(ctx, strings.Repeat("0", 64), &want), runtime.ErrNotFound)
	wantErr(t, "unpause nobody", s.rt.Unpause(ctx, strings.Repeat("0", 64)), runtime.ErrNotFound)
}

// watches checks that each change is told, and that the end of the context ends it.
func watches(t *testing.T, s *suite) {
	ctx, cancel := context.WithCancel(testContext(t))
	defer cancel()
	ready, events, ended := make(chan struct{}), make(chan runtime.Event, 100), make(chan error, 1)
	go func() {
		ended <- s.rt.Watch(ctx, time.Time{}, func() { close(ready) }, func(e runtime.Event) { events <- e })
	}()
	select {
	case <-ready:
	case err := <-ended:
		t.Fatalf("watch: %v", err)
	}
	id, config := s.create(t)
	next := func(what string) {
		t.Helper()
		for {
			select {
			case e := <-events:
				if e.ID == id {
					return
				}
			case err := <-ended:
				t.Fatalf("watch ended: %v", err)
			case <-ctx.Done():
				t.Fatalf("no event for: %s", what)
			}
		}
	}
	drain := func() {
		for len(events) > 0 {
			<-events
		}
	}
	next("create")
	ok(t, "start", s.rt.Start(ctx, id))
	next("start")
	drain()
	ok(t, "rename", s.rt.Rename(ctx, id, config.Name+"-2"))
	next("rename")
	ok(t, "stop", s.rt.Stop(ctx, id))
	next("stop")
	cancel()
	if err := <-ended; err == nil {
		t.Error("the watch ended without an error")
	}
}
