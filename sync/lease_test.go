package sync_test

import (
	"bytes"
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	stdsync "sync"
	"testing"
	"time"

	"github.com/rs/zerolog"
	"golang.org/x/sync/errgroup"

	"github.com/gitsync/gitsync/container"
	"github.com/gitsync/gitsync/container/types"
	"github.com/gitsync/gitsync/host"
	"github.com/gitsync/gitsync/lease"
	"github.com/gitsync/gitsync/runtime"
	"github.com/gitsync/gitsync/runtime/memory"
	"github.com/gitsync/gitsync/runtime/runtimetest"
	"github.com/gitsync/gitsync/sync"
)

// another returns a second instance of gitsync for the same repo and the same machine.
func (w *world) another(change ...func(*sync.Options)) *world {
	w.t.Helper()
	rt, err := (&memory.Config{World: w.machine}).New()
	if err != nil {
		w.t.Fatal(err)
	}
	o := &world{t: w.t, repo: w.repo, machine: w.machine, now: w.time(), opts: w.opts, watched: &runtimetest.Watched{Full: rt.(runtimetest.Full)}}
	o.opts.DataDir, o.opts.Now, o.opts.Memory = w.t.TempDir(), o.time, nil
	o.opts.Connector = func(context.Context, host.Host, container.RuntimeConfig) (runtime.Runtime, func(), error) {
		return o.watched, func() {}, nil
	}
	for _, f := range change {
		f(&o.opts)
	}
	o.open(w.repo.Dir)
	return o
}

// stall lets the next call of a method wait. It returns when the call is made, with what
// lets it go on.
func (w *world) stall(method string, begin func()) (resume func()) {
	reached, goOn := make(chan struct{}), make(chan struct{})
	var once stdsync.Once
	w.watched.Before = func(_ int, called, _ string) error {
		if called == method {
			once.Do(func() {
				close(reached)
				<-goOn
			})
		}
		return nil
	}
	begin()
	<-reached
	return func() { close(goOn) }
}

// inTheMiddle is an instance that has stopped the old container, and not started the new one yet.
func inTheMiddle(t *testing.T, w *world) (end func() *sync.Result) {
	t.Helper()
	var group errgroup.Group
	var result *sync.Result
	resume := w.stall("stop", func() {
		group.Go(func() error {
			result = w.syncer.Once(t.Context())
			return nil
		})
	})
	return func() *sync.Result {
		resume()
		_ = group.Wait()
		return result
	}
}

func TestTwoInstancesDoNotUndoEachOther(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.commit(map[string]string{web1: web("nginx:1.26")}, "start")
	w.cycle()
	other := w.another(func(o *sync.Options) { o.LeaseWait = time.Millisecond })
	patient := w.another()
	w.commit(map[string]string{web1: web("nginx:1.27")}, "next")
	end := inTheMiddle(t, w)
	before := w.machine.Containers()
	r := other.syncer.Once(t.Context())
	err := r.Hosts[0].Err
	if r.Converged() || !errors.Is(err, lease.ErrBusy) || sync.React(err) != sync.Retry {
		t.Errorf("the other one ends with %v, want %v", err, lease.ErrBusy)
	}
	holder := container.LeaseHolders(rows(w.machine))[0]
	for _, want := range []string{"host web1: ", "instance " + holder.Instance + " at ", "#main has been working there since "} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want it to contain %q", err, want)
		}
	}
	if len(other.diary()) != 1 {
		t.Errorf("the other one records: %q", other.diary())
	}
	for name, c := range w.machine.Containers() {
		if before[name].ID != c.ID || len(before) != len(w.machine.Containers()) {
			t.Errorf("the other one changed something: %v, %v", before, w.machine.Containers())
		}
	}
	var log bytes.Buffer
	result := make(chan *sync.Result, 1)
	var group errgroup.Group
	group.Go(func() error {
		result <- patient.syncer.Once(zerolog.New(&log).WithContext(t.Context()))
		return nil
	})
	eventually(t, "the patient one asks who works there", func() bool { return len(patient.watched.Calls()) > 3 })
	if r := end(); !r.Converged() {
		t.Errorf("the first one did not converge: %v", problems(r))
	}
	if r := <-result; !r.Converged() {
		t.Errorf("the patient one did not converge: %v", problems(r))
	}
	_ = group.Wait()
	w.runs("web", "nginx:1.27")
	for _, call := range patient.watched.Calls() {
		if method, subject, _ := strings.Cut(call, " "); method != "list" && method != "find" && method != "describe" {
			t.Errorf("the patient one did %s %s", method, subject)
		}
	}
	if n := strings.Count(log.String(), "waiting for another gitsync instance"); n != 1 || !strings.Contains(log.String(), holder.Instance) {
		t.Errorf("it is told %d times for whom it waits:\n%s", n, log.String())
	}
	if left := w.machine.Containers(); len(left) != 1 {
		t.Errorf("%v is left", left)
	}
}

