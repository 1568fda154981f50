package container_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/gitsync/gitsync/container"
	"github.com/gitsync/gitsync/container/types"
	"github.com/gitsync/gitsync/host"
	"github.com/gitsync/gitsync/runtime"
	"github.com/gitsync/gitsync/runtime/memory"
)

// world is a machine in memory, and what was deployed to it.
type world struct {
	*memory.World
	t        *testing.T
	previous container.ContainersState
	origin   *container.Origin
	hooks    func(runtime.Runtime) runtime.Runtime
	parallel int
	held     map[string]string
}

func newWorld(t *testing.T) *world {
	return &world{World: &memory.World{}, t: t, origin: &container.Origin{Host: "web1", Owner: "repo#main", Commit: "c1"}}
}

// connect opens the world, wrapped as a test wants it.
func (w *world) connect(context.Context, host.Host, container.RuntimeConfig) (runtime.Runtime, func(), error) {
	rt, err := (&memory.Config{World: w.World}).New()
	if err == nil && w.hooks != nil {
		rt = w.hooks(rt)
	}
	return rt, func() {}, err
}

func (w *world) containers(desired ...*container.HostConfiguredContainer) *container.Containers {
	return &container.Containers{
		DesiredState: state(desired...), PreviousState: w.previous, Origin: w.origin, Connector: w.connect,
		Parallel: w.parallel, Held: w.held,
		Machine: &container.Machine{Host: spec("x").Host, Runtime: spec("x").Container.Runtime},
	}
}

// deploy deploys, and remembers what was deployed.
func (w *world) deploy(desired ...*container.HostConfiguredContainer) error {
	w.t.Helper()
	c := w.containers(desired...)
	err := c.DeployContext(context.Background())
	w.previous = c.PreviousState
	return err
}

func (w *world) mustDeploy(desired ...*container.HostConfiguredContainer) {
	w.t.Helper()
	if err := w.deploy(desired...); err != nil {
		w.t.Fatalf("deploy: %v", err)
	}
}

// plan looks and plans, and changes nothing.
func (w *world) plan(desired ...*container.HostConfiguredContainer) container.Plan {
	w.t.Helper()
	d, err := w.containers(desired...).Deployment()
	if err != nil {
		w.t.Fatalf("deployment: %v", err)
	}
	if err := d.CheckCurrentState(); err != nil {
		w.t.Fatalf("check: %v", err)
	}
	return d.Plan()
}

// want checks which containers run, by name and image.
func (w *world) want(running ...string) {
	w.t.Helper()
	var got []string
	for name, c := range w.Containers() {
		if c.Status == types.StatusRunning {
			got = append(got, name+"="+c.Image)
		} else {
			got = append(got, name+"="+c.Image+"("+c.Status+")")
		}
	}
	if diff := difference(running, got); diff != "" {
		w.t.Errorf("containers: %s", diff)
	}
}

func difference(want, got []string) string {
	var out []string
	for _, s := range got {
		if !contains(want, s) {
			out = append(out, "unexpected "+s)
		}
	}
	for _, s := range want {
		if !contains(got, s) {
			out = append(out, "missing "+s)
		}
	}
	return strings.Join(out, ", ")
}

func contains(list []string, s string) bool {
	for _, item := range list {
		if item == s {
			return true
		}
	}
	return false
}

func TestDeployFollowsTheDesiredState(t *testing.T) {
	w := newWorld(t)
	w.mustDeploy(spec("web"), spec("db", image("postgres:16")))
	w.want("web=nginx:1.26", "db=postgres:16")

	w.mustDeploy(spec("web", image("nginx:1.27")), spec("db", image("postgres:16")))
	w.want("web=nginx:1.27", "db=postgres:16")

	w.mustDeploy(spec("web", image("nginx:1.27")))
	w.want("web=nginx:1.27")

	if plan := w.plan(spec("web", image("nginx:1.27"))); !plan.Empty() {
		t.Errorf("plan after deploy is not empty:\n%s", plan)
	}
	w.mustDeploy()
	w.want()
	if len(w.previous) != 0 {
		t.Errorf("state holds %d containers, want none", len(w.previous))
	}
}

