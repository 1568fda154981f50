package container_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gitsync/gitsync/container"
	"github.com/gitsync/gitsync/container/types"
	"github.com/gitsync/gitsync/runtime"
	"github.com/gitsync/gitsync/runtime/memory"
	"github.com/gitsync/gitsync/runtime/runtimetest"
)

func failureAction(action string) func(*container.HostConfiguredContainer) {
	return func(m *container.HostConfiguredContainer) { m.Update.FailureAction = action }
}

func oneShot(m *container.HostConfiguredContainer) {
	m.OneShot, m.Container.Config.Restart = true, "no"
}

func TestAReportHasTheExitCodeTheHealthLogAndTheLastLines(t *testing.T) {
	w := newWorld(t)
	lines := ""
	for i := range 30 {
		lines += fmt.Sprintf("line %d\n", i+1)
	}
	w.Behave("crash:1", memory.Behaviour{Ends: true, ExitCode: 3, Logs: lines})
	w.mustDeploy(spec("web"))
	err := w.deploy(spec("web", image("crash:1")))
	var failure *container.Failure
	if !errors.As(err, &failure) || failure.Report == nil || failure.Report.ExitCode == nil || *failure.Report.ExitCode != 3 {
		t.Fatalf("deploy: %v, want a report with exit code 3", err)
	}
	if got := failure.Report.LastLines; len(got) < 19 || got[len(got)-1] != "line 30" || slices.Contains(got, "line 10") {
		t.Errorf("last lines %q, want the last 20", got)
	}
	if strings.Contains(err.Error(), "line 30") {
		t.Error("the error holds what the container printed")
	}
}

func TestHowContainersFare(t *testing.T) {
	for name, tt := range map[string]struct {
		behaviour memory.Behaviour
		change    func(*container.HostConfiguredContainer)
		want      string
	}{
		"one that runs is ready":                        {memory.Behaviour{}, nil, ""},
		"one that is healthy is ready":                  {memory.Behaviour{Health: types.HealthHealthy}, nil, ""},
		"one that is unhealthy has failed":              {memory.Behaviour{Health: types.HealthUnhealthy}, nil, "it is unhealthy"},
		"one that never gets healthy is not ready":      {memory.Behaviour{Health: types.HealthStarting}, timeout(50 * time.Millisecond), "not ready after 50ms: it is not healthy yet"},
		"one that ends has failed":                      {memory.Behaviour{Ends: true, ExitCode: 2}, restart("no"), "it ended with exit code 2"},
		"one that ends well and is no one-shot, too":    {memory.Behaviour{Ends: true}, restart("no"), "says oneShot: true"},
		"one that is restarted has failed":              {memory.Behaviour{Ends: true, ExitCode: 1}, nil, "is being restarted"},
		"a one-shot that ends with 0 is ready":          {memory.Behaviour{Ends: true}, oneShot, ""},
		"a one-shot that ends with another code is not": {memory.Behaviour{Ends: true, ExitCode: 4}, oneShot, "it ended with exit code 4"},
		"a one-shot that does not end is not ready":     {memory.Behaviour{}, func(m *container.HostConfiguredContainer) { oneShot(m); timeout(50 * time.Millisecond)(m) }, "it has not ended"},
		"one that the runtime refuses is told by that":  {memory.Behaviour{Refuses: "no such program"}, nil, "no such program"},
		"one that does not run for its monitor is not ready": {memory.Behaviour{}, func(m *container.HostConfiguredContainer) {
			m.Update.Monitor = types.Duration(time.Hour)
			timeout(50 * time.Millisecond)(m)
		}, "it has not run for 1h0m0s"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.Behave("app:1", tt.behaviour)
			app := spec("app", image("app:1"))
			if tt.change != nil {
				tt.change(app)
			}
			if m := app.Update; m.Monitor > m.Timeout && m.Timeout > 0 {
				app.Container.Config.Healthcheck = &types.Healthcheck{Interval: types.Duration(time.Second)}
			}
			err := w.deploy(app)
			if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
				t.Errorf("deploy: %v, want %q", err, tt.want)
			}
		})
	}
}

func timeout(d time.Duration) func(*container.HostConfiguredContainer) {
	return func(m *container.HostConfiguredContainer) { m.Update.Timeout = types.Duration(d) }
}

