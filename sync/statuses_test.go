package sync_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	stdsync "sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/gitsync/gitsync/container"
	"github.com/gitsync/gitsync/host"
	"github.com/gitsync/gitsync/report"
	"github.com/gitsync/gitsync/report/forge"
	"github.com/gitsync/gitsync/runtime"
	"github.com/gitsync/gitsync/runtime/memory"
	"github.com/gitsync/gitsync/sync"
)

// shown is a status that a GitHub shows, as its API has it.
type shown struct {
	Context     string `json:"context"`
	State       string `json:"state"`
	Description string `json:"description"`
	TargetURL   string `json:"target_url"`
}

// gitHub is as much of a GitHub as statuses and deployment records need.
type gitHub struct {
	*httptest.Server
	mu stdsync.Mutex
	// statuses are those of each commit, and posted all in order, as "context state".
	statuses map[string][]shown
	posted   []string
	asked    int
	// records are the deployments, the newest last, and states the newest one of each.
	records []map[string]any
	states  []map[string]any
	// began is sent to when a deployment record is under way.
	began chan struct{}
}

func newGitHub(t *testing.T) *gitHub {
	t.Helper()
	g := &gitHub{statuses: map[string][]shown{}, began: make(chan struct{}, 100)}
	mux := http.NewServeMux()
	g.serveStatuses(mux)
	g.serveDeployments(mux)
	g.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		g.mu.Lock()
		defer g.mu.Unlock()
		if r.Method == http.MethodGet {
			g.asked++
		}
		mux.ServeHTTP(w, r)
	}))
	t.Cleanup(g.Close)
	return g
}

const gitHubRepo = "/api/v3/repos/acme/infra"

func (g *gitHub) serveStatuses(mux *http.ServeMux) {
	mux.HandleFunc("GET "+gitHubRepo+"/commits/{commit}/status", func(w http.ResponseWriter, r *http.Request) {
		var newest []shown
		for _, s := range slices.Backward(g.statuses[r.PathValue("commit")]) {
			if !slices.ContainsFunc(newest, func(n shown) bool { return n.Context == s.Context }) {
				newest = append(newest, s)
			}
		}
		_ = json.NewEncoder(w).Encode(map[string]any{"statuses": newest})
	})
	mux.HandleFunc("POST "+gitHubRepo+"/statuses/{commit}", func(w http.ResponseWriter, r *http.Request) {
		var s shown
		_ = json.NewDecoder(r.Body).Decode(&s)
		g.statuses[r.PathValue("commit")] = append(g.statuses[r.PathValue("commit")], s)
		g.posted = append(g.posted, s.Context+" "+s.State)
		w.WriteHeader(http.StatusCreated)
		_, _ = w.Write([]byte("{}"))
	})
}

func (g *gitHub) serveDeployments(mux *http.ServeMux) {
	mux.HandleFunc("GET "+gitHubRepo+"/deployments", func(w http.ResponseWriter, r *http.Request) {
		found := []map[string]any{}
		for _, d := range slices.Backward(g.records) {
			if d["environment"] == r.URL.Query().Get("environment") {
				found = append(found, d)
			}
		}
		_ = json.NewEncoder(w).Encode(found)
	})
	mux.HandleFunc("POST "+gitHubRepo+"/deployments", func(w http.ResponseWriter, r *http.Request) {
		var d map[string]any
		_ = json.NewDecoder(r.Body).Decode(&d)
		d["id"], d["sha"] = len(g.records)+1, d["ref"]
		g.records, g.states = append(g.records, d), append(g.states, nil)
		w.WriteHeader(http.StatusCreated)
		_ = json.NewEncoder(w).Encode(d)
	})
	mux.HandleFunc(gitHubRepo+"/deployments/{id}/statuses", func(w http.ResponseWriter, r *http.Request) {
		var id int
		_, _ = fmt.Sscan(r.PathValue("id"), &id)
		if r.Method == http.MethodPost {
			_ = json.NewDecoder(r.Body).Decode(&g.states[id-1])
			g.posted = append(g.posted, fmt.Sprint(g.records[id-1]["environment"], " ", g.states[id-1]["state"]))
			w.WriteHeader(http.StatusCreated)
			if g.states[id-1]["state"] == "in_progress" {
				g.began <- struct{}{}
			}
		}
		answer := []map[string]any{}
		if g.states[id-1] != nil {
			answer = append(answer, g.states[id-1])
		}
		_ = json.NewEncoder(w).Encode(answer)
	})
}

