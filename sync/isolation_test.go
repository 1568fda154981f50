package sync_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/gitsync/gitsync/container"
	"github.com/gitsync/gitsync/host"
	"github.com/gitsync/gitsync/internal/gittest"
	"github.com/gitsync/gitsync/runtime"
	"github.com/gitsync/gitsync/runtime/memory"
	"github.com/gitsync/gitsync/sync"
)

// daemon lets the syncer run until the test ends.
func (w *world) daemon(interval time.Duration) (stop func()) {
	w.t.Helper()
	return w.daemonIn(w.t.Context(), interval)
}

func (w *world) daemonIn(ctx context.Context, interval time.Duration) (stop func()) {
	w.t.Helper()
	schedule, err := sync.Every(interval)
	if err != nil {
		w.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = w.syncer.Run(ctx, schedule)
	}()
	return func() {
		cancel()
		<-done
	}
}

// A host that accepts and says nothing must cost the others nothing: neither their
// commits nor their records wait for it.
func TestAHostThatHangsDelaysNoOther(t *testing.T) {
	w, m := newMachines(t, func(o *sync.Options) {
		o.Now, o.Patience, o.WatchInterval, o.CheckTimeout = time.Now, 20*time.Millisecond, 10*time.Millisecond, time.Hour
	})
	hosts := merged(on("bad", "x", map[string]string{"xx": "x:1"}), on("good", "a", map[string]string{"aa": "a:1"}))
	m.hang("x")
	w.commit(hosts, "start")
	stop := w.daemon(30 * time.Millisecond)
	defer stop()
	eventually(t, "the healthy host is deployed", func() bool { return m.runs("a") == "aa" })
	for i := range 3 {
		name := fmt.Sprintf("b%d", i)
		w.commit(on("good", "a", map[string]string{"aa": "a:1", name: "b:1"}), "commit "+name)
		eventually(t, "the healthy host follows "+name, func() bool { return m.runs("a") == "aa "+name })
		eventually(t, "and that is recorded", func() bool {
			return w.repo.Git("log", "--all", "--format=%H", "-S", name+":", "--", "hosts/good/state.yaml") != ""
		})
	}
	if got := m.runs("x"); got != "" {
		t.Fatalf("the host that hangs runs %q", got)
	}
	m.find("x")
	eventually(t, "the host converges when it answers, without a commit", func() bool { return m.runs("x") == "xx" })
}

// The newest commit counts for a host that was away while several landed.
func TestAHostThatReturnsFollowsTheNewestCommit(t *testing.T) {
	w, m := newMachines(t, func(o *sync.Options) {
		o.Now, o.Patience, o.WatchInterval, o.CheckTimeout = time.Now, 20*time.Millisecond, 10*time.Millisecond, time.Hour
	})
	m.hang("x")
	w.commit(merged(on("bad", "x", map[string]string{"xx": "x:1"}), on("good", "a", nil)), "start")
	stop := w.daemon(30 * time.Millisecond)
	defer stop()
	for i := range 3 {
		w.commit(merged(on("bad", "x", map[string]string{fmt.Sprintf("x%d", i): "x:1"}), on("good", "a", map[string]string{fmt.Sprintf("a%d", i): "a:1"})), fmt.Sprintf("commit %d\n\nprune: allow", i))
		eventually(t, "the healthy host follows", func() bool { return m.runs("a") == fmt.Sprintf("a%d", i) })
	}
	m.find("x")
	eventually(t, "the host follows the newest commit", func() bool { return m.runs("x") == "x2" })
}

func TestTheRecordTellsSinceWhenAHostIsSilentAndThatItIsBack(t *testing.T) {
	w, m := newMachines(t)
	w.commit(on("web1", "a", map[string]string{"web": "nginx:1"}), "start")
	w.cycle()
	m.lose("a")
	lost := w.time()
	w.fail()
	if got := len(w.diary()); got != 1 {
		t.Errorf("%d entries, want none for one failure: it may be a restart", got)
	}
	for range 5 {
		w.wait(time.Hour)
		w.fail()
	}
	if got := w.diary(); len(got) != 2 || got[0] != "Lose web1: connect to a: "+runtime.ErrUnreachable.Error()+": no route to host" {
		t.Errorf("the diary tells %q, want the loss once", got)
	}
	w.open(w.repo.Dir)
	w.fail()
	h := hostNamed(t, w.syncer.Plan(t.Context()), "web1")
	if f := h.Record.Failures[""]; !f.Since.Equal(lost) {
		t.Errorf("the record says since %s, want %s", f.Since, lost)
	}
	m.find("a")
	w.wait(time.Hour)
	w.cycle()
	if got := w.diary()[0]; got != "Find web1 again: no container changes" {
		t.Errorf("the diary tells %q, want that it is back", got)
	}
}

