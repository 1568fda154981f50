package gitrepo_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/gitsync/gitsync/gitrepo"
	"github.com/gitsync/gitsync/internal/gittest"
)

const stateBranch = "gitsync/state"

func commitFile(t *testing.T, s *gitrepo.Store, parent gitrepo.Hash, path, content string) gitrepo.Hash {
	t.Helper()
	tip, err := s.Commit(t.Context(), gitrepo.CommitOptions{
		Parent: parent, Changes: map[string][]byte{path: []byte(content)}, Message: path,
		Author: gitrepo.Signature{Name: "gitsync", Email: "gitsync@host", When: time.Unix(1767323045, 0)},
	})
	if err != nil {
		t.Fatal(err)
	}
	return tip
}

func TestALostRaceIsTold(t *testing.T) {
	repo := gittest.NewRepo(t)
	remote := open(t, repo.Dir, gitrepo.Auth{})
	ours, theirs := openStore(t, t.TempDir(), remote, stateBranch), openStore(t, "", remote, stateBranch)
	first := commitFile(t, theirs, "", "theirs", "1")
	mine := commitFile(t, ours, "", "ours", "1")
	if err := theirs.Push(t.Context(), first, ""); err != nil {
		t.Fatal(err)
	}
	if err := ours.Push(t.Context(), mine, ""); !errors.Is(err, gitrepo.ErrRaceLost) {
		t.Errorf("push to a branch that is there by now: %v, want ErrRaceLost", err)
	}
	fetchTip(t, remote, ours, stateBranch)
	mine = commitFile(t, ours, first, "ours", "1")
	second := commitFile(t, theirs, first, "theirs", "2")
	if err := theirs.Push(t.Context(), second, first); err != nil {
		t.Fatal(err)
	}
	if err := ours.Push(t.Context(), mine, first); !errors.Is(err, gitrepo.ErrRaceLost) {
		t.Errorf("push to a branch that moved: %v, want ErrRaceLost", err)
	}
	if got := repo.Hash(stateBranch); got != string(second) {
		t.Errorf("the branch is at %s, want %s", got, second)
	}
}

// Of two pushes at the same moment one finds the branch locked. That is a lost race: the
// server refuses nothing.
func TestAPushThatFindsTheBranchLockedHasLostARace(t *testing.T) {
	for name, serve := range transports {
		t.Run(name, func(t *testing.T) {
			repo := gittest.NewRepo(t)
			repo.Commit("main", map[string]string{"a": "1"}, "1")
			address, auth := serve(t, repo)
			store := openStore(t, "", open(t, address, auth), stateBranch)
			lock := filepath.Join(repo.Dir, "refs", "heads", stateBranch+".lock")
			if err := errors.Join(os.MkdirAll(filepath.Dir(lock), 0o700), os.WriteFile(lock, nil, 0o600)); err != nil {
				t.Fatal(err)
			}
			tip := commitFile(t, store, "", "a", "1")
			if err := store.Push(t.Context(), tip, ""); !errors.Is(err, gitrepo.ErrRaceLost) {
				t.Errorf("push to a locked branch: %v, want ErrRaceLost", err)
			}
			if err := os.Remove(lock); err != nil {
				t.Fatal(err)
			}
			if err := store.Push(t.Context(), tip, ""); err != nil {
				t.Errorf("push when the lock is gone: %v", err)
			}
		})
	}
}

func TestABranchInTheWayOfAnotherIsNoLostRace(t *testing.T) {
	repo := gittest.NewRepo(t)
	repo.Commit("gitsync", map[string]string{"a": "1"}, "1")
	store := openStore(t, "", open(t, repo.Dir, gitrepo.Auth{}), stateBranch)
	err := store.Push(t.Context(), commitFile(t, store, "", "a", "1"), "")
	if !errors.Is(err, gitrepo.ErrPushRefused) {
		t.Errorf("push of gitsync/state beside gitsync: %v, want ErrPushRefused", err)
	}
}

func TestARefusedPushSaysWhy(t *testing.T) {
	for name, serve := range transports {
		t.Run(name, func(t *testing.T) {
			repo := gittest.NewRepo(t)
			repo.Commit("main", map[string]string{"a": "1"}, "1")
			address, auth := serve(t, repo)
			store := openStore(t, "", open(t, address, auth), stateBranch)
			repo.RefusePushes("the branch is protected by rule 7")
			tip := commitFile(t, store, "", "a", "1")
			err := store.Push(t.Context(), tip, "")
			if !errors.Is(err, gitrepo.ErrPushRefused) || !strings.Contains(err.Error(), "rule 7") {
				t.Errorf("push: %v, want ErrPushRefused with the hook's words", err)
			}
			repo.RefusePushes("")
			if err := store.Push(t.Context(), tip, ""); err != nil {
				t.Errorf("push of the same commit when it is allowed: %v", err)
			}
		})
	}
}

func TestATreeIsAFileSystem(t *testing.T) {
	repo := gittest.NewRepo(t)
	repo.Commit("main", map[string]string{"hosts/a/x.yaml": "x", "hosts/b/y.yaml": "yy", "README.md": ""}, "1")
	remote := open(t, repo.Dir, gitrepo.Auth{})
	store := openStore(t, "", remote, "main")
	tree := fetchTip(t, remote, store, "main").Tree()
	if err := fstest.TestFS(tree, "hosts/a/x.yaml", "hosts/b/y.yaml", "README.md"); err != nil {
		t.Error(err)
	}
	hash, err := tree.Hash("hosts/a")
	if want := repo.Git("rev-parse", "main:hosts/a"); err != nil || string(hash) != want {
		t.Errorf("hash %s, %v, want %s", hash, err, want)
	}
	if _, err := tree.Hash("hosts/c"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("hash of nothing: %v, want fs.ErrNotExist", err)
	}
	if _, err := tree.ReadFileLimit("hosts/b/y.yaml", 1); !errors.Is(err, gitrepo.ErrTooLarge) {
		t.Errorf("read beyond the limit: %v, want ErrTooLarge", err)
	}
}

func TestLinksAndSubmodulesAreShownAndNotFollowed(t *testing.T) {
	repo := gittest.NewRepo(t)
	commit := repo.Commit("main", map[string]string{"a": "1"}, "1")
	repo.Symlink("main", "link", "/etc/passwd")
	repo.Submodule("main", "module", commit)
	remote := open(t, repo.Dir, gitrepo.Auth{})
	tree := fetchTip(t, remote, openStore(t, "", remote, "main"), "main").Tree()
	for path, want := range map[string]fs.FileMode{"link": fs.ModeSymlink, "module": fs.ModeIrregular} {
		info, err := tree.Stat(path)
		if err != nil || info.Mode().Type() != want {
			t.Errorf("%s: %v, %v, want %v", path, info, err, want)
		}
		if _, err := tree.ReadFile(path); !errors.Is(err, fs.ErrInvalid) {
			t.Errorf("read %s: %v, want fs.ErrInvalid", path, err)
		}
	}
}