// took returns what was posted since it was asked the last time, and how often the forge
// was asked.
func (g *gitHub) took() (posted []string, asked int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	posted, asked = g.posted, g.asked
	g.posted, g.asked = nil, 0
	return posted, asked
}

// crowd counts what people are told.
type crowd struct {
	mu     stdsync.Mutex
	titles []string
}

func (c *crowd) Send(_ context.Context, title, _ string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.titles = append(c.titles, title)
	return nil
}

// cron is gitsync as cron starts it: a new process each time, five minutes apart.
type cron struct {
	*world
	forge  *gitHub
	people crowd
	file   string
	// landed says that the commit is new: its work goes on when the forge shows it.
	landed atomic.Bool
}

func newCron(t *testing.T) *cron {
	c := &cron{world: newBrokenWorld(t), forge: newGitHub(t), file: filepath.Join(t.TempDir(), "outbox.json")}
	c.watched.Before = func(_ int, method, _ string) error {
		if method == "create" && c.landed.CompareAndSwap(true, false) {
			select {
			case <-c.forge.began:
			case <-time.After(time.Minute):
				t.Error("the forge was not told that it begins")
			}
		}
		return nil
	}
	return c
}

// land commits what makes a host create a container.
func (c *cron) land(files map[string]string, message string) {
	c.t.Helper()
	c.commit(files, message)
	c.landed.Store(true)
}

// run is one process.
func (c *cron) run() {
	c.t.Helper()
	client, err := forge.New(forge.Config{Kind: forge.GitHub, URL: c.forge.URL, Repo: "acme/infra", Token: "t0ken"})
	if err != nil {
		c.t.Fatal(err)
	}
	defer client.Close()
	reporter := report.New(report.Options{Forge: client, Notifier: &c.people, Target: "github acme/infra", Deployments: true, Branch: "main", File: c.file})
	c.opts.Reporter = reporter
	c.open(c.repo.Dir)
	ctx, stop := context.WithCancel(c.t.Context())
	var group errgroup.Group
	group.Go(func() error { return reporter.Run(ctx) })
	c.syncer.Once(c.t.Context())
	stop()
	if err := errors.Join(group.Wait(), reporter.Flush(c.t.Context())); err != nil {
		c.t.Fatal(err)
	}
	c.wait(5 * time.Minute)
}

// posts is so many processes, which must post just these in all.
func (c *cron) posts(what string, runs int, want ...string) (asked int) {
	c.t.Helper()
	for range runs {
		c.run()
	}
	posted, asked := c.forge.took()
	slices.Sort(posted)
	slices.Sort(want)
	if !slices.Equal(posted, want) {
		c.t.Errorf("%s: %d runs posted %q, want %q", what, runs, posted, want)
	}
	return asked
}

