package outbox

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

const (
	// maxRecords and maxBytes bound what waits.
	maxRecords = 10_000
	maxBytes   = 64 << 20
	// maxFile bounds one file that is read.
	maxFile = 128 << 20
	// suffix ends the name of an item's file, and aside that of one that cannot be read.
	suffix = ".json"
	aside  = ".unreadable"
	// whyFile says since when and why items wait.
	whyFile = "why"
)

// Box are the items that wait, in order. It is not safe for concurrent use, and a directory
// is written by one process at a time; others may read it.
type Box struct {
	dir      string
	readOnly bool
	limits   Limits
	waiting  []*entry
	next     uint64
	why      Why
	// told says that this process was told that items cannot be written to the branch.
	told bool
}

// Limits bound a box; zero values mean 10,000 records and 64 MiB.
type Limits struct {
	Records int
	Bytes   int64
}

// Why says since when items wait, and why.
type Why struct {
	Since time.Time `json:"since,omitzero"`
	Error string    `json:"error,omitempty"`
}

// entry is an item that waits. What is on the disk is not kept in memory.
type entry struct {
	seq    uint64
	branch string
	hosts  []string
	size   int64
	// item is set for one that is in memory alone.
	item *Item
}

// Open returns the box in a directory, which is made when the first item comes; an empty
// one keeps items in memory. One that is read-only changes nothing. problems are files that
// were put aside, or passed over, and why.
//
// Errors: a directory that cannot be read.
func Open(dir string, readOnly bool, limits Limits) (box *Box, problems []error, err error) {
	if limits.Records <= 0 {
		limits.Records = maxRecords
	}
	if limits.Bytes <= 0 {
		limits.Bytes = maxBytes
	}
	b := &Box{dir: dir, readOnly: readOnly, limits: limits, next: 1}
	if dir == "" {
		return b, nil, nil
	}
	files, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return b, nil, nil
	}
	if err != nil {
		return b, nil, fmt.Errorf("read the outbox: %w", err)
	}
	for _, f := range files {
		if problem := b.take(f.Name()); problem != nil {
			problems = append(problems, problem)
		}
	}
	slices.SortFunc(b.waiting, func(x, y *entry) int { return compare(x.seq, y.seq) })
	b.readWhy()
	return b, problems, nil
}

func compare(x, y uint64) int {
	switch {
	case x < y:
		return -1
	case x > y:
		return 1
	}
	return 0
}

// take reads one file of the directory.
func (b *Box) take(name string) error {
	if strings.HasPrefix(name, "new-") {
		// A killed process left it.
		if !b.readOnly {
			_ = os.Remove(filepath.Join(b.dir, name))
		}
		return nil
	}
	number, ok := strings.CutSuffix(name, suffix)
	if !ok {
		return nil
	}
	seq, err := strconv.ParseUint(number, 10, 63)
	if err == nil && fileName(seq) != name {
		err = errFormat
	}
	var item Item
	if err == nil {
		item, err = b.read(seq)
	}
	if b.readOnly && errors.Is(err, fs.ErrNotExist) {
		return nil // it is recorded by now
	}
	if err != nil {
		path := filepath.Join(b.dir, name)
		if !b.readOnly {
			_ = os.Rename(path, path+aside)
		}
		return fmt.Errorf("%s: %w: it is passed over", path, err)
	}
	b.waiting = append(b.waiting, newEntry(seq, item))
	b.next = max(b.next, seq+1)
	return nil
}

func newEntry(seq uint64, item Item) *entry {
	return &entry{seq: seq, branch: item.Branch, hosts: slices.Sorted(maps.Keys(item.Records)), size: item.size()}
}

func fileName(seq uint64) string { return fmt.Sprintf("%019d%s", seq, suffix) }

func (b *Box) path(seq uint64) string { return filepath.Join(b.dir, fileName(seq)) }

// read reads an item from the disk.
func (b *Box) read(seq uint64) (Item, error) {
	info, err := os.Lstat(b.path(seq))
	switch {
	case err != nil:
		return Item{}, err
	case !info.Mode().IsRegular():
		return Item{}, errors.New("not a regular file")
	case info.Size() > maxFile:
		return Item{}, fmt.Errorf("%d bytes are too large", info.Size())
	}
	data, err := os.ReadFile(b.path(seq))
	if err != nil {
		return Item{}, err
	}
	return decode(data)
}

// Add puts an item at the end. It is there also when it could not be written to the disk,
// which is the error: then it is lost with this process.
func (b *Box) Add(item Item) (seq uint64, err error) {
	e := newEntry(b.next, item)
	b.next++
	err = b.write(e.seq, item)
	if err != nil || b.dir == "" {
		e.item = &item
	}
	b.waiting = append(b.waiting, e)
	return e.seq, errors.Join(err, b.shrink())
}

// write puts an item on the disk: as a whole, or not at all.
func (b *Box) write(seq uint64, item Item) error {
	if b.dir == "" {
		return nil
	}
	if b.readOnly {
		return errors.New("the outbox is only read here")
	}
	data, err := encode(item)
	if err == nil {
		err = replace(b.dir, fileName(seq), data)
	}
	if err != nil {
		return fmt.Errorf("write to the outbox %s: %w", b.dir, err)
	}
	return nil
}

// replace writes a file of the directory as a whole, through to the disk.
func replace(dir, name string, data []byte) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	f, err := os.CreateTemp(dir, "new-")
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	if err = errors.Join(err, f.Sync(), f.Close()); err == nil {
		err = os.Rename(f.Name(), filepath.Join(dir, name))
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	return syncDir(dir)
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// Waiting is an item that waits, without its records.
type Waiting struct {
	Seq    uint64
	Branch string
	Hosts  []string
	Size   int64
}

// List returns what waits, the oldest first.
func (b *Box) List() []Waiting {
	list := make([]Waiting, 0, len(b.waiting))
	for _, e := range b.waiting {
		list = append(list, Waiting{e.seq, e.branch, e.hosts, e.size})
	}
	return list
}

// Len returns how many items wait.
func (b *Box) Len() int { return len(b.waiting) }

// Get returns an item.
//
// Errors: one that is not there, or that cannot be read any more.
func (b *Box) Get(seq uint64) (Item, error) {
	e := b.find(seq)
	if e == nil {
		return Item{}, fmt.Errorf("read the outbox: there is no item %d", seq)
	}
	if e.item != nil {
		return *e.item, nil
	}
	item, err := b.read(seq)
	if err != nil {
		return Item{}, fmt.Errorf("read the outbox: %s: %w", b.path(seq), err)
	}
	return item, nil
}

func (b *Box) find(seq uint64) *entry {
	for _, e := range b.waiting {
		if e.seq == seq {
			return e
		}
	}
	return nil
}

// Remove takes items out that are recorded.
//
// Errors: a file that cannot be removed; it does not wait any more in this process.
func (b *Box) Remove(seqs ...uint64) error {
	var errs []error
	for _, seq := range seqs {
		if e := b.find(seq); e != nil && e.item == nil && b.dir != "" && !b.readOnly {
			if err := os.Remove(b.path(seq)); err != nil && !errors.Is(err, fs.ErrNotExist) {
				errs = append(errs, fmt.Errorf("remove from the outbox: %w", err))
			}
		}
	}
	b.waiting = slices.DeleteFunc(b.waiting, func(e *entry) bool { return slices.Contains(seqs, e.seq) })
	return errors.Join(errs...)
}
