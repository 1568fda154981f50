package pack

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"slices"
)

// Object is an object that was kept.
type Object struct {
	Name    Name
	Kind    Kind
	Content []byte
}

// Read reads a pack to its end and returns its objects of some kinds, in memory: as many
// bytes as the budget allows to be kept. All others are passed over. Deltas of objects that
// are not there, or not of these kinds, are passed over too. It returns what that did cost,
// also with an error.
//
// Errors: [ErrBroken], [ErrTooLarge], [ErrEmpty]; those of the context and of the reader.
func Read(ctx context.Context, from io.Reader, budget Budget, kinds ...Kind) ([]Object, Work, error) {
	r := &reader{source: newSource(&meter{ctx: ctx, budget: budget}, from, nil), kinds: kinds, at: map[int64]int{}, waiting: map[Name][][]byte{}}
	err := r.read()
	return r.objects, r.Work, err
}

// perObject is what an object costs that is held, beside its content: names, maps, and what
// the caller makes of it.
const perObject = 400

// reader keeps objects.
type reader struct {
	*source
	kinds   []Kind
	objects []Object
	// at are the kept objects by where they were, named where they are by their name.
	at    map[int64]int
	named map[Name]int
	// waiting are deltas of objects that did not come yet.
	waiting map[Name][][]byte
}

func (r *reader) read() error {
	r.named = map[Name]int{}
	count, err := r.begin()
	if err != nil {
		return err
	}
	for range count {
		h, err := r.next()
		if err != nil {
			return err
		}
		r.Objects++
		if err := r.take(h); err != nil {
			return err
		}
	}
	if _, err := r.finish(); err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, r.from)
	return err
}

// take reads the content of an entry.
func (r *reader) take(h header) error {
	switch base, found := 0, false; h.kind {
	case offsetDelta, nameDelta:
		if h.kind == offsetDelta {
			if base, found = r.at[h.base]; !found {
				return r.content(h, io.Discard)
			}
		} else {
			base, found = r.named[h.onName]
		}
		// A delta of an object that is kept is not larger than that, by much.
		if h.size > 2*r.largest() {
			return r.content(h, io.Discard)
		}
		delta, err := r.hold(h)
		if err != nil {
			return err
		}
		if !found {
			// Whether what it is applied to is kept is not known yet.
			r.waiting[h.onName] = append(r.waiting[h.onName], delta)
			return nil
		}
		defer r.meter.hold(-h.size - perObject)
		return r.make(base, delta, h.offset)
	}
	if !slices.Contains(r.kinds, h.kind) {
		return r.content(h, io.Discard)
	}
	content, err := r.hold(h)
	if err != nil {
		return err
	}
	return r.keep(Object{Kind: h.kind, Content: content}, h.offset)
}

// largest is how many bytes an object may have that is kept.
func (r *reader) largest() int64 {
	largest := int64(0)
	for _, k := range r.kinds {
		largest = max(largest, r.budget.limit(k))
	}
	return largest
}

// room counts bytes that will be kept.
func (r *reader) room(n int64) error {
	r.meter.hold(n)
	if r.held > r.budget.Kept {
		return fmt.Errorf("what the remote sent is %w: more than %d MiB would have to be held in memory", ErrTooLarge, r.budget.Kept>>20)
	}
	return nil
}

// hold reads the content of an entry into memory.
func (r *reader) hold(h header) ([]byte, error) {
	if err := r.room(h.size + perObject); err != nil {
		return nil, err
	}
	// Memory grows with what comes, not with what is claimed.
	var content bytes.Buffer
	err := r.content(h, &content)
	return content.Bytes(), err
}

// keep takes an object, and what waits for it; a negative offset is that of none.
func (r *reader) keep(o Object, offset int64) error {
	namer := newNamer(o.Kind, int64(len(o.Content)))
	_, _ = namer.Write(o.Content)
	o.Name = Name(namer.Sum(nil))
	r.objects = append(r.objects, o)
	i := len(r.objects) - 1
	if offset >= 0 {
		r.at[offset] = i
	}
	r.named[o.Name] = i
	// What waits for one of those that are made here is found by going on to the end.
	for ; i < len(r.objects); i++ {
		name := r.objects[i].Name
		deltas := r.waiting[name]
		delete(r.waiting, name)
		for _, delta := range deltas {
			if err := r.apply(i, delta); err != nil {
				return err
			}
			r.meter.hold(-int64(len(delta)) - perObject)
		}
	}
	return nil
}

// make applies a delta to an object that is kept, and keeps what comes of it.
func (r *reader) make(base int, delta []byte, offset int64) error {
	if err := r.apply(base, delta); err != nil {
		return err
	}
	last := len(r.objects) - 1
	o := r.objects[last]
	r.objects = r.objects[:last]
	return r.keep(o, offset)
}

// apply applies a delta and appends what comes of it.
func (r *reader) apply(base int, delta []byte) error {
	from := r.objects[base]
	in := bufio.NewReaderSize(bytes.NewReader(delta), 512)
	size, target, err := readSizes(in)
	switch {
	case err != nil:
		return err
	case size != uint64(len(from.Content)):
		return fmt.Errorf("%w: a delta of something else", ErrBroken)
	}
	if err := r.budget.check(from.Kind, target); err != nil {
		return err
	}
	if err := r.room(int64(target) + perObject); err != nil {
		return err
	}
	made := bytes.NewBuffer(make([]byte, 0, target))
	held := &content{meter: r.meter, kind: from.Kind, size: int64(size), memory: from.Content}
	if err := apply(held, in, int64(target), made, r.chunk); err != nil {
		return err
	}
	namer := newNamer(from.Kind, int64(target))
	_, _ = namer.Write(made.Bytes())
	o := Object{Name: Name(namer.Sum(nil)), Kind: from.Kind, Content: made.Bytes()}
	r.objects = append(r.objects, o)
	r.named[o.Name] = len(r.objects) - 1
	return nil
}
