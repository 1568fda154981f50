package e2e_test

import (
	"context"
	"errors"
	"fmt"
	stdsync "sync"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/gitsync/gitsync/container"
	"github.com/gitsync/gitsync/container/types"
	"github.com/gitsync/gitsync/host"
	"github.com/gitsync/gitsync/host/direct"
	"github.com/gitsync/gitsync/runtime"
	"github.com/gitsync/gitsync/runtime/docker"
	"github.com/gitsync/gitsync/runtime/runtimetest"
)

// rawConcurrency is what a script with Docker's API tries: how many containers it creates
// and starts at once. The best of them is the floor.
var rawConcurrency = []int{2, 4, 8, 16, 32}

// BenchmarkFirst deploys containers for the first time with default settings, so that each
// must run for five seconds. Until all run it takes x/api times as long as raw calls at the
// best concurrency, which is reported too; verdict-s is the time from then until all are
// known to be ready.
func BenchmarkFirst(b *testing.B) {
	for _, count := range []int{20, 50} {
		b.Run(fmt.Sprintf("%d containers", count), func(b *testing.B) {
			n := newBench(b)
			var ours, floor, verdict time.Duration
			best := 0
			for b.Loop() {
				least := time.Duration(0)
				for _, parallel := range rawConcurrency {
					took := n.rawFirst(count, parallel)
					if least == 0 || took < least {
						least, best = took, parallel
					}
				}
				running, ready := n.first(count)
				ours, floor, verdict = ours+running, floor+least, verdict+ready
			}
			b.ReportMetric(float64(ours)/float64(floor), "x/api")
			b.ReportMetric(float64(best), "best-at-once")
			b.ReportMetric(verdict.Seconds()/float64(b.N), "verdict-s")
			b.ReportMetric(0, "ns/op")
		})
	}
}

// config is that of one of many containers.
func (n *bench) config(i int) types.ContainerConfig {
	return types.ContainerConfig{
		Name: fmt.Sprintf("%s-%d", n.name, i), Image: n.image[0], StopTimeout: types.Duration(time.Second),
		Labels: map[string]string{container.LabelHost: n.name},
	}
}

// rawFirst creates and starts containers by calls of the API, so many at once, and removes
// them. It returns how long it took until all ran.
func (n *bench) rawFirst(count, parallel int) time.Duration {
	n.Helper()
	var mu stdsync.Mutex
	var ids []string
	var group errgroup.Group
	group.SetLimit(parallel)
	begun := time.Now()
	for i := range count {
		group.Go(func() error {
			config := n.config(i)
			id, err := n.engine.Create(n.Context(), &config)
			if err != nil {
				return err
			}
			mu.Lock()
			ids = append(ids, id)
			mu.Unlock()
			return n.engine.Start(n.Context(), id)
		})
	}
	err := group.Wait()
	took := time.Since(begun)
	n.must(errors.Join(err, n.removeAll(ids)))
	return took
}

func (n *bench) removeAll(ids []string) error {
	var group errgroup.Group
	group.SetLimit(8)
	for _, id := range ids {
		group.Go(func() error { return n.remove(n.Context(), []string{id}) })
	}
	return group.Wait()
}

// first deploys containers that are not there yet. It returns how long it took until all
// ran, and from then on until all were known to be ready.
func (n *bench) first(count int) (running, ready time.Duration) {
	n.Helper()
	desired := container.ContainersState{}
	for i := range count {
		config := n.config(i)
		config.Labels = nil
		desired[config.Name] = &container.HostConfiguredContainer{
			Container: container.Container{Config: config, Runtime: container.RuntimeConfig{Docker: &docker.Config{}}},
			Host:      host.Host{DirectConfig: &direct.Config{}},
		}
	}
	var mu stdsync.Mutex
	var last time.Time
	watched := &runtimetest.Watched{Full: n.engine, After: func(_ int, method, _ string) error {
		if method == "start" {
			mu.Lock()
			last = time.Now()
			mu.Unlock()
		}
		return nil
	}}
	c := n.containers(n.image[0], nil)
	c.DesiredState = desired
	c.Connector = func(context.Context, host.Host, container.RuntimeConfig) (runtime.Runtime, func(), error) {
		return watched, func() {}, nil
	}
	begun := time.Now()
	err := c.DeployContext(n.Context())
	ended := time.Now()
	var ids []string
	for _, m := range c.PreviousState {
		ids = append(ids, m.Container.Status.ID)
	}
	n.must(errors.Join(err, n.removeAll(ids)))
	return last.Sub(begun), ended.Sub(last)
}