func TestAFailedUpdateMayStay(t *testing.T) {
	w := newWorld(t)
	w.Behave("sick:1", memory.Behaviour{Health: types.HealthUnhealthy})
	w.mustDeploy(spec("web"))
	err := w.deploy(spec("web", image("sick:1"), failureAction(container.Continue)))
	if !errors.Is(err, container.ErrNotReady) {
		t.Errorf("deploy: %v, want ErrNotReady", err)
	}
	w.want("web=sick:1")
}

func TestAFirstDeploymentThatFailsStaysAndIsLookedAtAgain(t *testing.T) {
	w := newWorld(t)
	w.Behave("app:1", memory.Behaviour{Health: types.HealthUnhealthy})
	if err := w.deploy(spec("web", image("app:1"), file("/etc/web.conf", "x"))); !errors.Is(err, container.ErrNotReady) {
		t.Fatalf("deploy: %v, want ErrNotReady", err)
	}
	w.want("web=app:1")
	w.wantFile("/etc/web.conf", "x")
	if err := w.deploy(spec("web", image("app:1"), file("/etc/web.conf", "x"))); !errors.Is(err, container.ErrNotReady) {
		t.Errorf("deploy again: %v, want ErrNotReady", err)
	}
	w.Behave("app:1", memory.Behaviour{Health: types.HealthHealthy})
	w.mustDeploy(spec("web", image("app:1"), file("/etc/web.conf", "x")))
	if plan := w.plan(spec("web", image("app:1"), file("/etc/web.conf", "x"))); !plan.Empty() {
		t.Errorf("there is more to do:\n%s", plan)
	}
}

func TestConfigFilesDoWhatOnChangeSays(t *testing.T) {
	for action, tt := range map[string]struct{ again, restarted, signalled bool }{
		"":                         {restarted: true},
		container.OnChangeRestart:  {restarted: true},
		container.OnChangeRecreate: {again: true, restarted: true},
		container.OnChangeNone:     {},
		"SIGHUP":                   {signalled: true},
	} {
		t.Run("onChange "+action, func(t *testing.T) {
			w := newWorld(t)
			w.mustDeploy(spec("web", onChange("/etc/web.conf", "old", action)))
			id, started := w.Containers()["web"].ID, w.Started("web")
			w.mustDeploy(spec("web", onChange("/etc/web.conf", "new", action)))
			w.wantFile("/etc/web.conf", "new")
			if again := w.Containers()["web"].ID != id; again != tt.again {
				t.Errorf("created again: %v, want %v", again, tt.again)
			}
			if restarted := !w.Started("web").Equal(started); restarted != tt.restarted {
				t.Errorf("restarted: %v, want %v", restarted, tt.restarted)
			}
			if signalled := slices.Equal(w.Signals("web"), []string{"SIGHUP"}); signalled != tt.signalled {
				t.Errorf("signals %v", w.Signals("web"))
			}
			w.want("web=nginx:1.26")
			if plan := w.plan(spec("web", onChange("/etc/web.conf", "new", action))); !plan.Empty() {
				t.Errorf("there is more to do:\n%s", plan)
			}
			w.previous = nil
			if plan := w.plan(spec("web", onChange("/etc/web.conf", "new", action))); !plan.Empty() {
				t.Errorf("without a record there is more to do:\n%s", plan)
			}
		})
	}
}

func TestAConfigFileThatBreaksItsContainerIsTakenBack(t *testing.T) {
	for _, action := range []string{container.OnChangeRestart, "SIGHUP"} {
		t.Run(action, func(t *testing.T) {
			w := newWorld(t)
			w.mustDeploy(spec("web", onChange("/etc/web.conf", "old", action)))
			w.watch(&runtimetest.Watched{After: func(_ int, method, _ string) error {
				if f, _ := w.HostFile("/etc/web.conf"); method == "copy" && f.Content == "new" {
					w.Behave("nginx:1.26", memory.Behaviour{Health: types.HealthUnhealthy})
				} else if method == "copy" {
					w.Behave("nginx:1.26", memory.Behaviour{})
				}
				return nil
			}})
			if err := w.deploy(spec("web", onChange("/etc/web.conf", "new", action))); !errors.Is(err, container.ErrNotReady) {
				t.Fatalf("deploy: %v, want ErrNotReady", err)
			}
			w.want("web=nginx:1.26")
			w.wantFile("/etc/web.conf", "old")
			if action == "SIGHUP" && len(w.Signals("web")) != 2 {
				t.Errorf("signals %v, want one for each file", w.Signals("web"))
			}
		})
	}
}

