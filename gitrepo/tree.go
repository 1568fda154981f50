package gitrepo

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"slices"
	"strings"
	stdsync "sync"
	"time"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/filemode"
	"github.com/go-git/go-git/v5/plumbing/object"
	"github.com/go-git/go-git/v5/plumbing/storer"
)

// maxFile bounds what Open and ReadFile read.
const maxFile = 64 << 20

// Tree is the content of a commit, as a read-only file system. Symbolic links are
// entries with fs.ModeSymlink, submodules with fs.ModeIrregular; neither can be
// opened, and no link is followed. It is safe for concurrent use.
type Tree struct {
	store  *Store
	storer storer.EncodedObjectStorer
	root   plumbing.Hash

	mu   stdsync.Mutex
	dirs map[string]*object.Tree
}

var (
	_ fs.ReadDirFS  = (*Tree)(nil)
	_ fs.ReadFileFS = (*Tree)(nil)
	_ fs.StatFS     = (*Tree)(nil)
)

// Hash returns Git's name for a directory or a file; "." is the root.
//
// Errors: fs.ErrNotExist, [ErrObjectMissing].
func (t *Tree) Hash(p string) (Hash, error) {
	entry, err := t.entry("hash", p)
	return Hash(entry.Hash.String()), err
}

// Open implements fs.FS.
func (t *Tree) Open(p string) (fs.File, error) {
	entry, err := t.entry("open", p)
	if err != nil {
		return nil, err
	}
	info, err := t.info(entry, t.outside(p))
	if err != nil {
		return nil, pathError("open", p, err)
	}
	if info.IsDir() {
		entries, err := t.ReadDir(p)
		return &openDir{info: info, entries: entries}, err
	}
	data, err := t.ReadFileLimit(p, maxFile)
	return &openFile{info: info, Reader: bytes.NewReader(data)}, err
}

// ReadFile implements fs.ReadFileFS.
func (t *Tree) ReadFile(p string) ([]byte, error) { return t.ReadFileLimit(p, maxFile) }

