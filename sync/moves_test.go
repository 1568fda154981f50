package sync_test

import (
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/gitsync/gitsync/container"
	"github.com/gitsync/gitsync/sync"
)

func TestAContainerIsStartedWhereItGoesBeforeItIsStoppedWhereItWas(t *testing.T) {
	w, m := newMachines(t)
	w.commit(merged(on("web1", "a", map[string]string{"web": "nginx:1", "db": "pg:1"}), on("web2", "b", nil)), "start")
	w.cycle()
	w.commit(merged(on("web1", "a", map[string]string{"web": "nginx:1"}), on("web2", "b", map[string]string{"db": "pg:1"})), "Move db")
	plan := w.syncer.Plan(t.Context())
	for host, want := range map[string]string{
		"web1": "move db: it moves to web2, and is removed here once it runs there; what it stored stays behind on web1: data",
		"web2": "create db: new container; it moves here from web1; what it stored stays behind on web1: data",
	} {
		if got := hostNamed(t, plan, host).Plan.String(); !strings.Contains(got, want) {
			t.Errorf("the plan for %s is\n%s\nwant %q", host, got, want)
		}
	}
	m.seen = func(string) {
		if m.runs("a") == "web" && m.runs("b") == "" {
			t.Error("db runs nowhere")
		}
	}
	w.cycle()
	if a, b := m.runs("a"), m.runs("b"); a != "web" || b != "db" {
		t.Errorf("web1 runs %q and web2 runs %q, want web and db", a, b)
	}
	w.cycle()
}

func TestAMovedContainerStaysWhereItWasUntilTheOtherHostHasIt(t *testing.T) {
	w, m := newMachines(t)
	w.commit(merged(on("web1", "a", map[string]string{"db": "pg:1"}), on("web2", "b", nil)), "start")
	w.cycle()
	m.lose("b")
	w.commit(merged(on("web1", "a", nil), on("web2", "b", map[string]string{"db": "pg:1"})), "Move db")
	w.fail()
	// A new process knows of it too, and a container that is moving is kept up.
	w.open(w.repo.Dir)
	m.world("a").SetStatus("db", "exited")
	w.fail()
	if got := m.runs("a"); got != "db" {
		t.Fatalf("web1 runs %q, want db until web2 has it", got)
	}
	m.find("b")
	w.wait(time.Hour)
	// The only container of the host goes: it moves, so that is no loss.
	w.cycle()
	if a, b := m.runs("a"), m.runs("b"); a != "" || b != "db" {
		t.Errorf("web1 runs %q and web2 runs %q, want nothing and db", a, b)
	}
}

func TestAgentsMoveAContainerBetweenThem(t *testing.T) {
	w, m := newMachines(t)
	w.commit(merged(on("web1", "a", map[string]string{"db": "pg:1"}), on("web2", "b", nil)), "start")
	w.cycle()
	w.commit(merged(on("web1", "a", nil), on("web2", "b", map[string]string{"db": "pg:1"})), "Move db")
	agent := func(host string) *sync.Result {
		w.opts.Hosts = []string{host}
		w.open(w.repo.Dir)
		return w.cycle()
	}
	r := agent("web1")
	if c := hostNamed(t, r, "web1").Plan.Hosts[0].Changes; len(c) != 1 || c[0].Kind != container.Move || m.runs("a") != "db" {
		t.Errorf("web1 does %v and runs %q, want that it waits", c, m.runs("a"))
	}
	agent("web2")
	agent("web1")
	if a, b := m.runs("a"), m.runs("b"); a != "" || b != "db" {
		t.Errorf("web1 runs %q and web2 runs %q, want nothing and db", a, b)
	}
}

func TestWhatManyHostsHaveDoesNotMove(t *testing.T) {
	w, m := newMachines(t)
	both := map[string]string{"web": "nginx:1", "log": "fluent:1", "xx": "x:1"}
	w.commit(merged(on("web1", "a", both), on("web2", "b", both)), "start")
	w.cycle()
	w.commit(on("web1", "a", map[string]string{"web": "nginx:1", "xx": "x:1"}), "No log on web1")
	plan := hostNamed(t, w.syncer.Plan(t.Context()), "web1").Plan.String()
	if !strings.Contains(plan, "remove log: ") || strings.Contains(plan, "mov") && strings.Contains(plan, "web2") {
		t.Errorf("the plan is\n%s\nwant a plain removal", plan)
	}
	w.cycle()
	if got := m.runs("a"); got != "web xx" {
		t.Errorf("web1 runs %q", got)
	}
}

