package container_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gitsync/gitsync/container"
	"github.com/gitsync/gitsync/container/types"
	"github.com/gitsync/gitsync/runtime/docker"
)

// facts are what a runtime says about a container that is as it was asked for.
func facts(m *container.HostConfiguredContainer, change ...func(*types.ContainerFacts)) types.ContainerFacts {
	id := row(m).ID
	f := types.ContainerFacts{
		ContainerStatus: types.ContainerStatus{ID: id, Status: types.StatusRunning, ImageID: "sha256:one"},
		Config:          m.Container.Config, Defaults: &types.ContainerConfig{},
		Networks: map[string]types.NetworkFacts{"bridge": {ID: "b"}},
	}
	f.Config.Hostname = id[:min(12, len(id))]
	for _, c := range change {
		c(&f)
	}
	return f
}

func drift(policy string, ignore ...string) func(*container.HostConfiguredContainer) {
	return func(m *container.HostConfiguredContainer) {
		m.Drift = &container.DriftPolicy{Policy: policy, Ignore: ignore}
	}
}

// driftsOf makes a plan for one container and returns its drift, a line each.
func driftsOf(m *container.HostConfiguredContainer, f types.ContainerFacts, opts container.PlanOptions) ([]string, container.HostPlan) {
	current := found(row(m))
	current.Facts = map[string]types.ContainerFacts{"web": f}
	plan := container.MakePlan("web1", state(m), recorded(m), current, opts)
	var lines []string
	for _, d := range plan.Drift {
		for _, drift := range d.Drift {
			lines = append(lines, drift.String())
		}
	}
	return lines, plan
}

// recorded is the record of a container that was deployed as it is desired, and that
// somebody has made anew since.
func recorded(m *container.HostConfiguredContainer) container.ContainersState {
	c := *m
	c.Container.Status = &types.ContainerStatus{ID: "before", ImageID: "sha256:one"}
	return state(&c)
}

