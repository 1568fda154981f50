package container_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/gitsync/gitsync/container"
	"github.com/gitsync/gitsync/container/types"
	"github.com/gitsync/gitsync/runtime"
	"github.com/gitsync/gitsync/runtime/runtimetest"
)

var errBoom = errors.New("boom")

// watch puts a watched runtime between the library and the world.
func (w *world) watch(watched *runtimetest.Watched) *runtimetest.Watched {
	w.hooks = func(rt runtime.Runtime) runtime.Runtime {
		watched.Full = rt.(runtimetest.Full)
		return watched
	}
	return watched
}

// failOn fails the calls of one method that work on the given subject.
func (w *world) failOn(method string, subject func(string) bool) {
	w.watch(&runtimetest.Watched{Before: func(_ int, m, s string) error {
		if m == method && subject(s) {
			return errBoom
		}
		return nil
	}})
}

func TestAFailedUpdateLeavesTheOldContainerRunning(t *testing.T) {
	for name, fault := range map[string]func(w *world){
		"the image is not there": func(w *world) { w.MissingImage("nginx:1.27") },
		"the engine refuses the settings": func(w *world) {
			w.failOn("create", func(s string) bool { return s == "web.gitsync-new" })
		},
		"the old one cannot be renamed": func(w *world) {
			w.failOn("rename", func(s string) bool { return s == "web.gitsync-old" })
		},
		"the new one cannot take the name": func(w *world) {
			taken := 0
			w.failOn("rename", func(s string) bool { taken++; return s == "web" && taken == 2 })
		},
		"the new one does not start": func(w *world) {
			old := w.Containers()["web"].ID
			w.failOn("start", func(s string) bool { return s != old })
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.mustDeploy(spec("web", file("/etc/web.conf", "old")))
			before := w.Containers()["web"].ID
			fault(w)
			err := w.deploy(spec("web", image("nginx:1.27"), file("/etc/web.conf", "new")))
			var failure *container.Failure
			if !errors.As(err, &failure) || failure.Container != "web" || failure.Host != "web1" {
				t.Errorf("deploy: %v, want a failure of web1/web", err)
			}
			w.want("web=nginx:1.26")
			if got := w.Containers()["web"].ID; got != before {
				t.Errorf("web is %s, want the old %s", got, before)
			}
			if got, _ := w.HostFile("/etc/web.conf"); got.Content != "old" {
				t.Errorf("config file holds %q, want the old content", got.Content)
			}
			if got := w.previous["web"].Container.Config.Image; got != "nginx:1.26" {
				t.Errorf("recorded image %s, want the old one", got)
			}
			w.hooks = nil
			if strings.Contains(name, "not there") {
				return
			}
			w.mustDeploy(spec("web", image("nginx:1.27"), file("/etc/web.conf", "newer")))
			w.want("web=nginx:1.27")
			if got, _ := w.HostFile("/etc/web.conf"); got.Content != "newer" {
				t.Errorf("config file holds %q after the next commit", got.Content)
			}
		})
	}
}

func TestAContainerThatDidNotStartIsRemembered(t *testing.T) {
	w := newWorld(t)
	w.failOn("start", func(string) bool { return true })
	if err := w.deploy(spec("web")); !errors.Is(err, errBoom) {
		t.Fatalf("deploy: %v", err)
	}
	w.want("web=nginx:1.26(created)")
	id := w.Containers()["web"].ID
	if got := w.previous["web"].Container.Status.ID; got != id {
		t.Errorf("recorded ID %s, want %s", got, id)
	}
	w.hooks = nil
	w.mustDeploy(spec("web"))
	w.want("web=nginx:1.26")
	if got := w.Containers()["web"].ID; got != id {
		t.Errorf("web is %s, want the same %s", got, id)
	}
}

func TestAnUnreachableMachineIsLeftAlone(t *testing.T) {
	w := newWorld(t)
	w.mustDeploy(spec("web"))
	id := w.previous["web"].Container.Status.ID
	w.watch(&runtimetest.Watched{Before: func(int, string, string) error { return runtime.ErrUnreachable }})
	if err := w.deploy(spec("web", image("nginx:1.27"))); !errors.Is(err, runtime.ErrUnreachable) {
		t.Errorf("deploy: %v, want ErrUnreachable", err)
	}
	want := types.ContainerStatus{ID: id, Status: container.StatusUnknown, ImageID: "sha256:nginx:1.26"}
	if got := *w.previous["web"].Container.Status; got != want {
		t.Errorf("recorded status %+v, want %+v", got, want)
	}
	w.hooks = nil
	w.mustDeploy(spec("web", image("nginx:1.27")))
	w.want("web=nginx:1.27")
}