// With more dead hosts than are handled at once the healthy ones are still begun.
func TestManyDeadHostsDoNotTakeThePlacesOfOthers(t *testing.T) {
	w, m := newMachines(t, func(o *sync.Options) {
		o.Now, o.Parallel, o.CheckTimeout, o.Patience = time.Now, 2, 2*time.Second, time.Minute
	})
	files := on("good", "a", map[string]string{"aa": "a:1"})
	for i := range 4 {
		address := fmt.Sprintf("x%d", i)
		m.hang(address)
		files = merged(files, on(address, address, map[string]string{"xx": "x:1"}))
	}
	w.commit(files, "start")
	w.fail()
	if got := m.runs("a"); got != "aa" {
		t.Fatalf("the healthy host runs %q", got)
	}
	w.commit(on("good", "a", map[string]string{"aa": "a:2"}), "next")
	w.fail()
	if got := m.world("a").Containers()["aa"].Image; got != "a:2" {
		t.Errorf("the healthy host runs %s, want a:2", got)
	}
}

// patient are the options of a daemon that waits for no host.
func patient(o *sync.Options) {
	o.Now, o.Patience, o.WatchInterval, o.CheckTimeout = time.Now, 20*time.Millisecond, 10*time.Millisecond, time.Hour
}

// fleetOf returns a commit in which hosts, which are their machines too, have a container.
func fleetOf(settings, image string, hosts ...string) map[string]string {
	files := map[string]string{"gitsync.yaml": settings}
	for _, host := range hosts {
		files = merged(files, on(host, host, map[string]string{"cc": image}))
	}
	return files
}

// follow says, whenever it is asked, whether all machines run the image.
func (m *machines) follow(image string, machines ...string) func() bool {
	return func() bool {
		for _, address := range machines {
			if m.world(address).Containers()["cc"].Image != image {
				return false
			}
		}
		return true
	}
}

// A host that hangs, whether or not the commit changes it, must not hold up those that
// take their turn after it.
func TestAHostThatHangsHoldsUpNoRollOut(t *testing.T) {
	for name, changed := range map[string][]string{"a canary that follows": {"good", "other"}, "a host that is to follow": {"bad", "good", "other"}} {
		t.Run(name, func(t *testing.T) {
			w, m := newMachines(t, patient)
			w.commit(fleetOf("", "a:1", "bad", "good", "other"), "start")
			w.cycle()
			m.hang("bad")
			w.commit(fleetOf("rollout: {canary: [bad, good], parallelism: 1}", "a:2", changed...), "next")
			stop := w.daemon(30 * time.Millisecond)
			defer stop()
			eventually(t, "the others follow", m.follow("a:2", "good", "other"))
			w.commit(fleetOf("rollout: {parallelism: 1}", "a:3", "bad", "good", "other"), "without canaries")
			eventually(t, "the others follow", m.follow("a:3", "good", "other"))
			m.find("bad")
			eventually(t, "the host follows when it answers", m.follow("a:3", "bad"))
		})
	}
}

// toldDone is a log that knows whether a roll-out was said to be done, and how many cycles
// went on without hosts.
type toldDone struct {
	done, early atomic.Bool
	left        atomic.Int64
}

func (l *toldDone) watch(w *world, isDone func() bool) context.Context {
	return zerolog.New(l.writer(isDone)).WithContext(w.t.Context())
}

func (l *toldDone) writer(isDone func() bool) writerFunc {
	return func(p []byte) (int, error) {
		if strings.Contains(string(p), "all hosts done") {
			l.done.Store(true)
			l.early.Store(l.early.Load() || !isDone())
		}
		if strings.Contains(string(p), "going on without") {
			l.left.Add(1)
		}
		return len(p), nil
	}
}

type writerFunc func(p []byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }

func TestARollOutIsDoneWhenAllHostsFollow(t *testing.T) {
	w, m := newMachines(t, patient)
	w.commit(fleetOf("", "a:1", "bad", "good", "other"), "start")
	w.cycle()
	allFollow := m.follow("a:2", "good", "other")
	log := &toldDone{}
	w.commit(fleetOf("rollout: {canary: [good], monitor: 3s}", "a:2", "good", "other"), "next")
	defer func() {
		if log.early.Load() {
			t.Error("the roll-out was said to be done while hosts waited for their turn")
		}
	}()
	stop := w.daemonIn(log.watch(w, allFollow), 30*time.Millisecond)
	defer stop()
	eventually(t, "the canary follows", m.follow("a:2", "good"))
	m.hang("good")
	m.hang("bad")
	before := log.left.Load()
	eventually(t, "cycles go on without it", func() bool { return log.left.Load() > before+2 })
	m.find("good")
	eventually(t, "the others follow", allFollow)
	eventually(t, "and that is told", log.done.Load)
	m.find("bad")
}

