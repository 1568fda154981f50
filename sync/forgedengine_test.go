package sync_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/gitsync/gitsync/container"
	"github.com/gitsync/gitsync/container/types"
	"github.com/gitsync/gitsync/host"
	"github.com/gitsync/gitsync/internal/dockertest"
	"github.com/gitsync/gitsync/runtime"
	"github.com/gitsync/gitsync/runtime/docker"
	"github.com/gitsync/gitsync/state"
)

// forgedEngine is a real engine with a container of the repo, and one of a stranger.
type forgedEngine struct {
	*world
	engine *docker.Runtime
	image  string
	// name is that of the host and of its container.
	name, ours, theirs string
}

func newForgedEngine(t *testing.T) *forgedEngine {
	t.Helper()
	f := &forgedEngine{engine: dockertest.Require(t), name: dockertest.Name("forged")}
	f.image = dockertest.Image(t, f.engine)
	f.world = newWorld(t)
	f.opts.Connector = func(context.Context, host.Host, container.RuntimeConfig) (runtime.Runtime, func(), error) {
		return f.engine, func() {}, nil
	}
	f.opts.Now = time.Now
	f.open(f.repo.Dir)
	t.Cleanup(func() {
		f.close()
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		rows, err := f.engine.List(ctx, nil)
		for _, row := range rows {
			if err == nil && (row.Labels[container.LabelHost] == f.name || row.ID == f.theirs) {
				_ = f.engine.Stop(ctx, row.ID)
				err = f.engine.Delete(ctx, row.ID)
			}
		}
		if err != nil {
			t.Errorf("clean up: %v", err)
		}
	})
	var err error
	if f.theirs, err = f.engine.Create(t.Context(), &types.ContainerConfig{Name: f.name + "-theirs", Image: f.image}); err == nil {
		err = f.engine.Start(t.Context(), f.theirs)
	}
	if err != nil {
		t.Fatal(err)
	}
	f.deploy("1")
	f.syncer.Cycle(t.Context())
	f.ours = f.running()
	return f
}

// deploy commits a version of the container.
func (f *forgedEngine) deploy(version string) {
	f.t.Helper()
	f.commit(map[string]string{"hosts/" + f.name + "/containers.yaml": fmt.Sprintf(
		"containers:\n  %s:\n    image: %s\n    stopTimeout: 1s\n    env: {VERSION: %q}\n    update: {monitor: 1ms}\n", f.name, f.image, version)}, "Version "+version)
}

// running returns the ID of our container, which must run, and be the only one.
func (f *forgedEngine) running() string {
	f.t.Helper()
	rows, err := f.engine.List(f.t.Context(), map[string]string{container.LabelHost: f.name})
	if err != nil || len(rows) != 1 || rows[0].Status != "running" {
		f.t.Fatalf("on the engine are %+v, %v", rows, err)
	}
	status, err := f.engine.Status(f.t.Context(), f.theirs)
	if err != nil || status.Status != "running" {
		f.t.Fatalf("the container of somebody else is %+v, %v", status, err)
	}
	return rows[0].ID
}

// Forged records that agree with the labels touch nothing on a real engine: neither what is
// ours nor what is not.
func TestForgedRecordsTouchNothingOnARealEngine(t *testing.T) {
	f := newForgedEngine(t)
	path := "hosts/" + f.name + "/state.yaml"
	honest := f.repo.Show(branch, path) + "\n"
	for name, forge := range map[string]func() map[string]string{
		"the ID of somebody else": func() map[string]string { return f.with(path, honest, f.ours, f.theirs) },
		"not ready yet": func() map[string]string {
			return f.with(path, honest, "    host:\n", "    readyPending: true\n    host:\n")
		},
		"it moves away": func() map[string]string { return map[string]string{path: "moving: {" + f.name + ": other}\n" + honest} },
		"it came from a host": func() map[string]string {
			return map[string]string{path: "movedFrom: {" + f.name + ": {host: other, commit: x}}\n" + honest}
		},
		"it failed, for a year": func() map[string]string { return map[string]string{path: f.failing() + honest} },
		"it is to be cleaned": func() map[string]string {
			return map[string]string{path: "clean: {since: 2026-01-01T00:00:00Z, commit: x, allowed: true}\n" + honest}
		},
		"removals are held back": func() map[string]string {
			return map[string]string{path: "heldBack: {commit: x, since: 2026-01-01T00:00:00Z, deployed: [a, b, c]}\n" + honest}
		},
		"another host had it": func() map[string]string { return map[string]string{"hosts/other/state.yaml": honest} },
		"a suspension without end": func() map[string]string {
			return map[string]string{"hosts/" + f.name + "/suspended.yaml": "suspended: {\"\": {since: 9999-01-01T00:00:00Z}}\n"}
		},
		"an unreadable state branch": func() map[string]string { return map[string]string{path: "{[", "repo.yaml": "{["} },
	} {
		for _, lost := range []bool{false, true} {
			f.repo.Commit(branch, forge(), "Forged: "+name)
			if lost {
				f.lostData()
			}
			f.syncer.Cycle(t.Context())
			if now := f.running(); now != f.ours {
				t.Fatalf("%s, lost %v: the container was replaced", name, lost)
			}
			f.repo.Commit(branch, map[string]string{path: honest}, "Put back")
			f.repo.Remove(branch, "hosts/other", "hosts/"+f.name+"/suspended.yaml")
		}
	}
}

// A commit is deployed although a forged record puts it off for a year, and a forged
// suspension holds only until it is resumed.
func TestForgedRecordsDoNotHoldACommitBackOnARealEngine(t *testing.T) {
	f := newForgedEngine(t)
	path := "hosts/" + f.name + "/state.yaml"
	for i, lost := range []bool{false, true} {
		honest := f.repo.Show(branch, path) + "\n"
		f.deploy(fmt.Sprint(i + 2))
		tree := f.repo.Git("rev-parse", "main:hosts/"+f.name)
		var lines []string
		for line := range strings.Lines(honest) {
			if strings.HasPrefix(line, "tree:") {
				line = "tree: " + tree + "\n"
			}
			lines = append(lines, line)
		}
		f.repo.Commit(branch, map[string]string{
			path: f.failing() + strings.Join(lines, ""), "hosts/" + f.name + "/suspended.yaml": "suspended: {\"\": {since: x}}\n",
		}, "Forged")
		if lost {
			f.lostData()
		}
		f.syncer.Cycle(t.Context())
		if now := f.running(); now != f.ours {
			t.Fatalf("lost %v: the container was replaced although it is suspended", lost)
		}
		if _, err := f.syncer.Resume(t.Context(), nil); err != nil {
			t.Fatal(err)
		}
		f.syncer.Cycle(t.Context())
		now := f.running()
		if now == f.ours {
			record, err := state.Parse([]byte(f.repo.Show(branch, path)))
			t.Errorf("lost %v: the commit is not deployed: %+v, %v", lost, record, err)
		}
		f.ours = now
	}
}

func (f *forgedEngine) with(path, record string, replace ...string) map[string]string {
	f.t.Helper()
	forged := strings.NewReplacer(replace...).Replace(record)
	if forged == record {
		f.t.Fatalf("nothing of %q is in %s", replace, record)
	}
	return map[string]string{path: forged}
}

func (f *forgedEngine) failing() string {
	return fmt.Sprintf("failures: {%s: {error: x, attempts: 1, nextAttempt: %q}}\n", f.name, time.Now().AddDate(1, 0, 0).UTC().Format(time.RFC3339))
}
