package sync_test

import (
	"crypto/rand"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/gitsync/gitsync/internal/disk"
	"github.com/gitsync/gitsync/internal/dockertest"
	"github.com/gitsync/gitsync/sync"
	"github.com/gitsync/gitsync/trust"
)

// fill takes all the room of a disk, and returns what gives it back.
func fill(t *testing.T, dir string) (empty func()) {
	t.Helper()
	name := filepath.Join(dir, "filler")
	file, err := os.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	for chunk := make([]byte, 4096); err == nil; {
		_, err = file.Write(chunk)
	}
	_ = file.Close()
	return func() {
		if err := os.Remove(name); err != nil {
			t.Fatal(err)
		}
	}
}

func bigFile(t *testing.T, bytes int) string {
	t.Helper()
	data := make([]byte, bytes)
	if _, err := rand.Read(data); err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func TestDriftIsRepairedWhileACommitHasNoRoom(t *testing.T) {
	dir := dockertest.Disk(t, 3<<20, 0)
	w := newWorld(t, func(o *sync.Options) { o.DataDir = dir })
	w.commit(map[string]string{web1: web("nginx:1.26")}, "start")
	w.cycle()
	w.commit(map[string]string{web1: web("nginx:1.27"), "hosts/web1/files/big": bigFile(t, 6<<20)}, "too large")
	for _, restart := range []bool{false, true} {
		if restart {
			w.open(w.repo.Dir)
		}
		w.machine.SetStatus("web", "exited")
		r := w.fail()
		if !errors.Is(r.GitErr, disk.ErrUnwritable) || r.Err != nil || sync.React(r.GitErr) != sync.NeedsPerson {
			t.Fatalf("restarted %v: %v, want that somebody makes room", restart, problems(r))
		}
		w.runs("web", "nginx:1.26")
	}
	dockertest.Remount(t, dir, "size=33554432")
	w.cycle()
	w.runs("web", "nginx:1.27")
}

func TestWhatCannotBeWrittenDownIsRecordedOnceThereIsRoom(t *testing.T) {
	for name, change := range map[string]func(dir string) (undo func()){
		"full": func(dir string) func() { return fill(t, dir) },
		"read-only": func(dir string) func() {
			dockertest.Remount(t, dir, "ro")
			return func() { dockertest.Remount(t, dir, "rw") }
		},
	} {
		dir := dockertest.Disk(t, 3<<20, 0)
		w := newWorld(t, func(o *sync.Options) { o.DataDir = dir })
		w.commit(map[string]string{web1: web("nginx:1.26")}, "start")
		w.cycle()
		undo := change(dir)
		for range 3 {
			w.machine.SetStatus("web", "exited")
			r := w.fail()
			if !errors.Is(errors.Join(append(r.StateErrs, r.Err)...), disk.ErrUnwritable) {
				t.Errorf("%s: %v, want an error of the disk", name, problems(r))
			}
			w.runs("web", "nginx:1.26")
		}
		w.commit(map[string]string{web1: web("nginx:1.27")}, "bump")
		w.fail()
		w.runs("web", "nginx:1.26")
		undo()
		w.cycle()
		w.runs("web", "nginx:1.27")
		entries := len(w.diary())
		w.cycle()
		if now := len(w.diary()); now != entries {
			t.Errorf("%s: a cycle without a change was recorded: %v", name, w.diary())
		}
	}
}

func TestAMemoryThatCannotBeWrittenKeepsNoDeploymentOutOfTheStateBranch(t *testing.T) {
	w := newWorld(t)
	w.commit(map[string]string{web1: web("nginx:1.26")}, "start")
	w.cycle()
	lock := filepath.Join(w.opts.DataDir, sync.MemoryFile+".lock")
	if err := errors.Join(os.Remove(lock), os.Mkdir(lock, 0o700)); err != nil {
		t.Fatal(err)
	}
	w.commit(map[string]string{web1: web("nginx:1.27")}, "bump")
	before := len(w.diary())
	for range 3 {
		if r := w.fail(); !errors.Is(r.Err, trust.ErrNotRemembered) {
			t.Errorf("%v, want that it is not remembered", problems(r))
		}
		w.runs("web", "nginx:1.27")
		if got := len(w.diary()); got != before+1 {
			t.Errorf("the deployment was recorded %d times: %v", got-before, w.diary())
		}
	}
	if err := os.Remove(lock); err != nil {
		t.Fatal(err)
	}
	w.cycle()
}
