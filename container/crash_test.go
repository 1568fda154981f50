package container_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"sigs.k8s.io/yaml"

	"github.com/gitsync/gitsync/container"
	"github.com/gitsync/gitsync/container/types"
	"github.com/gitsync/gitsync/runtime/memory"
	"github.com/gitsync/gitsync/runtime/runtimetest"
)

var errKilled = errors.New("killed")

// die ends the world's runtime at call k, before or after it: neither that call's
// answer nor any later call gets through, as when the process is killed.
func (w *world) die(k int, after bool) *runtimetest.Watched {
	var dead atomic.Bool
	check := func(n int, kill bool) error {
		if kill && n >= k {
			dead.Store(true)
		}
		if dead.Load() {
			return errKilled
		}
		return nil
	}
	return w.watch(&runtimetest.Watched{
		Before: func(n int, _, _ string) error { return check(n, !after) },
		After:  func(n int, _, _ string) error { return check(n, after) },
	})
}

// change is a representative deploy: what there is, and what a commit makes of it.
type change struct {
	name          string
	before, after func() []*container.HostConfiguredContainer
	// since is what has happened to what there is, since it was deployed.
	since func(w *world)
	// fails says that an update in it cannot succeed, and is rolled back.
	fails bool
	want  []string
	check func(t *testing.T, w *world)
}

type specs = []*container.HostConfiguredContainer

// changes are the deploys that are killed at every call.
var changes = []change{
	{
		name: "a replacement, a removal, a creation and a port that is handed over",
		before: func() specs {
			return specs{spec("web", recreatedBy("/etc/web.conf", "old"), port(80)), spec("db"), spec("gone", port(81))}
		},
		after: func() specs {
			return specs{spec("web", image("nginx:1.27"), recreatedBy("/etc/web.conf", "new"), port(80)), spec("db"), spec("fresh", port(81))}
		},
		want:  []string{"web=nginx:1.27", "db=nginx:1.26", "fresh=nginx:1.26"},
		check: func(t *testing.T, w *world) { w.wantFile("/etc/web.conf", "new") },
	},
	{
		name:   "a replacement that starts first",
		before: func() specs { return specs{spec("web", startFirst, volume("data", "/data"), volume("", "/cache"))} },
		after: func() specs {
			return specs{spec("web", image("nginx:1.27"), startFirst, volume("data", "/data"), volume("", "/cache"))}
		},
		want:  []string{"web=nginx:1.27"},
		check: func(t *testing.T, w *world) { w.wantData("web", "/data", "/cache") },
	},
	{
		name:   "a replacement that starts first where others find it by its name",
		before: func() specs { return specs{spec("web", startFirst, network("backend"))} },
		after:  func() specs { return specs{spec("web", image("nginx:1.27"), startFirst, network("backend"))} },
		want:   []string{"web=nginx:1.27"},
	},
	{
		name:   "a replacement that keeps its volumes",
		before: func() specs { return specs{spec("db", volume("data", "/data"), volume("", "/cache"))} },
		after: func() specs {
			return specs{spec("db", image("nginx:1.27"), volume("data", "/data"), volume("", "/cache"))}
		},
		want:  []string{"db=nginx:1.27"},
		check: func(t *testing.T, w *world) { w.wantData("db", "/data", "/cache") },
	},
	{
		name:   "a config file that restarts and one that signals",
		before: func() specs { return specs{spec("web", file("/etc/web.conf", "old")), spec("sig", signalled("old"))} },
		after:  func() specs { return specs{spec("web", file("/etc/web.conf", "new")), spec("sig", signalled("new"))} },
		want:   []string{"web=nginx:1.26", "sig=nginx:1.26"},
		check: func(t *testing.T, w *world) {
			w.wantFile("/etc/web.conf", "new")
			w.wantFile("/etc/sig.conf", "new")
			if len(w.Signals("sig")) == 0 {
				t.Error("the container was never told of its new file")
			}
		},
	},
	{
		name: "dependants and a job before them",
		before: func() specs {
			return specs{spec("db"), spec("migrate", job, dependsOn("db", container.Healthy)), spec("app", dependsOn("migrate", container.Completed)), spec("old", dependsOn("db", container.Started))}
		},
		after: func() specs {
			return specs{spec("db", image("nginx:1.27")), spec("migrate", job, dependsOn("db", container.Healthy)), spec("app", image("nginx:1.27"), dependsOn("migrate", container.Completed))}
		},
		want: []string{"db=nginx:1.27", "migrate=job:1(exited)", "app=nginx:1.27"},
	},
	{
		name:  "an update that is rolled back",
		fails: true,
		before: func() specs {
			return specs{spec("web", file("/etc/web.conf", "old"), volume("", "/cache")), spec("db")}
		},
		after: func() specs {
			return specs{spec("web", image("crash:1"), file("/etc/web.conf", "new"), volume("", "/cache")), spec("db")}
		},
		want: []string{"web=nginx:1.26", "db=nginx:1.26"},
		check: func(t *testing.T, w *world) {
			w.wantFile("/etc/web.conf", "old")
			w.wantData("web", "/cache")
		},
	},
	{
		name:   "an update that starts first and is rolled back",
		fails:  true,
		before: func() specs { return specs{spec("web", startFirst, file("/etc/web.conf", "old"))} },
		after: func() specs {
			return specs{spec("web", image("sick:1"), startFirst, file("/etc/web.conf", "new"))}
		},
		want:  []string{"web=nginx:1.26"},
		check: func(t *testing.T, w *world) { w.wantFile("/etc/web.conf", "old") },
	},
}