func rows(m *memory.World) []types.ContainerSummary {
	var out []types.ContainerSummary
	for _, row := range m.Containers() {
		out = append(out, row)
	}
	return out
}

func TestADaemonThatWaitsForAnotherInstanceServesOtherHosts(t *testing.T) {
	t.Parallel()
	w, m := newMachines(t, func(o *sync.Options) { o.Now, o.Patience = time.Now, 20*time.Millisecond })
	w.commit(merged(on("one", "x", map[string]string{"xx": "x:1"}), on("two", "a", map[string]string{"aa": "a:1"})), "start")
	w.cycle()
	daemon := &world{t: t, repo: w.repo, machine: w.machine, watched: w.watched, opts: w.opts}
	daemon.opts.DataDir, daemon.opts.Memory = t.TempDir(), nil
	// The first one works on one machine only, and is stalled there.
	w.opts.Hosts = []string{"one"}
	w.machine = m.world("x")
	w.opts.Connector = func(context.Context, host.Host, container.RuntimeConfig) (runtime.Runtime, func(), error) {
		return w.watched, func() {}, nil
	}
	rt, err := (&memory.Config{World: m.world("x")}).New()
	if err != nil {
		t.Fatal(err)
	}
	w.watched.Full = rt.(runtimetest.Full)
	w.open(w.repo.Dir)
	w.commit(merged(on("one", "x", map[string]string{"xx": "x:2"}), on("two", "a", map[string]string{"aa": "a:2"})), "next")
	end := inTheMiddle(t, w)
	managed := func() map[string]types.ContainerSummary {
		all := w.machine.Containers()
		maps.DeleteFunc(all, func(_ string, row types.ContainerSummary) bool { return row.Labels[container.LabelRole] != "" })
		return all
	}
	before := managed()
	daemon.open(w.repo.Dir)
	stop := daemon.daemon(20 * time.Millisecond)
	for _, image := range []string{"a:2", "a:3"} {
		eventually(t, "the other host follows to "+image, func() bool { return m.world("a").Containers()["aa"].Image == image })
		w.commit(merged(on("one", "x", map[string]string{"xx": "x:2"}), on("two", "a", map[string]string{"aa": "a:3"})), "later")
	}
	if now := managed(); len(now) != len(before) || now["xx"].ID != before["xx"].ID {
		t.Errorf("%+v, want %+v: it waits", now, before)
	}
	// A wait is no reason to be slow to stop.
	stop()
	if r := end(); !r.Converged() {
		t.Errorf("the first one did not converge: %v", problems(r))
	}
	w.runs("xx", "x:2")
}

func TestADaemonWithAnOlderCommitDoesNotTakeANewerOneBack(t *testing.T) {
	t.Parallel()
	daemon := watching(t, map[string]string{web1: web("nginx:1.26")})
	first := daemon.another()
	daemon.commit(map[string]string{web1: web("nginx:1.27")}, "next")
	daemon.watched.Reset()
	first.cycle()
	eventually(t, "the daemon has looked at what happened", func() bool { return len(daemon.watched.Calls()) > 0 })
	daemon.settled3()
	daemon.runs("web", "nginx:1.27")
	for _, call := range daemon.watched.Calls() {
		if strings.HasPrefix(call, "create ") && !strings.HasPrefix(call, "create "+container.LeasePrefix) {
			t.Errorf("the daemon did %s", call)
		}
	}
}

// settled3 waits until no call is made for a while.
func (w *world) settled3() {
	w.t.Helper()
	calls, same := -1, 0
	eventually(w.t, "the host is left alone", func() bool {
		if now := len(w.watched.Calls()); now != calls {
			calls, same = now, 0
		}
		same++
		return same > 60
	})
}

func TestWhatChangesNothingTakesNoLease(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.commit(map[string]string{web1: web("nginx:1.26")}, "start")
	w.syncer.Plan(t.Context())
	w.commit(map[string]string{web1: web("nginx:nope")}, "cannot be pulled")
	w.machine.MissingImage("nginx:nope")
	w.syncer.Plan(t.Context())
	if calls := w.watched.Calls(); slices.ContainsFunc(calls, func(c string) bool { return strings.HasPrefix(c, "create ") }) {
		t.Errorf("a plan makes the calls %q", calls)
	}
	w.fail()
	w.watched.Reset()
	// Neither an idle look nor an update that waits for its next try changes anything.
	w.fail()
	if calls := w.watched.Calls(); slices.ContainsFunc(calls, func(c string) bool { return !strings.HasPrefix(c, "list") && !strings.HasPrefix(c, "find") }) {
		t.Errorf("a cycle with nothing to do makes the calls %q", calls)
	}
}

