package e2e_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/gitsync/gitsync/container"
	"github.com/gitsync/gitsync/container/types"
	"github.com/gitsync/gitsync/internal/dockertest"
	"github.com/gitsync/gitsync/runtime/memory"
	"github.com/gitsync/gitsync/runtime/runtimetest"
)

type adjustment = func(*container.HostConfiguredContainer)

// oldStates are the states that a container may be in when it is to be changed.
var oldStates = []struct {
	name string
	// image is that of the old container, and change what else is said about it.
	image  string
	change adjustment
	// bring brings the container about that was deployed.
	bring func(m *matrix, id string)
	// before tells whether a container is as it was before.
	before func(now types.ContainerDetails) bool
	// rests says that the container is not started for a repair of its name.
	rests bool
	// sick says that it fails again when it is restarted.
	sick bool
	// few says that only what is special about it is tried: it cannot start first.
	few bool
	// memory says that no real engine can be brought to it.
	memory bool
}{
	{name: "created", image: "good", before: isIn(types.StatusCreated)},
	{name: "running", image: "good", before: isIn(types.StatusRunning)},
	{name: "healthy", image: "healthy", change: checked, before: isIn(types.StatusRunning)},
	{name: "unhealthy", image: "sick", change: checked, before: isIn(types.StatusRunning), sick: true},
	{name: "restarting", image: "bad", bring: (*matrix).untilRestarting, before: restartsAgain, sick: true},
	{name: "restarting on the host's network", image: "bad", change: onHostNetwork, bring: (*matrix).untilRestarting, before: restartsAgain, sick: true, few: true},
	{name: "paused", image: "good", bring: (*matrix).pause, before: isIn(types.StatusPaused)},
	{name: "exited 0", image: "good", bring: (*matrix).stop, before: isIn(types.StatusExited)},
	{name: "exited 1", image: "ends", change: neverRestarted, before: isIn(types.StatusExited), rests: true},
	{name: "dead", image: "good", before: isIn(types.StatusDead), memory: true},
}

func isIn(status string) func(types.ContainerDetails) bool {
	return func(now types.ContainerDetails) bool { return now.Status == status }
}

// restartsAgain is true of one that ends and is restarted, whatever it does right now.
func restartsAgain(now types.ContainerDetails) bool { return now.Restarts > 0 }

func checked(m *container.HostConfiguredContainer) {
	// An exec costs an engine more than anything else here: dozens of them, each second,
	// leave it no time for the rest.
	m.Container.Config.Healthcheck = &types.Healthcheck{
		Test: []string{"CMD", "/probe", "check"}, Interval: types.Duration(15 * time.Second), Retries: 1,
	}
}

func neverRestarted(m *container.HostConfiguredContainer) { m.Container.Config.Restart = "no" }

func onHostNetwork(m *container.HostConfiguredContainer) {
	m.Container.Config.NetworkMode = "host"
	// Nobody is to meet another one there.
	m.Container.Config.Env = map[string]string{"PORT": "0"}
}

// acts are what is done to a container in each of the states.
var acts = []struct {
	name   string
	change adjustment
	// image is that of the new container; none is the old one's.
	image string
	// removed says that the container is no longer desired, renamed that somebody gave it
	// another name, restarts that it is the same one with another file, and fails that it
	// cannot succeed.
	removed, renamed, restarts, fails bool
}{
	{name: "replace", image: "next"},
	{name: "replace, start first", image: "next", change: startsFirst},
	{name: "restart for a config file", restarts: true},
	{name: "remove", removed: true},
	{name: "repair the name", renamed: true},
	{name: "roll back", image: "worse", fails: true},
	{name: "roll back, start first", image: "worse", change: startsFirst, fails: true},
}

func startsFirst(m *container.HostConfiguredContainer) { m.Update.Order = container.StartFirst }

// matrix is one host with a container for each state and each thing that is done to it.
type matrix struct {
	*stage
	world  *memory.World
	images map[string]string
	dir    string
	cells  []*cell
}

// cell is one of its containers.
type cell struct {
	state, act int
	name       string
	id         string
}

func (m *matrix) spec(c *cell, image, content string, more adjustment) *container.HostConfiguredContainer {
	s := m.stage.spec(m.images[image])
	s.Container.Config.Name = c.name
	// Longer than it must run where it is to fail: what runs on is ready, and no failure.
	s.Update.Timeout = types.Duration(2 * patience)
	if acts[c.act].restarts {
		s.ConfigFiles = map[string]string{m.file(c): content}
	}
	for _, change := range []adjustment{oldStates[c.state].change, more} {
		if change != nil {
			change(s)
		}
	}
	return s
}

func (m *matrix) file(c *cell) string { return filepath.Join(m.dir, c.name+".conf") }

