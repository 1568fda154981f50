package container_test

import (
	"errors"
	"testing"

	"github.com/gitsync/gitsync/container"
	"github.com/gitsync/gitsync/container/types"
	"github.com/gitsync/gitsync/runtime"
	"github.com/gitsync/gitsync/runtime/memory"
	"github.com/gitsync/gitsync/runtime/runtimetest"
)

// changesOfStates are deploys that are killed at every call, while the old containers are in
// other states than running.
var changesOfStates = []change{
	{
		name: "replacements of containers that are restarted, paused and stopped",
		before: func() specs {
			return specs{spec("web", image("loop:1"), volume("", "/cache")), spec("db", volume("", "/cache")), spec("off", startFirst), spec("first", image("loop:1"), startFirst)}
		},
		since: func(w *world) {
			w.loops("web")
			w.loops("first")
			w.SetStatus("db", types.StatusPaused)
			w.SetStatus("off", types.StatusExited)
		},
		after: func() specs {
			return specs{spec("web", image("nginx:1.27"), volume("", "/cache")), spec("db", image("nginx:1.27"), volume("", "/cache")), spec("off", image("nginx:1.27"), startFirst), spec("first", image("nginx:1.27"), startFirst)}
		},
		want: []string{"web=nginx:1.27", "db=nginx:1.27", "off=nginx:1.27", "first=nginx:1.27"},
		check: func(t *testing.T, w *world) {
			w.wantData("web", "/cache")
			w.wantData("db", "/cache")
		},
	},
	{
		name:  "an update of a container that is restarted, and that is rolled back",
		fails: true,
		before: func() specs {
			return specs{spec("web", image("loop:1"), recreatedBy("/etc/web.conf", "old"), volume("", "/cache"))}
		},
		since: func(w *world) { w.loops("web") },
		after: func() specs {
			return specs{spec("web", image("crash:1"), recreatedBy("/etc/web.conf", "new"), volume("", "/cache"))}
		},
		want: []string{"web=loop:1(restarting)"},
		check: func(t *testing.T, w *world) {
			w.wantFile("/etc/web.conf", "old")
			w.wantData("web", "/cache")
		},
	},
	{
		name: "a restart for a config file, a name and a removal of what is restarted",
		before: func() specs {
			return specs{spec("web", image("loop:1"), file("/etc/web.conf", "old")), spec("named", image("loop:2")), spec("gone", image("loop:3"))}
		},
		since: func(w *world) {
			w.loops("web")
			w.loops("gone")
			w.rename("named", "by-hand")
			w.loops("by-hand")
			// It would come up now.
			w.Behave("loop:2", memory.Behaviour{})
			// The file is what makes it run.
			w.Behave("loop:1", memory.Behaviour{})
		},
		after: func() specs {
			return specs{spec("web", image("loop:1"), file("/etc/web.conf", "new")), spec("named", image("loop:2"))}
		},
		want:  []string{"web=loop:1", "named=loop:2"},
		check: func(t *testing.T, w *world) { w.wantFile("/etc/web.conf", "new") },
	},
}

// keyed returns the container with this key, whatever its name is.
func (w *world) keyed(key string) types.ContainerSummary {
	for _, row := range w.Containers() {
		if row.Labels[container.LabelContainer] == key {
			return row
		}
	}
	return types.ContainerSummary{}
}

// loops lets a container end again and again, from now on.
func (w *world) loops(name string) {
	w.Behave(w.Containers()[name].Image, memory.Behaviour{Ends: true, ExitCode: 9})
	w.SetStatus(name, types.StatusRestarting)
}

// rename gives a container another name by hand.
func (w *world) rename(from, to string) {
	w.t.Helper()
	rt, _, _ := w.connect(w.t.Context(), spec("x").Host, container.RuntimeConfig{})
	if err := rt.(runtime.Renamer).Rename(w.t.Context(), w.Containers()[from].ID, to); err != nil {
		w.t.Fatal(err)
	}
}

// A container that runs when the plan is made may be between two restarts when it is renamed.
func TestAContainerThatBeginsToCrashDuringItsUpdate(t *testing.T) {
	for name, tt := range map[string]struct {
		prepare func(*world)
		desired func() specs
		fails   bool
		want    string
	}{
		"it is replaced":       {nil, func() specs { return specs{spec("web", image("nginx:1.27"))} }, false, "web=nginx:1.27"},
		"it starts first":      {nil, func() specs { return specs{spec("web", image("nginx:1.27"), startFirst)} }, false, "web=nginx:1.27"},
		"it is rolled back":    {nil, func() specs { return specs{spec("web", image("crash:1"))} }, true, "web=loop:1(restarting)"},
		"its name is repaired": {func(w *world) { w.rename("web", "by-hand") }, func() specs { return specs{spec("web", image("loop:1"))} }, false, "web=loop:1(restarting)"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.Behave("crash:1", memory.Behaviour{Ends: true, ExitCode: 3})
			w.mustDeploy(spec("web", image("loop:1")))
			if tt.prepare != nil {
				tt.prepare(w)
			}
			row, once := w.keyed("web"), false
			w.watch(&runtimetest.Watched{Before: func(_ int, method, id string) error {
				if method == "rename" && !once {
					once = true
					w.loops(row.Name)
				}
				return nil
			}})
			if err := w.deploy(tt.desired()...); (err != nil) != tt.fails || tt.fails && !errors.Is(err, container.ErrNotReady) {
				t.Errorf("deploy: %v", err)
			}
			w.want(tt.want)
		})
	}
}

