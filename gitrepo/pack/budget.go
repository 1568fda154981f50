package pack

import (
	"context"
	"errors"
	"fmt"
)

var (
	// ErrBroken means that a pack is not what it should be.
	ErrBroken = errors.New("the remote sent a broken pack")
	// ErrTooLarge means that a pack, or an object in it, is larger than the budget.
	ErrTooLarge = errors.New("too large")
	// ErrEmpty means that there is no pack.
	ErrEmpty = errors.New("the remote sent an empty pack")
)

// Budget bounds what a pack may cost. The zero value allows nothing: [DefaultBudget] is a
// good one.
type Budget struct {
	// Objects is how many there may be.
	Objects int64
	// Unpacked is how many bytes all objects may have, deltas and what comes of them
	// included, and PerByte how many more for each byte of the pack. AtMost bounds both.
	Unpacked, PerByte, AtMost int64
	// Blob, Tree and Header are how many bytes one object may have; a commit or a tag is a
	// header.
	Blob, Tree, Header int64
	// Trees is how many bytes all trees may have: whoever goes through a commit reads them all,
	// and holds those that are nested in memory.
	Trees int64
	// Kept is how many bytes [Read] may hold, of which each object takes 400 beside its content.
	Kept int64
}

// DefaultBudget is what a repo may have. Forges take no file over 100 MB. What compresses
// better than a hundred to one is made to fill a disk, or to keep a processor busy.
func DefaultBudget() Budget {
	return Budget{
		Objects:  500_000,
		Unpacked: 512 << 20, PerByte: 32, AtMost: 2 << 30,
		Blob: 128 << 20, Tree: 4 << 20, Header: 4 << 20, Trees: 16 << 20,
		Kept: 32 << 20,
	}
}

// Work is what a pack did cost.
type Work struct {
	// Objects are those that were read, Packed the bytes of the pack.
	Objects, Packed int64
	// Unpacked are the bytes of all objects, of deltas and of what they were applied to.
	Unpacked int64
	// Steps are the instructions of deltas.
	Steps int64
	// Held is the most that was held in memory of objects at a time, in bytes.
	Held int64
}

// meter counts work, and ends it when there is too much of it, or when its context ends.
type meter struct {
	Work
	ctx    context.Context
	budget Budget
	held   int64
	// promised is what deltas say that will come of them.
	promised int64
	// trees are the bytes of all trees.
	trees int64
	// checked is how much work there was when the context was looked at last.
	checked int64
}

const (
	// checkEvery is how much is unpacked between two questions whether to go on.
	checkEvery = 1 << 20
	// stepCost and seekCost are what a step of a delta counts for besides its bytes: in
	// memory, and where it reads from the disk.
	stepCost, seekCost = 16, 256
)

// promise counts what will come of a delta: a pack is refused before work is done for it.
func (m *meter) promise(n int64) error {
	m.promised += n
	return m.unpack(0)
}

// unpack counts bytes that are unpacked.
func (m *meter) unpack(n int64) error {
	m.Unpacked += n
	limit := min(m.budget.Unpacked+m.budget.PerByte*m.Packed, m.budget.AtMost)
	if m.Unpacked+m.promised > limit {
		return fmt.Errorf("the objects of the remote's pack of %d KiB are %w: the limit is %d MiB unpacked: a file that compresses this well does not belong into the repo", m.Packed>>10, ErrTooLarge, limit>>20)
	}
	if m.Unpacked-m.checked < checkEvery {
		return nil
	}
	m.checked = m.Unpacked
	return m.ctx.Err()
}

// tree counts an object if it is a tree.
func (m *meter) tree(k Kind, size int64) error {
	if k != Tree {
		return nil
	}
	if m.trees += size; m.trees > m.budget.Trees {
		return fmt.Errorf("the directories in the remote's pack are together %w: the limit is %d MiB, some 350,000 entries", ErrTooLarge, m.budget.Trees>>20)
	}
	return nil
}

// hold counts bytes that are held in memory; negative ones are let go.
func (m *meter) hold(n int64) {
	m.held += n
	m.Held = max(m.Held, m.held)
}

// limit is how many bytes an object of a kind may have.
func (b Budget) limit(k Kind) int64 {
	switch k {
	case Commit, Tag:
		return b.Header
	case Tree:
		return b.Tree
	}
	return b.Blob
}

// check says whether an object of a kind may have so many bytes.
func (b Budget) check(k Kind, size uint64) error {
	if limit := b.limit(k); size > uint64(limit) {
		return fmt.Errorf("a %s of %d bytes in the remote's pack is %w: the limit is %d MiB", k, size, ErrTooLarge, limit>>20)
	}
	return nil
}
