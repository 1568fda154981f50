package gitrepo

import (
	"errors"
	"syscall"

	"github.com/gitsync/gitsync/internal/disk"
)

// lack is a tip that the disk had no room for. The zero value is none.
type lack struct {
	tip Hash
	err *disk.Error
}

// isFull says whether an error is the disk's, for want of room.
func isFull(err error) bool {
	var fault *disk.Error
	return errors.As(err, &fault) && (errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EFBIG) || errors.Is(err, syscall.EDQUOT))
}

// lacks remembers that the disk has no room for a tip, and returns why. What the fetch left
// behind is removed by then, so that the room is what is free for the next one.
func (s *Store) lacks(tip Hash, err error) error {
	var fault *disk.Error
	if !errors.As(err, &fault) {
		return err
	}
	now := &disk.Error{Dir: s.dir, Needed: fault.Needed, Room: disk.Free(s.dir), Err: fault.Err}
	if s.lacking = (lack{}); isFull(now) {
		s.lacking = lack{tip, now}
	}
	return now
}

// stillFull returns why a tip cannot be fetched, where it had no room before and there is
// no more room than then: a poll costs no download then.
func (s *Store) stillFull(tip Hash) error {
	fault := s.lacking.err
	if fault == nil || s.lacking.tip != tip || !fault.Room.Known {
		return nil
	}
	room := disk.Free(s.dir)
	if !room.Known || room.Bytes > fault.Room.Bytes || room.Inodes > fault.Room.Inodes || errors.Is(fault, syscall.EDQUOT) {
		return nil
	}
	return fault
}