// ReadFileLimit reads a file that is not larger than limit bytes.
//
// Errors: [ErrTooLarge], before anything is read; fs.ErrNotExist; fs.ErrInvalid for
// what is no regular file; [ErrObjectMissing]; [ErrNotFetched].
func (t *Tree) ReadFileLimit(p string, limit int64) ([]byte, error) {
	entry, err := t.entry("read", p)
	if err != nil {
		return nil, err
	}
	if t.outside(p) {
		return nil, pathError("read", p, ErrNotFetched)
	}
	if entry.Mode != filemode.Regular && entry.Mode != filemode.Executable && entry.Mode != filemode.Deprecated {
		return nil, pathError("read", p, fmt.Errorf("not a regular file: %w", fs.ErrInvalid))
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	size, err := t.storer.EncodedObjectSize(entry.Hash)
	if err != nil {
		return nil, pathError("read", p, t.missing(err))
	}
	if size > limit {
		return nil, pathError("read", p, fmt.Errorf("%d bytes are %w: the limit is %d", size, ErrTooLarge, limit))
	}
	blob, err := t.storer.EncodedObject(plumbing.BlobObject, entry.Hash)
	if err != nil {
		return nil, pathError("read", p, t.missing(err))
	}
	reader, err := blob.Reader()
	if err != nil {
		return nil, pathError("read", p, t.missing(err))
	}
	data := make([]byte, size)
	_, err = io.ReadFull(reader, data)
	if err := errors.Join(err, reader.Close()); err != nil {
		return nil, pathError("read", p, t.missing(err))
	}
	return data, nil
}

// ReadDir implements fs.ReadDirFS.
func (t *Tree) ReadDir(p string) ([]fs.DirEntry, error) {
	entry, err := t.entry("read", p)
	if err != nil {
		return nil, err
	}
	if entry.Mode != filemode.Dir {
		return nil, pathError("read", p, errors.New("not a directory"))
	}
	dir, err := t.dir(p)
	if err != nil {
		return nil, pathError("read", p, err)
	}
	entries := make([]fs.DirEntry, 0, len(dir.Entries))
	for _, e := range dir.Entries {
		entries = append(entries, dirEntry{t, e, t.outside(path.Join(p, e.Name))})
	}
	slices.SortFunc(entries, func(a, b fs.DirEntry) int { return strings.Compare(a.Name(), b.Name()) })
	return entries, nil
}

// Stat implements fs.StatFS. It does not follow links.
func (t *Tree) Stat(p string) (fs.FileInfo, error) {
	entry, err := t.entry("stat", p)
	if err != nil {
		return nil, err
	}
	info, err := t.info(entry, t.outside(p))
	if err != nil {
		return nil, pathError("stat", p, err)
	}
	return info, nil
}

// entry returns the entry of a path.
func (t *Tree) entry(op, p string) (object.TreeEntry, error) {
	if !fs.ValidPath(p) {
		return object.TreeEntry{}, pathError(op, p, fs.ErrInvalid)
	}
	if p == "." {
		return object.TreeEntry{Name: ".", Mode: filemode.Dir, Hash: t.root}, nil
	}
	parent, err := t.dir(path.Dir(p))
	if err != nil {
		return object.TreeEntry{}, pathError(op, p, err)
	}
	for _, e := range parent.Entries {
		if e.Name == path.Base(p) {
			return e, nil
		}
	}
	return object.TreeEntry{}, pathError(op, p, fs.ErrNotExist)
}

// dir returns a directory. Those that were read are kept.
func (t *Tree) dir(p string) (*object.Tree, error) {
	t.mu.Lock()
	known := t.dirs[p]
	t.mu.Unlock()
	if known != nil {
		return known, nil
	}
	entry, err := t.entry("read", p)
	if err != nil {
		return nil, err
	}
	if entry.Mode != filemode.Dir {
		return nil, fs.ErrNotExist
	}
	if t.outside(p) {
		return nil, ErrNotFetched
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	dir, err := object.GetTree(t.storer, entry.Hash)
	if err != nil {
		return nil, t.missing(err)
	}
	t.dirs[p] = dir
	return dir, nil
}

// outside says whether a path is of what the store does not fetch.
func (t *Tree) outside(p string) bool {
	name, _, _ := strings.Cut(p, "/")
	return name != "." && !t.store.needs(name)
}

// missing marks the store as damaged, so that the next fetch replaces it.
func (t *Tree) missing(err error) error {
	t.store.damage()
	return fmt.Errorf("%w (the next cycle fetches anew): %w", ErrObjectMissing, err)
}

// damage runs beside whoever has the store's lock.
func (s *Store) damage() { s.damaged.Store(true) }

func pathError(op, p string, err error) error {
	var already *fs.PathError
	if errors.As(err, &already) {
		err = already.Err
	}
	return &fs.PathError{Op: op, Path: p, Err: err}
}

func (t *Tree) info(e object.TreeEntry, outside bool) (fs.FileInfo, error) {
	info := fileInfo{name: e.Name, mode: modeOf(e.Mode)}
	if info.mode.IsRegular() && outside {
		return nil, ErrNotFetched
	}
	if info.mode.IsRegular() {
		t.mu.Lock()
		defer t.mu.Unlock()
		size, err := t.storer.EncodedObjectSize(e.Hash)
		if err != nil {
			return nil, t.missing(err)
		}
		info.size = size
	}
	return info, nil
}

func modeOf(m filemode.FileMode) fs.FileMode {
	switch m {
	case filemode.Dir:
		return fs.ModeDir | 0o755
	case filemode.Symlink:
		return fs.ModeSymlink | 0o777
	case filemode.Regular, filemode.Deprecated:
		return 0o644
	case filemode.Executable:
		return 0o755
	}
	return fs.ModeIrregular
}

// dirEntry implements fs.DirEntry.
type dirEntry struct {
	tree    *Tree
	entry   object.TreeEntry
	outside bool
}

func (d dirEntry) Name() string               { return d.entry.Name }
func (d dirEntry) IsDir() bool                { return d.entry.Mode == filemode.Dir }
func (d dirEntry) Type() fs.FileMode          { return modeOf(d.entry.Mode).Type() }
func (d dirEntry) Info() (fs.FileInfo, error) { return d.tree.info(d.entry, d.outside) }

// fileInfo implements fs.FileInfo. Git keeps no times.
type fileInfo struct {
	name string
	size int64
	mode fs.FileMode
}

func (i fileInfo) Name() string       { return i.name }
func (i fileInfo) Size() int64        { return i.size }
func (i fileInfo) Mode() fs.FileMode  { return i.mode }
func (i fileInfo) ModTime() time.Time { return time.Time{} }
func (i fileInfo) IsDir() bool        { return i.mode.IsDir() }
func (i fileInfo) Sys() any           { return nil }

// openFile implements fs.File.
type openFile struct {
	*bytes.Reader
	info fs.FileInfo
}

func (f *openFile) Stat() (fs.FileInfo, error) { return f.info, nil }
func (f *openFile) Close() error               { return nil }

// openDir implements fs.ReadDirFile.
type openDir struct {
	info    fs.FileInfo
	entries []fs.DirEntry
}

func (d *openDir) Stat() (fs.FileInfo, error) { return d.info, nil }
func (d *openDir) Close() error               { return nil }
func (d *openDir) Read([]byte) (int, error) {
	return 0, pathError("read", d.info.Name(), errors.New("is a directory"))
}

func (d *openDir) ReadDir(n int) ([]fs.DirEntry, error) {
	if n > 0 && len(d.entries) == 0 {
		return nil, io.EOF
	}
	if n <= 0 || n > len(d.entries) {
		n = len(d.entries)
	}
	entries := d.entries[:n]
	d.entries = d.entries[n:]
	return entries, nil
}

// sortedTree orders entries as Git does.
func sortedTree(entries map[string]object.TreeEntry) *object.Tree {
	tree := &object.Tree{}
	for _, e := range entries {
		tree.Entries = append(tree.Entries, e)
	}
	slices.SortFunc(tree.Entries, func(a, b object.TreeEntry) int {
		return strings.Compare(sortName(a), sortName(b))
	})
	return tree
}

func sortName(e object.TreeEntry) string {
	if e.Mode == filemode.Dir {
		return e.Name + "/"
	}
	return e.Name
}
