package e2e_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/gitsync/gitsync/container"
	"github.com/gitsync/gitsync/container/types"
	"github.com/gitsync/gitsync/host"
	"github.com/gitsync/gitsync/host/direct"
	"github.com/gitsync/gitsync/internal/dockertest"
	"github.com/gitsync/gitsync/runtime"
	"github.com/gitsync/gitsync/runtime/docker"
	"github.com/gitsync/gitsync/runtime/runtimetest"
)

// stage is a host whose containers are deployed by the library.
type stage struct {
	t        *testing.T
	full     runtimetest.Full
	name     string
	watched  *runtimetest.Watched
	previous container.ContainersState
}

// newStage has a host name of its own; what is deployed there is removed at the end.
func newStage(t *testing.T, engine *docker.Runtime) *stage {
	t.Helper()
	s := &stage{t: t, full: engine, name: dockertest.Name("stage")}
	dockertest.RemoveLabelled(t, engine, map[string]string{container.LabelHost: s.name})
	t.Cleanup(func() { removeManifests(t, s.name) })
	return s
}

// spec is the host's one container.
func (s *stage) spec(image string, change ...func(*container.HostConfiguredContainer)) *container.HostConfiguredContainer {
	m := &container.HostConfiguredContainer{
		Container: container.Container{
			Config:  types.ContainerConfig{Name: s.name, Image: image, StopTimeout: types.Duration(time.Second)},
			Runtime: container.RuntimeConfig{Docker: &docker.Config{}},
		},
		Host:   host.Host{DirectConfig: &direct.Config{}},
		Update: &container.Update{Monitor: types.Duration(300 * time.Millisecond)},
	}
	for _, f := range change {
		f(m)
	}
	return m
}

// containers is a deployment of these containers; nil is none.
func (s *stage) containers(desired ...*container.HostConfiguredContainer) *container.Containers {
	state := container.ContainersState{}
	for _, m := range desired {
		state[m.Container.Config.Name] = m
	}
	example := s.spec("x")
	return &container.Containers{
		DesiredState: state, PreviousState: s.previous,
		Origin:  &container.Origin{Host: s.name, Owner: "gitsync-test#main", Commit: "c1"},
		Machine: &container.Machine{Host: example.Host, Runtime: example.Container.Runtime},
		Connector: func(context.Context, host.Host, container.RuntimeConfig) (runtime.Runtime, func(), error) {
			if s.watched == nil {
				return s.full, func() {}, nil
			}
			s.watched.Full = s.full
			return s.watched, func() {}, nil
		},
	}
}

// deploy deploys, and remembers what was deployed.
func (s *stage) deploy(desired ...*container.HostConfiguredContainer) error {
	s.t.Helper()
	c := s.containers(desired...)
	err := c.DeployContext(s.t.Context())
	s.previous = c.PreviousState
	return err
}

// rows are the containers of the host, by name.
func (s *stage) rows() map[string]types.ContainerSummary {
	s.t.Helper()
	list, err := s.full.List(s.t.Context(), map[string]string{container.LabelHost: s.name})
	if err != nil {
		s.t.Fatal(err)
	}
	rows := map[string]types.ContainerSummary{}
	for _, row := range list {
		rows[row.Name] = row
	}
	return rows
}

// A link that stalls makes no container ready: the answer that is held up says what was true
// before, and the container has ended since.
func TestASlowLinkMakesNoContainerReady(t *testing.T) {
	t.Parallel()
	engine := dockertest.Require(t)
	good, ending := dockertest.Image(t, engine), dockertest.Image(t, engine, "EXIT=3", "EXIT_AFTER=700ms")
	for name, policy := range map[string]string{"one that stays down": "no", "one that is restarted": "always"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newStage(t, engine)
			policed := func(m *container.HostConfiguredContainer) { m.Container.Config.Restart = policy }
			// Long enough for a loaded machine to end the process.
			patient := func(m *container.HostConfiguredContainer) { m.Update.Monitor = types.Duration(6 * time.Second) }
			if err := s.deploy(s.spec(good, policed)); err != nil {
				t.Fatal(err)
			}
			old := s.rows()[s.name].ID
			answers := 0
			s.watched = &runtimetest.Watched{After: func(_ int, method, id string) error {
				if method == "inspect" && id != old {
					answers++
				}
				if answers == 2 {
					select {
					case <-time.After(6100 * time.Millisecond):
					case <-t.Context().Done():
					}
				}
				return nil
			}}
			if err := s.deploy(s.spec(ending, policed, patient)); !errors.Is(err, container.ErrNotReady) {
				t.Errorf("deploy: %v, want ErrNotReady", err)
			}
			if rows := s.rows(); len(rows) != 1 || rows[s.name].ID != old || rows[s.name].Status != types.StatusRunning {
				t.Errorf("the host has %+v, want the old container", rows)
			}
		})
	}
}
