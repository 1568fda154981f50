package pack

import (
	"bufio"
	"bytes"
	"cmp"
	"fmt"
	"io"
	"math"
	"os"
	"slices"
)

// resolver applies the deltas of a pack, and writes all its objects into another one.
type resolver struct {
	*meter
	// dir is where large contents are while they are needed.
	dir    string
	staged *os.File
	pack   *scanned
	out    *output
	// at is where an object is in the new pack; 0 while it is not there.
	at []int64
	// child is the first delta on an entry, sibling the next one on the same base, and
	// weight how many there are below.
	child, sibling, weight []int32
	// named are the deltas that say the name of their base, sorted by it.
	named []namedDelta
	// queue are the objects that deltas wait for.
	queue []int32

	zip    io.ReadCloser
	reader *bufio.Reader
	delta  *bufio.Reader
	to     *bufio.Writer
	chunk  []byte
}

type namedDelta struct {
	base  Name
	entry int32
}

// resolve writes the objects of a pack into another file. The time that it takes follows
// the budget.
func resolve(m *meter, dir string, staged *os.File, pack *scanned, out *output) ([]int64, error) {
	r := &resolver{
		meter: m, dir: dir, staged: staged, pack: pack, out: out, at: make([]int64, len(pack.entries)),
		reader: bufio.NewReaderSize(nil, 16<<10), delta: bufio.NewReaderSize(nil, 16<<10),
		to: bufio.NewWriterSize(nil, 32<<10), chunk: make([]byte, 64<<10),
	}
	r.plant()
	for i := range pack.entries {
		e := &pack.entries[i]
		if e.is == 0 {
			continue
		}
		var err error
		if r.at[i], err = out.copyEntry(io.NewSectionReader(staged, e.offset, pack.after(i)-e.offset), r.chunk); err != nil {
			return nil, err
		}
		r.awaited(int32(i))
	}
	for len(r.queue) > 0 {
		last := len(r.queue) - 1
		root := r.queue[last]
		r.queue = r.queue[:last]
		if err := r.below(root); err != nil {
			return nil, err
		}
	}
	for _, e := range pack.entries {
		if e.is == 0 {
			return nil, fmt.Errorf("%w: a delta of what is not there", ErrBroken)
		}
	}
	return r.at, nil
}

// after returns where an entry ends.
func (p *scanned) after(i int) int64 {
	if i+1 < len(p.entries) {
		return p.entries[i+1].offset
	}
	return p.end
}

// plant finds out what is applied to what.
func (r *resolver) plant() {
	n := len(r.pack.entries)
	r.child, r.sibling, r.weight = make([]int32, n), make([]int32, n), make([]int32, n)
	named := 0
	for i := range r.pack.entries {
		if r.pack.entries[i].kind == nameDelta {
			named++
		}
	}
	r.named = make([]namedDelta, 0, named)
	for i := n - 1; i >= 0; i-- {
		r.weight[i]++
		switch e := &r.pack.entries[i]; e.kind {
		case offsetDelta:
			// Zero is no delta's place: the first entry has nothing before it.
			r.sibling[i], r.child[e.base] = r.child[e.base], int32(i)
			r.weight[e.base] += r.weight[i]
		case nameDelta:
			r.named = append(r.named, namedDelta{e.name, int32(i)})
		}
	}
	slices.SortFunc(r.named, func(a, b namedDelta) int { return bytes.Compare(a.base[:], b.base[:]) })
}

// on returns where the deltas begin that say the name of an object and are not applied yet.
func (r *resolver) on(name Name) (int, bool) {
	from, found := slices.BinarySearchFunc(r.named, name, func(d namedDelta, name Name) int { return bytes.Compare(d.base[:], name[:]) })
	return from, found && r.named[from].entry >= 0
}

// awaited queues an object that deltas wait for: one that is there as a whole, or one that
// deltas know by its name.
func (r *resolver) awaited(i int32) {
	e := &r.pack.entries[i]
	whole := e.kind == e.is && r.child[i] != 0
	if _, named := r.on(e.name); whole || named {
		r.queue = append(r.queue, i)
	}
}

// deltas returns what is to be applied to an object, the one with the most below it last:
// so few contents are needed at a time, however deltas are chained.
func (r *resolver) deltas(i int32, byName bool) []int32 {
	var out []int32
	for c := r.child[i]; c != 0; c = r.sibling[c] {
		if r.pack.entries[c].is == 0 {
			out = append(out, c)
		}
	}
	name := r.pack.entries[i].name
	if from, found := r.on(name); byName && found {
		for at := from; at < len(r.named) && r.named[at].base == name; at++ {
			out = append(out, r.named[at].entry)
		}
		// The same object may be there twice.
		r.named[from].entry = -1
	}
	slices.SortFunc(out, func(a, b int32) int { return cmp.Compare(r.weight[a], r.weight[b]) })
	return out
}