func startFirst(m *container.HostConfiguredContainer) { m.Update.Order = container.StartFirst }

func job(m *container.HostConfiguredContainer) {
	m.PreDeploy, m.Container.Config.Restart, m.Container.Config.Image = true, "no", "job:1"
}

func dependsOn(key string, c container.Condition) func(*container.HostConfiguredContainer) {
	return func(m *container.HostConfiguredContainer) { m.DependsOn = map[string]container.Condition{key: c} }
}

func volume(source, target string) func(*container.HostConfiguredContainer) {
	return func(m *container.HostConfiguredContainer) {
		m.Container.Config.Mounts = append(m.Container.Config.Mounts, types.Mount{Source: source, Target: target})
	}
}

func onChange(path, content, action string) func(*container.HostConfiguredContainer) {
	return func(m *container.HostConfiguredContainer) {
		m.ConfigFiles = map[string]string{path: content}
		m.ConfigFileAttributes = map[string]container.FileAttributes{path: {OnChange: action}}
	}
}

func recreatedBy(path, content string) func(*container.HostConfiguredContainer) {
	return onChange(path, content, container.OnChangeRecreate)
}

func signalled(content string) func(*container.HostConfiguredContainer) {
	return onChange("/etc/sig.conf", content, "SIGHUP")
}

// prepare deploys what there is before, and puts data into each volume.
func (c change) prepare(t *testing.T) *world {
	w := newWorld(t)
	w.Behave("job:1", memory.Behaviour{Ends: true})
	w.Behave("crash:1", memory.Behaviour{Ends: true, ExitCode: 3, Logs: "no such table\n"})
	w.Behave("sick:1", memory.Behaviour{Health: types.HealthUnhealthy})
	w.mustDeploy(c.before()...)
	for _, m := range c.before() {
		for _, mount := range m.Container.Config.Mounts {
			w.put(m.Container.Config.Name, mount.Target)
		}
	}
	if c.since != nil {
		c.since(w)
	}
	return w
}

// put writes data into a container's volume.
func (w *world) put(name, target string) {
	w.t.Helper()
	rt, _, _ := w.connect(context.Background(), spec("x").Host, container.RuntimeConfig{})
	file := &types.File{Path: target + "/precious", Content: "data of " + target, Mode: 0o600}
	if err := rt.Copy(w.t.Context(), w.Containers()[name].ID, []*types.File{file}); err != nil {
		w.t.Fatal(err)
	}
}

// wantData checks that a container still has the data of its volumes.
func (w *world) wantData(name string, targets ...string) {
	w.t.Helper()
	rt, _, _ := w.connect(context.Background(), spec("x").Host, container.RuntimeConfig{})
	for _, target := range targets {
		files, err := rt.Read(w.t.Context(), w.Containers()[name].ID, []string{target + "/precious"})
		if err != nil || len(files) != 1 || files[0].Content != "data of "+target {
			w.t.Errorf("%s has lost the data in %s: %v, %v", name, target, files, err)
		}
	}
}

func (w *world) wantFile(path, content string) {
	w.t.Helper()
	if got, _ := w.HostFile(path); got.Content != content {
		w.t.Errorf("%s holds %q, want %q", path, got.Content, content)
	}
}