// Whatever state a container is in, a change of it ends in what is desired, or in what there
// was before, and another try makes nothing worse.
func TestAnUpdateEndsWellWhateverStateTheOldContainerIsIn(t *testing.T) {
	t.Parallel()
	engine := dockertest.Require(t)
	images := map[string]string{
		"good": dockertest.Image(t, engine), "next": dockertest.Image(t, engine, "VERSION=2"), "healthy": dockertest.Image(t, engine, "VERSION=1"),
		"sick": dockertest.Image(t, engine, "UNHEALTHY=1"), "bad": dockertest.Image(t, engine, "EXIT=3"), "worse": dockertest.Image(t, engine, "EXIT=5"), "ends": dockertest.Image(t, engine, "EXIT=1"),
	}
	m := &matrix{stage: newStage(t, engine), dir: t.TempDir(), images: images}
	m.run()
}

// The in-memory runtime refuses what the engine refuses.
func TestAnUpdateEndsWellWhateverStateTheOldContainerIsInInMemory(t *testing.T) {
	t.Parallel()
	world := &memory.World{}
	rt, err := (&memory.Config{World: world}).New()
	if err != nil {
		t.Fatal(err)
	}
	m := &matrix{stage: &stage{t: t, name: "memory", full: rt.(runtimetest.Full)}, world: world, dir: "/etc", images: map[string]string{}}
	for image, behaviour := range map[string]memory.Behaviour{
		"good": {}, "next": {}, "healthy": {Health: types.HealthHealthy}, "sick": {Health: types.HealthUnhealthy},
		"bad": {Ends: true, ExitCode: 3}, "worse": {Ends: true, ExitCode: 5}, "ends": {Ends: true, ExitCode: 1},
	} {
		m.images[image] = image + ":1"
		world.Behave(image+":1", behaviour)
	}
	m.run()
}

func (m *matrix) run() {
	for state, s := range oldStates {
		for act, a := range acts {
			if s.memory && m.world == nil || s.few && (a.change != nil || a.image == "") {
				continue
			}
			m.cells = append(m.cells, &cell{state: state, act: act, name: fmt.Sprintf("%s-%d-%d", m.name, state, act)})
		}
	}
	m.prepare()
	for try := range 2 {
		failed := failures(m.deployAll(func(c *cell) *container.HostConfiguredContainer {
			act, image, content := acts[c.act], acts[c.act].image, "old"
			if image == "" {
				image = oldStates[c.state].image
			}
			if act.restarts {
				content = "new"
			}
			if act.removed {
				return nil
			}
			s := m.spec(c, image, content, act.change)
			if act.fails || act.restarts && oldStates[c.state].sick {
				// It ends as soon as the failure is seen, which takes a loaded machine a while.
				s.Update.Monitor = types.Duration(patience)
			}
			return s
		}))
		for _, c := range m.cells {
			m.check(c, try, failed[c.name])
			delete(failed, c.name)
		}
		for name, err := range failed {
			m.t.Errorf("%s failed: %v", name, err)
		}
	}
}

// prepare deploys the old containers, and brings each into its state.
func (m *matrix) prepare() {
	m.t.Helper()
	m.watched = &runtimetest.Watched{Before: func(_ int, method, id string) error {
		if method != "start" {
			return nil
		}
		row, err := m.full.Describe(m.t.Context(), id)
		if err == nil && oldStates[m.cell(row.Name).state].name == "created" {
			return errors.New("not yet")
		}
		return err
	}}
	_ = m.deployAll(func(c *cell) *container.HostConfiguredContainer {
		return m.spec(c, oldStates[c.state].image, "old", nil)
	})
	m.watched = nil
	for _, c := range m.cells {
		row, err := m.full.Find(m.t.Context(), c.name)
		if err != nil {
			m.t.Fatal(err)
		}
		c.id = row.ID
		// They were ready once.
		m.previous[c.name].ReadyPending = false
		if acts[c.act].renamed {
			m.rename(c)
		}
	}
	for _, c := range m.cells {
		s := oldStates[c.state]
		if s.bring != nil {
			s.bring(m, c.id)
		}
		if s.memory {
			name := c.name
			if acts[c.act].renamed {
				name += "-by-hand"
			}
			m.world.SetStatus(name, types.StatusDead)
		}
		if now := m.details(c.id); !s.before(now) {
			m.t.Fatalf("%s is %+v", s.name, now)
		}
	}
}

