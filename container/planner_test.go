package container_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gitsync/gitsync/container"
	"github.com/gitsync/gitsync/container/types"
	"github.com/gitsync/gitsync/host"
	"github.com/gitsync/gitsync/host/direct"
	"github.com/gitsync/gitsync/runtime/docker"
)

// spec is a container with an image, changed by the given functions.
func spec(name string, change ...func(*container.HostConfiguredContainer)) *container.HostConfiguredContainer {
	m := &container.HostConfiguredContainer{
		Container: container.Container{
			Config:  types.ContainerConfig{Name: name, Image: "nginx:1.26"},
			Runtime: container.RuntimeConfig{Docker: &docker.Config{}},
		},
		Host: host.Host{DirectConfig: &direct.Config{}},
		// Ready as soon as it runs.
		Update: &container.Update{Monitor: 1},
	}
	for _, f := range change {
		f(m)
	}
	return m
}

func image(ref string) func(*container.HostConfiguredContainer) {
	return func(m *container.HostConfiguredContainer) { m.Container.Config.Image = ref }
}

func env(key, value string) func(*container.HostConfiguredContainer) {
	return func(m *container.HostConfiguredContainer) { m.Container.Config.Env = map[string]string{key: value} }
}

func port(p int) func(*container.HostConfiguredContainer) {
	return func(m *container.HostConfiguredContainer) {
		m.Container.Config.Ports = []types.PortMap{{Port: p}}
	}
}

func file(path, content string) func(*container.HostConfiguredContainer) {
	return func(m *container.HostConfiguredContainer) {
		m.ConfigFiles = map[string]string{path: content}
	}
}

func restart(policy string) func(*container.HostConfiguredContainer) {
	return func(m *container.HostConfiguredContainer) { m.Container.Config.Restart = policy }
}

func network(mode string) func(*container.HostConfiguredContainer) {
	return func(m *container.HostConfiguredContainer) { m.Container.Config.NetworkMode = mode }
}

// deployed is the record of a container that runs.
func deployed(m *container.HostConfiguredContainer) *container.HostConfiguredContainer {
	m.Container.Status = &types.ContainerStatus{ID: "id-" + m.Container.Config.Name}
	return m
}

// row is what a look finds of a container.
func row(m *container.HostConfiguredContainer, change ...func(*types.ContainerSummary)) *types.ContainerSummary {
	name := m.Container.Config.Name
	r := &types.ContainerSummary{
		ID: "id-" + name, Name: name, Image: m.Container.Config.Image, Status: types.StatusRunning,
		Labels: map[string]string{container.LabelContainer: name, container.LabelSpec: m.SpecDigest()},
	}
	for _, f := range change {
		f(r)
	}
	return r
}

func status(s string) func(*types.ContainerSummary) {
	return func(r *types.ContainerSummary) { r.Status = s }
}

func named(id, name string) func(*types.ContainerSummary) {
	return func(r *types.ContainerSummary) { r.ID, r.Name = id, name }
}

func state(ms ...*container.HostConfiguredContainer) container.ContainersState {
	s := container.ContainersState{}
	for _, m := range ms {
		s[m.Container.Config.Name] = m
	}
	return s
}

// found is a look that found these containers as their keys' main instances.
func found(rows ...*types.ContainerSummary) container.Current {
	c := container.Current{Containers: map[string]container.Instances{}, Files: map[string]*types.File{}}
	for _, r := range rows {
		c.Containers[r.Labels[container.LabelContainer]] = container.Instances{Main: r}
	}
	return c
}

type planCase struct {
	name              string
	desired, previous container.ContainersState
	current           container.Current
	want              string
}

func runPlanCases(t *testing.T, cases []planCase) {
	t.Helper()
	for _, tt := range cases {
		t.Run(tt.name, func(t *testing.T) {
			plan := container.Plan{Hosts: []container.HostPlan{
				container.MakePlan("web1", tt.desired, tt.previous, tt.current, container.PlanOptions{}),
			}}
			got := plan.String()
			want := strings.TrimPrefix(strings.ReplaceAll(tt.want, "\n\t\t\t", "\n"), "\n")
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("plan (-want +got):\n%s", diff)
			}
		})
	}
}

