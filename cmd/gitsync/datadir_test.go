package main

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/gitsync/gitsync/container"
)

// old is a data directory as an earlier version, or a careless hand, left it.
func old(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "data")
	file := filepath.Join(dir, "repos", "x", "git", "config")
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		t.Fatal(err)
	}
	list := filepath.Join(dir, filepath.Base((&container.Origin{Host: "web1"}).Manifest()))
	for _, name := range []string{file, list} {
		if err := os.WriteFile(name, nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Chmod(dir, 0o777); err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestTheDataDirectoryIsPrivate(t *testing.T) {
	t.Cleanup(func() { syscall.Umask(0o022) })
	for _, dir := range []string{old(t), filepath.Join(t.TempDir(), "new", "dir")} {
		if err := openDataDir(dir, true); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, "later"), nil, 0o666); err != nil {
			t.Fatal(err)
		}
		err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
			if err != nil {
				return err
			}
			info, err := entry.Info()
			if err == nil && info.Mode().Perm()&0o077 != 0 {
				t.Errorf("%s is %s", path, info.Mode())
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}

func TestADataDirectoryOfOthersIsRefused(t *testing.T) {
	t.Cleanup(func() { syscall.Umask(0o022) })
	shared := old(t)
	if err := os.WriteFile(filepath.Join(shared, "diary"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	cases := map[string]string{shared: "which is not gitsync's"}
	if os.Geteuid() == 0 {
		foreign := old(t)
		if err := os.Chown(filepath.Join(foreign, "repos", "x"), 1234, 1234); err != nil {
			t.Fatal(err)
		}
		cases[foreign] = "belongs to user 1234"
	}
	for dir, want := range cases {
		if err := openDataDir(dir, true); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want an error with %q", err, want)
		}
	}
	if info, err := os.Stat(shared); err != nil || info.Mode().Perm() != 0o777 {
		t.Errorf("the directory of others is %v, %v", info.Mode(), err)
	}
	if err := openDataDir(filepath.Join(t.TempDir(), "none"), false); err != nil {
		t.Errorf("one that is not wanted: %v", err)
	}
}
