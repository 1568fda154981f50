package container_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	stdsync "sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gitsync/gitsync/container"
	"github.com/gitsync/gitsync/container/types"
	"github.com/gitsync/gitsync/runtime/memory"
	"github.com/gitsync/gitsync/runtime/runtimetest"
)

// defaults leaves the update as it is by default: ready after five seconds.
func defaults(m *container.HostConfiguredContainer) { m.Update = nil }

type specChanges = []func(*container.HostConfiguredContainer)

// many are containers a00, a01 and so on.
func many(count int, change ...func(*container.HostConfiguredContainer)) specs {
	var all specs
	for i := range count {
		all = append(all, spec(fmt.Sprintf("a%02d", i), append(specChanges{defaults}, change...)...))
	}
	return all
}

// times notes when containers start, from the beginning on, by name.
func (w *world) times() func() []time.Duration {
	var mu stdsync.Mutex
	var starts []time.Duration
	begun := time.Now()
	w.watch(&runtimetest.Watched{After: func(_ int, method, _ string) error {
		if method == "start" {
			mu.Lock()
			defer mu.Unlock()
			starts = append(starts, time.Since(begun))
		}
		return nil
	}})
	return func() []time.Duration {
		mu.Lock()
		defer mu.Unlock()
		return slices.Clone(starts)
	}
}

func TestFirstCreationsWaitWithoutASlot(t *testing.T) {
	stopped := func(w *world) {
		w.mustDeploy(many(20)...)
		for name := range w.Containers() {
			w.SetStatus(name, types.StatusExited)
		}
	}
	for name, tt := range map[string]struct {
		parallel int
		before   func(w *world)
		change   func(*container.HostConfiguredContainer)
	}{
		"new containers":                         {},
		"new containers, one at once":            {parallel: 1},
		"containers that were stopped by hand":   {before: stopped},
		"new containers with a health check":     {change: image("healthy:1")},
		"new containers that share a namespace":  {change: func(m *container.HostConfiguredContainer) { m.Container.Config.NetworkMode = "container:owner" }},
		"containers that were not ready in time": {before: func(w *world) { w.notReadyYet(many(20)) }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				w.Behave("healthy:1", memory.Behaviour{Health: types.HealthHealthy})
				w.mustDeploy(spec("owner"))
				if tt.before != nil {
					tt.before(w)
				}
				w.parallel = tt.parallel
				starts, begun := w.times(), time.Now()
				all := many(20)
				if tt.change != nil {
					all = many(20, tt.change)
				}
				w.mustDeploy(append(all, spec("owner"))...)
				if took := time.Since(begun); took > 6*time.Second {
					t.Errorf("20 containers with a monitor of 5s took %s, want hardly more than one of them", took)
				}
				for _, at := range starts() {
					if at > 0 {
						t.Errorf("a container started after %s: it waited for another one's verdict", at)
					}
				}
			})
		})
	}
}

// notReadyYet leaves containers that run and are not known to be ready.
func (w *world) notReadyYet(all specs) {
	w.t.Helper()
	superseded := make(chan struct{})
	close(superseded)
	c := w.containers(append(all, spec("owner"))...)
	c.Superseded = superseded
	if err := c.DeployContext(w.t.Context()); !errors.Is(err, container.ErrSuperseded) {
		w.t.Fatalf("deploy: %v, want ErrSuperseded", err)
	}
	w.previous = c.PreviousState
}