// level is an object with the deltas that are still to be applied to it.
type level struct {
	content *content
	deltas  []int32
}

// below applies all deltas below an object.
func (r *resolver) below(root int32) (err error) {
	deltas := r.deltas(root, true)
	if len(deltas) == 0 {
		return nil
	}
	var levels []level
	defer func() {
		for _, l := range levels {
			_ = l.content.free()
		}
	}()
	first, err := r.read(root)
	if err != nil {
		return err
	}
	levels = append(levels, level{first, deltas})
	for len(levels) > 0 {
		top := &levels[len(levels)-1]
		next := top.deltas[0]
		top.deltas = top.deltas[1:]
		further := r.deltas(next, false)
		made, err := r.make(top.content, next, len(further) > 0)
		if err != nil {
			return err
		}
		if len(top.deltas) == 0 {
			err = top.content.free()
			levels = levels[:len(levels)-1]
		}
		if made != nil {
			levels = append(levels, level{made, further})
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// open reads the content of an entry of a file.
func (r *resolver) open(file *os.File, offset int64) (io.Reader, error) {
	r.reader.Reset(io.NewSectionReader(file, offset, math.MaxInt64-offset))
	first, err := r.reader.ReadByte()
	for b := first; err == nil && b&0x80 != 0; {
		b, err = r.reader.ReadByte()
	}
	if err != nil {
		return nil, err
	}
	switch Kind(first >> 4 & 7) {
	case offsetDelta:
		for b := byte(0x80); err == nil && b&0x80 != 0; {
			b, err = r.reader.ReadByte()
		}
	case nameDelta:
		_, err = r.reader.Discard(len(Name{}))
	}
	if err != nil {
		return nil, err
	}
	r.zip, err = unzip(r.zip, r.reader)
	return r.zip, err
}

// read returns the content of an object that is in the new pack.
func (r *resolver) read(i int32) (_ *content, err error) {
	if err := r.out.flush(); err != nil {
		return nil, err
	}
	e := &r.pack.entries[i]
	in, err := r.open(r.out.file, r.at[i])
	if err != nil {
		return nil, err
	}
	c, err := newContent(r.meter, r.dir, e.is, e.size)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			_ = c.free()
		}
	}()
	if err := copyExactly(r.meter, c, in, e.size, r.chunk); err != nil {
		return nil, err
	}
	return c, c.written()
}

// make applies a delta and writes the object. It returns its content where that is needed.
func (r *resolver) make(base *content, i int32, needed bool) (made *content, err error) {
	e := &r.pack.entries[i]
	// The delta is unpacked for the second time.
	if err := r.unpack(e.size); err != nil {
		return nil, err
	}
	in, err := r.open(r.staged, e.offset)
	if err != nil {
		return nil, broken(err)
	}
	r.delta.Reset(in)
	size, target, err := readSizes(r.delta)
	switch {
	case err != nil:
		return nil, err
	case size != uint64(base.size):
		return nil, fmt.Errorf("%w: a delta of something else", ErrBroken)
	}
	if err := r.budget.check(base.kind, target); err != nil {
		return nil, err
	}
	if err := r.tree(base.kind, int64(target)); err != nil {
		return nil, err
	}
	r.promised -= int64(target)
	namer := newNamer(base.kind, int64(target))
	at, packed := r.out.begin(base.kind, int64(target))
	writers := []io.Writer{namer, packed}
	if needed {
		if made, err = newContent(r.meter, r.dir, base.kind, int64(target)); err != nil {
			return nil, err
		}
		defer func() {
			if err != nil {
				_ = made.free()
				made = nil
			}
		}()
		writers = append(writers, made)
	}
	r.to.Reset(io.MultiWriter(writers...))
	if err := apply(base, r.delta, int64(target), r.to, r.chunk); err != nil {
		return nil, err
	}
	if err := r.to.Flush(); err != nil {
		return nil, err
	}
	if made != nil {
		if err := made.written(); err != nil {
			return nil, err
		}
	}
	e.name, e.is, e.size = Name(namer.Sum(nil)), base.kind, int64(target)
	if e.crc, err = r.out.end(); err != nil {
		return nil, err
	}
	r.at[i] = at
	r.awaited(i)
	return made, nil
}