func TestDeployRepairsWhatWasDoneByHand(t *testing.T) {
	for name, harm := range map[string]func(*world){
		"a removed container is created again": func(w *world) { w.Remove("web") },
		"a stopped container is started":       func(w *world) { w.SetStatus("web", types.StatusExited) },
		"a dead container is created again":    func(w *world) { w.SetStatus("web", types.StatusDead) },
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.mustDeploy(spec("web"))
			harm(w)
			w.mustDeploy(spec("web"))
			w.want("web=nginx:1.26")
		})
	}
}

func TestALostStateRestartsNothing(t *testing.T) {
	w := newWorld(t)
	w.mustDeploy(spec("web", file("/etc/web.conf", "x")), spec("old"))
	before := w.Containers()["web"].ID
	w.previous = nil
	w.mustDeploy(spec("web", file("/etc/web.conf", "x")))
	w.want("web=nginx:1.26")
	if after := w.Containers()["web"].ID; after != before {
		t.Errorf("web was created anew: %s, want %s", after, before)
	}
	if got := w.previous["web"].Container.Status.ID; got != before {
		t.Errorf("recorded ID %s, want %s", got, before)
	}
}

func TestForeignContainersAreLeftAlone(t *testing.T) {
	w := newWorld(t)
	rt, _, _ := w.connect(context.Background(), host.Host{}, container.RuntimeConfig{})
	id, err := rt.Create(context.Background(), &types.ContainerConfig{Name: "web", Image: "theirs:1"})
	if err != nil {
		t.Fatal(err)
	}
	err = w.deploy(spec("web"), spec("api"))
	if !errors.Is(err, container.ErrBlocked) || !strings.Contains(err.Error(), "did not create") {
		t.Errorf("deploy: %v, want an error that says whose the name is", err)
	}
	if got := w.Containers()["web"].ID; got != id {
		t.Errorf("web has ID %s, want the foreign %s", got, id)
	}
	w.want("web=theirs:1(created)", "api=nginx:1.26")
}

func TestAForeignOwnersContainersAreLeftAlone(t *testing.T) {
	w := newWorld(t)
	w.mustDeploy(spec("web"))
	other := newWorld(t)
	other.World = w.World
	other.origin = &container.Origin{Host: "web1", Owner: "other#main", Commit: "c2"}
	if err := other.deploy(spec("db")); err != nil {
		t.Fatal(err)
	}
	w.want("web=nginx:1.26", "db=nginx:1.26")
	if err := other.deploy(spec("web")); !errors.Is(err, container.ErrBlocked) || !strings.Contains(err.Error(), "repo#main") {
		t.Errorf("deploy: %v, want an error that names the owner", err)
	}
}

func TestConfigFilesReachTheHost(t *testing.T) {
	w := newWorld(t)
	web := spec("web", file("/etc/web/a.conf", "one"))
	web.Container.Config.User, web.Container.Config.Group = "1000", "1001"
	w.mustDeploy(web)
	got, ok := w.HostFile("/etc/web/a.conf")
	want := types.File{Path: "/etc/web/a.conf", Content: "one", Mode: 0o600, User: "1000", Group: "1001"}
	if !ok || got != want {
		t.Errorf("file on the host: %+v, want %+v", got, want)
	}

	w.WriteHostFile("/etc/web/a.conf", "by hand")
	w.mustDeploy(web)
	if got, _ := w.HostFile("/etc/web/a.conf"); got != want {
		t.Errorf("file after repair: %+v, want %+v", got, want)
	}
	w.want("web=nginx:1.26")
}

func TestAFileOfSomebodyElseIsNotOverwritten(t *testing.T) {
	w := newWorld(t)
	w.WriteHostFile("/etc/hosts", "127.0.0.1 localhost")
	err := w.deploy(spec("web", file("/etc/hosts", "mine")))
	if !errors.Is(err, container.ErrNotOurs) {
		t.Errorf("deploy: %v, want ErrNotOurs", err)
	}
	if got, _ := w.HostFile("/etc/hosts"); got.Content != "127.0.0.1 localhost" {
		t.Errorf("content %q was overwritten", got.Content)
	}
	w.want()
}
