package container_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sync/errgroup"

	"github.com/gitsync/gitsync/container"
	"github.com/gitsync/gitsync/container/types"
	"github.com/gitsync/gitsync/internal/dockertest"
	"github.com/gitsync/gitsync/runtime"
	"github.com/gitsync/gitsync/runtime/docker"
	"github.com/gitsync/gitsync/runtime/runtimetest"
)

// machineOf is a real engine, what was deployed to it, and a directory of the host in which
// data is a container's to write, and denied nobody's.
type machineOf struct {
	*world
	engine       *docker.Runtime
	image        string
	data, denied string
}

func newMachineOf(t *testing.T, env ...string) *machineOf {
	t.Helper()
	engine := dockertest.Require(t)
	dir, err := os.MkdirTemp("", "gitsync-test-")
	if err != nil {
		t.Fatal(err)
	}
	name := dockertest.Name("swap")
	m := &machineOf{world: newWorld(t), engine: engine, image: dockertest.Image(t, engine, env...), data: filepath.Join(dir, "data"), denied: filepath.Join(dir, "denied")}
	m.origin = &container.Origin{Host: name, Owner: name + "#main", Commit: "c1"}
	m.hooks = func(runtime.Runtime) runtime.Runtime { return engine }
	t.Cleanup(func() {
		_ = os.RemoveAll(dir)
		_ = os.Remove(m.origin.Manifest())
		_ = os.Remove(m.origin.Staging())
	})
	dockertest.RemoveLabelled(t, engine, map[string]string{container.LabelHost: name})
	for _, made := range []string{m.data, m.denied} {
		if err := os.MkdirAll(made, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return m
}

// spec is a container of the probe, whose name is this machine's own.
func (m *machineOf) spec(base string, options ...func(*container.HostConfiguredContainer)) *container.HostConfiguredContainer {
	c := spec(m.origin.Host+"-"+base, append([]func(*container.HostConfiguredContainer){image(m.image)}, options...)...)
	c.Container.Config.Args = []string{"run"}
	c.Container.Config.NetworkMode = "none"
	return c
}

func bind(source, target string) func(*container.HostConfiguredContainer) {
	return func(c *container.HostConfiguredContainer) {
		c.Container.Config.Mounts = append(c.Container.Config.Mounts, types.Mount{Source: source, Target: target})
	}
}

// swapping replaces a path by a link to another one, and back, again and again while the
// work is done: what a container may do below what it may write.
func swapping(t *testing.T, path, target string, work func()) {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	var group errgroup.Group
	group.Go(func() error {
		for ctx.Err() == nil {
			_ = os.Rename(path, path+".real")
			_ = os.Symlink(target, path)
			_ = os.Remove(path)
			_ = os.Rename(path+".real", path)
		}
		return nil
	})
	work()
	stop()
	_ = group.Wait()
}

// wantEmpty checks that nothing of ours is in the directory that no commit names.
func (m *machineOf) wantEmpty(try int) bool {
	m.t.Helper()
	entries, err := os.ReadDir(m.denied)
	if err != nil || len(entries) > 0 {
		m.t.Errorf("try %d: the denied directory holds %v, %v", try, entries, err)
	}
	return len(entries) == 0
}

const swaps = 12

func TestAConfigFileIsNotWrittenBelowWhatAContainerMayWrite(t *testing.T) {
	m := newMachineOf(t)
	sub := filepath.Join(m.data, "app")
	if err := os.Mkdir(sub, 0o755); err != nil {
		t.Fatal(err)
	}
	attacker := m.spec("attacker", bind(m.data, "/data"))
	m.mustDeploy(attacker)
	swapping(t, sub, m.denied, func() {
		for i := range swaps {
			c := m.containers(attacker, m.spec("web", file(sub+"/app.conf", fmt.Sprint("content ", i))))
			err := c.DeployContext(t.Context())
			if err == nil {
				t.Errorf("try %d: it was deployed, want a refusal", i)
			}
			if !m.wantEmpty(i) {
				return
			}
		}
	})
	_ = os.RemoveAll(sub + ".real")
	if err := os.MkdirAll(sub, 0o755); err != nil {
		t.Fatal(err)
	}
	// Nor does it land there when the swap comes right after all checks.
	engine := m.hooks
	m.watch(&runtimetest.Watched{Before: func(_ int, method, _ string) error {
		if method == "copy" {
			_ = os.Rename(sub, sub+".real")
			_ = os.Symlink(container.ConfigMountpoint+m.denied, sub)
		}
		return nil
	}})
	watched := m.hooks
	m.hooks = func(rt runtime.Runtime) runtime.Runtime { return watched(engine(rt)) }
	if err := m.deploy(attacker, m.spec("web", file(sub+"/app.conf", "swapped"))); !errors.Is(err, container.ErrWritable) {
		t.Errorf("a swap before the copy: %v, want a refusal", err)
	}
	m.wantEmpty(swaps)
	m.hooks = engine
	// Without the mount it is still refused as long as the container that had it runs.
	c := m.containers(m.spec("web", file(sub+"/app.conf", "x")))
	c.Suspended = map[string]string{attacker.Container.Config.Name: "a person looks at it"}
	if err := c.DeployContext(t.Context()); !errors.Is(err, container.ErrWritable) {
		t.Errorf("with a container that still runs: %v, want a refusal", err)
	}
	// And when that is gone, what it planted is.
	m.mustDeploy()
	if err := os.Rename(sub, sub+".real"); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(m.denied, sub); err != nil {
		t.Fatal(err)
	}
	if err := m.deploy(m.spec("web", file(sub+"/app.conf", "x"))); err == nil || !strings.Contains(err.Error(), "symbolic link") {
		t.Errorf("behind a link: %v, want a refusal", err)
	}
	m.wantEmpty(swaps)
}

func TestALinkInThePlaceOfAConfigFileLeadsNowhere(t *testing.T) {
	m := newMachineOf(t)
	path := filepath.Join(m.data, "app.conf")
	attacker := m.spec("attacker", bind(m.data, "/data"))
	m.mustDeploy(attacker)
	written := 0
	for _, target := range []string{m.denied + "/app.conf", "../denied/app.conf", "/mnt/host" + m.denied + "/app.conf"} {
		swapping(t, path, target, func() {
			for i := range 2 {
				c := m.containers(attacker, m.spec("web", file(path, fmt.Sprint(target, i))))
				err := c.DeployContext(t.Context())
				m.previous = c.PreviousState
				if err == nil {
					written++
				}
				if !m.wantEmpty(i) {
					return
				}
			}
		})
	}
	if err := m.deploy(attacker, m.spec("web", file(path, "at last"))); err != nil {
		t.Errorf("directly in what a container may write: %v", err)
	}
	if got, err := os.ReadFile(path); string(got) != "at last" {
		t.Errorf("the file holds %q, %v", got, err)
	}
	t.Logf("%d of %d were written", written, 6)
}
