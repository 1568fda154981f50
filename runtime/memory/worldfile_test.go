package memory_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/gitsync/gitsync/container/types"
	"github.com/gitsync/gitsync/runtime"
	"github.com/gitsync/gitsync/runtime/memory"
)

// inFile is a world in a file, as another process has it.
func inFile(t *testing.T, file string) (*memory.World, *memory.Runtime) {
	t.Helper()
	config := &memory.Config{File: file}
	rt := open(t, config)
	return config.World, rt.(*memory.Runtime)
}

func wantAccess(t *testing.T, w *memory.World, reads, writes int) {
	t.Helper()
	if r, wr := w.FileAccess(); r != reads || wr != writes {
		t.Errorf("the file was read %d and written %d times, want %d and %d", r, wr, reads, writes)
	}
}

func TestAFullCheckOfAThousandContainersReadsTheFileOnceAndWritesNothing(t *testing.T) {
	file := filepath.Join(t.TempDir(), "world.json")
	first, _ := inFile(t, file)
	first.Fill(1000)
	wantAccess(t, first, 0, 1)

	w, rt := inFile(t, file)
	rows, err := rt.List(t.Context(), nil)
	if err != nil || len(rows) != 1000 {
		t.Fatalf("got %d containers, %v", len(rows), err)
	}
	for _, row := range rows {
		facts, err := rt.Describe(t.Context(), row.ID)
		status, statusErr := rt.Status(t.Context(), row.ID)
		_, findErr := rt.Find(t.Context(), row.Name)
		_, readErr := rt.Read(t.Context(), row.ID, []string{"/etc/none"})
		if err := errors.Join(err, statusErr, findErr, readErr); err != nil || facts.Name != row.Name || status.Status != types.StatusRunning {
			t.Fatalf("got %v, %v, %v", facts, status, err)
		}
	}
	wantAccess(t, w, 1, 0)
}

func TestAChangeIsWrittenOnceAndSeenByOtherProcesses(t *testing.T) {
	file := filepath.Join(t.TempDir(), "world.json")
	a, inA := inFile(t, file)
	b, inB := inFile(t, file)
	id, err := inA.Create(t.Context(), containerConfig("web"))
	if err != nil {
		t.Fatal(err)
	}
	if err := inB.Start(t.Context(), id); err != nil {
		t.Fatal(err)
	}
	wantAccess(t, a, 0, 1)
	wantAccess(t, b, 1, 1)
	if err := inB.Start(t.Context(), id); err != nil {
		t.Fatal(err)
	}
	wantAccess(t, b, 1, 1)
	if status, err := inA.Status(t.Context(), id); err != nil || status.Status != types.StatusRunning {
		t.Errorf("got %v, %v", status, err)
	}
	wantAccess(t, a, 1, 1)
}

func TestTwoChangesInOneTickOfTheClockAreTwo(t *testing.T) {
	file := filepath.Join(t.TempDir(), "world.json")
	a, inA := inFile(t, file)
	b, inB := inFile(t, file)
	a.Fill(1)
	for i := range 300 {
		status := []string{types.StatusRunning, types.StatusPaused, types.StatusCreated}[i%3]
		b.SetStatus("app0", status)
		if row, err := inA.Find(t.Context(), "app0"); err != nil || row.Status != status {
			t.Fatalf("change %d: got %v, %v, want %s", i, row.Status, err, status)
		}
		a.SetStatus("app0", "exited")
		if row, err := inB.Find(t.Context(), "app0"); err != nil || row.Status != "exited" {
			t.Fatalf("change %d: got %v, %v, want it to have ended", i, row.Status, err)
		}
	}
}

func TestAnActionThatFailsHasChangedNothing(t *testing.T) {
	file := filepath.Join(t.TempDir(), "world.json")
	w, rt := inFile(t, file)
	id, err := rt.Create(t.Context(), containerConfig("web"))
	if err != nil {
		t.Fatal(err)
	}
	// The second file is the directory that the first one made.
	err = rt.Copy(t.Context(), id, []*types.File{{Path: "/data/x", Mode: 0o644}, {Path: "/data", Mode: 0o644}})
	if !errors.Is(err, runtime.ErrInvalid) {
		t.Fatalf("copy: %v, want that it is refused", err)
	}
	if files, err := rt.Read(t.Context(), id, []string{"/data/x"}); err != nil || len(files) > 0 {
		t.Errorf("got %v, %v, want no file", files, err)
	}
	_, writes := w.FileAccess()
	if writes != 1 {
		t.Errorf("the file was written %d times, want once", writes)
	}
}

func TestAWorldWhoseFileIsGoneIsEmpty(t *testing.T) {
	file := filepath.Join(t.TempDir(), "world.json")
	_, rt := inFile(t, file)
	if rows, err := rt.List(t.Context(), nil); err != nil || len(rows) > 0 {
		t.Errorf("got %v, %v", rows, err)
	}
	if _, err := os.Stat(file); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a look made the file: %v", err)
	}
	if _, err := rt.Create(t.Context(), containerConfig("web")); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	if rows, err := rt.List(t.Context(), nil); err != nil || len(rows) > 0 {
		t.Errorf("got %v, %v", rows, err)
	}
}
