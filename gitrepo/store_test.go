package gitrepo_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gitsync/gitsync/gitrepo"
	"github.com/gitsync/gitsync/internal/gittest"
)

// fleet returns the files of a repo with many hosts.
func fleet(hosts int) map[string]string {
	files := map[string]string{}
	for i := range hosts {
		files[fmt.Sprintf("hosts/web%d/containers.yaml", i)] = fmt.Sprintf(
			"containers:\n  web:\n    image: nginx:1.%d\n    env: {HOST: web%d, SALT: %x}\n", i%30, i, i*7919)
	}
	return files
}

func TestACommitToOneHostOfAThousandCostsLittle(t *testing.T) {
	repo := gittest.NewRepo(t)
	repo.Commit("main", fleet(1000), "a thousand hosts")
	server := gittest.ServeHTTP(t, repo, gittest.HTTPOptions{})
	remote := open(t, server.URL, gitrepo.Auth{})
	store := openStore(t, t.TempDir(), remote, "main")
	wantFile(t, fetchTip(t, remote, store, "main"), "hosts/web7/containers.yaml", fleet(8)["hosts/web7/containers.yaml"])
	first := server.BytesOut()

	server.ResetCounters()
	fetchTip(t, remote, store, "main")
	if got := server.Requests(); len(got) != 1 {
		t.Errorf("an idle poll made the requests %v, want one advertisement", got)
	}

	repo.Commit("main", map[string]string{"hosts/web7/containers.yaml": "containers: {}\n"}, "one host")
	server.ResetCounters()
	wantFile(t, fetchTip(t, remote, store, "main"), "hosts/web7/containers.yaml", "containers: {}\n")
	// The root's tree and that of hosts/, with its thousand names, are sent anew.
	if second := server.BytesOut(); second > first/3 || second > 60_000 {
		t.Errorf("a commit to one host sent %d bytes, the first fetch %d", second, first)
	}
	t.Logf("first fetch %d bytes, one host's commit %d", first, server.BytesOut())
}

func TestALongHistoryIsNotFetched(t *testing.T) {
	repo := gittest.NewRepo(t)
	repo.Generate("main", 20_000)
	repo.Commit("main", map[string]string{"hosts/a/containers.yaml": "x"}, "last")
	server := gittest.ServeHTTP(t, repo, gittest.HTTPOptions{})
	remote := open(t, server.URL, gitrepo.Auth{})
	store := openStore(t, t.TempDir(), remote, "main")
	commit := fetchTip(t, remote, store, "main")
	wantFile(t, commit, "hosts/a/containers.yaml", "x")
	if sent := server.BytesOut(); sent > 10_000 {
		t.Errorf("the first fetch sent %d bytes", sent)
	}
	repo.Generate("main", 50)
	server.ResetCounters()
	wantFile(t, fetchTip(t, remote, store, "main"), "hosts/a/containers.yaml", "x")
	if sent := server.BytesOut(); sent > 60_000 {
		t.Errorf("fifty commits sent %d bytes", sent)
	}
}