var oneContainer = []planCase{
	{
		name:    "nothing to do when all is as desired",
		desired: state(spec("web")), previous: state(deployed(spec("web"))), current: found(row(spec("web"))),
	},
	{
		name:    "nothing to do when the record is lost and the label is right",
		desired: state(spec("web")), current: found(row(spec("web"))),
	},
	{
		name:    "a new container is pulled, created and started",
		desired: state(spec("web")), current: found(),
		want: `
			web1:
			  create web: new container
			    1. pull nginx:1.26 unless present
			    2. create web
			    3. start web
			    4. wait until web is ready
			`,
	},
	{
		name:    "a changed image replaces the container and says from what to what",
		desired: state(spec("web", image("nginx:1.27"))), previous: state(deployed(spec("web"))), current: found(row(spec("web"))),
		want: `
			web1:
			  replace web: image nginx:1.26 → 1.27
			    1. pull nginx:1.27 unless present
			    2. create web.gitsync-new
			    3. rename web to web.gitsync-old
			    4. rename web.gitsync-new to web
			    5. stop web.gitsync-old
			    6. start web
			    7. wait until web is ready
			    8. remove web.gitsync-old
			`,
	},
	{
		name:    "a changed variable is named without its value",
		desired: state(spec("web", env("TOKEN", "new"))), previous: state(deployed(spec("web", env("TOKEN", "old")))),
		current: found(row(spec("web", env("TOKEN", "old")))),
		want: `
			web1:
			  replace web: env TOKEN changed
			    1. pull nginx:1.26 unless present
			    2. create web.gitsync-new
			    3. rename web to web.gitsync-old
			    4. rename web.gitsync-new to web
			    5. stop web.gitsync-old
			    6. start web
			    7. wait until web is ready
			    8. remove web.gitsync-old
			`,
	},
	{
		name:    "a container that is gone is created again",
		desired: state(spec("web")), previous: state(deployed(spec("web"))), current: found(),
		want: `
			web1:
			  create web: container is gone from the host
			    1. pull nginx:1.26 unless present
			    2. create web
			    3. start web
			    4. wait until web is ready
			`,
	},
	{
		name:     "a container that is no longer desired is stopped and removed",
		previous: state(deployed(spec("web"))), current: found(row(spec("web"))),
		want: `
			web1:
			  remove web: no longer desired
			    1. stop web
			    2. remove web
			`,
	},
	{
		name:     "a container that is no longer desired and gone is forgotten",
		previous: state(deployed(spec("web"))), current: found(),
		want: `
			web1:
			  forget web: no longer desired, and already gone
			    1. forget web
			`,
	},
	{
		name:    "a name that somebody else has blocks",
		desired: state(spec("web")),
		current: container.Current{Taken: map[string]types.ContainerSummary{
			"web": {ID: "0123456789abcdef", Name: "web", Image: "other:1"},
		}},
		want: `
			web1:
			  blocked web: the name web is taken by a container that gitsync did not create (0123456789ab, image other:1): remove or rename it, or choose another name in containers.yaml
			`,
	},
}

func TestPlanOfOneContainer(t *testing.T) { runPlanCases(t, oneContainer) }

func TestPlanOfStoppedContainers(t *testing.T) {
	start := `
			web1:
			  start web: container is stopped
			    1. start web
			    2. wait until web is ready
			`
	runPlanCases(t, []planCase{
		{
			name:    "a stopped container is started",
			desired: state(spec("web")), current: found(row(spec("web"), status(types.StatusExited))), want: start,
		},
		{
			name:    "a container that somebody renamed gets its name back",
			desired: state(spec("web")), current: found(row(spec("web"), named("id-web", "other"))),
			want: `
			web1:
			  rename web: container is named other on the host
			    1. rename other to web
			`,
		},
		{
			name:    "a container that never started is started",
			desired: state(spec("web")), current: found(row(spec("web"), status(types.StatusCreated))),
			want: strings.ReplaceAll(start, "container is stopped", "container was created and never started"),
		},
		{
			name:    "a container that ended and shall not restart stays",
			desired: state(spec("job", restart("no"))), current: found(row(spec("job", restart("no")), status(types.StatusExited))),
		},
		{
			name:    "a container that restarts on failure and ended well stays",
			desired: state(spec("job", restart("on-failure"))),
			current: found(row(spec("job", restart("on-failure")), status(types.StatusExited), func(r *types.ContainerSummary) {
				r.Detail = "Exited (0) 2 minutes ago"
			})),
		},
		{
			name:    "a paused container goes on",
			desired: state(spec("web")), current: found(row(spec("web"), status(types.StatusPaused))),
			want: `
			web1:
			  unpause web: container is paused
			    1. unpause web
			`,
		},
	})
}

func TestWhatIsDeniedIsLeftAsItIs(t *testing.T) {
	denied := map[string]string{"web": "the policy denies it"}
	row := types.ContainerSummary{ID: "1", Name: "web", Image: "nginx:1.26", Status: types.StatusRunning}
	there := container.Current{Containers: map[string]container.Instances{"web": {Main: &row}}}
	cases := map[string]struct {
		desired container.ContainersState
		current container.Current
		want    container.Kind
	}{
		"it is not created":                     {container.ContainersState{"web": spec("web")}, container.Current{}, container.Blocked},
		"it is not replaced":                    {container.ContainersState{"web": spec("web", image("evil:1"))}, there, container.Blocked},
		"what is no longer desired may be gone": {nil, there, container.Remove},
	}
	for name, c := range cases {
		row.Labels = map[string]string{container.LabelSpec: spec("web").SpecDigest()}
		previous := container.ContainersState{"web": spec("web")}
		plan := container.MakePlan("h", c.desired, previous, c.current, container.PlanOptions{Denied: denied})
		if len(plan.Changes) != 1 || plan.Changes[0].Kind != c.want {
			t.Errorf("%s: got %+v, want %s", name, plan.Changes, c.want)
		}
		if c.want == container.Blocked && len(plan.Steps()) > 0 {
			t.Errorf("%s: got the steps %v", name, plan.Steps())
		}
	}
	row.Labels = map[string]string{container.LabelSpec: spec("web").SpecDigest()}
	same := container.ContainersState{"web": spec("web")}
	if plan := container.MakePlan("h", same, same, there, container.PlanOptions{Denied: denied}); len(plan.Changes) > 0 {
		t.Errorf("what is as recorded: got %+v, want no change", plan.Changes)
	}
}
