package sync_test

import (
	"context"
	"fmt"
	"os"
	"strings"
	stdsync "sync"
	"testing"

	"github.com/gitsync/gitsync/container"
	"github.com/gitsync/gitsync/gitrepo"
	"github.com/gitsync/gitsync/host"
	"github.com/gitsync/gitsync/internal/gittest"
	"github.com/gitsync/gitsync/runtime"
	"github.com/gitsync/gitsync/runtime/memory"
	"github.com/gitsync/gitsync/sync"
)

// manyAgents is how many agents write to one branch: with GITSYNC_LONG so many as it must carry,
// else so many that most of them lose races, and some of them several in a row.
func manyAgents() int {
	if os.Getenv("GITSYNC_LONG") != "" {
		return 200
	}
	return 40
}

// startAgents runs one cycle of many agents at once, each with a clone and a machine of
// its own, against one real Git server.
func startAgents(t *testing.T, agents int, stateBranch string) *gittest.Repo {
	t.Helper()
	repo := gittest.NewRepo(t)
	files := map[string]string{}
	for i := range agents {
		files[fmt.Sprintf("hosts/h%d/containers.yaml", i)] = fmt.Sprintf("containers:\n  c%d:\n    image: nginx:1\n    update: {monitor: 1ms}\n", i)
	}
	repo.Commit("main", files, "start")
	url := gittest.ServeHTTP(t, repo, gittest.HTTPOptions{}).URL
	var group stdsync.WaitGroup
	for i := range agents {
		group.Go(func() {
			machine := &memory.World{}
			remote, err := gitrepo.NewRemote(url, gitrepo.Auth{})
			if err != nil {
				t.Error(err)
				return
			}
			defer func() { _ = remote.Close() }()
			syncer, err := sync.New(sync.Options{
				Remote: remote, Branch: "main", StateBranch: stateBranch, Hosts: []string{fmt.Sprintf("h%d", i)},
				Author: gitrepo.Signature{Name: "gitsync", Email: "gitsync@test"}, DataDir: t.TempDir(),
				Connector: func(context.Context, host.Host, container.RuntimeConfig) (runtime.Runtime, func(), error) {
					rt, err := (&memory.Config{World: machine}).New()
					return rt, func() {}, err
				},
			})
			if err != nil {
				t.Error(err)
				return
			}
			defer func() { _ = syncer.Close() }()
			// The test's own deadline bounds it.
			if r := syncer.Once(t.Context()); !r.Converged() {
				t.Errorf("agent %d did not converge: %v", i, problems(r))
			}
		})
	}
	group.Wait()
	return repo
}

func TestManyAgentsRecordInOneBranchAtOnce(t *testing.T) {
	agents := manyAgents()
	repo := startAgents(t, agents, "gitsync/state")
	if got := len(strings.Fields(repo.Git("ls-tree", "--name-only", "gitsync/state", "hosts/"))); got != agents {
		t.Errorf("%d records, want %d", got, agents)
	}
	for i := range agents {
		if record := repo.Git("show", fmt.Sprintf("gitsync/state:hosts/h%d/state.yaml", i)); !strings.Contains(record, fmt.Sprintf("c%d:", i)) {
			t.Errorf("the record of h%d is another one:\n%s", i, record)
		}
	}
	if got := repo.Git("rev-list", "--count", "gitsync/state"); got != fmt.Sprint(1+agents) {
		t.Errorf("%s commits, want one for the identity and one for each agent", got)
	}
	if got := repo.Git("rev-list", "--min-parents=2", "gitsync/state"); got != "" {
		t.Errorf("the history is not linear: %s", got)
	}
}

func TestManyAgentsRecordInABranchEach(t *testing.T) {
	const agents = 50
	repo := startAgents(t, agents, "gitsync/hosts/{host}")
	if got := len(strings.Fields(repo.Git("for-each-ref", "--format=%(refname)", "refs/heads/gitsync/hosts/"))); got != agents {
		t.Errorf("%d branches, want %d", got, agents)
	}
	if record := repo.Git("show", "gitsync/hosts/h7:hosts/h7/state.yaml"); !strings.Contains(record, "c7:") {
		t.Errorf("the record of h7 is another one:\n%s", record)
	}
}

func TestABranchForEachHostIsReadByWhoHandlesAllOfThem(t *testing.T) {
	w, m := newMachines(t, func(o *sync.Options) { o.StateBranch = "gitsync/hosts/{host}" })
	w.commit(merged(on("web1", "a", map[string]string{"web": "nginx:1"}), on("web2", "b", map[string]string{"db": "pg:1"})), "start")
	w.cycle()
	w.open(w.repo.Dir)
	if h := hostNamed(t, w.cycle(), "web2"); h.Record == nil || h.Record.PreviousState["db"] == nil {
		t.Errorf("the record of web2 is %+v", h.Record)
	}
	w.opts.AllowPrune = true
	w.open(w.repo.Dir)
	w.repo.Remove("main", "hosts/web2")
	w.cycle()
	if got := m.runs("b"); got != "" {
		t.Errorf("web2 runs %q, want that it is clean", got)
	}
	w.cycle()
	entries, err := w.syncer.History(t.Context(), 10)
	if err != nil || len(entries) != 5 {
		t.Errorf("history: %v, %v, want an identity of each branch, and three more", entries, err)
	}
}
