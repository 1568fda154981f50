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
)

// handOver is an engine with containers of one host.
type handOver struct {
	*testing.T
	engine *docker.Runtime
	image  string
	*container.Containers
}

type configs = map[string][]func(*types.ContainerConfig)

// What a failed update handed on comes back on a real engine too: ports that went to a new
// container, and the owner of a network that another container shares.
func TestWhatWasHandedOnComesBack(t *testing.T) {
	t.Parallel()
	engine := dockertest.Require(t)
	image := dockertest.Image(t, engine)
	ports := [2]int{freePort(t), freePort(t)}
	name := dockertest.Name("handover")
	p1, q0, r1, vpn, guest := name+"-p1", name+"-q0", name+"-r1", name+"-vpn", name+"-guest"
	publish := func(i int) func(*types.ContainerConfig) {
		return func(c *types.ContainerConfig) {
			c.Ports = []types.PortMap{{IP: "127.0.0.1", Port: 80, HostPort: ports[i]}}
		}
	}
	fails := func(c *types.ContainerConfig) { c.Entrypoint = []string{"/nope"} }
	newer := func(c *types.ContainerConfig) { c.Args = []string{"2"} }
	joins := func(c *types.ContainerConfig) {
		c.NetworkMode, c.Env = "container:"+vpn, map[string]string{"PORT": "81"}
	}
	for title, tt := range map[string]struct {
		before, bad, good configs
		failed            string
	}{
		"ports": {configs{p1: {publish(0)}, q0: {publish(1)}}, configs{q0: {publish(0), fails}, r1: {publish(1)}}, configs{q0: {publish(0)}, r1: {publish(1)}}, q0},
		"a network": {
			configs{vpn: {}, guest: {joins}}, configs{vpn: {newer}, guest: {joins, fails}}, configs{vpn: {newer}, guest: {joins, newer}}, guest,
		},
	} {
		t.Run(title, func(t *testing.T) {
			t.Parallel()
			h := newHandOver(t, engine, image)
			if err := h.deploy(tt.before); err != nil {
				t.Fatal(err)
			}
			was := h.running(tt.before)
			err := h.deploy(tt.bad)
			var failure *container.Failure
			if !errors.As(err, &failure) || failure.Container != tt.failed {
				t.Fatalf("deploy: %v, want a failure of %s", err, tt.failed)
			}
			for key, id := range h.running(tt.before) {
				if id != was[key] {
					t.Errorf("%s is %s, want the one that was there, %s", key, id, was[key])
				}
			}
			if err := h.deploy(tt.good); err != nil {
				t.Fatal(err)
			}
			h.running(tt.good)
		})
	}
}

func newHandOver(t *testing.T, engine *docker.Runtime, image string) *handOver {
	origin := &container.Origin{Host: dockertest.Name("handover"), Owner: "e2e"}
	dockertest.RemoveLabelled(t, engine, map[string]string{container.LabelHost: origin.Host})
	return &handOver{t, engine, image, &container.Containers{
		Origin: origin,
		Connector: func(context.Context, host.Host, container.RuntimeConfig) (runtime.Runtime, func(), error) {
			return engine, func() {}, nil
		},
	}}
}

func (h *handOver) deploy(wanted configs) error {
	h.DesiredState = container.ContainersState{}
	for key, change := range wanted {
		config := types.ContainerConfig{Name: key, Image: h.image, StopTimeout: types.Duration(time.Second)}
		for _, f := range change {
			f(&config)
		}
		h.DesiredState[key] = &container.HostConfiguredContainer{
			Container: container.Container{Config: config, Runtime: container.RuntimeConfig{Docker: &docker.Config{}}},
			Host:      host.Host{DirectConfig: &direct.Config{}},
			Update:    &container.Update{Monitor: types.Duration(time.Second)},
		}
	}
	return h.DeployContext(h.Context())
}

// running checks that just these containers are there, and run. It returns their IDs.
func (h *handOver) running(wanted configs) map[string]string {
	h.Helper()
	rows, err := h.engine.List(h.Context(), map[string]string{container.LabelHost: h.Origin.Host})
	if err != nil {
		h.Fatal(err)
	}
	ids := map[string]string{}
	for _, row := range rows {
		if _, ok := wanted[row.Name]; !ok || row.Status != types.StatusRunning {
			h.Errorf("there is %s, %s", row.Name, row.Status)
		}
		ids[row.Name] = row.ID
	}
	if len(ids) != len(wanted) {
		h.Errorf("there are %v, want %d", ids, len(wanted))
	}
	return ids
}
