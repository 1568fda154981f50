package sync_test

import (
	"context"
	"slices"
	"strings"
	stdsync "sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/gitsync/gitsync/container"
	"github.com/gitsync/gitsync/gitrepo"
	"github.com/gitsync/gitsync/host"
	"github.com/gitsync/gitsync/internal/gittest"
	"github.com/gitsync/gitsync/runtime"
	"github.com/gitsync/gitsync/runtime/memory"
	"github.com/gitsync/gitsync/runtime/runtimetest"
	"github.com/gitsync/gitsync/sync"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// world is a repo, a machine in memory, and a clock.
type world struct {
	t       *testing.T
	repo    *gittest.Repo
	machine *memory.World
	watched *runtimetest.Watched
	remote  *gitrepo.Remote
	syncer  *sync.Syncer
	opts    sync.Options

	mu  stdsync.Mutex
	now time.Time
}

func newWorld(t *testing.T, change ...func(*sync.Options)) *world {
	t.Helper()
	w := &world{
		t: t, repo: gittest.NewRepo(t), machine: &memory.World{},
		now: time.Date(2026, 2, 3, 4, 5, 6, 0, time.UTC), watched: &runtimetest.Watched{},
	}
	rt, err := (&memory.Config{World: w.machine}).New()
	if err != nil {
		t.Fatal(err)
	}
	w.watched.Full = rt.(runtimetest.Full)
	w.opts = sync.Options{
		Branch: "main", StateBranch: "gitsync/state", DataDir: t.TempDir(),
		Author: gitrepo.Signature{Name: "gitsync", Email: "gitsync@test"},
		Connector: func(context.Context, host.Host, container.RuntimeConfig) (runtime.Runtime, func(), error) {
			return w.watched, func() {}, nil
		},
		Now: w.time,
	}
	for _, f := range change {
		f(&w.opts)
	}
	w.open(w.repo.Dir)
	return w
}

// open begins with a new process: a syncer that knows nothing of earlier cycles.
func (w *world) open(address string) {
	w.t.Helper()
	if w.syncer != nil {
		w.close()
	}
	var err error
	if w.remote, err = gitrepo.NewRemote(address, gitrepo.Auth{}); err != nil {
		w.t.Fatal(err)
	}
	w.opts.Remote = w.remote
	if w.syncer, err = sync.New(w.opts); err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(w.close)
}

func (w *world) close() {
	if w.syncer == nil {
		return
	}
	if err := w.syncer.Close(); err != nil {
		w.t.Errorf("close: %v", err)
	}
	_ = w.remote.Close()
	w.syncer = nil
}

func (w *world) time() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.now
}

// wait lets time pass.
func (w *world) wait(d time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.now = w.now.Add(d)
}

func (w *world) commit(files map[string]string, message string) string {
	w.t.Helper()
	return w.repo.Commit("main", files, message)
}

// cycle runs a cycle that must converge.
func (w *world) cycle() *sync.Result {
	w.t.Helper()
	r := w.syncer.Cycle(w.t.Context())
	if !r.Converged() {
		w.t.Fatalf("the cycle did not converge: %v", problems(r))
	}
	return r
}

// fail runs a cycle that must not converge.
func (w *world) fail() *sync.Result {
	w.t.Helper()
	r := w.syncer.Cycle(w.t.Context())
	if r.Converged() {
		w.t.Fatal("the cycle converged")
	}
	return r
}

func problems(r *sync.Result) []any {
	out := []any{r.Err, r.GitErr, r.StateErrs, r.Mistakes}
	for _, h := range r.Hosts {
		out = append(out, h.Err)
	}
	return out
}

// runs checks which image a container runs; an empty one means that it is not there.
func (w *world) runs(name, image string) {
	w.t.Helper()
	c, there := w.machine.Containers()[name]
	switch {
	case image == "" && there:
		w.t.Errorf("%s is there: %+v", name, c)
	case image != "" && (!there || c.Status != "running" || c.Image != image):
		w.t.Errorf("%s: %+v, want it to run %s", name, c, image)
	}
}

// diary is the log of the state branch, newest first, without the entry that gave the repo
// its identity.
func (w *world) diary() []string {
	return slices.DeleteFunc(w.repo.Log("gitsync/state"), func(subject string) bool {
		return strings.HasPrefix(subject, "Identify the repo as ")
	})
}

// web is a containers.yaml with one container.
func web(image string) string {
	return "containers:\n  web:\n    image: " + image + "\n    update: {monitor: 1ms}\n"
}

const (
	web1 = "hosts/web1/containers.yaml"
	db1  = "hosts/db1/containers.yaml"
)

func database(image string) string {
	return "containers:\n  db:\n    image: " + image + "\n    update: {monitor: 1ms}\n"
}