func TestAJobRunsOnceForEachChange(t *testing.T) {
	w := newWorld(t)
	w.Behave("job:1", memory.Behaviour{Ends: true})
	ran := 0
	w.watch(&runtimetest.Watched{Before: func(_ int, method, subject string) error {
		if method == "create" && strings.HasPrefix(subject, "migrate") {
			ran++
		}
		return nil
	}})
	state := func(app string, change ...func(*container.HostConfiguredContainer)) specs {
		return specs{spec("migrate", append(change, job)...), spec("app", image(app), dependsOn("migrate", container.Completed)), spec("other")}
	}
	for _, step := range []struct {
		desired specs
		want    int
	}{
		{state("app:1"), 1}, {state("app:1"), 1}, {state("app:2"), 2}, {state("app:2", env("A", "b")), 3}, {state("app:2", env("A", "b")), 3},
	} {
		w.mustDeploy(step.desired...)
		if ran != step.want {
			t.Errorf("the job ran %d times, want %d", ran, step.want)
		}
	}
	// An update that fails after the job is tried again without it.
	w.Behave("crash:1", memory.Behaviour{Ends: true})
	for range 2 {
		if err := w.deploy(state("crash:1", env("A", "b"))...); !errors.Is(err, container.ErrNotReady) {
			t.Fatalf("deploy: %v, want ErrNotReady", err)
		}
	}
	w.held = map[string]string{"app": "it failed"}
	_ = w.deploy(state("crash:1", env("A", "b"))...)
	if ran != 4 {
		t.Errorf("the job ran %d times, want 4", ran)
	}
	w.want("migrate=job:1(exited)", "app=app:2", "other=nginx:1.26")
}

func TestContainersComeAfterWhatTheyDependOnAndGoBeforeIt(t *testing.T) {
	w := newWorld(t)
	w.parallel = 8
	all := specs{spec("aa", dependsOn("bb", container.Healthy)), spec("bb", dependsOn("cc", container.Started)), spec("cc"), spec("dd", network("container:aa"))}
	watched := w.watch(&runtimetest.Watched{})
	w.mustDeploy(all...)
	name := map[string]string{}
	for key, row := range w.Containers() {
		name[row.ID], name[row.Name] = key, key
	}
	if got := order(watched.Calls(), "start", name); got != "cc bb aa dd" {
		t.Errorf("they started in the order %q", got)
	}
	watched.Reset()
	w.mustDeploy()
	if got := order(watched.Calls(), "delete", name); !strings.HasSuffix(got, "aa bb cc") {
		t.Errorf("they were removed in the order %q", got)
	}
}

func order(calls []string, method string, name map[string]string) string {
	var out []string
	for _, call := range calls {
		if id, ok := strings.CutPrefix(call, method+" "); ok {
			out = append(out, name[id])
		}
	}
	return strings.Join(out, " ")
}

func TestADependantIsLeftAloneWhenWhatItNeedsFails(t *testing.T) {
	w := newWorld(t)
	w.Behave("crash:1", memory.Behaviour{Ends: true})
	w.mustDeploy(spec("db"), spec("app", dependsOn("db", container.Healthy)), spec("web"))
	after := specs{spec("db", image("crash:1")), spec("app", image("app:2"), dependsOn("db", container.Healthy)), spec("web", image("web:2"))}
	err := w.deploy(after...)
	if !errors.Is(err, container.ErrNotReady) || !errors.Is(err, container.ErrDependency) {
		t.Errorf("deploy: %v, want ErrNotReady and ErrDependency", err)
	}
	w.want("db=nginx:1.26", "app=nginx:1.26", "web=web:2")
	// While the database waits for its next try, so does what needs it.
	w.held = map[string]string{"db": "it failed"}
	if err := w.deploy(after...); !errors.Is(err, container.ErrHeld) {
		t.Errorf("deploy: %v, want ErrHeld", err)
	}
	w.want("db=nginx:1.26", "app=nginx:1.26", "web=web:2")
}