func TestDriftNamesTheFieldAndNoSecret(t *testing.T) {
	limited := func(m *container.HostConfiguredContainer) {
		m.Container.Config.Memory, m.Container.Config.CPUs = 512<<20, 1
	}
	for _, tt := range []struct {
		name   string
		spec   []func(*container.HostConfiguredContainer)
		change func(*types.ContainerFacts)
		want   []string
		kind   container.Kind
	}{
		{name: "nothing", change: func(*types.ContainerFacts) {}},
		{"another image", nil, func(f *types.ContainerFacts) { f.Config.Image = "nginx:1.27" }, []string{"image: nginx:1.27 instead of nginx:1.26"}, container.Replace},
		{"the same name for another image", nil, func(f *types.ContainerFacts) { f.ImageID = "sha256:two" }, []string{"image: two instead of one"}, container.Replace},
		{"another value", []func(*container.HostConfiguredContainer){env("TOKEN", "sesame")}, func(f *types.ContainerFacts) { f.Config.Env = map[string]string{"TOKEN": "open"} }, []string{"env.TOKEN: another value instead of the deployed value"}, container.Replace},
		{"a variable more", nil, func(f *types.ContainerFacts) { f.Config.Env = map[string]string{"DEBUG": "sesame"} }, []string{"env.DEBUG: a value instead of (none)"}, container.Replace},
		{"a variable less", []func(*container.HostConfiguredContainer){env("TOKEN", "sesame")}, func(f *types.ContainerFacts) { f.Config.Env = nil }, []string{"env.TOKEN: missing instead of the deployed value"}, container.Replace},
		{"the image's variable is none", nil, func(f *types.ContainerFacts) {
			f.Config.Env, f.Defaults.Env = map[string]string{"PATH": "/bin"}, map[string]string{"PATH": "/bin"}
		}, nil, ""},
		{"the image's command is none", nil, func(f *types.ContainerFacts) {
			f.Config.Args, f.Defaults.Args = []string{"serve"}, []string{"serve"}
			f.Config.Entrypoint, f.Defaults.Entrypoint = []string{"/run"}, []string{"/run"}
			f.Config.User, f.Defaults.User = "1000", "1000"
			f.Config.Workdir, f.Defaults.Workdir = "/srv", "/srv/"
		}, nil, ""},
		{"another command", nil, func(f *types.ContainerFacts) { f.Config.Args = []string{"sesame"} }, []string{"args: another value instead of the deployed value"}, container.Replace},
		{"a mount of the host", nil, func(f *types.ContainerFacts) {
			f.Config.Mounts = []types.Mount{{Type: "bind", Source: "/", Target: "/host", Propagation: "rprivate"}}
		}, []string{"mounts./host: bind /:/host instead of (none)"}, container.Replace},
		{"the image's volume is none", nil, func(f *types.ContainerFacts) { f.Config.Mounts = []types.Mount{{Type: "volume", Target: "/data"}} }, nil, ""},
		{"privileges", nil, func(f *types.ContainerFacts) { f.Config.Privileged = true }, []string{"privileged: true instead of false"}, container.Replace},
		{"a device", nil, func(f *types.ContainerFacts) { f.Other = map[string]string{"devices": "/dev/sda"} }, []string{"devices: /dev/sda instead of the default"}, container.Replace},
		{"a limit raised", []func(*container.HostConfiguredContainer){limited}, func(f *types.ContainerFacts) { f.Config.Memory = 1 << 30 }, []string{"memory: 1GiB instead of 512MiB"}, container.Adjust},
		{"a limit where none was", nil, func(f *types.ContainerFacts) { f.Config.Memory = 1 << 30 }, []string{"memory: 1GiB instead of (unlimited)"}, container.Replace},
		{"another restart policy", nil, func(f *types.ContainerFacts) { f.Config.Restart = "no" }, []string{"restart: no instead of unless-stopped"}, container.Adjust},
		{"a network more", nil, func(f *types.ContainerFacts) { f.Networks["debug"] = types.NetworkFacts{} }, []string{"networks: bridge debug instead of bridge"}, container.Adjust},
		{"a network less", nil, func(f *types.ContainerFacts) { f.Networks = nil }, []string{"networks: (none) instead of bridge"}, container.Adjust},
		{"the host's network", nil, func(f *types.ContainerFacts) {
			f.Config.NetworkMode, f.Networks = "host", map[string]types.NetworkFacts{"host": {}}
		}, []string{"networks: host instead of bridge"}, container.Adjust},
	} {
		t.Run(tt.name, func(t *testing.T) {
			m := spec("web", tt.spec...)
			got, plan := driftsOf(m, facts(m, tt.change), container.PlanOptions{})
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("drift (-want +got):\n%s", diff)
			}
			kind := container.Kind("")
			if len(plan.Changes) > 0 {
				kind = plan.Changes[0].Kind
			}
			if kind != tt.kind {
				t.Errorf("the plan has %q, want %q", kind, tt.kind)
			}
			if text := (container.Plan{Hosts: []container.HostPlan{plan}}).String(); strings.Contains(text, "sesame") {
				t.Errorf("the plan shows a value: %s", text)
			}
		})
	}
}

// What cannot change while a container exists has not changed, whatever words the runtime
// has for it: nothing is replaced for that.
func TestTheRecordedContainerDiffersOnlyInWhatCanChange(t *testing.T) {
	m := spec("web")
	f := facts(m, func(f *types.ContainerFacts) {
		f.Config.Env, f.Config.Privileged, f.Config.Workdir, f.Config.Restart = map[string]string{"ADDED": "x"}, true, "/x", "no"
		f.Other = map[string]string{"devices": "/dev/x", "cpuShares": "512"}
	})
	current := found(row(m))
	current.Facts = map[string]types.ContainerFacts{"web": f}
	for name, previous := range map[string]container.ContainersState{"recorded": state(deployed(spec("web"))), "without a record": nil} {
		plan := container.MakePlan("web1", state(m), previous, current, container.PlanOptions{})
		var fields []string
		for _, drift := range plan.Drift[0].Drift {
			fields = append(fields, drift.Field)
		}
		if !slices.Equal(fields, []string{"restart", "cpuShares"}) {
			t.Errorf("%s: drift %v, want restart and cpuShares", name, fields)
		}
	}
}

