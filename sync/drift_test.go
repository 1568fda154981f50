package sync_test

import (
	"context"
	"slices"
	"strings"
	stdsync "sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gitsync/gitsync/container"
	"github.com/gitsync/gitsync/container/types"
	"github.com/gitsync/gitsync/report"
	"github.com/gitsync/gitsync/runtime"
	"github.com/gitsync/gitsync/runtime/runtimetest"
	"github.com/gitsync/gitsync/state"
	"github.com/gitsync/gitsync/sync"
)

// watching is a world whose syncer runs, polls once an hour, and has deployed a commit.
func watching(t *testing.T, files map[string]string, change ...func(*sync.Options)) *world {
	t.Helper()
	w := newWorld(t, append(change, func(o *sync.Options) { o.Now = nil })...)
	w.commit(files, "start")
	running(t, w)
	eventually(t, "the commit is deployed and recorded", func() bool { return len(w.diary()) > 0 })
	// The look that follows the subscription, and that for the events of the deployment.
	w.settled()
	return w
}

// settled waits until the host is left alone.
func (w *world) settled() {
	w.t.Helper()
	calls := -1
	same := 0
	eventually(w.t, "the host is left alone", func() bool {
		now := len(w.watched.Calls())
		if now != calls {
			calls, same = now, 0
		} else {
			same++
		}
		return same > 100 && slices.Contains(w.watched.Calls(), "watch ")
	})
}

func TestAChangeByHandIsRepairedWithoutAPoll(t *testing.T) {
	hands := []struct {
		name string
		do   func(w *world, name string)
	}{
		{"removed", func(w *world, name string) { w.machine.Remove(name) }},
		{"stopped", func(w *world, name string) { w.machine.SetStatus(name, types.StatusExited) }},
		{"paused", func(w *world, name string) { w.machine.SetStatus(name, types.StatusPaused) }},
		{"restart", func(w *world, name string) {
			w.machine.Change(name, func(c *types.ContainerConfig) { c.Restart = "no" })
		}},
		{"network", func(w *world, name string) { w.machine.Connect(name, "bridge", "debug") }},
	}
	file := "containers:\n"
	for _, hand := range hands {
		file += "  " + hand.name + ": {image: \"nginx:1.26\", update: {monitor: 1ms}}\n"
	}
	w := watching(t, map[string]string{web1: file})
	for _, hand := range hands {
		before := len(w.diary())
		hand.do(w, hand.name)
		eventually(t, "repaired after "+hand.name, func() bool {
			c, _ := w.machine.Config(hand.name)
			return w.machine.Containers()[hand.name].Status == types.StatusRunning && c.Restart != "no" && len(w.diary()) > before
		})
		if subject := w.diary()[0]; !strings.HasPrefix(subject, "Repair web1") {
			t.Errorf("%s: the diary says %q", hand.name, subject)
		}
		w.settled()
	}
}

func TestAnIdleHostCostsOneStreamAndNoCalls(t *testing.T) {
	w := watching(t, map[string]string{web1: web("nginx:1.26")})
	w.watched.Reset()
	for range 5 {
		w.syncer.Trigger()
		w.settled2()
	}
	if calls := w.watched.Calls(); len(calls) > 0 {
		t.Errorf("five polls made the calls %q", calls)
	}
	w.commit(map[string]string{web1: web("nginx:1.27")}, "bump")
	w.syncer.Trigger()
	eventually(t, "a commit is deployed", func() bool { return w.machine.Containers()["web"].Image == "nginx:1.27" })
}

// settled2 waits until a cycle that was asked for has ended: it holds the syncer.
func (w *world) settled2() {
	w.t.Helper()
	if _, err := w.syncer.Desired(w.t.Context()); err != nil {
		w.t.Fatal(err)
	}
}

// cutting is a runtime whose stream of events is cut.
type cutting struct {
	runtimetest.Full
	mu   stdsync.Mutex
	stop context.CancelFunc
	cut  bool
}

func (c *cutting) Watch(ctx context.Context, since time.Time, ready func(), seen func(runtime.Event)) error {
	c.mu.Lock()
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	c.stop = stop
	away := c.cut
	c.mu.Unlock()
	if away {
		return runtime.ErrUnreachable
	}
	if err := c.Full.Watch(ctx, since, ready, seen); ctx.Err() == nil {
		return err
	}
	return runtime.ErrUnreachable
}

func (c *cutting) set(cut bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.cut = cut; cut {
		c.stop()
	}
}