// converge deploys until there is nothing to do, as the cycles of a new process do.
func (c change) converge(t *testing.T, w *world) {
	t.Helper()
	var err error
	if !c.fails {
		w.mustDeploy(c.after()...)
	} else if err = w.deploy(c.after()...); !errors.Is(err, container.ErrNotReady) {
		t.Fatalf("deploy: %v, want ErrNotReady", err)
	}
	w.want(c.want...)
	if c.check != nil {
		c.check(t, w)
	}
	if c.fails {
		// It waits for its next try, and has nothing to do until then.
		w.hold(err)
	}
	if plan := w.plan(c.after()...); len(plan.Hosts[0].Steps()) > 0 {
		t.Errorf("there is more to do:\n%s", plan)
	}
}

func TestAKillBetweenAnyTwoCallsLosesNothing(t *testing.T) {
	for _, c := range slices.Concat(changes, changesOfStates, handOvers) {
		t.Run(c.name, func(t *testing.T) {
			probe := c.prepare(t)
			watched := probe.watch(&runtimetest.Watched{})
			err := probe.deploy(c.after()...)
			if c.fails != (err != nil) {
				t.Fatalf("deploy: %v", err)
			}
			total := len(watched.Calls())
			if total < 8 {
				t.Fatalf("a representative deploy makes %d calls, want more", total)
			}
			for k := 1; k <= total; k++ {
				for _, late := range []bool{false, true} {
					for _, parallel := range []int{1, 4} {
						t.Run(fmt.Sprintf("call %d, late %v, %d at once", k, late, parallel), func(t *testing.T) {
							c.killAt(t, k, late, parallel)
						})
					}
				}
			}
		})
	}
}

// killAt kills a deploy at call k, and lets another process go on.
func (c change) killAt(t *testing.T, k int, late bool, parallel int) {
	w := c.prepare(t)
	w.parallel = parallel
	recorded := w.record()
	untouched := map[string]string{}
	for _, m := range c.before() {
		name := m.Container.Config.Name
		if i := slices.IndexFunc(c.after(), func(a *container.HostConfiguredContainer) bool {
			return a.Container.Config.Name == name && a.SpecDigest() == m.SpecDigest()
		}); i >= 0 && !m.PreDeploy && !strings.HasPrefix(m.Container.Config.NetworkMode, "container:") {
			untouched[name] = w.keyed(name).ID
		}
	}
	w.die(k, late)
	_ = w.deploy(c.after()...)
	w.wantOneOf(c)
	// The new process knows what was recorded before, and nothing else.
	w.previous, w.hooks = recorded, nil
	c.converge(t, w)
	for name, id := range untouched {
		if got := w.Containers()[name].ID; got != id {
			t.Errorf("%s was created anew", name)
		}
	}
}

// wantOneOf checks that a kill left, of each container that there was, one instance
// at least, whatever its name is now.
func (w *world) wantOneOf(c change) {
	w.t.Helper()
	kept := map[string]bool{}
	for _, row := range w.Containers() {
		kept[row.Labels[container.LabelContainer]] = true
	}
	for _, m := range c.after() {
		name := m.Container.Config.Name
		was := slices.ContainsFunc(c.before(), func(b *container.HostConfiguredContainer) bool { return b.Container.Config.Name == name })
		if was && !kept[name] {
			w.t.Errorf("no instance of %s is left", name)
		}
	}
}

// record returns what was deployed as it comes back from the state branch.
func (w *world) record() container.ContainersState {
	w.t.Helper()
	if len(w.previous) == 0 {
		return nil
	}
	data, err := yaml.Marshal(&container.Containers{PreviousState: w.previous})
	if err != nil {
		w.t.Fatal(err)
	}
	c, err := container.FromYaml(data)
	if err != nil {
		w.t.Fatal(err)
	}
	return c.ToExported().PreviousState
}

// histories is how many random histories are run.
func histories() uint64 {
	if os.Getenv("GITSYNC_LONG") != "" {
		return 5000
	}
	return 150
}

// TestRandomHistoriesEndInTheLastGoodState deploys random desired states one after
// the other, some of which cannot work, with random kills and damage by hand between
// them, and ends each with a deploy that is left alone: then each container is as
// desired, or as it last worked, and there is nothing to do.
func TestRandomHistoriesEndInTheLastGoodState(t *testing.T) {
	for seed := range histories() {
		random := rand.New(rand.NewPCG(seed, 1))
		t.Run(fmt.Sprintf("seed %d", seed), func(t *testing.T) {
			w := newWorld(t)
			w.Behave("crash:1", memory.Behaviour{Ends: true, ExitCode: 1})
			w.Behave("sick:1", memory.Behaviour{Health: types.HealthUnhealthy})
			w.Behave("refused:1", memory.Behaviour{Refuses: "no such entry point"})
			for range 6 {
				w.step(random)
			}
		})
	}
}