func TestADependantIsNotTouchedByAnUpdateOfWhatItNeeds(t *testing.T) {
	w := newWorld(t)
	w.mustDeploy(spec("db"), spec("app", dependsOn("db", container.Healthy)), spec("vpn"), spec("guest", network("container:vpn")))
	app, guest := w.Started("app"), w.Started("guest")
	w.mustDeploy(spec("db", image("db:2")), spec("app", dependsOn("db", container.Healthy)), spec("vpn", file("/etc/vpn.conf", "new")), spec("guest", network("container:vpn")))
	if !w.Started("app").Equal(app) {
		t.Error("the dependant was restarted")
	}
	w.SetStatus("vpn", types.StatusExited)
	w.mustDeploy(spec("db", image("db:2")), spec("app", dependsOn("db", container.Healthy)), spec("vpn", file("/etc/vpn.conf", "new")), spec("guest", network("container:vpn")))
	if w.Started("guest").Equal(guest) {
		t.Error("who shares a namespace was not restarted with its owner")
	}
}

func TestNoMoreAreWorkedOnAtOnceThanAllowed(t *testing.T) {
	for _, limit := range []int{1, 3} {
		w := newWorld(t)
		w.parallel = limit
		var now, most atomic.Int64
		w.watch(&runtimetest.Watched{
			Before: func(_ int, method, _ string) error {
				if method == "create" {
					most.Store(max(most.Load(), now.Add(1)))
				}
				return nil
			},
			After: func(_ int, method, _ string) error {
				if method == "create" {
					now.Add(-1)
				}
				return nil
			},
		})
		var all specs
		for i := range 20 {
			all = append(all, spec(fmt.Sprintf("c%d", i)))
		}
		w.mustDeploy(all...)
		if got := most.Load(); got > int64(limit) {
			t.Errorf("%d at once, want at most %d", got, limit)
		}
	}
}

func TestANewerStateEndsTheWait(t *testing.T) {
	w := newWorld(t)
	w.Behave("slow:1", memory.Behaviour{Health: types.HealthStarting})
	w.mustDeploy(spec("web", file("/etc/web.conf", "old")))
	superseded := make(chan struct{})
	w.watch(&runtimetest.Watched{After: func(_ int, method, subject string) error {
		if method == "start" && subject != w.previous["web"].Container.Status.ID {
			close(superseded)
		}
		return nil
	}})
	c := w.containers(spec("web", image("slow:1"), file("/etc/web.conf", "new")))
	c.Superseded = superseded
	if err := c.DeployContext(context.Background()); !errors.Is(err, container.ErrSuperseded) {
		t.Errorf("deploy: %v, want ErrSuperseded", err)
	}
	w.want("web=nginx:1.26")
	w.wantFile("/etc/web.conf", "old")
}

func TestAProtectedContainerIsNotMoved(t *testing.T) {
	here, there := &memory.World{}, &memory.World{}
	protect := func(m *container.HostConfiguredContainer) *container.HostConfiguredContainer {
		m.Protect = true
		return m
	}
	c := &container.Containers{DesiredState: container.ContainersState{"db": protect(inMemory(here, "db", "a"))}}
	if err := c.Deploy(); err != nil {
		t.Fatal(err)
	}
	moved := inMemory(there, "db", "a")
	moved.Container.Runtime.Memory.File = "elsewhere"
	c.DesiredState = container.ContainersState{"db": moved}
	if err := c.Deploy(); !errors.Is(err, container.ErrBlocked) {
		t.Errorf("deploy: %v, want ErrBlocked", err)
	}
	if len(here.Containers()) != 1 || len(there.Containers()) != 0 {
		t.Errorf("here %v, there %v", here.Containers(), there.Containers())
	}
}

