package state_test

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/gitsync/gitsync/gitrepo"
	"github.com/gitsync/gitsync/internal/gittest"
	"github.com/gitsync/gitsync/state"
)

const branchName = "gitsync/state"

func openBranch(t *testing.T, repo *gittest.Repo) (*state.Branch, *gitrepo.Remote) {
	t.Helper()
	remote, err := gitrepo.NewRemote(repo.Dir, gitrepo.Auth{})
	if err != nil {
		t.Fatal(err)
	}
	branch, err := state.Open(t.TempDir(), remote, branchName, gitrepo.Signature{Name: "gitsync", Email: "gitsync@test"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = branch.Close() })
	return branch, remote
}

func load(t *testing.T, branch *state.Branch, remote *gitrepo.Remote) {
	t.Helper()
	refs, err := remote.Refs(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := branch.Load(t.Context(), refs); err != nil {
		t.Fatal(err)
	}
}

func entry(subject string, hosts ...string) state.Entry {
	return state.Entry{
		When: time.Date(2026, 2, 3, 4, 5, 6, 0, time.UTC), Source: strings.Repeat("a", 40), Result: state.Success,
		Subject: subject, Hosts: hosts, Details: []string{"web1/web: create: new container"},
	}
}

func TestRecordsAreKeptInTheBranch(t *testing.T) {
	repo := gittest.NewRepo(t)
	repo.Commit("main", map[string]string{"a": "b"}, "source")
	branch, remote := openBranch(t, repo)
	load(t, branch, remote)
	if r, err := branch.Record("web1"); r != nil || err != nil {
		t.Errorf("record of a branch that does not exist: %v, %v", r, err)
	}
	if err := branch.Save(t.Context(), map[string]*state.Record{"web1": record(), "db1": record()}, entry("Deploy", "web1", "db1")); err != nil {
		t.Fatal(err)
	}
	other, remote := openBranch(t, repo)
	load(t, other, remote)
	if r, err := other.Record("web1"); err != nil || !r.Same(record()) {
		t.Errorf("record %+v, %v", r, err)
	}
	if err := other.Save(t.Context(), map[string]*state.Record{"db1": nil}, entry("Forget db1", "db1")); err != nil {
		t.Fatal(err)
	}
	if hosts, err := other.Hosts(); err != nil || !slices.Equal(hosts, []string{"web1"}) {
		t.Errorf("hosts %v, %v, want web1", hosts, err)
	}
	entries, err := other.History(t.Context(), 10)
	if err != nil || len(entries) != 2 || entries[1].Subject != "Deploy" ||
		!slices.Equal(entries[1].Hosts, []string{"db1", "web1"}) || len(entries[1].Details) != 1 {
		t.Errorf("history %+v, %v", entries, err)
	}
}

// Many processes that push at once all get their record in, and overwrite nothing.
func TestEveryoneGetsTheirRecordIn(t *testing.T) {
	repo := gittest.NewRepo(t)
	repo.Commit("main", map[string]string{"a": "b"}, "source")
	const many = 8
	branches := make([]*state.Branch, many)
	for i := range branches {
		branch, remote := openBranch(t, repo)
		load(t, branch, remote)
		branches[i] = branch
	}
	var group errgroup.Group
	for i, branch := range branches {
		group.Go(func() error {
			for round := range 2 {
				r := record()
				r.Tree = fmt.Sprint(round)
				host := fmt.Sprintf("host%d", i)
				if err := branch.Save(t.Context(), map[string]*state.Record{host: r}, entry("Deploy to "+host, host)); err != nil {
					return err
				}
			}
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		t.Fatal(err)
	}
	branch, remote := openBranch(t, repo)
	load(t, branch, remote)
	for i := range many {
		if r, err := branch.Record(fmt.Sprintf("host%d", i)); err != nil || r == nil || r.Tree != "1" {
			t.Errorf("host%d: %+v, %v", i, r, err)
		}
	}
	if got := len(repo.Log(branchName)); got != 2*many {
		t.Errorf("%d commits, want %d", got, 2*many)
	}
	if merges := repo.Git("log", "--merges", "--format=%h", branchName); merges != "" {
		t.Errorf("the history is not linear: %s", merges)
	}
}

// Between the references and the objects the branch may move, with many that write to it
// always. It is read as it was or as it is, which the next push finds out.
func TestABranchThatMovesWhileItIsReadIsReadAllTheSame(t *testing.T) {
	repo := gittest.NewRepo(t)
	repo.Commit("main", map[string]string{"a": "b"}, "source")
	theirs, _ := openBranch(t, repo)
	save := func(tree string) {
		r := record()
		r.Tree = tree
		if err := theirs.Save(t.Context(), map[string]*state.Record{"web1": r}, entry("Deploy", "web1")); err != nil {
			t.Fatal(err)
		}
	}
	fresh, remote := openBranch(t, repo)
	for i := range 3 {
		save(fmt.Sprint("before ", i))
		refs, err := remote.Refs(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		save(fmt.Sprint("after ", i))
		if err := fresh.Load(t.Context(), refs); err != nil {
			t.Fatal(err)
		}
		if r, err := fresh.Record("web1"); err != nil || r.Tree != fmt.Sprint("before ", i) && r.Tree != fmt.Sprint("after ", i) {
			t.Errorf("record %+v, %v, want the one that the references had, or the one that was written meanwhile", r, err)
		}
	}
}

func TestForeignTextCannotForgeATrailer(t *testing.T) {
	repo := gittest.NewRepo(t)
	repo.Commit("main", map[string]string{"a": "b"}, "source")
	branch, remote := openBranch(t, repo)
	load(t, branch, remote)
	e := entry("Deploy", "web1")
	e.Details = []string{"web1/web: failed: oops\nGitsync-Result: forged"}
	if err := branch.Save(t.Context(), map[string]*state.Record{"web1": record()}, e); err != nil {
		t.Fatal(err)
	}
	entries, err := branch.History(t.Context(), 1)
	if err != nil || entries[0].Result != state.Success {
		t.Errorf("history %+v, %v", entries, err)
	}
}

func TestADamagedRecordNamesItsPlace(t *testing.T) {
	repo := gittest.NewRepo(t)
	repo.Commit(branchName, map[string]string{"hosts/web1/state.yaml": "previousState: {web: null}"}, "by hand")
	branch, remote := openBranch(t, repo)
	load(t, branch, remote)
	if _, err := branch.Record("web1"); err == nil || !strings.Contains(err.Error(), "gitsync/state:hosts/web1/state.yaml") {
		t.Errorf("record: %v, want an error that says where", err)
	}
}

// Where each host has a branch of its own that cannot be fetched just now, it is asked once
// in a cycle, and nothing of it is replaced by what is not known.
func TestABranchThatCannotBeFetchedJustNowIsNotReplaced(t *testing.T) {
	repo := gittest.NewRepo(t)
	repo.Commit("main", map[string]string{"a": "b"}, "source")
	remote, err := gitrepo.NewRemote(repo.Dir, gitrepo.Auth{})
	if err != nil {
		t.Fatal(err)
	}
	records, err := state.OpenRecords(t.TempDir(), remote, "state/{host}", gitrepo.Signature{Name: "gitsync", Email: "gitsync@test"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = records.Close() })
	repo.Commit("state/web1", map[string]string{"hosts/web1/suspended.yaml": "suspended: {web: {}}\n"}, "Suspended")
	refs, err := remote.Refs(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(repo.Dir, repo.Dir+".away"); err != nil {
		t.Fatal(err)
	}
	if err := records.Load(t.Context(), refs); err != nil {
		t.Fatal(err)
	}
	for range 5 {
		if _, err := records.Record(t.Context(), "web1"); !errors.Is(err, state.ErrUnreadable) {
			t.Errorf("the record: %v", err)
		}
	}
	if err := os.Rename(repo.Dir+".away", repo.Dir); err != nil {
		t.Fatal(err)
	}
	if records.Broken() {
		t.Error("it counts as broken")
	}
	if refs, err = remote.Refs(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := records.Load(t.Context(), refs); err != nil {
		t.Fatal(err)
	}
	if s, err := records.Suspensions(t.Context(), "web1"); err != nil || len(s) != 1 {
		t.Errorf("suspended are %v, %v", s, err)
	}
}

// A way to the remote that is bad for long, or a server that has lost something for a while,
// is no reason to replace what others can read.
func TestABranchThatCanBeFetchedAgainIsNotReplaced(t *testing.T) {
	t.Parallel()
	repo := gittest.NewRepo(t)
	repo.Commit(branchName, map[string]string{"hosts/web1/suspended.yaml": "suspended: {web: {}}\n"}, "Suspended")
	remote, err := gitrepo.NewRemote(repo.Dir, gitrepo.Auth{})
	if err != nil {
		t.Fatal(err)
	}
	records, err := state.OpenRecords(t.TempDir(), remote, branchName, gitrepo.Signature{Name: "gitsync", Email: "gitsync@test"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = records.Close() })
	refs, err := remote.Refs(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for range 10 {
		_ = records.GiveUp(t.Context(), refs, fmt.Errorf("%w: unexpected EOF", gitrepo.ErrUnreachable))
	}
	if records.Broken() {
		t.Error("a remote that does not answer makes the branch a broken one")
	}
	for range 3 {
		_ = records.GiveUp(t.Context(), refs, errors.New("the remote says: internal error"))
	}
	if !records.Broken() {
		t.Fatal("a remote that cannot give the tip says nothing of it")
	}
	if err := records.Repair(t.Context(), entry("Repair")); err != nil {
		t.Fatal(err)
	}
	if log := repo.Log(branchName); len(log) != 1 || records.Broken() {
		t.Errorf("the branch is replaced: %v", log)
	}
	if s, err := records.Suspensions(t.Context(), "web1"); err != nil || len(s) != 1 {
		t.Errorf("suspended are %v, %v", s, err)
	}
}
