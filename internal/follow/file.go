package follow

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	stdsync "sync"
	"time"

	"github.com/rs/zerolog"
)

// DefaultMax is how many bytes a file may have where [Options] do not say it.
const DefaultMax = 1 << 20

// settles is how long after its last change a file is read again at each call: within the
// resolution of a file system's clock, a change leaves the times as they were.
const settles = 2 * time.Second

// ErrEmpty means that a file holds nothing but white space.
var ErrEmpty = errors.New("the file is empty")

// Options say how a file is read. The zero value reads up to [DefaultMax] bytes of any file.
type Options struct {
	// Max is how many bytes the file may have; [DefaultMax] when it is zero.
	Max int64
	// Check, when set, refuses a file by what is known of it, such as its mode.
	Check func(fs.FileInfo) error
}

// File is a file that is read again when it changed. Make it with [Open]. It is safe for
// concurrent use.
type File[T any] struct {
	name  string
	opts  Options
	parse func(data []byte) (T, error)

	mu    stdsync.Mutex
	value T
	sum   [sha256.Size]byte
	// seen is the file as it was read last, at that time.
	seen fs.FileInfo
	at   time.Time
	// problem is why it could not be read the last time; empty when it could.
	problem string
}

// Open reads a file for the first time, and parses it. What parse returns must not be
// changed by anybody. Of a change only that is said in the log, never what the file holds;
// errors of parse are.
//
// Errors: a file that cannot be read, is too large or is refused by [Options.Check]; those
// of parse.
func Open[T any](name string, parse func(data []byte) (T, error), opts Options) (*File[T], error) {
	if opts.Max <= 0 {
		opts.Max = DefaultMax
	}
	f := &File[T]{name: name, opts: opts, parse: parse}
	if _, err := f.read(); err != nil {
		return nil, err
	}
	return f, nil
}

// Name returns the name of the file, as it was given.
func (f *File[T]) Name() string { return f.name }

// Value returns what the file held when it was read last, and does not look again.
func (f *File[T]) Value() T {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.value
}

// Current returns what the file holds now, or held last while it cannot be read. The log of
// the context says, once, that it cannot, and that it can again.
func (f *File[T]) Current(ctx context.Context) T {
	f.mu.Lock()
	defer f.mu.Unlock()
	if !f.asBefore() {
		_ = f.readAgain(ctx)
	}
	return f.value
}

// Reread reads the file whatever is known of it, and says whether it holds anything else
// than before: for what was refused elsewhere.
func (f *File[T]) Reread(ctx context.Context) (value T, changed bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.once() {
		return f.value, false
	}
	changed = f.readAgain(ctx)
	return f.value, changed
}

// asBefore says whether the file need not be read.
func (f *File[T]) asBefore() bool {
	if f.once() {
		return true
	}
	info, err := os.Stat(f.name)
	return err == nil && f.problem == "" && os.SameFile(info, f.seen) && info.Size() == f.seen.Size() &&
		info.ModTime().Equal(f.seen.ModTime()) && f.at.Sub(info.ModTime()) > settles
}

// once says whether there is nothing to read a second time.
func (f *File[T]) once() bool { return !f.seen.Mode().IsRegular() }

// readAgain says whether the file holds anything else than before.
func (f *File[T]) readAgain(ctx context.Context) bool {
	changed, err := f.read()
	log := zerolog.Ctx(ctx)
	switch {
	case err != nil && f.problem != err.Error():
		f.problem = err.Error()
		log.Warn().Str("file", f.name).Err(err).Msg("a file cannot be read again: what it held before counts until it can")
	case err == nil && (changed || f.problem != ""):
		f.problem = ""
		log.Info().Str("file", f.name).Bool("changed", changed).Msg("a file is read again")
	}
	return changed
}

// read reads the file; what was known stays so when that fails.
func (f *File[T]) read() (changed bool, err error) {
	file, err := os.Open(f.name)
	if err != nil {
		return false, err
	}
	defer func() { _ = file.Close() }()
	at := time.Now()
	info, err := file.Stat()
	if err == nil && f.opts.Check != nil {
		err = f.opts.Check(info)
	}
	if err != nil {
		return false, err
	}
	data, err := io.ReadAll(io.LimitReader(file, f.opts.Max+1))
	if err != nil {
		return false, err
	}
	if int64(len(data)) > f.opts.Max {
		return false, fmt.Errorf("%s has more than %d bytes", f.name, f.opts.Max)
	}
	sum := sha256.Sum256(data)
	if changed = f.seen == nil || sum != f.sum; changed {
		value, err := f.parse(data)
		if err != nil {
			return false, err
		}
		f.value, f.sum = value, sum
	}
	f.seen, f.at = info, at
	return changed, nil
}