func TestThePolicySaysWhatBecomesOfDrift(t *testing.T) {
	bigger := func(f *types.ContainerFacts) { f.Config.Memory, f.Config.Env = 1<<30, map[string]string{"TZ": "x"} }
	for _, tt := range []struct {
		name   string
		policy func(*container.HostConfiguredContainer)
		opts   container.PlanOptions
		drift  []string
		kinds  []container.Kind
		left   string
	}{
		{"repair is the default", drift(""), container.PlanOptions{}, []string{"env.TZ", "memory"}, []container.Kind{container.Replace}, ""},
		{"report leaves it", drift(container.ReportOnly), container.PlanOptions{}, []string{"env.TZ", "memory"}, nil, ""},
		{"apply repairs what is only to be reported", drift(container.ReportOnly), container.PlanOptions{RepairNow: true}, []string{"env.TZ", "memory"}, []container.Kind{container.Replace}, ""},
		{"ignore does not look", drift(container.Ignore), container.PlanOptions{RepairNow: true}, nil, nil, ""},
		{"ignored fields may differ", drift("", "env.TZ", "memory"), container.PlanOptions{}, nil, nil, ""},
		{"an ignored beginning covers all below it", drift("", "env"), container.PlanOptions{}, []string{"memory"}, []container.Kind{container.Replace}, ""},
		{"what is fought about is left", drift(""), container.PlanOptions{Fights: map[string]string{"web": "a fight"}}, []string{"env.TZ", "memory"}, nil, "a fight"},
		{"what is suspended is left", drift(""), container.PlanOptions{Suspended: map[string]string{"web": "restore"}}, []string{"env.TZ", "memory"}, []container.Kind{container.Suspended}, "restore"},
		{"a suspended host is left", drift(""), container.PlanOptions{Suspended: map[string]string{"": "restore"}, RepairNow: true}, []string{"env.TZ", "memory"}, []container.Kind{container.Suspended}, "restore"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			m := spec("web", tt.policy)
			_, plan := driftsOf(m, facts(m, bigger), tt.opts)
			var fields []string
			var kinds []container.Kind
			left := ""
			for _, d := range plan.Drift {
				left = d.Left
				for _, drift := range d.Drift {
					fields = append(fields, drift.Field)
					if drift.Repair != (len(tt.kinds) == 1 && tt.kinds[0] != container.Suspended) {
						t.Errorf("%s: to be repaired: %v", drift.Field, drift.Repair)
					}
				}
			}
			for _, c := range plan.Changes {
				kinds = append(kinds, c.Kind)
			}
			if !slices.Equal(fields, tt.drift) || !slices.Equal(kinds, tt.kinds) || left != tt.left {
				t.Errorf("drift %v, changes %v, left %q; want %v, %v, %q", fields, kinds, left, tt.drift, tt.kinds, tt.left)
			}
		})
	}
}

func TestPresenceDriftIsRepairedOrReported(t *testing.T) {
	exited := row(spec("web"), status(types.StatusExited))
	duplicate := row(spec("web"))
	duplicate.ID, duplicate.Name = "twin", "web-2"
	for _, tt := range []struct {
		name    string
		spec    *container.HostConfiguredContainer
		current container.Current
		want    string
	}{
		{"gone", spec("web", drift(container.ReportOnly)), found(), "  drift web: status: missing instead of running (reported only)\n"},
		{"stopped", spec("web", drift(container.ReportOnly)), found(exited), "  drift web: status: exited instead of running (reported only)\n"},
		{"stopped, and that is ignored", spec("web", drift("", "status")), found(exited), ""},
		{"paused", spec("web", drift(container.ReportOnly)), found(row(spec("web"), status(types.StatusPaused))), "  drift web: status: paused instead of running (reported only)\n"},
		{"restarting", spec("web"), found(row(spec("web"), status(types.StatusRestarting))), "  drift web: status: restarting instead of running (not for gitsync to repair)\n"},
		{"unhealthy", spec("web"), found(row(spec("web"), func(r *types.ContainerSummary) { r.Detail = "Up 2 hours (unhealthy)" })), "  drift web: health: unhealthy instead of healthy (not for gitsync to repair)\n"},
		{"there twice", spec("web"), container.Current{Containers: map[string]container.Instances{"web": {Main: row(spec("web")), Duplicates: []types.ContainerSummary{*duplicate}}}}, "  drift web: duplicate: web-2 (twin) instead of (none) (not for gitsync to repair)\n"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := container.Plan{Hosts: []container.HostPlan{container.MakePlan("web1", state(tt.spec), recorded(tt.spec), tt.current, container.PlanOptions{})}}.String()
			if got = strings.TrimPrefix(got, "web1:\n"); got != tt.want {
				t.Errorf("plan:\n%swant:\n%s", got, tt.want)
			}
		})
	}
}