func TestAnUpdateThatCannotWorkIsRefused(t *testing.T) {
	for want, change := range map[string]func(*container.HostConfiguredContainer){
		"cannot both publish host port 80":  func(m *container.HostConfiguredContainer) { port(80)(m); startFirst(m) },
		"would have one address":            func(m *container.HostConfiguredContainer) { network("host")(m); startFirst(m) },
		"needs restart: \"no\"":             func(m *container.HostConfiguredContainer) { m.OneShot = true },
		"update.order \"both\"":             func(m *container.HostConfiguredContainer) { m.Update.Order = "both" },
		"there is no container nobody":      dependsOn("nobody", container.Started),
		"it is no one-shot container":       dependsOn("other", container.Completed),
		"web → web wait for each other":     dependsOn("web", container.Started),
		"shorter than update.monitor":       func(m *container.HostConfiguredContainer) { m.Update = &container.Update{Timeout: 1} },
		"update.failureAction \"rollbakc\"": failureAction("rollbakc"),
	} {
		w := newWorld(t)
		web := spec("web")
		change(web)
		if err := w.containers(web, spec("other")).Validate(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("validate: %v, want %q", err, want)
		}
	}
}

func TestARestartThatIsHeldBackIsStillKeptUp(t *testing.T) {
	w := newWorld(t)
	w.mustDeploy(spec("web", file("/etc/web.conf", "old")))
	w.watch(&runtimetest.Watched{After: func(_ int, method, _ string) error {
		if f, _ := w.HostFile("/etc/web.conf"); method == "copy" {
			w.Behave("nginx:1.26", map[bool]memory.Behaviour{true: {Ends: true}}[f.Content == "new"])
		}
		return nil
	}})
	if err := w.deploy(spec("web", file("/etc/web.conf", "new"))); !errors.Is(err, container.ErrNotReady) {
		t.Fatalf("deploy: %v, want ErrNotReady", err)
	}
	w.want("web=nginx:1.26")
	w.held = map[string]string{"web": "it failed"}
	w.SetStatus("web", types.StatusExited)
	if err := w.deploy(spec("web", file("/etc/web.conf", "new"))); !errors.Is(err, container.ErrHeld) {
		t.Errorf("deploy: %v, want ErrHeld", err)
	}
	w.want("web=nginx:1.26")
	w.wantFile("/etc/web.conf", "old")
}

func TestAnUndoWithSlowStopsBringsTheOldContainerBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		slow := func(m *container.HostConfiguredContainer) {
			m.Container.Config.StopTimeout = types.Duration(2 * time.Minute)
		}
		w.Behave("sick:1", memory.Behaviour{Health: types.HealthUnhealthy})
		w.mustDeploy(spec("web", slow))
		w.watch(&runtimetest.Watched{Before: func(_ int, method, _ string) error {
			if method == "stop" {
				<-time.After(100 * time.Second)
			}
			return nil
		}})
		if err := w.deploy(spec("web", image("sick:1"), slow)); !errors.Is(err, container.ErrNotReady) {
			t.Fatalf("deploy: %v, want ErrNotReady", err)
		}
		w.want("web=nginx:1.26")
	})
}

func TestAContainerThatAPersonNamedInOtherLettersGetsItsNameBack(t *testing.T) {
	w := newWorld(t)
	w.mustDeploy(spec("web", network("backend"), volume("", "/cache")))
	w.put("web", "/cache")
	id := w.Containers()["web"].ID
	rt, _, _ := w.connect(t.Context(), spec("x").Host, container.RuntimeConfig{})
	if err := rt.(runtime.Renamer).Rename(t.Context(), id, "WEB"); err != nil {
		t.Fatal(err)
	}
	w.mustDeploy(spec("web", network("backend"), volume("", "/cache")))
	if got := w.Containers()["web"].ID; got != id {
		t.Errorf("web is %q, want the same %s", got, id)
	}
	w.wantData("web", "/cache")
}

// An engine takes "db" for the beginning of an ID when no container has that name.
func TestANameThatCouldBeginAnIDIsNoWayToRemoveAContainer(t *testing.T) {
	w := newWorld(t)
	w.mustDeploy(spec("db"), spec("web"))
	watched, rows := w.watch(&runtimetest.Watched{}), w.Containers()
	w.mustDeploy()
	for _, want := range []string{"delete " + rows["db"].ID, "delete web"} {
		if !slices.Contains(watched.Calls(), want) {
			t.Errorf("%q is not among the calls %q", want, watched.Calls())
		}
	}
}