// Somebody may remove the old container between any two calls: then the next deploy brings
// about what is desired, with the data that the new container had already.
func TestAContainerThatIsRemovedBetweenTwoCallsIsThereAgain(t *testing.T) {
	conf := func(content string) func(*container.HostConfiguredContainer) { return file("/etc/web.conf", content) }
	for name, tt := range map[string]struct {
		after specs
		want  string
	}{
		"replaced":     {specs{spec("web", image("nginx:1.27"), conf("new"), volume("", "/cache"))}, "web=nginx:1.27"},
		"starts first": {specs{spec("web", image("nginx:1.27"), conf("new"), volume("", "/cache"), startFirst)}, "web=nginx:1.27"},
		"restarted":    {specs{spec("web", conf("new"), volume("", "/cache"))}, "web=nginx:1.26"},
		"removed":      {nil, ""},
	} {
		t.Run(name, func(t *testing.T) {
			for k := 1; ; k++ {
				w := newWorld(t)
				w.mustDeploy(spec("web", conf("old"), volume("", "/cache")))
				w.put("web", "/cache")
				id, reached, carried := w.keyed("web").ID, false, false
				w.watch(&runtimetest.Watched{Before: func(n int, _, _ string) error {
					if n != k {
						return nil
					}
					reached = true
					rows := w.Containers()
					for name, row := range rows {
						carried = carried || row.ID != id && row.Labels[container.LabelContainer] == "web"
						if row.ID == id {
							w.Remove(name)
						}
					}
					return nil
				}})
				_ = w.deploy(tt.after...)
				w.hooks = nil
				w.mustDeploy(tt.after...)
				if tt.want == "" {
					w.want()
				} else {
					w.want(tt.want)
					w.wantFile("/etc/web.conf", "new")
				}
				if carried {
					w.wantData("web", "/cache")
				}
				if plan := w.plan(tt.after...); !plan.Empty() {
					t.Errorf("call %d: there is more to do:\n%s", k, plan)
				}
				if t.Failed() || !reached {
					t.Logf("call %d", k)
					return
				}
			}
		})
	}
}

// A person's pause outlives an update that fails, whatever the update was to do.
func TestAPausedContainerIsPausedAfterAnUpdateThatFails(t *testing.T) {
	for name, broken := range map[string]specs{
		"replaced":  {spec("web", image("sick:1"), file("/etc/web.conf", "old"))},
		"restarted": {spec("web", file("/etc/web.conf", "new"))},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.Behave("sick:1", memory.Behaviour{Health: types.HealthUnhealthy})
			w.mustDeploy(spec("web", file("/etc/web.conf", "old")))
			id := w.Containers()["web"].ID
			w.SetStatus("web", types.StatusPaused)
			w.watch(&runtimetest.Watched{Before: func(_ int, method, _ string) error {
				if f, _ := w.HostFile("/etc/web.conf"); method == "start" {
					w.Behave("nginx:1.26", map[bool]memory.Behaviour{true: {Health: types.HealthUnhealthy}}[f.Content == "new"])
				}
				return nil
			}})
			for range 2 {
				if err := w.deploy(broken...); !errors.Is(err, container.ErrNotReady) {
					t.Fatalf("deploy: %v, want ErrNotReady", err)
				}
				w.want("web=nginx:1.26(paused)")
				w.wantFile("/etc/web.conf", "old")
				if got := w.Containers()["web"].ID; got != id {
					t.Errorf("web is %s, want the old %s", got, id)
				}
			}
		})
	}
}

// A job that ends at the moment of its rename is refused in the same words, and is not run
// again.
func TestAContainerThatEndsDuringItsUpdateIsNotStartedAgain(t *testing.T) {
	w := newWorld(t)
	w.mustDeploy(spec("web", restart("no")))
	row, refused, started := w.keyed("web"), false, false
	w.watch(&runtimetest.Watched{Before: func(_ int, method, id string) error {
		if method == "rename" && !refused {
			refused = true
			w.SetStatus("web", types.StatusExited)
			return runtime.ErrRestarting
		}
		started = started || method == "start" && id == row.ID
		return nil
	}})
	w.mustDeploy(spec("web", image("nginx:1.27"), restart("no")))
	w.want("web=nginx:1.27")
	if started {
		t.Error("the old container was started again")
	}
}