// rename gives a container another name by hand, in a moment in which the engine does so.
func (m *matrix) rename(c *cell) {
	m.t.Helper()
	loops := oldStates[c.state].image == "bad"
	if loops {
		m.stop(c.id)
	}
	if err := m.full.Rename(m.t.Context(), c.id, c.name+"-by-hand"); err != nil {
		m.t.Fatal(err)
	}
	if loops {
		if err := m.full.Start(m.t.Context(), c.id); err != nil {
			m.t.Fatal(err)
		}
	}
}

func (m *matrix) cell(name string) *cell {
	return m.cells[slices.IndexFunc(m.cells, func(c *cell) bool { return c.name == name })]
}

// deployAll deploys all of the cells, many at once.
func (m *matrix) deployAll(spec func(*cell) *container.HostConfiguredContainer) error {
	m.t.Helper()
	var all []*container.HostConfiguredContainer
	for _, c := range m.cells {
		if s := spec(c); s != nil {
			all = append(all, s)
		}
	}
	deployment := m.containers(all...)
	deployment.Parallel = 16
	err := deployment.DeployContext(m.t.Context())
	m.previous = deployment.PreviousState
	return err
}

// failures are the errors of a deploy, by container.
func failures(err error) map[string]error {
	found := map[string]error{}
	var one *container.Failure
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		for _, e := range joined.Unwrap() {
			for key, value := range failures(e) {
				found[key] = value
			}
		}
	} else if errors.As(err, &one) {
		found[one.Container] = err
	} else if err != nil {
		found["the deploy"] = err
	}
	return found
}

// check looks whether a cell ended as it must.
func (m *matrix) check(c *cell, try int, failed error) {
	m.t.Helper()
	state, act := oldStates[c.state], acts[c.act]
	what := state.name + ", " + act.name + ", try " + strconv.Itoa(try+1)
	var names []string
	rows, err := m.full.List(m.t.Context(), map[string]string{container.LabelContainer: c.name})
	if err != nil {
		m.t.Fatal(err)
	}
	for _, row := range rows {
		names = append(names, row.Name)
	}
	if act.removed {
		if failed != nil || len(rows) > 0 {
			m.t.Errorf("%s: left %v, %v", what, names, failed)
		}
		return
	}
	if len(rows) != 1 || rows[0].Name != c.name {
		m.t.Errorf("%s: the host has %v (%v)", what, names, failed)
		return
	}
	back := act.fails || act.restarts && state.sick
	if (failed != nil) != back {
		m.t.Errorf("%s: failed with %v", what, failed)
	}
	same := back || try > 0 || (act.renamed || act.restarts) && state.name != "dead"
	if (rows[0].ID == c.id) != same {
		m.t.Errorf("%s: it is another container: %v", what, rows[0].ID != c.id)
	}
	c.id = rows[0].ID
	want := isIn(types.StatusRunning)
	if back || act.renamed && (state.sick || state.rests) || act.restarts && state.rests {
		want = state.before
	}
	m.eventually(what, c.id, want)
	content := map[bool]string{true: "old", false: "new"}[back]
	if got := m.content(c); act.restarts && got != content {
		m.t.Errorf("%s: the config file holds %q, want %q", what, got, content)
	}
}

// content is what the config file of a cell holds.
func (m *matrix) content(c *cell) string {
	m.t.Helper()
	if m.world != nil {
		file, _ := m.world.HostFile(m.file(c))
		return file.Content
	}
	data, _ := os.ReadFile(m.file(c))
	return string(data)
}

func (m *matrix) details(id string) types.ContainerDetails {
	m.t.Helper()
	details, err := m.full.Inspect(m.t.Context(), id)
	if err != nil {
		m.t.Fatal(err)
	}
	return details
}

// eventually waits, with a bound, until a container is as wanted.
func (m *matrix) eventually(what, id string, want func(types.ContainerDetails) bool) {
	m.t.Helper()
	deadline := time.NewTimer(patience)
	defer deadline.Stop()
	ticker := time.NewTicker(50 * time.Millisecond)
	defer ticker.Stop()
	for now := m.details(id); !want(now); now = m.details(id) {
		select {
		case <-deadline.C:
			m.t.Errorf("%s: it is %+v", what, now)
			return
		case <-ticker.C:
		}
	}
}

// untilRestarting waits until a container spends its time between two restarts.
func (m *matrix) untilRestarting(id string) {
	m.t.Helper()
	m.eventually("it is restarted", id, func(now types.ContainerDetails) bool {
		return now.Status == types.StatusRestarting && (now.Restarts >= 6 || m.world != nil)
	})
}

func (m *matrix) pause(id string) {
	m.t.Helper()
	if err := m.full.Pause(m.t.Context(), id); err != nil {
		m.t.Fatal(err)
	}
}

func (m *matrix) stop(id string) {
	m.t.Helper()
	if err := m.full.Stop(m.t.Context(), id); err != nil {
		m.t.Fatal(err)
	}
}
