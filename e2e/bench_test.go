package e2e_test

import (
	"context"
	"fmt"
	"net/http"
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
			// Ready as soon as it runs, as the raw calls have it.
			Update: &container.Update{Monitor: 1},
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

// BenchmarkDowntime updates a container that publishes a port, and measures how long
// nobody answers there, beside a script that stops the old one, removes it, creates the
// new one and starts it.
func BenchmarkDowntime(b *testing.B) {
	n := newBench(b)
	port := freePort(b)
	config := func(image string) types.ContainerConfig {
		return types.ContainerConfig{
			Name: n.name, Image: image, StopTimeout: types.Duration(time.Second),
			Ports: []types.PortMap{{IP: "127.0.0.1", Port: 80, HostPort: port}},
		}
	}
	var state container.ContainersState
	deploy := func(image string) error {
		c := n.containers(image, state)
		c.DesiredState = container.ContainersState{n.name: {
			Container: container.Container{Config: config(image), Runtime: container.RuntimeConfig{Docker: &docker.Config{}}},
			Host:      host.Host{DirectConfig: &direct.Config{}}, Update: &container.Update{Monitor: 1},
		}}
		err := c.DeployContext(b.Context())
		state = c.PreviousState
		return err
	}
	script := func(image string) error {
		old := state[n.name].Container.Status.ID
		if err := n.remove(b.Context(), []string{old}); err != nil {
			return err
		}
		raw := config(image)
		raw.Labels = map[string]string{container.LabelHost: n.name}
		id, err := n.engine.Create(b.Context(), &raw)
		if err != nil {
			return err
		}
		state[n.name].Container.Status.ID = id
		return n.engine.Start(b.Context(), id)
	}
	n.must(deploy(n.image[0]))
	var ours, raw time.Duration
	turn := 0
	for b.Loop() {
		turn++
		ours += n.downtime(port, func() error { return deploy(n.image[turn%2]) })
		raw += n.downtime(port, func() error { return script(n.image[turn%2]) })
	}
	b.ReportMetric(float64(ours)/float64(raw), "x/api")
	b.ReportMetric(float64(ours.Milliseconds())/float64(turn), "ms-down")
	b.ReportMetric(0, "ns/op")
}

// downtime is how long a port does not answer while something is done.
func (n *bench) downtime(port int, work func() error) time.Duration {
	n.Helper()
	client := &http.Client{Timeout: time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	answers := func() bool {
		response, err := client.Get(fmt.Sprintf("http://127.0.0.1:%d/", port))
		if err != nil {
			return false
		}
		_ = response.Body.Close()
		return true
	}
	done := make(chan error, 1)
	go func() { done <- work() }()
	longest, last, ended := time.Duration(0), time.Now(), false
	for time.Since(last) < 10*time.Second {
		if !answers() {
			continue
		}
		longest, last = max(longest, time.Since(last)), time.Now()
		if ended {
			return longest
		}
		select {
		case err := <-done:
			n.must(err)
			ended = true
		default:
		}
	}
	n.Fatal("the port does not answer any more")
	return 0
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