func TestWhatHappensWhileTheStreamIsCutIsFoundAfterwards(t *testing.T) {
	cut := &cutting{}
	w := newWorld(t, func(o *sync.Options) { o.Now = nil })
	cut.Full = w.watched.Full
	w.watched.Full = cut
	w.commit(map[string]string{web1: web("nginx:1.26")}, "start")
	running(t, w)
	eventually(t, "the commit is deployed and recorded", func() bool { return len(w.diary()) > 0 })
	w.settled()
	cut.set(true)
	// No event tells of a setting.
	w.machine.Change("web", func(c *types.ContainerConfig) { c.Restart = "no" })
	cut.set(false)
	eventually(t, "the setting is put right", func() bool {
		c, _ := w.machine.Config("web")
		return c.Restart != "no"
	})
	w.settled()
	w.machine.SetStatus("web", types.StatusExited)
	eventually(t, "events are followed again", func() bool { return w.machine.Containers()["web"].Status == types.StatusRunning })
}

// The interval is by the host's own clock: no poll and no event asks for the look.
func TestAHostIsLookedAtCompletelyAtItsInterval(t *testing.T) {
	w := newWorld(t, func(o *sync.Options) { o.Now = nil })
	w.opts.DriftInterval = 300 * time.Millisecond
	w.open(w.repo.Dir)
	w.commit(map[string]string{web1: "containers:\n  web:\n    image: nginx:1.26\n    update: {monitor: 1ms}\n    configFiles: {/srv/web.conf: hello}\n"}, "start")
	running(t, w)
	eventually(t, "the commit is deployed and recorded", func() bool { return len(w.diary()) > 0 })
	w.machine.WriteHostFile("/srv/web.conf", "other")
	eventually(t, "the file is put right", func() bool {
		f, _ := w.machine.HostFile("/srv/web.conf")
		return f.Content == "hello"
	})
}

func TestWhatIsReportedOnlyIsLeftAndRecorded(t *testing.T) {
	w := newWorld(t)
	w.commit(map[string]string{web1: web("nginx:1.26"), "hosts/web1/host.yaml": "drift: {policy: report}\n"}, "start")
	w.cycle()
	w.machine.SetStatus("web", types.StatusExited)
	w.cycle()
	if got := w.machine.Containers()["web"].Status; got != types.StatusExited {
		t.Errorf("web is %s, want it left as it is", got)
	}
	if got := w.diary()[0]; !strings.Contains(got, "rift") {
		t.Errorf("the diary says %q", got)
	}
	recorded := len(w.diary())
	w.wait(time.Hour)
	w.cycle()
	if got := len(w.diary()); got != recorded {
		t.Errorf("the same drift is recorded again: %q", w.diary())
	}
	w.machine.SetStatus("web", types.StatusRunning)
	w.cycle()
	if got := len(w.diary()); got != recorded+1 {
		t.Errorf("the end of the drift is not recorded: %q", w.diary())
	}
}

func TestApplyRepairsWhatIsReportedOnly(t *testing.T) {
	w := newWorld(t)
	w.commit(map[string]string{web1: web("nginx:1.26"), "hosts/web1/host.yaml": "drift: {policy: report}\n"}, "start")
	w.cycle()
	w.machine.SetStatus("web", types.StatusExited)
	w.opts.RepairNow = true
	w.open(w.repo.Dir)
	w.cycle()
	w.runs("web", "nginx:1.26")
}

func TestACommitIsDeployedWhateverThePolicyForDrift(t *testing.T) {
	w := newWorld(t)
	report := "drift: {policy: report}\n"
	w.commit(map[string]string{web1: web("nginx:1.26"), "hosts/web1/host.yaml": report}, "start")
	w.cycle()
	w.commit(map[string]string{web1: web("nginx:1.27"), "hosts/web1/host.yaml": report}, "bump")
	w.cycle()
	w.runs("web", "nginx:1.27")
}

func TestWhoFightsIsAnsweredLessAndLess(t *testing.T) {
	w := newWorld(t)
	w.commit(map[string]string{web1: web("nginx:1.26")}, "start")
	w.cycle()
	repairs := 0
	for range 12 {
		w.machine.Remove("web")
		w.wait(time.Second)
		r := w.syncer.Cycle(t.Context())
		if _, there := w.machine.Containers()["web"]; there {
			repairs++
		} else if d := r.Hosts[0].Plan.Hosts[0].Drift; len(d) != 1 || !strings.Contains(d[0].Left, "somebody undoes the repairs: repaired 3 times") {
			t.Fatalf("drift %+v", d)
		}
	}
	if repairs != 3 {
		t.Errorf("%d repairs within 12 s, want 3", repairs)
	}
	// The record outlives the process.
	w.open(w.repo.Dir)
	w.syncer.Cycle(t.Context())
	w.runs("web", "")
	w.wait(time.Minute)
	w.cycle()
	w.runs("web", "nginx:1.26")
	// After a while of peace it is forgotten.
	w.wait(time.Hour)
	w.cycle()
	w.machine.Remove("web")
	w.cycle()
	w.runs("web", "nginx:1.26")
}

