package gitrepo_test

import (
	"errors"
	"fmt"
	"io/fs"
	"testing"

	"github.com/gitsync/gitsync/gitrepo"
	hostssh "github.com/gitsync/gitsync/host/ssh"
	"github.com/gitsync/gitsync/internal/gittest"
	"github.com/gitsync/gitsync/internal/sshdtest"
)

// servers are the kinds of servers that a fetch meets, by what they know.
var servers = map[string]struct {
	options gittest.HTTPOptions
	// whole says that the server leaves no files out.
	whole bool
}{
	"version 2 with filters":                 {},
	"version 2 without filters":              {whole: true},
	"version 0 with filters":                 {options: gittest.HTTPOptions{Version0: true}},
	"version 0 without filters":              {options: gittest.HTTPOptions{Version0: true}, whole: true},
	"version 0 that insists on multi_ack":    {options: gittest.HTTPOptions{Version0: true, Insist: "multi_ack"}},
	"claims of version 2, and needs another": {options: gittest.HTTPOptions{Insist: "multi_ack"}},
}

func TestAPollCostsTheSameHoweverManyReferencesThereAre(t *testing.T) {
	repo := gittest.NewRepo(t)
	tip := repo.Commit("main", map[string]string{"hosts/a/containers.yaml": "1"}, "1")
	server := gittest.ServeHTTP(t, repo, gittest.HTTPOptions{})
	remote := open(t, server.URL, gitrepo.Auth{})
	store := openStore(t, t.TempDir(), remote, "main")
	poll := func() int64 {
		t.Helper()
		server.ResetCounters()
		refs, err := remote.Refs(t.Context(), "main", stateBranch)
		if err != nil {
			t.Fatal(err)
		}
		tip, err := refs.Branch("main")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := store.Fetch(t.Context(), tip); err != nil {
			t.Fatal(err)
		}
		return server.BytesOut()
	}
	poll()
	few := poll()
	if got := server.Requests(); len(got) != 1 {
		t.Errorf("an idle poll made the requests %v, want one", got)
	}
	repo.References(20_000, tip)
	if many := poll(); many > few+100 {
		t.Errorf("a poll sent %d bytes, and %d with 20,000 references more", few, many)
	}
	repo.Commit("main", map[string]string{"hosts/a/containers.yaml": "2"}, "2")
	if moved := poll(); moved > 5_000 {
		t.Errorf("a commit sent %d bytes, with 20,000 references", moved)
	}
	// Nobody who has not asked yet pays more either.
	remote = open(t, server.URL, gitrepo.Auth{})
	if first := poll(); first > few+2_000 {
		t.Errorf("the first poll of a process sent %d bytes, with 20,000 references", first)
	}
}

func TestEveryServerIsFetchedFromWhateverItKnows(t *testing.T) {
	for name, kind := range servers {
		t.Run(name, func(t *testing.T) {
			repo := gittest.NewRepo(t)
			repo.Git("config", "uploadpack.allowFilter", fmt.Sprint(!kind.whole))
			old := repo.Commit("main", map[string]string{"hosts/a/containers.yaml": "1", "hosts/b/containers.yaml": "b", "README.md": "x"}, "1")
			repo.References(50, old)
			server := gittest.ServeHTTP(t, repo, kind.options)
			remote := open(t, server.URL, gitrepo.Auth{})
			store := openStore(t, t.TempDir(), remote, "main", "hosts")
			for _, content := range []string{"2", "3"} {
				repo.Commit("main", map[string]string{"hosts/a/containers.yaml": content, "hosts/c/" + content: content}, content)
				commit := fetchTip(t, remote, store, "main")
				wantFile(t, commit, "hosts/a/containers.yaml", content)
				wantFile(t, commit, "hosts/b/containers.yaml", "b")
				wantFile(t, commit, "hosts/c/2", "2")
			}
			// What the store never had comes back.
			tree := repo.Git("rev-parse", old+"^{tree}")
			repo.ResetBranch("main", repo.Git("commit-tree", "-p", "main", "-m", "revert", tree))
			wantFile(t, fetchTip(t, remote, store, "main"), "hosts/a/containers.yaml", "1")
			pushTwice(t, repo, remote)
			refs, err := remote.Refs(t.Context(), "main", "nothing")
			if _, missing := refs.Branch("nothing"); err != nil || !errors.Is(missing, gitrepo.ErrBranchNotFound) {
				t.Errorf("refs: %v, %v", err, missing)
			}
		})
	}
}

