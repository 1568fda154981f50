// Package disk says what is wrong with a disk that cannot be written to: an error of the
// operating system becomes one that names the place, the room that is needed and free, and
// what to do.
//
// What is guaranteed: an error that is about something else is returned as it is; nothing
// is written. What is not: on some file systems the free room is an estimate.
package disk

import (
	"errors"
	"fmt"
	"syscall"

	"github.com/docker/go-units"
)

// ErrUnwritable means that a directory cannot be written to until somebody acts: it is
// full, read-only, not ours, or its disk fails.
var ErrUnwritable = errors.New("the directory cannot be written to")

// Error says why a directory cannot be written to, and what to do. It is an
// [ErrUnwritable], and wraps what the operating system said.
type Error struct {
	// Dir is the directory.
	Dir string
	// Needed is how many bytes were to be written there, as far as that is known: it may be
	// more. Zero means that it is not known.
	Needed int64
	// Room is what is left there.
	Room Room
	// Err is what the operating system said.
	Err error
}

// Room is what is left on the file system of a directory. The zero value is not known.
type Room struct {
	// Known says whether the rest counts.
	Known bool
	// Bytes are those that this user may still write, and Inodes how many files it may
	// make.
	Bytes, Inodes int64
}

// Error implements error.
func (e *Error) Error() string {
	switch {
	case errors.Is(e.Err, syscall.EROFS):
		return fmt.Sprintf("%s is read-only: mount it writable, or give another directory with --data-dir", e.Dir)
	case errors.Is(e.Err, syscall.EDQUOT):
		return fmt.Sprintf("the disk quota for %s is used up%s: raise it, or give another directory with --data-dir", e.Dir, e.need())
	case e.full() && e.Room.Known && e.Room.Inodes == 0 && e.Room.Bytes > 0:
		return fmt.Sprintf("the disk of %s has no inodes left, though %s are free: remove small files there, or give another directory with --data-dir",
			e.Dir, units.BytesSize(float64(e.Room.Bytes)))
	case e.full():
		free := ""
		if e.Room.Known {
			free = ", " + units.BytesSize(float64(e.Room.Bytes)) + " are free"
		}
		return fmt.Sprintf("the disk of %s is full%s%s: make room there, or give a larger directory with --data-dir", e.Dir, e.need(), free)
	case errors.Is(e.Err, syscall.EACCES), errors.Is(e.Err, syscall.EPERM):
		return fmt.Sprintf("this user may not write to %s: give it to this user (chown), or give another directory with --data-dir: %v", e.Dir, e.Err)
	}
	return fmt.Sprintf("the disk of %s fails: see the kernel's log (dmesg): %v", e.Dir, e.Err)
}

func (e *Error) full() bool {
	return errors.Is(e.Err, syscall.ENOSPC) || errors.Is(e.Err, syscall.EFBIG)
}

func (e *Error) need() string {
	if e.Needed == 0 {
		return ""
	}
	return ": at least " + units.BytesSize(float64(e.Needed)) + " are needed"
}

// Is says that the error is an [ErrUnwritable].
func (e *Error) Is(target error) bool { return target == ErrUnwritable }

// Unwrap returns what the operating system said.
func (e *Error) Unwrap() error { return e.Err }

// causes are what the operating system says of a disk that needs a person.
var causes = []error{
	syscall.ENOSPC, syscall.EDQUOT, syscall.EROFS, syscall.EACCES, syscall.EPERM, syscall.EIO, syscall.EFBIG,
}

// Explain returns an [Error] for an error of a write below dir of so many bytes (0 when
// that is not known); an error that is about something else, or was explained already, is
// returned as it is.
func Explain(dir string, needed int64, err error) error {
	var known *Error
	if err == nil || errors.As(err, &known) {
		return err
	}
	for _, cause := range causes {
		if errors.Is(err, cause) {
			return &Error{Dir: dir, Needed: needed, Room: Free(dir), Err: err}
		}
	}
	return err
}

// Free returns what is left on the file system of a directory.
func Free(dir string) Room {
	var fs syscall.Statfs_t
	if err := syscall.Statfs(dir, &fs); err != nil {
		return Room{}
	}
	inodes := int64(fs.Ffree)
	if fs.Files == 0 {
		// It counts none, as btrfs.
		inodes = 1
	}
	return Room{Known: true, Bytes: int64(fs.Bavail) * fs.Bsize, Inodes: inodes}
}