func TestWhatRunsIsDisturbedNoMoreAtOnceThanAllowedUntilTheVerdict(t *testing.T) {
	for name, tt := range map[string]struct {
		before, after func(*container.HostConfiguredContainer)
	}{
		"replacements":               {image("nginx:1.26"), image("nginx:1.27")},
		"replacements, start first":  {startsFirst("nginx:1.26"), startsFirst("nginx:1.27")},
		"restarts by a config file":  {onChange("/etc/a.conf", "old", ""), onChange("/etc/a.conf", "new", "")},
		"config files with a signal": {onChange("/etc/a.conf", "old", "SIGHUP"), onChange("/etc/a.conf", "new", "SIGHUP")},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				w.parallel = 2
				w.mustDeploy(ownFiles(many(6, tt.before))...)
				begun := time.Now()
				fresh := spec("fresh", defaults)
				starts := w.times()
				w.mustDeploy(append(ownFiles(many(6, tt.after)), fresh)...)
				if took := time.Since(begun); took < 15*time.Second || took > 16*time.Second {
					t.Errorf("6 containers, 2 at once, took %s, want 3 times the monitor of 5s", took)
				}
				if at := starts(); len(at) == 0 || at[0] > 0 || w.Started("fresh").Sub(begun) > 0 {
					t.Errorf("starts at %v, the new container at %s: it waited for the updates", at, w.Started("fresh").Sub(begun))
				}
			})
		})
	}
}

func startsFirst(ref string) func(*container.HostConfiguredContainer) {
	return func(m *container.HostConfiguredContainer) {
		m.Container.Config.Image, m.Update = ref, &container.Update{Order: container.StartFirst}
	}
}

// ownFiles gives each container its own config file.
func ownFiles(all specs) specs {
	for _, m := range all {
		for path, content := range m.ConfigFiles {
			own := strings.Replace(path, "a.conf", m.Container.Config.Name+".conf", 1)
			m.ConfigFiles = map[string]string{own: content}
			m.ConfigFileAttributes = map[string]container.FileAttributes{own: m.ConfigFileAttributes[path]}
		}
	}
	return all
}

func TestAFirstFailureStartsNoFurtherReplacementsWithTheSameNewImage(t *testing.T) {
	for name, tt := range map[string]struct {
		image     string
		behaviour memory.Behaviour
		from      string
		held      bool
		most      int
	}{
		"one that ends":               {"bad:1", memory.Behaviour{Ends: true, ExitCode: 1}, "nginx:1.26", true, 2},
		"one that is unhealthy":       {"bad:1", memory.Behaviour{Health: types.HealthUnhealthy}, "nginx:1.26", true, 2},
		"one that the engine refuses": {"bad:1", memory.Behaviour{Refuses: "no such program"}, "nginx:1.26", true, 2},
		"one that they had before":    {"bad:1", memory.Behaviour{Ends: true, ExitCode: 1}, "bad:1", false, 6},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.parallel = 2
			var before, after specs
			for i := range 6 {
				key := fmt.Sprintf("a%d", i)
				before = append(before, spec(key, image(tt.from)))
				after = append(after, spec(key, image(tt.image), env("A", "b")))
			}
			w.mustDeploy(append(before, spec("other", image("good:1")))...)
			w.Behave(tt.image, tt.behaviour)
			watched := w.watch(&runtimetest.Watched{})
			err := w.deploy(append(after, spec("other", image("good:2")), spec("fresh", image(tt.image)))...)
			tried := 0
			for _, call := range watched.Calls() {
				if strings.HasPrefix(call, "create a") {
					tried++
				}
			}
			if tried == 0 || tried > tt.most || !tt.held && tried < tt.most {
				t.Errorf("%d replacements were begun, want %d at most", tried, tt.most)
			}
			if held := errors.Is(err, container.ErrImageFailed); held != tt.held {
				t.Errorf("deploy: %v, want those that were not begun to be named: %v", err, tt.held)
			}
			if w.Containers()["other"].Image != "good:2" || w.Containers()["fresh"].Image != tt.image {
				t.Errorf("what gets another image, and what is created, was held back: %v", w.Containers())
			}
			for i := range 6 {
				if got := w.Containers()[fmt.Sprintf("a%d", i)]; got.Image != tt.from || got.Status != types.StatusRunning && tt.from != tt.image {
					t.Errorf("a%d is %+v, want the old one", i, got)
				}
			}
		})
	}
}

func TestManyContainersAreLookedAtPolitely(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		watched := w.watch(&runtimetest.Watched{})
		w.mustDeploy(many(300)...)
		looks := 0
		for _, call := range watched.Calls() {
			if strings.HasPrefix(call, "inspect ") {
				looks++
			}
		}
		if looks > 300*6 {
			t.Errorf("300 containers were looked at %d times in 5s", looks)
		}
	})
}