func TestSSHServersOfBothVersionsAreFetchedFrom(t *testing.T) {
	for name, settings := range map[string][]string{"version 2": {"AcceptEnv GIT_PROTOCOL"}, "version 0": nil} {
		t.Run(name, func(t *testing.T) {
			repo := gittest.NewRepo(t)
			old := repo.Commit("main", map[string]string{"hosts/a/containers.yaml": "1", "README.md": "x"}, "1")
			repo.References(50, old)
			s := sshdtest.Serve(t, settings...)
			remote := open(t, s.URL(repo.Dir), gitrepo.Auth{SSH: hostssh.Options{KeyFile: s.KeyFile, KnownHostsFile: s.KnownHostsFile}})
			store := openStore(t, t.TempDir(), remote, "main", "hosts")
			wantFile(t, fetchTip(t, remote, store, "main"), "hosts/a/containers.yaml", "1")
			repo.Commit("main", map[string]string{"hosts/a/containers.yaml": "2"}, "2")
			wantFile(t, fetchTip(t, remote, store, "main"), "hosts/a/containers.yaml", "2")
			repo.ResetBranch("main", repo.Git("commit-tree", "-p", "main", "-m", "revert", repo.Git("rev-parse", old+"^{tree}")))
			wantFile(t, fetchTip(t, remote, store, "main"), "hosts/a/containers.yaml", "1")
			if log, err := remote.Log(t.Context(), "main", 10); err != nil || len(log) != 3 {
				t.Errorf("log %v, %v", log, err)
			}
		})
	}
}

// moves are what may happen to a branch. The last one makes the server forget.
var moves = []struct {
	name string
	move func(r *gittest.Repo)
}{
	{"a merge of an old branch", func(r *gittest.Repo) {
		r.Commit("feature", map[string]string{"hosts/b/containers.yaml": "new"}, "feature")
		r.Merge("main", "feature", map[string]string{"hosts/b/containers.yaml": "new"})
	}},
	{"a rebase", func(r *gittest.Repo) {
		r.ResetBranch("main", r.Hash("feature"))
		r.Commit("main", map[string]string{"hosts/b/containers.yaml": "new"}, "rebased")
	}},
	{"an amended commit", func(r *gittest.Repo) {
		r.ResetBranch("main", r.Git("rev-parse", "main~1"))
		r.Commit("main", map[string]string{"hosts/b/containers.yaml": "new"}, "amended")
	}},
	{"a forced push of another history", func(r *gittest.Repo) {
		r.ResetBranch("main", r.Commit("orphan", map[string]string{"hosts/b/containers.yaml": "new"}, "orphan"))
	}},
	{"a merge of a branch with a heavy history of its own", func(r *gittest.Repo) {
		r.Heavy("feature", 50, 200_000)
		r.Merge("main", "feature", map[string]string{"hosts/b/containers.yaml": "new"})
	}},
	{"a forced push, and the server forgot the old tip", func(r *gittest.Repo) {
		r.Git("branch", "-D", "orphan")
		r.ResetBranch("main", r.Hash("feature"))
		r.Commit("main", map[string]string{"hosts/b/containers.yaml": "new"}, "again")
		r.Git("-c", "gc.cruftPacks=false", "gc", "--quiet", "--prune=now")
	}},
}

// What moved a branch must not decide what a fetch costs: not the history that comes with
// it, and not what the server still knows of what was there before.
func TestWhateverMovesABranchCostsLittle(t *testing.T) {
	for _, server := range []string{"version 2 with filters", "version 2 without filters", "version 0 without filters"} {
		t.Run(server, func(t *testing.T) {
			kind := servers[server]
			// 6 MB of history, of which the tip holds nothing.
			repo := gittest.NewRepo(t)
			repo.Git("config", "uploadpack.allowFilter", fmt.Sprint(!kind.whole))
			repo.Commit("main", map[string]string{"hosts/a/containers.yaml": "1"}, "first")
			feature := repo.Heavy("main", 30, 200_000)
			first := repo.Commit("main", map[string]string{"hosts/a/containers.yaml": "2"}, "tip")
			s := gittest.ServeHTTP(t, repo, kind.options)
			remote := open(t, s.URL, gitrepo.Auth{})
			for _, m := range moves {
				repo.ResetBranch("main", first)
				repo.ResetBranch("feature", feature)
				store := openStore(t, t.TempDir(), remote, "main", "hosts")
				fetchTip(t, remote, store, "main")
				m.move(repo)
				s.ResetCounters()
				wantFile(t, fetchTip(t, remote, store, "main"), "hosts/b/containers.yaml", "new")
				// What an increment may cost, with what was under way when it was enough.
				if sent := s.BytesOut(); sent > 6<<20 {
					t.Errorf("%s: %d bytes were sent", m.name, sent)
				} else {
					t.Logf("%s: %d bytes were sent", m.name, sent)
				}
			}
		})
	}
}

