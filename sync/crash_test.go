package sync_test

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	stdsync "sync"
	"testing"

	"github.com/gitsync/gitsync/internal/gittest"
	"github.com/gitsync/gitsync/state"
	"github.com/gitsync/gitsync/sync"
)

var errKilled = errors.New("killed")

// reaper counts the calls to the runtime and the requests to Git alike, and ends the
// process at one of them: nothing that it does later gets through.
type reaper struct {
	mu    stdsync.Mutex
	calls int
	at    int
	late  bool
	dead  bool
	// outbox is where records wait, and kept what was there at the death: what comes later
	// no dead process wrote.
	outbox string
	kept   map[string]bool
}

// enter is before a call, leave after it.
func (r *reaper) enter() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.calls++
	return r.verdict(r.calls == r.at && !r.late)
}

func (r *reaper) leave() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.verdict(r.calls >= r.at && r.at > 0 && r.late)
}

func (r *reaper) verdict(dies bool) error {
	if dies && !r.dead {
		r.dead, r.kept = true, map[string]bool{}
		for _, file := range r.waiting() {
			r.kept[file] = true
		}
	}
	if r.dead {
		return errKilled
	}
	return nil
}

func (r *reaper) waiting() []string {
	files, _ := filepath.Glob(filepath.Join(r.outbox, "*"))
	return files
}

// bury takes back what the process wrote to its disk after its death.
func (r *reaper) bury() {
	if !r.dead {
		return
	}
	for _, file := range r.waiting() {
		if !r.kept[file] {
			_ = os.Remove(file)
		}
	}
}

// set begins anew, with a death at call k; none for 0.
func (r *reaper) set(k int, late bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.bury()
	r.calls, r.at, r.late, r.dead = 0, k, late, false
}

// made returns how many calls there were. A request may still be about to end.
func (r *reaper) made() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.calls
}

// newMortalWorld is a world whose runtime and Git server a reaper watches.
func newMortalWorld(t *testing.T) (*world, *reaper) {
	w := newWorld(t)
	r := &reaper{outbox: filepath.Join(w.opts.DataDir, sync.OutboxDir)}
	w.watched.Before = func(int, string, string) error { return r.enter() }
	w.watched.After = func(int, string, string) error { return r.leave() }
	server := gittest.ServeHTTP(t, w.repo, gittest.HTTPOptions{})
	target, err := url.Parse(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	path := target.Path
	target.Path = ""
	proxy := httputil.NewSingleHostReverseProxy(target)
	proxy.Transport = &http.Transport{DisableKeepAlives: true}
	front := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, request *http.Request) {
		if r.enter() != nil {
			panic(http.ErrAbortHandler)
		}
		answer := httptest.NewRecorder()
		proxy.ServeHTTP(answer, request)
		if r.leave() != nil {
			panic(http.ErrAbortHandler)
		}
		for name, values := range answer.Header() {
			rw.Header()[name] = values
		}
		rw.WriteHeader(answer.Code)
		_, _ = rw.Write(answer.Body.Bytes())
	}))
	t.Cleanup(front.Close)
	w.open(front.URL + path)
	return w, r
}

// TestAKillAtAnyCallToTheRuntimeOrToGit kills a cycle that deploys a commit, before and
// after a call: the next process ends with what the commit says, each container once,
// and a state branch that tells so.
func TestAKillAtAnyCallToTheRuntimeOrToGit(t *testing.T) {
	before := map[string]string{
		web1: web("nginx:1.26"), db1: "containers:\n  db:\n    image: postgres:16\n    update: {monitor: 1ms}\n  old:\n    image: a\n    update: {monitor: 1ms}\n",
	}
	after := map[string]string{
		web1: web("nginx:1.27"), db1: "containers:\n  db:\n    image: postgres:16\n    update: {monitor: 1ms}\n    configFiles: {/srv/db.conf: new}\n",
	}
	w, r := newMortalWorld(t)
	w.commit(before, "start")
	w.cycle()
	w.commit(after, "next")
	r.set(0, false)
	w.cycle()
	total := r.made()
	w.close()
	if total < 25 {
		t.Fatalf("the cycle makes %d calls, want more", total)
	}
	// All of it takes a while: make test-long does.
	every := 4
	if os.Getenv("GITSYNC_LONG") != "" {
		every = 1
	}
	for k := 1; k <= total; k += every {
		for _, late := range []bool{false, true} {
			t.Run(fmt.Sprintf("call %d, late %v", k, late), func(t *testing.T) {
				w, r := newMortalWorld(t)
				w.commit(before, "start")
				w.cycle()
				commit := w.commit(after, "next")
				r.set(k, late)
				w.syncer.Cycle(t.Context())
				r.set(0, false)
				w.open(w.remote.String())
				w.settle()
				w.wantDeployed(commit)
			})
		}
	}
}

// settle runs cycles as polls do, until one has nothing left to do.
func (w *world) settle() {
	w.t.Helper()
	for range 3 {
		if r := w.syncer.Cycle(w.t.Context()); r.Converged() && r.Recorded == "" {
			return
		}
	}
	w.t.Error("the cycles do not settle")
}

// wantDeployed checks what runs, and what the state branch says of it.
func (w *world) wantDeployed(commit string) {
	w.t.Helper()
	w.runs("web", "nginx:1.27")
	w.runs("db", "postgres:16")
	if got := len(w.machine.Containers()); got != 2 {
		w.t.Errorf("%d containers are there: %v", got, w.machine.Containers())
	}
	if file, _ := w.machine.HostFile("/srv/db.conf"); file.Content != "new" {
		w.t.Errorf("the config file holds %q", file.Content)
	}
	for host, container := range map[string]string{"web1": "web", "db1": "db"} {
		record, err := state.Parse([]byte(w.repo.Show("gitsync/state", "hosts/"+host+"/state.yaml")))
		if err != nil {
			w.t.Fatal(err)
		}
		id := w.machine.Containers()[container].ID
		recorded := record.PreviousState[container]
		if record.SourceCommit != commit || len(record.Failures) > 0 || len(record.PreviousState) != 1 ||
			recorded == nil || recorded.Container.Status.ID != id {
			w.t.Errorf("the record of %s is %+v, want commit %s and container %s", host, record, commit, id)
		}
	}
	if diary := strings.Join(w.diary(), "\n"); strings.Count(diary, "Deploy ") < 2 {
		w.t.Errorf("the diary does not tell of both deployments:\n%s", diary)
	}
}
