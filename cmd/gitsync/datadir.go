package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"github.com/gitsync/gitsync/container"
)

// dataEntries are what a data directory holds.
var dataEntries = map[string]bool{"repos": true, "memory": true}

// openDataDir sees to it that nobody else can read or change the data directory: what is
// deployed is read from it. It is made when it is missing and wanted. Modes are put
// right where all is ours; what belongs to another user is refused.
func openDataDir(dir string, wanted bool) error {
	// What is made from now on is ours alone, by whichever library it is made.
	syscall.Umask(0o077)
	info, err := os.Stat(dir)
	if errors.Is(err, fs.ErrNotExist) {
		if !wanted {
			return nil
		}
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return withHint(fmt.Errorf("make the data directory: %w", err), "give one that this user may write to with --data-dir")
		}
		return nil
	}
	if err != nil {
		return fmt.Errorf("look at the data directory: %w", err)
	}
	if !info.IsDir() {
		return fmt.Errorf("the data directory %s is a file", dir)
	}
	if err := checkOwner(dir, info); err != nil {
		return err
	}
	if info.Mode().Perm()&0o077 != 0 {
		if err := checkOurs(dir); err != nil {
			return err
		}
	}
	return filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err == nil {
			err = makePrivate(path, entry)
		}
		if errors.Is(err, fs.ErrNotExist) {
			return nil // another gitsync is at work
		}
		return err
	})
}

// checkOurs refuses to change the mode of a directory that others use too, such as /tmp.
func checkOurs(dir string) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return fmt.Errorf("look at the data directory: %w", err)
	}
	for _, e := range entries {
		// For root the directory is also where engines on this machine keep lists for us.
		if !dataEntries[e.Name()] && !container.IsOwnFile(e.Name()) {
			return withHint(fmt.Errorf("others may read the data directory %s, and it holds %s, which is not gitsync's", dir, e.Name()),
				"give gitsync a directory of its own with --data-dir, or make this one private: chmod 700 "+dir)
		}
	}
	return nil
}

func checkOwner(path string, info fs.FileInfo) error {
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !ok || int(stat.Uid) == os.Geteuid() {
		return nil
	}
	return withHint(fmt.Errorf("%s in the data directory belongs to user %d, and gitsync runs as user %d", path, stat.Uid, os.Geteuid()),
		fmt.Sprintf("remove it, or run gitsync as that user; or give another directory with --data-dir (chown -R %d makes it this user's, if you trust what is in it)", os.Geteuid()))
}

func makePrivate(path string, entry fs.DirEntry) error {
	info, err := entry.Info()
	if err != nil {
		return err
	}
	if err := checkOwner(path, info); err != nil {
		return err
	}
	if mode := info.Mode(); mode&fs.ModeSymlink == 0 && mode.Perm()&0o077 != 0 {
		if err := os.Chmod(path, mode.Perm()&0o700); err != nil {
			return fmt.Errorf("make the data directory private: %w", err)
		}
	}
	return nil
}
