package e2e_test

import (
	"context"
	"fmt"
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

// Each benchmark makes the same containers by raw calls of Docker's API in the same
// run, and reports how many times as long gitsync takes: the metric x/api.

const benchContainers = 5

// bench is an engine with room for containers.
type bench struct {
	*testing.B
	engine *docker.Runtime
	name   string
	image  [2]string
	calls  time.Duration
}

func newBench(b *testing.B) *bench {
	b.Helper()
	engine := dockertest.Require(b)
	n := &bench{B: b, engine: engine, name: dockertest.Name("bench")}
	n.image = [2]string{dockertest.Image(b, engine, "VERSION=1"), dockertest.Image(b, engine, "VERSION=2")}
	dockertest.RemoveLabelled(b, engine, map[string]string{container.LabelHost: n.name})
	return n
}

func (n *bench) containers(image string, previous container.ContainersState) *container.Containers {
	desired := container.ContainersState{}
	for i := range benchContainers {
		key := fmt.Sprintf("%s-%d", n.name, i)
		desired[key] = &container.HostConfiguredContainer{
			Container: container.Container{
				Config:  types.ContainerConfig{Name: key, Image: image, StopTimeout: types.Duration(time.Second)},
				Runtime: container.RuntimeConfig{Docker: &docker.Config{}},
			},
			Host: host.Host{DirectConfig: &direct.Config{}},
		}
	}
	return &container.Containers{
		DesiredState: desired, PreviousState: previous, Origin: &container.Origin{Host: n.name, Owner: "bench"},
		Connector: func(context.Context, host.Host, container.RuntimeConfig) (runtime.Runtime, func(), error) {
			return n.engine, func() {}, nil
		},
	}
}

// raw takes the time of what a script with Docker's API would do.
func (n *bench) raw(work func(ctx context.Context) error) {
	n.Helper()
	n.StopTimer()
	defer n.StartTimer()
	start := time.Now()
	if err := work(n.Context()); err != nil {
		n.Fatal(err)
	}
	n.calls += time.Since(start)
}

func (n *bench) must(err error) {
	n.Helper()
	if err != nil {
		n.Fatal(err)
	}
}

func (n *bench) report() {
	n.ReportMetric(float64(n.Elapsed())/float64(n.calls), "x/api")
	n.ReportMetric(0, "ns/op")
}

// start creates and starts containers of an image, and returns their IDs.
func (n *bench) start(ctx context.Context, image string) ([]string, error) {
	var ids []string
	for i := range benchContainers {
		id, err := n.engine.Create(ctx, &types.ContainerConfig{
			Name: fmt.Sprintf("%s-raw-%d", n.name, i), Image: image, StopTimeout: types.Duration(time.Second),
			Labels: map[string]string{container.LabelHost: n.name},
		})
		if err != nil {
			return nil, err
		}
		ids = append(ids, id)
		if err := n.engine.Start(ctx, id); err != nil {
			return nil, err
		}
	}
	return ids, nil
}

func (n *bench) remove(ctx context.Context, ids []string) error {
	for _, id := range ids {
		if err := n.engine.Stop(ctx, id); err != nil {
			return err
		}
		if err := n.engine.Delete(ctx, id); err != nil {
			return err
		}
	}
	return nil
}

// BenchmarkReplace updates five containers to another image.
func BenchmarkReplace(b *testing.B) {
	n := newBench(b)
	c := n.containers(n.image[0], nil)
	n.must(c.DeployContext(b.Context()))
	ids, err := n.start(b.Context(), n.image[0])
	n.must(err)
	turn := 0
	for b.Loop() {
		turn++
		c = n.containers(n.image[turn%2], c.PreviousState)
		n.must(c.DeployContext(b.Context()))
		n.raw(func(ctx context.Context) error {
			if err := n.remove(ctx, ids); err != nil {
				return err
			}
			ids, err = n.start(ctx, n.image[turn%2])
			return err
		})
	}
	n.report()
}

// BenchmarkNothingToDo looks at five containers that are as desired.
func BenchmarkNothingToDo(b *testing.B) {
	n := newBench(b)
	c := n.containers(n.image[0], nil)
	n.must(c.DeployContext(b.Context()))
	for b.Loop() {
		c = n.containers(n.image[0], c.PreviousState)
		n.must(c.DeployContext(b.Context()))
		n.raw(func(ctx context.Context) error {
			_, err := n.engine.List(ctx, map[string]string{container.LabelHost: n.name})
			return err
		})
	}
	n.report()
}