func TestAPlanSeesWhoWorksOnAHost(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.commit(map[string]string{web1: web("nginx:1.26")}, "start")
	w.cycle()
	if l := w.syncer.Plan(t.Context()).Hosts[0].Lease(); l != nil {
		t.Errorf("%+v has the lease, want nobody", l)
	}
	other := w.another()
	w.commit(map[string]string{web1: web("nginx:1.27")}, "next")
	end := inTheMiddle(t, w)
	h := other.syncer.Plan(t.Context()).Hosts[0]
	l := h.Lease()
	if l == nil || l.Instance == "" || !strings.HasSuffix(l.Address, "#main") || !l.Until.After(l.Since) {
		t.Errorf("the lease is %+v", l)
	}
	if !slices.Equal(h.Keys(), []string{"web"}) || len(h.Plan.Hosts[0].Drift) > 0 {
		t.Errorf("the lease counts as a container: %v, %+v", h.Keys(), h.Plan)
	}
	end()
}

func TestOtherReposOnAMachineAreNotWaitedFor(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.commit(map[string]string{web1: web("nginx:1.26")}, "start")
	w.cycle()
	b := newWorld(t)
	b.machine, b.watched.Full = w.machine, w.another().watched.Full
	b.opts.LeaseWait = time.Millisecond
	b.open(b.repo.Dir)
	b.commit(map[string]string{web1: database("postgres:16")}, "another repo")
	w.commit(map[string]string{web1: web("nginx:1.27")}, "next")
	end := inTheMiddle(t, w)
	b.cycle()
	b.runs("db", "postgres:16")
	if r := end(); !r.Converged() {
		t.Errorf("it did not converge: %v", problems(r))
	}
	w.runs("web", "nginx:1.27")
}

// TestALostLeaseTakesTheUpdateBack loses the lease while a new container is waited for.
func TestALostLeaseTakesTheUpdateBack(t *testing.T) {
	t.Parallel()
	w := newBrokenWorld(t, func(o *sync.Options) { o.LeaseLifetime = 3 * time.Second })
	w.commit(map[string]string{web1: web("nginx:1.26")}, "start")
	w.cycle()
	old := w.machine.Containers()["web"].ID
	w.commit(map[string]string{web1: web(sick)}, "never ready")
	var group errgroup.Group
	var result *sync.Result
	group.Go(func() error {
		result = w.syncer.Cycle(t.Context())
		return nil
	})
	eventually(t, "the new container runs", func() bool { return w.machine.Containers()["web"].Image == sick })
	for _, holder := range container.LeaseHolders(rows(w.machine)) {
		w.machine.Remove(holder.Name)
	}
	_ = group.Wait()
	err := result.Hosts[0].Err
	if !errors.Is(err, lease.ErrLost) || sync.React(err) != sync.Retry || !result.Again {
		t.Errorf("%v, again %v", err, result.Again)
	}
	if c := w.machine.Containers()["web"]; c.ID != old || c.Status != types.StatusRunning || len(w.machine.Containers()) != 1 {
		t.Errorf("%v, want the old container back", w.machine.Containers())
	}
	// It says nothing about the update.
	w.machine.Behave(sick, newBehaviour)
	w.cycle()
	w.runs("web", sick)
}

// TestARestartedProcessTakesOverItsLease also sweeps what a process left that was killed
// when all was done.
func TestARestartedProcessTakesOverItsLease(t *testing.T) {
	t.Parallel()
	for _, method := range []string{"start", "delete"} {
		w := newWorld(t, func(o *sync.Options) { o.LeaseWait = time.Millisecond })
		w.commit(map[string]string{web1: web("nginx:1.26")}, "start")
		dead := false
		w.watched.Before = func(_ int, called, _ string) error {
			if dead = dead || called == method; dead {
				return errKilled
			}
			return nil
		}
		w.syncer.Cycle(t.Context())
		if n := len(container.LeaseHolders(rows(w.machine))); n != 1 {
			t.Errorf("%s: the killed process left %d leases, want one", method, n)
		}
		w.watched.Before, w.opts.RetryNow = nil, true
		w.open(w.repo.Dir)
		w.cycle()
		w.runs("web", "nginx:1.26")
		if left := w.machine.Containers(); len(left) != 1 {
			t.Errorf("%s: %v is left", method, left)
		}
	}
}