func TestATipThatMovedOnIsFetchedAllTheSame(t *testing.T) {
	for name, serve := range transports {
		t.Run(name, func(t *testing.T) {
			repo := gittest.NewRepo(t)
			repo.Commit("main", map[string]string{"hosts/a/containers.yaml": "1"}, "1")
			address, auth := serve(t, repo)
			remote := open(t, address, auth)
			store := openStore(t, t.TempDir(), remote, "main")
			for _, content := range []string{"1", "2", "3"} {
				tip := repo.Commit("main", map[string]string{"hosts/a/containers.yaml": content}, content)
				for range 3 {
					repo.Commit("main", map[string]string{"hosts/a/containers.yaml": "later"}, "later")
				}
				commit, err := store.Fetch(t.Context(), gitrepo.Hash(tip))
				if err != nil {
					t.Fatalf("fetch: %v", err)
				}
				wantFile(t, commit, "hosts/a/containers.yaml", content)
			}
			if _, err := store.Fetch(t.Context(), "1111111111111111111111111111111111111111"); !errors.Is(err, gitrepo.ErrRaceLost) {
				t.Errorf("fetch of what is not there: %v, want ErrRaceLost", err)
			}
		})
	}
}

func TestFilesThatNobodyNeedsAreLeftOutWhereTheServerCan(t *testing.T) {
	for name, kind := range servers {
		t.Run(name, func(t *testing.T) {
			repo := gittest.NewRepo(t)
			repo.Git("config", "uploadpack.allowFilter", fmt.Sprint(!kind.whole))
			files := map[string]string{"hosts/a/containers.yaml": "1", "gitsync.yaml": "x", "video/big": gittest.Noise(1<<20, 1), "top": gittest.Noise(1<<20, 2)}
			repo.Commit("main", files, "1")
			server := gittest.ServeHTTP(t, repo, kind.options)
			remote := open(t, server.URL, gitrepo.Auth{})
			store := openStore(t, t.TempDir(), remote, "main", "hosts", "gitsync.yaml")
			commit := fetchTip(t, remote, store, "main")
			wantFile(t, commit, "hosts/a/containers.yaml", "1")
			wantFile(t, commit, "gitsync.yaml", "x")
			foreign, sent := store.Foreign(), server.BytesOut()
			if kind.whole && foreign != 2<<20 || !kind.whole && (foreign != 0 || sent > 10_000) {
				t.Errorf("%d bytes were sent, and %d are said to be for nothing", sent, foreign)
			}
			for _, path := range []string{"top", "video/big"} {
				if _, err := fs.ReadFile(commit.Tree(), path); !errors.Is(err, gitrepo.ErrNotFetched) {
					t.Errorf("read %s: %v, want ErrNotFetched", path, err)
				}
				if _, err := fs.Stat(commit.Tree(), path); !errors.Is(err, gitrepo.ErrNotFetched) {
					t.Errorf("stat %s: %v, want ErrNotFetched", path, err)
				}
			}
			if store.Damaged() {
				t.Error("what was left out on purpose counts as damage")
			}
			repo.Commit("main", map[string]string{"video/big": gittest.Noise(1<<20, 3), "hosts/a/containers.yaml": "2"}, "2")
			server.ResetCounters()
			wantFile(t, fetchTip(t, remote, store, "main"), "hosts/a/containers.yaml", "2")
			if sent := server.BytesOut(); !kind.whole && sent > 10_000 {
				t.Errorf("the second commit sent %d bytes", sent)
			}
		})
	}
}