func TestALabelledContainerThatNothingExplains(t *testing.T) {
	current := found(row(spec("mole")))
	plan := func(policy *container.DriftPolicy) string {
		return container.Plan{Hosts: []container.HostPlan{container.MakePlan("web1", nil, nil, current, container.PlanOptions{Drift: policy})}}.String()
	}
	if got := plan(&container.DriftPolicy{Policy: container.ReportOnly}); !strings.Contains(got, "drift mole: unexplained: mole, image nginx:1.26 instead of (none) (reported only)") || strings.Contains(got, "remove") {
		t.Errorf("reported only:\n%s", got)
	}
	if got := plan(nil); !strings.Contains(got, "remove mole") {
		t.Errorf("repaired:\n%s", got)
	}
}

// What an engine is configured to fill in is only drift where it differs from what that
// engine fills in now; and where that could not be found out nothing is compared.
func TestWhatTheRuntimeFillsInIsComparedWithASample(t *testing.T) {
	t.Parallel()
	m := spec("web")
	f := facts(m, func(f *types.ContainerFacts) {
		f.Filled = map[string]string{"shmSize": "1", "logConfig": "local", "logConfig.options": "token=sesame", "ipcMode": "private"}
	})
	for name, tt := range map[string]struct {
		sample map[string]string
		want   []string
	}{
		"the same":  {map[string]string{"shmSize": "1", "logConfig": "local", "logConfig.options": "token=sesame", "ipcMode": "private"}, nil},
		"not known": {nil, nil},
		"others": {
			map[string]string{"shmSize": "2", "logConfig": "local", "ulimits": "nofile=1:2", "ipcMode": "shareable"},
			[]string{
				"ipcMode: private instead of shareable", "logConfig.options: another value instead of the deployed value",
				"shmSize: 1 instead of 2", "ulimits: (default) instead of nofile=1:2",
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			current := found(row(m))
			current.Facts, current.Filled = map[string]types.ContainerFacts{"web": f}, tt.sample
			var got []string
			for _, d := range container.MakePlan("web1", state(m), recorded(m), current, container.PlanOptions{}).Drift {
				for _, drift := range d.Drift {
					got = append(got, drift.String())
				}
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("drift (-want +got):\n%s", diff)
			}
		})
	}
}

func TestEverySettingThatAnEngineTellsHasAFieldToIgnore(t *testing.T) {
	t.Parallel()
	for _, field := range docker.DriftFields() {
		if !slices.Contains(container.DriftFields, field) {
			t.Errorf("%s cannot be ignored", field)
		}
	}
}

// What docker update and docker network connect change beside the settings that can be
// asked for is put right while the container runs.
func TestDriftOfWhatNobodyCanAskForIsAdjusted(t *testing.T) {
	t.Parallel()
	limited := func(m *container.HostConfiguredContainer) { m.Container.Config.Memory = 512 << 20 }
	for _, tt := range []struct {
		name   string
		spec   []func(*container.HostConfiguredContainer)
		change func(*types.ContainerFacts)
		want   []string
		kind   container.Kind
	}{
		{"unlimited swap", []func(*container.HostConfiguredContainer){limited}, func(f *types.ContainerFacts) { f.MemorySwap = -1 }, []string{"memorySwap: (unlimited) instead of 1GiB"}, container.Adjust},
		{"the engine's own limit of swap is none", []func(*container.HostConfiguredContainer){limited}, func(f *types.ContainerFacts) { f.MemorySwap = 1 << 30 }, nil, ""},
		{"unlimited swap where nothing is limited", nil, func(f *types.ContainerFacts) { f.MemorySwap = -1 }, nil, ""},
		{"a limit of processes", nil, func(f *types.ContainerFacts) { f.Other = map[string]string{"pidsLimit": "2048"} }, []string{"pidsLimit: 2048 instead of the default"}, container.Adjust},
		{"an address of its own", nil, func(f *types.ContainerFacts) {
			f.Networks["bridge"] = types.NetworkFacts{Settings: map[string]string{"ipv4Address": "10.0.0.9"}}
		}, []string{"networks: bridge with ipv4Address 10.0.0.9 instead of bridge"}, container.Adjust},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			m := spec("web", tt.spec...)
			got, plan := driftsOf(m, facts(m, tt.change), container.PlanOptions{})
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("drift (-want +got):\n%s", diff)
			}
			kind := container.Kind("")
			if len(plan.Changes) > 0 {
				kind = plan.Changes[0].Kind
			}
			if kind != tt.kind {
				t.Errorf("the plan has %q, want %q", kind, tt.kind)
			}
		})
	}
}