func TestASuspendedContainerIsLeftAlone(t *testing.T) {
	w := newWorld(t)
	w.commit(map[string]string{web1: web("nginx:1.26")}, "start")
	w.cycle()
	target := []sync.Target{{Host: "web1", Container: "web"}}
	if err := w.syncer.Suspend(t.Context(), []sync.Target{{Host: "web1", Container: "wbe"}}, state.Suspension{}); err == nil {
		t.Error("a container that does not exist is suspended")
	}
	err := w.syncer.Suspend(t.Context(), target, state.Suspension{Reason: "restore running", By: "kim", Since: w.time(), Until: w.time().Add(2 * time.Hour)})
	if err != nil {
		t.Fatal(err)
	}
	if got := w.diary()[0]; got != "Suspend web1/web: restore running" {
		t.Errorf("the diary says %q", got)
	}
	w.machine.SetStatus("web", types.StatusExited)
	w.commit(map[string]string{web1: web("nginx:1.27")}, "bump")
	w.watched.Reset()
	r := w.cycle()
	if c := w.machine.Containers()["web"]; c.Status != types.StatusExited || c.Image != "nginx:1.26" {
		t.Errorf("web is %+v", c)
	}
	changes := r.Hosts[0].Plan.Hosts[0].Changes
	if len(changes) != 1 || changes[0].Kind != container.Suspended || !strings.Contains(changes[0].Why(), "by kim until 2026-02-03 06:05 UTC: restore running") {
		t.Errorf("the plan says %+v", changes)
	}
	// It ends by itself.
	w.wait(3 * time.Hour)
	w.cycle()
	w.runs("web", "nginx:1.27")
}

func TestAResumedHostIsFollowedAgain(t *testing.T) {
	w := newWorld(t)
	w.commit(map[string]string{web1: web("nginx:1.26"), db1: database("postgres:16")}, "start")
	w.cycle()
	if err := w.syncer.Suspend(t.Context(), []sync.Target{{Host: "web1"}, {Host: "db1", Container: "db"}}, state.Suspension{Since: w.time()}); err != nil {
		t.Fatal(err)
	}
	w.machine.Remove("web")
	w.machine.Remove("db")
	w.cycle()
	w.runs("web", "")
	w.runs("db", "")
	resumed, err := w.syncer.Resume(t.Context(), []sync.Target{{Host: "web1"}})
	if err != nil || !slices.Equal(resumed, []sync.Target{{Host: "web1"}}) {
		t.Fatalf("resumed %v, %v", resumed, err)
	}
	w.cycle()
	w.runs("web", "nginx:1.26")
	w.runs("db", "")
	if _, err := w.syncer.Resume(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	w.cycle()
	w.runs("db", "postgres:16")
	if _, err := w.syncer.Resume(t.Context(), nil); err == nil {
		t.Error("nothing is suspended, and that is no error")
	}
}

// Who suspends a container and stops it at once must not be overtaken by a repair.
func TestASuspensionCountsBeforeTheNextPoll(t *testing.T) {
	w := watching(t, map[string]string{web1: web("nginx:1.26")})
	other, err := sync.New(sync.Options{Remote: w.remote, Branch: "main", StateBranch: "gitsync/state", Author: w.opts.Author})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = other.Close() }()
	if err := other.Suspend(t.Context(), []sync.Target{{Host: "web1", Container: "web"}}, state.Suspension{Since: time.Now()}); err != nil {
		t.Fatal(err)
	}
	before := len(w.diary())
	w.machine.SetStatus("web", types.StatusExited)
	eventually(t, "the stopped container is in the record", func() bool { return len(w.diary()) > before })
	if got := w.machine.Containers()["web"].Status; got != types.StatusExited {
		t.Errorf("web is %s, want exited", got)
	}
}

// A person may suspend at the very moment in which a deployment is recorded.
func TestARecordDoesNotUndoASuspension(t *testing.T) {
	w := newWorld(t)
	w.commit(map[string]string{web1: web("nginx:1.26")}, "start")
	w.cycle()
	w.commit(map[string]string{web1: web("nginx:1.27")}, "bump")
	suspended := false
	w.watched.After = func(_ int, method, _ string) error {
		if method != "start" || suspended {
			return nil
		}
		suspended = true
		other, err := sync.New(sync.Options{Remote: w.remote, Branch: "main", StateBranch: "gitsync/state", Author: w.opts.Author})
		if err != nil {
			return err
		}
		defer func() { _ = other.Close() }()
		return other.Suspend(context.Background(), []sync.Target{{Host: "web1"}}, state.Suspension{Since: w.time()})
	}
	w.cycle()
	w.machine.Remove("web")
	w.cycle()
	w.runs("web", "")
}