// step brings one random desired state about.
func (w *world) step(random *rand.Rand) {
	w.t.Helper()
	desired := randomState(random)
	w.parallel = 1 + random.IntN(4)
	if random.IntN(3) == 0 {
		recorded := w.record()
		w.die(1+random.IntN(40), random.IntN(2) == 0)
		_ = w.deploy(desired...)
		w.hooks = nil
		if random.IntN(2) == 0 {
			w.previous = recorded
		}
	}
	w.damage(random)
	if random.IntN(6) == 0 {
		w.previous = nil
	}
	before := w.plan(desired...)
	w.mustDeploy(desired...)
	if strings.Contains(before.String(), "before it was ready") {
		// An update that is gone on with sees to damaged files when it is done.
		w.mustDeploy(desired...)
	}
	var want []string
	for _, m := range desired {
		want = append(want, m.Container.Config.Name+"="+m.Container.Config.Image)
	}
	w.want(want...)
	if plan := w.plan(desired...); !plan.Empty() {
		w.t.Fatalf("plan after deploy is not empty:\n%s\nbefore it was:\n%s", plan, before)
	}
	w.failOnce(random, desired, want)
}

// failOnce breaks one container of a good state by a commit, possibly killed on the
// way: the good state must be there afterwards.
func (w *world) failOnce(random *rand.Rand, good specs, want []string) {
	w.t.Helper()
	if len(good) == 0 || random.IntN(2) == 0 {
		return
	}
	broken := slices.Clone(good)
	i := random.IntN(len(broken))
	bad := *broken[i]
	bad.Container.Config.Image = []string{"crash:1", "sick:1", "refused:1"}[random.IntN(3)]
	broken[i] = &bad
	if random.IntN(2) == 0 {
		recorded := w.record()
		w.die(1+random.IntN(40), random.IntN(2) == 0)
		_ = w.deploy(broken...)
		w.previous, w.hooks = recorded, nil
	}
	if err := w.deploy(broken...); err == nil {
		w.t.Fatalf("an update to %s did not fail", bad.Container.Config.Image)
	}
	w.want(want...)
	w.held = map[string]string{bad.Container.Config.Name: "it failed"}
	w.damage(random)
	_ = w.deploy(broken...)
	w.want(want...)
	w.held = nil
}

// randomState has up to four containers; no two publish one port.
func randomState(random *rand.Rand) []*container.HostConfiguredContainer {
	ports := random.Perm(6)
	var out []*container.HostConfiguredContainer
	for i, name := range []string{"a", "b", "c", "d"} {
		if random.IntN(4) == 0 {
			continue
		}
		m := spec(name, image(fmt.Sprintf("image:%d", random.IntN(3))))
		switch random.IntN(3) {
		case 0:
			m = spec(name, image("nginx:1.27"), port(8000+ports[i]))
		case 1:
			startFirst(m)
		}
		if random.IntN(2) == 0 {
			actions := []string{"", container.OnChangeRecreate, container.OnChangeNone, "SIGHUP"}
			onChange("/etc/"+name+".conf", fmt.Sprint(random.IntN(2)), actions[i])(m)
		}
		if i > 0 && random.IntN(2) == 0 && len(out) > 0 {
			dependsOn(out[random.IntN(len(out))].Container.Config.Name, container.Healthy)(m)
		}
		out = append(out, m)
	}
	return out
}

// damage does something by hand.
func (w *world) damage(random *rand.Rand) {
	names := slices.Sorted(maps.Keys(w.Containers()))
	if len(names) == 0 {
		return
	}
	name := names[random.IntN(len(names))]
	switch random.IntN(5) {
	case 3:
		if w.Containers()[name].Status == types.StatusRunning {
			w.SetStatus(name, types.StatusPaused)
		}
	case 0:
		w.Remove(name)
	case 1:
		if w.Containers()[name].Status == types.StatusRunning {
			w.SetStatus(name, types.StatusExited)
		}
	case 2:
		w.RemoveHostFile("/etc/" + name + ".conf")
	}
}

func TestThePlanDoesNotDependOnTheOrderOfItsInput(t *testing.T) {
	for seed := range uint64(50) {
		random := rand.New(rand.NewPCG(seed, 2))
		w := newWorld(t)
		w.mustDeploy(randomState(random)...)
		desired := randomState(random)
		want := w.plan(desired...).String()
		for range 3 {
			random.Shuffle(len(desired), func(i, j int) { desired[i], desired[j] = desired[j], desired[i] })
			if got := w.plan(desired...).String(); got != want {
				t.Fatalf("seed %d: plan\n%s\nwant\n%s", seed, got, want)
			}
		}
	}
}
