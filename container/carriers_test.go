package container_test

import (
	"context"
	"maps"
	"os"
	"path"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/docker/docker/client"

	"github.com/gitsync/gitsync/container"
	"github.com/gitsync/gitsync/container/types"
	"github.com/gitsync/gitsync/internal/dockertest"
	"github.com/gitsync/gitsync/runtime"
	"github.com/gitsync/gitsync/runtime/runtimetest"
)

// carried remembers what carries config files.
type carried struct {
	runtimetest.Full
	mu      *sync.Mutex
	configs map[string]types.ContainerConfig
	volumes *[]string
}

func (c carried) Create(ctx context.Context, config *types.ContainerConfig) (string, error) {
	id, err := c.Full.Create(ctx, config)
	if err != nil || !strings.HasPrefix(config.Name, "gitsync-config-") {
		return id, err
	}
	details, err := c.Inspect(ctx, id)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.configs[id] = *config
	*c.volumes = slices.AppendSeq(*c.volumes, maps.Values(details.AnonymousVolumes))
	return id, err
}

// carry watches what carries config files on the world's runtime.
func (w *world) carry() carried {
	c := carried{mu: &sync.Mutex{}, configs: map[string]types.ContainerConfig{}, volumes: new([]string)}
	hooks := w.hooks
	w.hooks = func(rt runtime.Runtime) runtime.Runtime {
		if hooks != nil {
			rt = hooks(rt)
		}
		c := c
		c.Full = rt.(runtimetest.Full)
		return c
	}
	return c
}

// wantExact checks that each carrier has exactly the directories of config files, or is of
// an image and has nothing of the host.
func (c carried) wantExact(t *testing.T, dirs ...string) {
	t.Helper()
	for _, config := range c.configs {
		if config.Image != runtime.EmptyImage && len(config.Mounts) > 0 {
			t.Errorf("a container of the image %s has %+v of the host", config.Image, config.Mounts)
		}
		for _, m := range config.Mounts {
			if m.Target != container.ConfigMountpoint+m.Source {
				t.Errorf("%s is bound at %s", m.Source, m.Target)
			}
			top := m.ReadOnly && strings.Count(m.Source, "/") == 1
			if !top && !slices.Contains(dirs, m.Source) && !types.Below(container.ManifestDir+"/x", m.Source) {
				t.Errorf("%s is bound (read-only: %v), which is no directory of a config file", m.Source, m.ReadOnly)
			}
			if m.Source == "/" {
				t.Error("the root directory is bound")
			}
		}
		if writes := slices.ContainsFunc(config.Mounts, func(m types.Mount) bool { return !m.ReadOnly }); writes && len(config.Mounts) != 1 {
			t.Errorf("one carrier writes to several directories: %+v", config.Mounts)
		}
	}
}

func TestACarrierHasExactlyTheDirectoriesOfConfigFiles(t *testing.T) {
	w := newWorld(t)
	seen := w.carry()
	web := spec("web", file("/srv/web/a.conf", "a"), file("/srv/web/b.conf", "b"), file("/srv/web/sub/c.conf", "c"))
	db := spec("db", file("/opt/db/db.conf", "d"))
	db.Container.Config.User = "app"
	w.mustDeploy(web, db)
	seen.wantExact(t, "/srv/web", "/srv/web/sub", "/opt/db")
	if got, _ := w.HostFile("/opt/db/db.conf"); got.User != "1234" {
		t.Errorf("the file belongs to %q, want the number that the image has for its user", got.User)
	}
	for name, c := range w.Containers() {
		if strings.HasPrefix(name, "gitsync-config-") {
			t.Errorf("left behind: %+v", c)
		}
	}

	// A check makes one, however many directories there are.
	clear(seen.configs)
	watched := w.watch(&runtimetest.Watched{})
	if plan := w.plan(web, db); !plan.Empty() {
		t.Errorf("there is something to do: %s", plan)
	}
	creations := slices.DeleteFunc(watched.Calls(), func(call string) bool { return !strings.HasPrefix(call, "create ") })
	if len(creations) != 1 {
		t.Errorf("a check makes %q, want one carrier", creations)
	}
}

func TestAnUnknownOwnerWritesNothing(t *testing.T) {
	w := newWorld(t)
	web := spec("web", file("/srv/web/a.conf", "a"))
	web.Container.Config.User = "nobody-knows"
	if err := w.deploy(web); err == nil || !strings.Contains(err.Error(), "has no user nobody-knows in /etc/passwd: give a number instead") {
		t.Errorf("deploy: %v, want an error that names the user", err)
	}
	if _, there := w.HostFile("/srv/web/a.conf"); there {
		t.Error("the file was written")
	}
}

func TestConfigFilesLeaveNoVolumeBehind(t *testing.T) {
	// What an image says of volumes is a line of its Dockerfile, as an ENV is.
	m := newMachineOf(t, "A=1\nVOLUME /cache "+container.ConfigMountpoint+"/tmp")
	dir := path.Join(m.data, "web")
	seen := m.carry()
	web := m.spec("web", file(dir+"/app.conf", "one"))
	web.Container.Config.User, web.Container.Config.Group = "app", "app"
	m.mustDeploy(web)
	m.mustDeploy(web)
	made := m.leaveCarrier()
	if plan := m.plan(web); plan.Empty() {
		t.Error("what an earlier version left behind is not found")
	}
	m.mustDeploy(web)
	seen.wantExact(t, dir, m.data, path.Dir(m.data))
	if len(*seen.volumes) == 0 {
		t.Error("no container of the image was asked for its users: this test tests nothing")
	}
	api, err := client.NewClientWithOpts(client.FromEnv, client.WithAPIVersionNegotiation())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = api.Close() }()
	for _, volume := range append(*seen.volumes, made...) {
		if _, err := api.VolumeInspect(t.Context(), volume); err == nil {
			t.Errorf("volume %s is left behind", volume)
			_ = m.engine.RemoveVolume(t.Context(), volume)
		}
	}
	info, err := os.Stat(dir + "/app.conf")
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the file on the host: %v, %v", info, err)
	}
	if got, err := os.ReadFile(dir + "/app.conf"); string(got) != "one" {
		t.Errorf("the file holds %q, %v", got, err)
	}
	if info, err := os.Stat(dir); err != nil {
		t.Error(err)
	} else if info.ModTime().Year() < 2000 {
		t.Errorf("the directory is of %v, want now", info.ModTime())
	}
}

// leaveCarrier makes what an earlier version left behind, and returns its volumes.
func (m *machineOf) leaveCarrier() []string {
	m.t.Helper()
	id, err := m.engine.Create(m.t.Context(), &types.ContainerConfig{
		Name: dockertest.Name("x"), Image: m.image, Args: []string{"gitsync-never-starts-this"}, NetworkMode: "none",
		Mounts: []types.Mount{{Source: "/", Target: container.ConfigMountpoint}},
		Labels: map[string]string{container.LabelRole: "config", container.LabelOwner: m.origin.Owner, container.LabelHost: m.origin.Host},
	})
	if err != nil {
		m.t.Fatal(err)
	}
	if err := m.engine.Rename(m.t.Context(), id, "gitsync-config-"+id[:10]); err != nil {
		m.t.Fatal(err)
	}
	details, err := m.engine.Inspect(m.t.Context(), id)
	if err != nil || len(details.AnonymousVolumes) == 0 {
		m.t.Fatalf("it has no volume: %v", err)
	}
	return slices.Collect(maps.Values(details.AnonymousVolumes))
}
