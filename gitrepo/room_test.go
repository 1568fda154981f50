package gitrepo_test

import (
	"crypto/rand"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/gitsync/gitsync/gitrepo"
	"github.com/gitsync/gitsync/internal/disk"
	"github.com/gitsync/gitsync/internal/dockertest"
	"github.com/gitsync/gitsync/internal/gittest"
)

// noise is a file that nothing makes smaller.
func noise(t *testing.T, bytes int) string {
	t.Helper()
	data := make([]byte, bytes)
	if _, err := rand.Read(data); err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// files are those of a directory, with what is below it.
func files(t *testing.T, dir string) (names []string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err == nil && !e.IsDir() {
			names = append(names, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return names
}

// remotes are a repo in a directory, over a pipe, and over HTTP.
func remotes(t *testing.T, repo *gittest.Repo) map[string]*gitrepo.Remote {
	return map[string]*gitrepo.Remote{
		"a directory": open(t, repo.Dir, gitrepo.Auth{}),
		"HTTP":        open(t, gittest.ServeHTTP(t, repo, gittest.HTTPOptions{}).URL, gitrepo.Auth{}),
	}
}

func TestAFetchThatHasNoRoomSaysSoAndLeavesNothing(t *testing.T) {
	repo := gittest.NewRepo(t)
	small := repo.Commit("main", map[string]string{"hosts/a/containers.yaml": "x"}, "small")
	for name, remote := range remotes(t, repo) {
		repo.ResetBranch("main", small)
		dir := dockertest.Disk(t, 3<<20, 0)
		store := openStore(t, dir, remote, "main")
		fetchTip(t, remote, store, "main")
		before := len(files(t, dir))

		repo.Commit("main", map[string]string{"big": noise(t, 6<<20)}, "big")
		tip := tipOf(t, remote)
		_, err := store.Fetch(t.Context(), tip)
		var fault *disk.Error
		if !errors.As(err, &fault) || !errors.Is(err, syscall.ENOSPC) || fault.Needed < 2<<20 || !strings.Contains(err.Error(), dir) {
			t.Fatalf("%s: %v, want an error that names %s and the room that is needed", name, err, dir)
		}
		if left := files(t, dir); len(left) > before+1 || disk.Free(dir).Bytes < 2<<20 {
			t.Errorf("%s: the fetch left %v", name, left)
		}
		if kept := store.Kept(); kept == nil || kept.Hash != gitrepo.Hash(small) {
			t.Errorf("%s: the commit from before is not there any more: %v", name, kept)
		}

		// What does not need the room is fetched, though the history holds what does.
		repo.Remove("main", "big")
		wantFile(t, fetchTip(t, remote, store, "main"), "hosts/a/containers.yaml", "x")

		repo.Commit("main", map[string]string{"big": noise(t, 6<<20)}, "big again")
		if _, err := store.Fetch(t.Context(), tipOf(t, remote)); !errors.Is(err, disk.ErrUnwritable) {
			t.Fatalf("%s: %v", name, err)
		}
		dockertest.Remount(t, dir, "size=33554432")
		wantFile(t, fetchTip(t, remote, store, "main"), "hosts/a/containers.yaml", "x")
	}
}

func TestAPollDownloadsNothingWhileThereIsNoMoreRoom(t *testing.T) {
	repo := gittest.NewRepo(t)
	server := gittest.ServeHTTP(t, repo, gittest.HTTPOptions{})
	remote := open(t, server.URL, gitrepo.Auth{})
	repo.Commit("main", map[string]string{"big": noise(t, 6<<20)}, "big")
	store := openStore(t, dockertest.Disk(t, 3<<20, 0), remote, "main")
	tip := tipOf(t, remote)
	if _, err := store.Fetch(t.Context(), tip); !errors.Is(err, disk.ErrUnwritable) {
		t.Fatal(err)
	}
	server.ResetCounters()
	for range 3 {
		if _, err := store.Fetch(t.Context(), tip); !errors.Is(err, disk.ErrUnwritable) {
			t.Fatal(err)
		}
	}
	if requests := server.Requests(); len(requests) > 0 {
		t.Errorf("the disk is as full as before, and these were asked for: %v", requests)
	}
}

func TestAStoreThatCannotBeWrittenToSaysWhy(t *testing.T) {
	repo := gittest.NewRepo(t)
	first := repo.Commit("main", map[string]string{"hosts/a/containers.yaml": "x"}, "small")
	remote := open(t, repo.Dir, gitrepo.Auth{})
	for says, change := range map[string]func(dir string){
		"is read-only": func(dir string) { dockertest.Remount(t, dir, "ro") },
		"no inodes left": func(dir string) {
			for {
				file, err := os.CreateTemp(dir, "filler")
				if err != nil {
					return
				}
				_ = file.Close()
			}
		},
	} {
		repo.ResetBranch("main", first)
		dir := dockertest.Disk(t, 4<<20, 200)
		store := openStore(t, filepath.Join(dir, "source"), remote, "main")
		fetchTip(t, remote, store, "main")
		repo.Commit("main", map[string]string{"hosts/a/containers.yaml": "y"}, "next")
		change(dir)
		_, err := store.Fetch(t.Context(), tipOf(t, remote))
		if !errors.Is(err, disk.ErrUnwritable) || !strings.Contains(err.Error(), says) {
			t.Errorf("%v, want it to say %q", err, says)
		}
		if _, err := store.Commit(t.Context(), gitrepo.CommitOptions{
			Parent: gitrepo.Hash(first), Changes: map[string][]byte{"f": []byte("z")}, Author: gitrepo.Signature{Name: "a", Email: "a@test"},
		}); !errors.Is(err, disk.ErrUnwritable) {
			t.Errorf("a commit: %v, want it to say %q", err, says)
		}
		if kept := store.Kept(); kept == nil || kept.Hash != gitrepo.Hash(first) {
			t.Errorf("the commit from before is not there any more: %v", kept)
		}
	}
}

func tipOf(t *testing.T, remote *gitrepo.Remote) gitrepo.Hash {
	t.Helper()
	refs, err := remote.Refs(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	tip, err := refs.Branch("main")
	if err != nil {
		t.Fatal(err)
	}
	return tip
}