func TestAStoreMendsItself(t *testing.T) {
	for name, harm := range map[string]func(t *testing.T, repo *gittest.Repo, dir string){
		"the branch was rewound": func(_ *testing.T, r *gittest.Repo, _ string) {
			r.ResetBranch("main", r.Git("rev-parse", "main~2"))
		},
		"the branch was replaced by another history": func(_ *testing.T, r *gittest.Repo, _ string) {
			r.Commit("other", map[string]string{"hosts/a/containers.yaml": "other"}, "other")
			r.ResetBranch("main", r.Hash("other"))
		},
		"the packs are gone": func(t *testing.T, r *gittest.Repo, dir string) {
			r.Commit("main", map[string]string{"hosts/a/containers.yaml": "more"}, "more")
			spoil(t, filepath.Join(dir, "git", "objects", "pack", "*"), os.Remove)
		},
		"a pack is cut short": func(t *testing.T, r *gittest.Repo, dir string) {
			r.Commit("main", map[string]string{"hosts/a/containers.yaml": "more"}, "more")
			spoil(t, filepath.Join(dir, "git", "objects", "pack", "*.pack"), func(p string) error {
				return errors.Join(os.Chmod(p, 0o600), os.Truncate(p, 40))
			})
		},
		"all of it is gone": func(t *testing.T, _ *gittest.Repo, dir string) {
			if err := os.RemoveAll(filepath.Join(dir, "git")); err != nil {
				t.Fatal(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			repo, dir := gittest.NewRepo(t), t.TempDir()
			for i := range 4 {
				repo.Commit("main", map[string]string{"hosts/a/containers.yaml": fmt.Sprint(i)}, fmt.Sprint(i))
			}
			remote := open(t, repo.Dir, gitrepo.Auth{})
			store := openStore(t, dir, remote, "main")
			fetchTip(t, remote, store, "main")
			if err := store.Close(); err != nil {
				t.Fatal(err)
			}
			harm(t, repo, dir)
			store = openStore(t, dir, remote, "main")
			want := repo.Git("show", "main:hosts/a/containers.yaml")
			commit := fetchTip(t, remote, store, "main")
			if _, err := commit.Tree().ReadFile("hosts/a/containers.yaml"); errors.Is(err, gitrepo.ErrObjectMissing) {
				// Damage inside a pack shows only when it is read; the next cycle mends it.
				commit = fetchTip(t, remote, store, "main")
			}
			wantFile(t, commit, "hosts/a/containers.yaml", want)
		})
	}
}

func spoil(t *testing.T, pattern string, how func(string) error) {
	t.Helper()
	files, err := filepath.Glob(pattern)
	if err != nil || len(files) == 0 {
		t.Fatalf("nothing to spoil at %s: %v", pattern, err)
	}
	for _, f := range files {
		if err := how(f); err != nil {
			t.Fatal(err)
		}
	}
}

func TestARewindIsSeenWhileTheStoreIsOpen(t *testing.T) {
	repo := gittest.NewRepo(t)
	first := repo.Commit("main", map[string]string{"a": "1"}, "1")
	repo.Commit("main", map[string]string{"a": "2"}, "2")
	remote := open(t, repo.Dir, gitrepo.Auth{})
	store := openStore(t, t.TempDir(), remote, "main")
	wantFile(t, fetchTip(t, remote, store, "main"), "a", "2")
	repo.ResetBranch("main", first)
	wantFile(t, fetchTip(t, remote, store, "main"), "a", "1")
	repo.Commit("main", map[string]string{"a": "3"}, "3")
	wantFile(t, fetchTip(t, remote, store, "main"), "a", "3")
}

func TestTheDataDirectoryIsBounded(t *testing.T) {
	repo, dir := gittest.NewRepo(t), t.TempDir()
	repo.Commit("main", fleet(20), "start")
	remote := open(t, repo.Dir, gitrepo.Auth{})
	store := openStore(t, dir, remote, "main")
	most := 0
	for i := range 60 {
		repo.Commit("main", map[string]string{"hosts/web1/containers.yaml": fmt.Sprint(i)}, fmt.Sprint(i))
		wantFile(t, fetchTip(t, remote, store, "main"), "hosts/web1/containers.yaml", fmt.Sprint(i))
		packs, err := filepath.Glob(filepath.Join(dir, "git", "objects", "pack", "*.pack"))
		if err != nil {
			t.Fatal(err)
		}
		most = max(most, len(packs))
	}
	if most > 50 {
		t.Errorf("%d packs gathered", most)
	}
	if left, _ := os.ReadDir(dir); len(left) > 2 {
		t.Errorf("the data directory holds %v, want the lock and the store", left)
	}
}

func TestBranchesThatAreNotThereAreExplained(t *testing.T) {
	repo := gittest.NewRepo(t)
	remote := open(t, repo.Dir, gitrepo.Auth{})
	if _, err := remote.Refs(t.Context()); !errors.Is(err, gitrepo.ErrEmptyRemote) {
		t.Errorf("refs of an empty repo: %v, want ErrEmptyRemote", err)
	}
	repo.Commit("main", map[string]string{"a": "1"}, "1")
	store := openStore(t, t.TempDir(), remote, "main")
	fetchTip(t, remote, store, "main")
	repo.Commit("other", map[string]string{"a": "1"}, "1")
	repo.DeleteBranch("main")
	refs, err := remote.Refs(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := refs.Branch("main"); !errors.Is(err, gitrepo.ErrBranchNotFound) || !strings.Contains(err.Error(), "there are other") {
		t.Errorf("branch: %v, want an error that names the branches", err)
	}
	repo.Commit("main", map[string]string{"a": "back"}, "back")
	wantFile(t, fetchTip(t, remote, store, "main"), "a", "back")
}

func TestWhatAKilledProcessLeftIsSweptAndOneProcessAtATimeWorks(t *testing.T) {
	repo, dir := gittest.NewRepo(t), t.TempDir()
	repo.Commit("main", map[string]string{"a": "1"}, "1")
	remote := open(t, repo.Dir, gitrepo.Auth{})
	store := openStore(t, dir, remote, "main")
	fetchTip(t, remote, store, "main")
	if _, err := gitrepo.OpenStore(dir, remote, "main"); !errors.Is(err, gitrepo.ErrLocked) {
		t.Errorf("second open: %v, want ErrLocked", err)
	}
	if err := store.Close(); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"new-1/objects", "old-2/objects"} {
		if err := os.MkdirAll(filepath.Join(dir, name), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	unfinished := filepath.Join(dir, "git", "objects", "pack", "tmp_pack_1")
	if err := os.WriteFile(unfinished, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	store = openStore(t, dir, remote, "main")
	wantFile(t, fetchTip(t, remote, store, "main"), "a", "1")
	if left, _ := os.ReadDir(dir); len(left) != 2 {
		t.Errorf("the data directory holds %v, want the lock and the store", left)
	}
	if _, err := os.Stat(unfinished); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the unfinished pack is still there: %v", err)
	}
}
