package pack

import (
	"encoding/binary"
	"fmt"
	"io"
	"slices"
)

// entry is what is known of an entry of a pack. There may be half a million.
type entry struct {
	// name is that of the object; of a delta that is not applied yet, that of its base, if
	// it says so.
	name   Name
	offset int64
	size   int64
	crc    uint32
	// base is the entry that a delta is applied to; negative where that is not known.
	base int32
	// kind is that in the pack, is that of the object: zero while that is not known.
	kind, is Kind
}

// scanned is a pack that was read once.
type scanned struct {
	entries []entry
	sum     Name
	// end is where the checksum begins.
	end int64
}

// scan reads a pack from its beginning to its end, and says what is wrong with it. Objects
// that are there as a whole get their names.
func scan(s *source) (*scanned, error) {
	count, err := s.begin()
	if err != nil {
		return nil, err
	}
	// What it claims is bounded, and memory that is not written to costs nothing.
	p := &scanned{entries: make([]entry, 0, count)}
	for range count {
		if err := p.add(s); err != nil {
			return nil, err
		}
	}
	p.end = s.offset()
	if p.sum, err = s.finish(); err != nil {
		return nil, err
	}
	return p, nil
}

// add reads the next entry.
func (p *scanned) add(s *source) error {
	h, err := s.next()
	if err != nil {
		return err
	}
	s.Objects++
	e := entry{offset: h.offset, size: h.size, kind: h.kind, base: -1}
	if h.kind == offsetDelta || h.kind == nameDelta {
		err = p.addDelta(s, h, &e)
	} else {
		if err := s.tree(h.kind, h.size); err != nil {
			return err
		}
		namer := newNamer(h.kind, h.size)
		err = s.content(h, namer)
		e.is, e.name = h.kind, Name(namer.Sum(nil))
	}
	if err != nil {
		return err
	}
	s.settle()
	e.crc = s.crc.Sum32()
	p.entries = append(p.entries, e)
	return nil
}

func (p *scanned) addDelta(s *source, h header, e *entry) error {
	e.name = h.onName
	begin := &head{}
	if err := s.content(h, begin); err != nil {
		return err
	}
	_, target, err := begin.sizes()
	if err != nil {
		return err
	}
	if err := s.budget.check(Blob, target); err != nil {
		return err
	}
	if h.kind == offsetDelta {
		at, found := p.find(h.base)
		if !found {
			return fmt.Errorf("%w: a delta of what is not there", ErrBroken)
		}
		e.base = int32(at)
	}
	return s.promise(int64(target))
}

// find returns the entry at an offset.
func (p *scanned) find(offset int64) (int, bool) {
	return slices.BinarySearchFunc(p.entries, offset, func(e entry, offset int64) int {
		return int(max(-1, min(1, e.offset-offset)))
	})
}

// head keeps the first bytes of what is written to it: a delta begins with the sizes of
// what it is applied to and of what comes of it.
type head struct {
	bytes [2 * binary.MaxVarintLen64]byte
	n     int
}

// Write implements io.Writer.
func (h *head) Write(p []byte) (int, error) {
	h.n += copy(h.bytes[h.n:], p)
	return len(p), nil
}

func (h *head) sizes() (base, target uint64, err error) {
	base, n := binary.Uvarint(h.bytes[:h.n])
	if n <= 0 {
		return 0, 0, errNoSizes()
	}
	target, n = binary.Uvarint(h.bytes[n:h.n])
	if n <= 0 {
		return 0, 0, errNoSizes()
	}
	return base, target, nil
}

func errNoSizes() error { return fmt.Errorf("%w: a delta without sizes", ErrBroken) }

// readSizes reads what a delta begins with.
func readSizes(from io.ByteReader) (base, target uint64, err error) {
	if base, err = binary.ReadUvarint(from); err == nil {
		target, err = binary.ReadUvarint(from)
	}
	return base, target, broken(err)
}
