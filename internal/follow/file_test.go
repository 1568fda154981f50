package follow_test

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/gitsync/gitsync/internal/follow"
)

// followed is a file with what it holds, and what is said of it.
type followed struct {
	*follow.File[string]
	t      *testing.T
	name   string
	said   *bytes.Buffer
	parsed int
	ctx    context.Context
}

func open(t *testing.T, content string) *followed {
	t.Helper()
	f := &followed{t: t, name: filepath.Join(t.TempDir(), "token"), said: &bytes.Buffer{}}
	f.ctx = zerolog.New(f.said).WithContext(t.Context())
	f.write(content)
	var err error
	f.File, err = follow.Open(f.name, func(data []byte) (string, error) {
		f.parsed++
		return follow.Line(f.name, "token")(data)
	}, follow.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func (f *followed) write(content string) {
	f.t.Helper()
	if err := os.WriteFile(f.name, []byte(content), 0o600); err != nil {
		f.t.Fatal(err)
	}
}

// ages makes the file one that was not changed for a while.
func (f *followed) ages() {
	f.t.Helper()
	then := time.Now().Add(-time.Hour)
	if err := os.Chtimes(f.name, then, then); err != nil {
		f.t.Fatal(err)
	}
}

func (f *followed) want(content string) {
	f.t.Helper()
	if got := f.Current(f.ctx); got != content {
		f.t.Errorf("got %q, want %q", got, content)
	}
}

func TestAFileIsReadAgainWhenItChanged(t *testing.T) {
	f := open(t, "old\n")
	f.want("old")
	f.write("new\n")
	f.want("new")
	// Replaced by a rename, as those do who write files as a whole.
	if err := errors.Join(os.WriteFile(f.name+".new", []byte("newer"), 0o600), os.Rename(f.name+".new", f.name)); err != nil {
		t.Fatal(err)
	}
	f.want("newer")
	// Replaced behind a link, as Kubernetes does.
	target := filepath.Join(t.TempDir(), "target")
	if err := errors.Join(os.WriteFile(target, []byte("newest"), 0o600), os.Remove(f.name), os.Symlink(target, f.name)); err != nil {
		t.Fatal(err)
	}
	f.want("newest")
	if f.parsed != 4 {
		t.Errorf("parsed %d times, want once for each content", f.parsed)
	}
	if said := f.said.String(); strings.Contains(said, "newer") || strings.Count(said, "read again") != 3 {
		t.Errorf("said %s", said)
	}
}

func TestAChangeWithinTheClocksResolutionIsSeen(t *testing.T) {
	f := open(t, "aaa")
	info, err := os.Stat(f.name)
	if err != nil {
		t.Fatal(err)
	}
	f.write("bbb")
	if err := os.Chtimes(f.name, info.ModTime(), info.ModTime()); err != nil {
		t.Fatal(err)
	}
	f.want("bbb")
}

func TestAFileThatDidNotChangeIsNotReadAgain(t *testing.T) {
	f := open(t, "one")
	f.ages()
	f.want("one")
	info, err := os.Stat(f.name)
	if err != nil {
		t.Fatal(err)
	}
	// Nobody but the test hides a change so well: that shows that nothing was read.
	f.write("two")
	if err := os.Chtimes(f.name, info.ModTime(), info.ModTime()); err != nil {
		t.Fatal(err)
	}
	f.want("one")
	if got, changed := f.Reread(f.ctx); got != "two" || !changed {
		t.Errorf("reread: %q, changed %v", got, changed)
	}
	if _, changed := f.Reread(f.ctx); changed {
		t.Error("nothing changed")
	}
}

func TestAFileThatCannotBeReadLeavesWhatItHeld(t *testing.T) {
	for name, breaks := range map[string]func(f *followed) error{
		"empty":    func(f *followed) error { return os.WriteFile(f.name, []byte(" \n"), 0o600) },
		"vanished": func(f *followed) error { return os.Remove(f.name) },
		"broken":   func(f *followed) error { return os.WriteFile(f.name, []byte("two\nlines s3cret\n"), 0o600) },
		"zeros":    func(f *followed) error { return os.WriteFile(f.name, make([]byte, 20), 0o600) },
		"too much": func(f *followed) error { return os.WriteFile(f.name, make([]byte, follow.DefaultMax+1), 0o600) },
		"a directory": func(f *followed) error {
			return errors.Join(os.Remove(f.name), os.Mkdir(f.name, 0o700))
		},
	} {
		t.Run(name, func(t *testing.T) {
			f := open(t, "good")
			if err := breaks(f); err != nil {
				t.Fatal(err)
			}
			f.want("good")
			f.want("good")
			if said := f.said.String(); strings.Count(said, "cannot be read again") != 1 || strings.Contains(said, "s3cret") {
				t.Errorf("said %s", said)
			}
			if err := os.RemoveAll(f.name); err != nil {
				t.Fatal(err)
			}
			f.write("better")
			f.want("better")
		})
	}
}

func TestAPipeIsReadOnce(t *testing.T) {
	name := filepath.Join(t.TempDir(), "pipe")
	if err := syscall.Mkfifo(name, 0o600); err != nil {
		t.Fatal(err)
	}
	written := make(chan error, 1)
	go func() { written <- os.WriteFile(name, []byte("from a pipe"), 0o600) }()
	f, err := follow.Open(name, follow.Line(name, "token"), follow.Options{})
	if err := errors.Join(err, <-written); err != nil {
		t.Fatal(err)
	}
	// A second read would wait for ever.
	if got := f.Current(t.Context()); got != "from a pipe" {
		t.Errorf("got %q", got)
	}
	if _, changed := f.Reread(t.Context()); changed {
		t.Error("a pipe changed")
	}
}

func TestAFileIsRefusedByItsMode(t *testing.T) {
	name := filepath.Join(t.TempDir(), "policy")
	if err := os.WriteFile(name, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	refused := errors.New("others may write it")
	check := func(info fs.FileInfo) error {
		if info.Mode().Perm()&0o022 != 0 {
			return refused
		}
		return nil
	}
	f, err := follow.Open(name, func(data []byte) (string, error) { return string(data), nil }, follow.Options{Check: check})
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(os.WriteFile(name, []byte("y"), 0o600), os.Chmod(name, 0o666)); err != nil {
		t.Fatal(err)
	}
	if got := f.Current(t.Context()); got != "x" {
		t.Errorf("got %q of a file that others may write", got)
	}
	if _, err := follow.Open(name, func(data []byte) (string, error) { return string(data), nil }, follow.Options{Check: check}); !errors.Is(err, refused) {
		t.Errorf("got %v", err)
	}
}

func TestALineLosesItsByteOrderMark(t *testing.T) {
	got, err := follow.Line("f", "token")([]byte("\xef\xbb\xbf t0ken \r\n"))
	if err != nil || got != "t0ken" {
		t.Errorf("got %q, %v", got, err)
	}
}