func TestAMoveConvergesWhenTheHostItLeavesWasAway(t *testing.T) {
	w, m := newMachines(t)
	w.commit(merged(on("web1", "a", map[string]string{"db": "pg:1"}), on("web2", "b", nil)), "start")
	w.cycle()
	m.lose("a")
	w.commit(merged(on("web1", "a", nil), on("web2", "b", map[string]string{"db": "pg:1"})), "Move db")
	w.fail()
	if got := m.runs("b"); got != "db" {
		t.Fatalf("web2 runs %q, want db", got)
	}
	// Other commits land meanwhile, and another process takes over.
	w.commit(on("web2", "b", map[string]string{"db": "pg:2"}), "Update db")
	w.wait(time.Hour)
	w.fail()
	w.open(w.repo.Dir)
	w.wait(time.Hour)
	w.fail()
	m.find("a")
	w.wait(time.Hour)
	if got := hostNamed(t, w.syncer.Plan(t.Context()), "web1").Plan.String(); !strings.Contains(got, "it has moved to web2") {
		t.Errorf("the plan is\n%s\nwant that it has moved", got)
	}
	w.cycle()
	if a, b := m.runs("a"), m.runs("b"); a != "" || b != "db" {
		t.Errorf("web1 runs %q and web2 runs %q, want nothing and db", a, b)
	}
}

func TestAnAgentThatWasAwayLearnsThatAContainerMoved(t *testing.T) {
	w, m := newMachines(t)
	w.commit(merged(on("web1", "a", map[string]string{"db": "pg:1"}), on("web2", "b", nil)), "start")
	w.cycle()
	w.commit(merged(on("web1", "a", nil), on("web2", "b", map[string]string{"db": "pg:1"})), "Move db")
	for _, host := range []string{"web2", "web1"} {
		w.opts.Hosts = []string{host}
		w.open(w.repo.Dir)
		w.cycle()
	}
	if a, b := m.runs("a"), m.runs("b"); a != "" || b != "db" {
		t.Errorf("web1 runs %q and web2 runs %q, want nothing and db", a, b)
	}
}

// What was a move once explains no removal later.
func TestAContainerThatMovedOnceIsGuardedOnItsOldHost(t *testing.T) {
	w, m := newMachines(t)
	db := map[string]string{"db": "pg:1"}
	w.commit(merged(on("web1", "a", db), on("web2", "b", nil)), "start")
	w.cycle()
	w.commit(merged(on("web1", "a", nil), on("web2", "b", db)), "Move db")
	w.cycle()
	w.commit(on("web1", "a", db), "A second db")
	w.cycle()
	w.commit(on("web1", "a", nil), "A mistake")
	w.fail()
	if got := m.runs("a"); got != "db" {
		t.Errorf("web1 runs %q, want that the removal is held back", got)
	}
}

// A move is planned while an earlier task still removes the container.
func TestAMoveOfWhatIsGoneByNowIsACreation(t *testing.T) {
	w, m := newMachines(t, patient)
	web := map[string]string{"web": "nginx:1"}
	w.commit(merged(on("web1", "a", map[string]string{"web": "nginx:1", "db": "pg:1"}), on("web2", "b", nil)), "start")
	w.cycle()
	w.open(w.repo.Dir)
	var seenA, seenB atomic.Int64
	m.seen = func(address string) {
		switch address {
		case "a":
			seenA.Add(1)
		case "b":
			seenB.Add(1)
		}
	}
	m.hang("a")
	m.lose("b")
	w.commit(on("web1", "a", web), "No db")
	var web1Fails atomic.Bool
	log := zerolog.New(writerFunc(func(p []byte) (int, error) {
		if strings.Contains(string(p), `"level":"error"`) && strings.Contains(string(p), `"host":"web1"`) {
			web1Fails.Store(true)
		}
		return len(p), nil
	}))
	stop := w.daemonIn(log.WithContext(t.Context()), 30*time.Millisecond)
	defer stop()
	eventually(t, "the removal has begun", func() bool { return seenA.Load() > 0 && seenB.Load() > 0 })
	before := seenB.Load()
	w.commit(on("web2", "b", map[string]string{"db": "pg:1"}), "db on web2")
	eventually(t, "the next commit is handled", func() bool { return seenB.Load() > before })
	m.find("a")
	eventually(t, "db is removed", func() bool { return m.runs("a") == "web" })
	m.find("b")
	w.commit(on("web2", "b", map[string]string{"db": "pg:2"}), "Another db")
	eventually(t, "db is created", func() bool { return m.runs("b") == "db" })
	if web1Fails.Load() {
		t.Error("web1 failed, where nothing is to be done")
	}
}