// What cron runs each five minutes posts only what is news: GitHub takes a thousand
// statuses for a commit and context.
func TestFiftyRunsOfOneCommitPostNothingThatIsThere(t *testing.T) {
	t.Parallel()
	c := newCron(t)
	c.land(map[string]string{web1: web("nginx:1.26"), db1: "containers: {}\n"}, "start")
	c.posts("a new commit", 1, "gitsync/deploy pending", "gitsync/deploy success", "gitsync/drift success", "web1 in_progress", "web1 success")
	if asked := c.posts("the same commit", 50); asked > 0 {
		t.Errorf("the forge was asked %d times in 50 runs about what this machine knows", asked)
	}
	for _, content := range []string{"", "{", "null", "\x00\x00", `{"version":1,"told":[{"key":`} {
		if err := os.WriteFile(c.file, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		if asked := c.posts(fmt.Sprintf("%q in the data directory", content), 2); asked == 0 {
			t.Errorf("%q: the forge was not asked", content)
		}
	}
	c.file = ""
	if asked := c.posts("without a data directory", 2); asked == 0 {
		t.Error("without a data directory: the forge was not asked")
	}
	c.file = filepath.Join(t.TempDir(), "another.json")
	c.posts("another instance", 5)
	c.land(map[string]string{web1: web("nginx:1.27"), db1: "containers: {}\n"}, "next")
	c.posts("the next commit", 10, "gitsync/deploy pending", "gitsync/deploy success", "gitsync/drift success", "web1 in_progress", "web1 success")
}

// A failure is told once, however often it is tried again, and so is its end.
func TestAFailureIsPostedOnceOverManyRunsAndSoIsItsEnd(t *testing.T) {
	t.Parallel()
	c := newCron(t)
	c.commit(map[string]string{web1: web("nginx:1.26"), db1: database("postgres:16")}, "start")
	c.run()
	c.forge.took()
	c.land(map[string]string{web1: web(crash), db1: database("postgres:16")}, "crash")
	c.posts("a commit that fails", 20, "gitsync/deploy pending", "gitsync/deploy failure", "gitsync/drift success", "web1 in_progress", "web1 failure")
	c.machine.Behave(crash, memory.Behaviour{})
	c.posts("it works again", 20, "gitsync/deploy success", "web1 success")

	connect, n := c.opts.Connector, 0
	c.opts.Connector = func(context.Context, host.Host, container.RuntimeConfig) (runtime.Runtime, func(), error) {
		n++
		return nil, nil, fmt.Errorf("%w: read tcp 10.0.0.5:%d: connection reset", runtime.ErrUnreachable, 40000+n)
	}
	c.posts("the hosts are away", 10, "gitsync/deploy error", "gitsync/drift error", "web1 error")
	c.commit(map[string]string{web1: web("nginx:1.28"), db1: database("postgres:16")}, "while they are away")
	c.posts("a commit for hosts that are away", 10, "gitsync/deploy error")
	c.opts.Connector = connect
	c.posts("they are back", 10, "gitsync/deploy success", "gitsync/drift success", "web1 success")
	want := []string{"gitsync: web1 failed", "gitsync: web1 recovered", "gitsync: db1, web1 failed", "gitsync: db1, web1 recovered"}
	if !slices.Equal(c.people.titles, want) {
		t.Errorf("people were told %q, want %q", c.people.titles, want)
	}
}

// A host that left the repo, and waits for somebody to allow its removal, is no work.
func TestWhatIsHeldBackIsPostedOnceOverManyRuns(t *testing.T) {
	t.Parallel()
	c := newCron(t)
	c.commit(map[string]string{web1: web("nginx:1.26"), db1: database("postgres:16")}, "start")
	c.run()
	c.forge.took()
	c.repo.Remove("main", "hosts/db1")
	c.posts("a removal that is held back", 10, "gitsync/deploy failure", "db1 failure")
}

// A look at a host is no work, also where a process is told to stop while it looks.
func TestAProcessThatIsStoppedWhileItLooksPostsNothing(t *testing.T) {
	t.Parallel()
	told := &told{}
	w := newWorld(t, func(o *sync.Options) { o.Reporter = told })
	w.commit(map[string]string{web1: web("nginx:1.26")}, "start")
	w.cycle()
	for range 3 {
		w.open(w.repo.Dir)
		ctx, cancel := context.WithCancel(t.Context())
		w.watched.Before = func(_ int, method, _ string) error {
			if method == "list" {
				cancel()
				return context.Canceled
			}
			return nil
		}
		w.syncer.Cycle(ctx)
		cancel()
		if said := report.Statuses(told.last(), report.StatusOptions{PerHost: true}); len(said) > 0 {
			t.Errorf("of a host that is not looked at to the end it says %v", said)
		}
	}
}