func TestPostStartRunsAfterAStartAndAgainWhenItFailed(t *testing.T) {
	w := newWorld(t)
	calls := 0
	var hookErr error
	hook := container.Hook(func() error { calls++; return hookErr })
	web := func() *container.HostConfiguredContainer {
		m := spec("web")
		m.Hooks = &container.Hooks{PostStart: &hook}
		return m
	}
	hookErr = errBoom
	if err := w.deploy(web()); !errors.Is(err, errBoom) {
		t.Fatalf("deploy: %v, want the hook's error", err)
	}
	w.want("web=nginx:1.26")
	hookErr = nil
	w.mustDeploy(web())
	w.mustDeploy(web())
	if calls != 2 {
		t.Errorf("the hook was called %d times, want 2", calls)
	}
}

func TestALookThatFindsNothingToDoIsOneCall(t *testing.T) {
	w := newWorld(t)
	w.mustDeploy(spec("web", file("/etc/web.conf", "x")), spec("db"))
	watched := w.watch(&runtimetest.Watched{})
	d, err := w.containers(spec("web", file("/etc/web.conf", "x")), spec("db")).Deployment()
	if err != nil {
		t.Fatal(err)
	}
	if err := d.Check(context.Background(), container.CheckOptions{SkipFiles: true, SkipSettings: true}); err != nil {
		t.Fatal(err)
	}
	if err := d.DeployContext(context.Background()); err != nil {
		t.Fatal(err)
	}
	if got := fmt.Sprint(watched.Calls()); got != "[list ]" {
		t.Errorf("calls %s, want one list", got)
	}
}

func TestDeployWithoutACheckIsAnError(t *testing.T) {
	w := newWorld(t)
	c, err := w.containers(spec("web")).New()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Deploy(); !errors.Is(err, container.ErrNotChecked) {
		t.Errorf("deploy: %v, want ErrNotChecked", err)
	}
	w.want()
}

func TestAStopThatIsCutShortIsWaitedForBeforeTheOldOneStartsAgain(t *testing.T) {
	w := newWorld(t)
	w.mustDeploy(spec("web"))
	old := w.Containers()["web"].ID
	cut := false
	watched := w.watch(&runtimetest.Watched{Before: func(_ int, method, subject string) error {
		if method == "stop" && subject == old && !cut {
			cut = true
			return context.DeadlineExceeded
		}
		return nil
	}})
	if err := w.deploy(spec("web", image("nginx:1.27"))); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("deploy: %v", err)
	}
	calls := watched.Calls()
	want := []string{"stop " + old, "stop " + old, "start " + old, "delete"}
	for _, call := range calls {
		if len(want) > 0 && strings.HasPrefix(call, want[0]) {
			want = want[1:]
		}
	}
	if len(want) > 0 {
		t.Errorf("calls %q, want %q in it in this order", calls, want)
	}
	w.want("web=nginx:1.26")
}

func TestACancelledDeployLeavesTheOldContainerRunning(t *testing.T) {
	for _, method := range []string{"create", "stop", "rename", "start"} {
		t.Run("during "+method, func(t *testing.T) {
			w := newWorld(t)
			w.mustDeploy(spec("web"))
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			w.watch(&runtimetest.Watched{After: func(_ int, m, _ string) error {
				if m == method {
					cancel()
				}
				return nil
			}})
			c := w.containers(spec("web", image("nginx:1.27")))
			err := c.DeployContext(ctx)
			if !errors.Is(err, context.Canceled) {
				t.Fatalf("deploy: %v, want context.Canceled", err)
			}
			w.previous = c.PreviousState
			w.want("web=nginx:1.26")
			w.hooks = nil
			w.mustDeploy(spec("web", image("nginx:1.27")))
			w.want("web=nginx:1.27")
		})
	}
}

func TestAnOldContainerThatCannotBeRemovedUndoesNothing(t *testing.T) {
	w := newWorld(t)
	w.mustDeploy(spec("web"))
	w.failOn("delete", func(string) bool { return true })
	if err := w.deploy(spec("web", image("nginx:1.27"))); !errors.Is(err, errBoom) {
		t.Fatalf("deploy: %v", err)
	}
	w.want("web=nginx:1.27", "web.gitsync-old=nginx:1.26(exited)")
	if got := w.previous["web"].Container.Config.Image; got != "nginx:1.27" {
		t.Errorf("recorded image %s, want the new one", got)
	}
	w.hooks, w.held = nil, map[string]string{"web": "it failed"}
	_ = w.deploy(spec("web", image("nginx:1.27")))
	w.want("web=nginx:1.27")
}
