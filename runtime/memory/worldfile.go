package memory

import (
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/gofrs/flock"
)

// stored is a world in a file, as it was read or written last. It is kept, so that a call
// costs one look at the file's inode: to parse and write a thousand containers for each call
// took most of the time of a trial.
type stored struct {
	data *worldData
	// info is what the file was then; nil when there was none. Every change is a new file
	// in its place, so that another process's is seen by it.
	info os.FileInfo
	sum  [sha256.Size]byte
	// version is another one after each change.
	version int
	// reads and writes count those of the file as a whole.
	reads, writes int
}

// current returns what is in the file, which is read only when it is another one than the
// last time. The world is locked.
func (w *World) current() (*worldData, error) {
	s := &w.stored
	info, err := os.Stat(w.file)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		info = nil
	case err != nil:
		return nil, fmt.Errorf("read the in-memory runtime: %w", err)
	}
	if s.data != nil && sameFile(s.info, info) {
		return s.data, nil
	}
	s.data, s.version = nil, s.version+1
	data := &worldData{}
	var raw []byte
	if info != nil {
		s.reads++
		if raw, err = os.ReadFile(w.file); err != nil {
			return nil, fmt.Errorf("read the in-memory runtime: %w", err)
		}
		if err := json.Unmarshal(raw, data); err != nil {
			return nil, fmt.Errorf("read the in-memory runtime: %s is damaged, remove it to begin with an empty one: %w", w.file, err)
		}
	}
	data.init()
	// Another process may have put a new one there since it was looked at: then it is read
	// again the next time.
	s.data, s.info, s.sum = data, info, sha256.Sum256(raw)
	return data, nil
}

// sameFile says whether nobody wrote the file since.
func sameFile(a, b os.FileInfo) bool {
	if a == nil || b == nil {
		return a == nil && b == nil
	}
	return os.SameFile(a, b) && a.Size() == b.Size() && a.ModTime().Equal(b.ModTime())
}

// updateFile runs an action that may change the world, while no other process does. It is
// written once, when the action is done and something changed.
func (w *World) updateFile(action func(*worldData) error) error {
	if err := os.MkdirAll(filepath.Dir(w.file), 0o700); err != nil {
		return fmt.Errorf("open the in-memory runtime: %w", err)
	}
	lock := flock.New(w.file + ".lock")
	if err := lock.Lock(); err != nil {
		return fmt.Errorf("lock the in-memory runtime: %w", err)
	}
	defer func() { _ = lock.Unlock() }()
	data, err := w.current()
	if err != nil {
		return err
	}
	if err = action(data); err == nil {
		err = w.write(data)
	}
	if err != nil {
		// It may have been changed halfway: what is in the file counts.
		w.stored.data = nil
	}
	return err
}

// write replaces the file in one step, when the world is another one. It is not synced to the
// disk: a process that is killed loses nothing by that, and a simulation need not survive a
// power failure.
func (w *World) write(data *worldData) error {
	s := &w.stored
	raw, err := json.Marshal(data)
	if err != nil {
		return fmt.Errorf("write the in-memory runtime: %w", err)
	}
	sum := sha256.Sum256(raw)
	if s.info != nil && sum == s.sum {
		return nil
	}
	temp, err := os.CreateTemp(filepath.Dir(w.file), ".world-*")
	if err != nil {
		return fmt.Errorf("write the in-memory runtime: %w", err)
	}
	s.writes++
	// The clock of a file system ticks slowly, and a new file may get the inode of an old one:
	// so each is later than the one before it.
	at := time.Now()
	if s.info != nil && !at.After(s.info.ModTime()) {
		at = s.info.ModTime().Add(1)
	}
	_, err = temp.Write(raw)
	err = errors.Join(err, temp.Close(), os.Chtimes(temp.Name(), at, at))
	info, statErr := os.Stat(temp.Name())
	if err = errors.Join(err, statErr); err == nil {
		err = os.Rename(temp.Name(), w.file)
	}
	if err != nil {
		_ = os.Remove(temp.Name())
		return fmt.Errorf("write the in-memory runtime: %w", err)
	}
	s.info, s.sum, s.version = info, sum, s.version+1
	return nil
}