// told is a reporter that keeps what it is told.
type told struct {
	mu     stdsync.Mutex
	fleets []report.Fleet
}

func (r *told) Tell(_ context.Context, f report.Fleet) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.fleets = append(r.fleets, f)
}

func (r *told) last() report.Fleet {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.fleets[len(r.fleets)-1]
}

func TestTheReporterIsToldOfEachCommitAndItsEnd(t *testing.T) {
	reporter := &told{}
	w := newWorld(t, func(o *sync.Options) { o.Reporter = reporter })
	hash := w.commit(map[string]string{web1: web("nginx:1.26"), db1: database("postgres:16")}, "start")
	w.cycle()
	first, last := reporter.fleets[0], reporter.last()
	if first.Commit != hash || len(first.Hosts) != 2 || first.Hosts[1].Phase != report.Working {
		t.Errorf("at first: %+v", first)
	}
	if last.Commit != hash || last.Hosts[1].Phase != report.Deployed || last.Hosts[1].Deployed != hash {
		t.Errorf("in the end: %+v", last)
	}
	w.commit(map[string]string{web1: "containers:\n  web: {imge: x}\n", db1: database("crash:1")}, "break both")
	w.machine.Remove("db")
	w.fail()
	last = reporter.last()
	if web := last.Hosts[1]; web.Phase != report.Invalid || !strings.HasPrefix(web.Problems[0].Text, "hosts/web1/containers.yaml:2:") || web.Deployed != hash {
		t.Errorf("the host that does not validate: %+v", web)
	}
	w.commit(map[string]string{web1: web("nginx:1.26"), db1: database("postgres:16"), "hosts/web1/host.yaml": "drift: {policy: report}\n"}, "mend")
	w.cycle()
	w.machine.SetStatus("web", types.StatusExited)
	w.machine.SetStatus("db", types.StatusExited)
	w.cycle()
	last = reporter.last()
	if d := last.Hosts[0].Drift; len(d) != 1 || !d[0].Repaired || d[0].Field != "status" {
		t.Errorf("what was repaired: %+v", d)
	}
	if d := last.Hosts[1].Drift; len(d) != 1 || d[0].Repaired {
		t.Errorf("what was reported: %+v", d)
	}
	w.cycle()
	if d := reporter.last().Hosts[0].Drift; len(d) != 0 {
		t.Errorf("what was repaired is told again: %+v", d)
	}
}

// Canaries that nothing happens on were looked at: a roll-out waits for none of them.
func TestAQuietCanaryHoldsUpNoRollOut(t *testing.T) {
	files := map[string]string{
		"gitsync.yaml": "rollout: {canary: [web1], monitor: 1ms}\n",
		web1:           web("nginx:1.26"), db1: database("postgres:16"),
	}
	w := watching(t, files)
	eventually(t, "both hosts are deployed", func() bool { return len(w.machine.Containers()) == 2 })
	w.settled()
	for _, image := range []string{"postgres:17", "postgres:18"} {
		files[db1] = database(image)
		w.commit(files, "next")
		w.syncer.Trigger()
		eventually(t, image+" is deployed", func() bool { return w.machine.Containers()["db"].Image == image })
		w.settled()
	}
}

// A start that fails makes events itself. They must not make it be tried again and again:
// each try would be a commit on the state branch too.
func TestTheEventsOfAFailedStartDoNotRetryIt(t *testing.T) {
	w := newWorld(t, func(o *sync.Options) { o.Now = nil })
	stranger := func() {
		status := types.StatusRunning
		if w.machine.Containers()["stranger"].Status == status {
			status = types.StatusExited
		}
		w.machine.SetStatus("stranger", status)
	}
	if _, err := w.watched.Full.Create(t.Context(), &types.ContainerConfig{Name: "stranger", Image: "x"}); err != nil {
		t.Fatal(err)
	}
	var starts, lists atomic.Int32
	w.watched.Before = func(_ int, method, _ string) error {
		switch method {
		case "list":
			lists.Add(1)
		case "start":
			starts.Add(1)
			stranger()
			return runtime.ErrPortInUse
		}
		return nil
	}
	w.commit(map[string]string{web1: web("nginx:1.26")}, "start")
	running(t, w)
	eventually(t, "the failure is recorded", func() bool { return len(w.diary()) > 0 })
	for range 4 {
		w.settled()
		looks := lists.Load()
		// Somebody else's events ask for looks too.
		stranger()
		eventually(t, "the host is looked at", func() bool { return lists.Load() > looks })
	}
	if n := starts.Load(); n != 1 {
		t.Errorf("%d starts, want 1 until the next poll", n)
	}
	if n := len(w.diary()); n != 1 {
		t.Errorf("the diary says %q", w.diary())
	}
}
