package pack

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
)

// Unpack reads a pack to its end and puts its objects into a directory: a pack without
// deltas and its index, which are there as a whole or not at all. A pack that holds nothing
// leaves nothing. It returns what that did cost, also with an error.
//
// Errors: [ErrBroken], [ErrTooLarge], [ErrEmpty]; those of the context, of the reader and of
// the disk.
func Unpack(ctx context.Context, dir string, from io.Reader, budget Budget) (Work, error) {
	m := &meter{ctx: ctx, budget: budget}
	err := unpack(m, dir, from)
	return m.Work, err
}

func unpack(m *meter, dir string, from io.Reader) (err error) {
	staged, err := os.CreateTemp(dir, "tmp_pack_")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, discard(staged)) }()
	p, err := scan(newSource(m, from, staged))
	if err != nil {
		return err
	}
	// What follows a pack is nobody's.
	if _, err := io.Copy(io.Discard, from); err != nil {
		return err
	}
	if len(p.entries) == 0 {
		return nil
	}
	if err := staged.Truncate(p.end + int64(len(p.sum))); err != nil {
		return err
	}
	deltas := false
	for i := range p.entries {
		deltas = deltas || p.entries[i].is == 0
	}
	if !deltas {
		at := make([]int64, len(p.entries))
		for i := range at {
			at[i] = p.entries[i].offset
		}
		return publish(dir, staged, p.entries, at, p.sum)
	}
	return withoutDeltas(m, dir, staged, p)
}

// withoutDeltas puts the objects of a staged pack into one that has no deltas.
func withoutDeltas(m *meter, dir string, staged *os.File, p *scanned) (err error) {
	file, err := os.CreateTemp(dir, "tmp_pack_")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, discard(file)) }()
	out, err := newOutput(file, len(p.entries))
	if err != nil {
		return err
	}
	at, err := resolve(m, dir, staged, p, out)
	if err != nil {
		return err
	}
	sum, err := out.finish()
	if err != nil {
		return err
	}
	return publish(dir, file, p.entries, at, sum)
}

// discard closes a temporary file and removes it, unless it has another name by now.
func discard(file *os.File) error {
	_ = file.Close() // it may be closed already
	if err := os.Remove(file.Name()); !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return nil
}

// publish gives a pack its index and its name. A pack is there when it ends in .pack, so its
// index comes first.
func publish(dir string, file *os.File, entries []entry, at []int64, sum Name) (err error) {
	base := filepath.Join(dir, fmt.Sprintf("pack-%x", sum))
	index, err := os.CreateTemp(dir, "tmp_idx_")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, discard(index)) }()
	if err := writeIndex(index, entries, at, sum); err != nil {
		return err
	}
	if err := errors.Join(index.Close(), file.Close()); err != nil {
		return err
	}
	if err := os.Rename(index.Name(), base+".idx"); err != nil {
		return err
	}
	return os.Rename(file.Name(), base+".pack")
}