// A Git server that takes longer than the schedule has it must not use up the hosts'
// time: those that come last would never be reached.
func TestASlowGitServerLeavesHostsTheirTime(t *testing.T) {
	w, m := newMachines(t, func(o *sync.Options) { o.WatchInterval = time.Hour })
	hosts := []string{"h1", "h2", "h3", "h4", "h5", "h6"}
	w.commit(fleetOf("", "a:1", hosts...), "start")
	w.cycle()
	server := gittest.ServeHTTP(t, w.repo, gittest.HTTPOptions{})
	target, err := url.Parse(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	path := target.Path
	target.Path = ""
	proxy := httputil.NewSingleHostReverseProxy(target)
	front := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, request *http.Request) {
		w.wait(2 * time.Hour)
		proxy.ServeHTTP(rw, request)
	}))
	t.Cleanup(front.Close)
	w.open(front.URL + path)
	w.commit(fleetOf("rollout: {parallelism: 1}", "a:2", hosts...), "next")
	// The next cycle comes an hour after this one, if at all.
	stop := w.daemon(time.Hour)
	defer stop()
	eventually(t, "all hosts follow", m.follow("a:2", hosts...))
}

// Two directories of one machine share its connection, also when both want it at once.
func TestDirectoriesOfOneMachineShareItsConnection(t *testing.T) {
	var connects atomic.Int64
	both := make(chan struct{})
	w, m := newMachines(t, func(o *sync.Options) {
		connect := o.Connector
		o.Connector = func(ctx context.Context, h host.Host, c container.RuntimeConfig) (runtime.Runtime, func(), error) {
			if connects.Add(1) == 2 {
				close(both)
			}
			select {
			case <-both:
			case <-time.After(300 * time.Millisecond):
			}
			return connect(ctx, h, c)
		}
	})
	w.commit(merged(on("web1", "a", map[string]string{"web": "nginx:1"}), on("web2", "a", map[string]string{"db": "pg:1"})), "start")
	w.cycle()
	if got := m.runs("a"); got != "db web" {
		t.Errorf("the machine runs %q", got)
	}
	if got := connects.Load(); got != 1 {
		t.Errorf("%d connections were made, want one", got)
	}
}

// An engine that is lost in the middle of an update is a matter of the host: it waits as
// one that does not answer, and the update is not held against the commit.
func TestAnEngineThatIsLostInAnUpdateIsTriedAgainWhenItAnswers(t *testing.T) {
	w := newWorld(t)
	w.commit(map[string]string{web1: web("nginx:1")}, "start")
	w.cycle()
	var lost atomic.Bool
	w.watched.Before = func(_ int, call, _ string) error {
		if call == "create" && lost.Load() {
			return fmt.Errorf("create: %w", runtime.ErrUnreachable)
		}
		return nil
	}
	lost.Store(true)
	w.commit(map[string]string{web1: web("nginx:2")}, "next")
	w.fail()
	r := w.fail()
	h := hostNamed(t, r, "web1")
	if h.Waiting.IsZero() {
		t.Errorf("the host is not waited for: %v", h.Err)
	}
	if f := h.Record.Failures["web"]; f.Attempts != 0 || !f.NextAttempt.IsZero() {
		t.Errorf("the record tells %+v, want no attempt that counts", f)
	}
	lost.Store(false)
	w.wait(6 * time.Second)
	w.cycle()
	w.runs("web", "nginx:2")
}

// A host that comes and goes, and one whose disk is full, cost the others nothing, and
// converge by themselves when that is over.
func TestHostsThatFlapOrAreFullCostTheOthersNothing(t *testing.T) {
	w, m := newMachines(t, func(o *sync.Options) {
		o.Now, o.Patience, o.WatchInterval = time.Now, 20*time.Millisecond, 10*time.Millisecond
	})
	m.world("full").Behave("f:1", memory.Behaviour{Refuses: "no space left on device"})
	w.commit(merged(
		on("flaps", "x", map[string]string{"xx": "x:1"}), on("full", "full", map[string]string{"ff": "f:1"}), on("good", "a", map[string]string{"aa": "a:0"}),
	), "start")
	stop := w.daemon(30 * time.Millisecond)
	defer stop()
	for i := range 6 {
		if i%2 == 0 {
			m.lose("x")
		} else {
			m.find("x")
		}
		name := fmt.Sprintf("b%d", i)
		w.commit(merged(on("good", "a", map[string]string{"aa": "a:0", name: "b:1"}), on("flaps", "x", map[string]string{"xx": fmt.Sprintf("x:%d", i)})), "commit "+name)
		eventually(t, "the healthy host follows "+name, func() bool { return m.runs("a") == "aa "+name })
		eventually(t, "and that is recorded", func() bool {
			return w.repo.Git("log", "--all", "--format=%H", "-S", name+":", "--", "hosts/good/state.yaml") != ""
		})
	}
	m.world("full").Behave("f:1", memory.Behaviour{})
	eventually(t, "the host that flapped follows the newest commit", func() bool { return m.world("x").Containers()["xx"].Image == "x:5" })
	eventually(t, "the host that was full follows without a commit", func() bool { return m.runs("full") == "ff" })
}
