package layout

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/docker/go-units"
)

// directory reads files below one directory of a tree. It looks at every step of
// the way, so that nothing but plain files in plain directories is opened: no
// link, no submodule, no device.
type directory struct {
	fsys fs.FS
	root string
	// listings holds the directories that were listed already.
	listings map[string][]fs.DirEntry
	// byName holds their entries, by directory and name.
	byName map[string]map[string]fs.DirEntry
	// names are those of the entries, as a path that leads to them is written.
	names map[string][]string
	// texts holds the files that were read already: many containers may refer to one.
	texts map[string]string
	// attributes say which files are others in a work tree.
	attributes *attributes
}

// Paths are the entries in the root of a repo that are read. Whatever else is in the repo is
// not needed.
func Paths() []string { return []string{hostsDir, groupsDir, settingsFile, ".gitattributes"} }

// unusable is what a person has to correct about a file or directory, other than
// a failure to read it.
type unusable struct {
	message, hint string
	// within says that it is what the file holds, so that its beginning is the place.
	within bool
	// among are the names of which another one may have been meant.
	among []string
}

func (u *unusable) Error() string { return u.message }

func newDirectory(fsys fs.FS, root string) *directory {
	return &directory{
		fsys: fsys, root: root, listings: map[string][]fs.DirEntry{}, byName: map[string]map[string]fs.DirEntry{}, texts: map[string]string{},
		names:      map[string][]string{},
		attributes: newAttributes(fsys),
	}
}

// directory returns one of the tree that is being loaded.
func (s *source) directory(root string) *directory {
	dir := newDirectory(s.fsys, root)
	dir.attributes = s.attributes
	return dir
}

// list returns the entries of a directory below the root.
func (t *directory) list(dir string) ([]fs.DirEntry, error) {
	if entries, ok := t.listings[dir]; ok {
		return entries, nil
	}
	entries, err := fs.ReadDir(t.fsys, path.Join(t.root, dir))
	if err != nil {
		return nil, fmt.Errorf("list %s: %w", path.Join(t.root, dir), err)
	}
	isRoot := path.Join(t.root, dir) == "."
	if !isRoot && slices.ContainsFunc(entries, func(e fs.DirEntry) bool { return e.Name() == ".git" }) {
		return nil, &unusable{message: quoted(path.Join(t.root, dir)) + " is a submodule", hint: "put its files into this repo"}
	}
	t.listings[dir], t.byName[dir] = entries, make(map[string]fs.DirEntry, len(entries))
	for _, entry := range entries {
		t.byName[dir][entry.Name()] = entry
	}
	return entries, nil
}

// find returns the entry of a file, which is nil when there is none.
func (t *directory) find(name string) (fs.DirEntry, error) {
	var found fs.DirEntry
	dir, rest := ".", name
	for {
		step, below, more := strings.Cut(rest, "/")
		if _, err := t.list(dir); err != nil {
			return nil, err
		}
		if found = t.byName[dir][step]; found == nil || !more {
			return found, nil
		}
		dir, rest = path.Join(dir, step), below
		if !found.IsDir() {
			return nil, &unusable{message: fmt.Sprintf("%s is %s, not a directory", quoted(dir), describe(found.Type())), hint: "put a directory there"}
		}
	}
}

// read returns the content of a file of at most limit bytes. An [unusable] error
// says that the file is not there, or no plain file, or too large, or not what a work tree
// shows.
func (t *directory) read(name string, limit int64) ([]byte, error) {
	full := path.Join(t.root, name)
	entry, err := t.find(name)
	switch {
	case err != nil:
		return nil, err
	case entry == nil:
		return nil, &unusable{message: fmt.Sprintf("there is no %s in %s", quoted(name), t.root), hint: t.hintFor(name), among: t.beside(name)}
	case !entry.Type().IsRegular():
		return nil, &unusable{message: fmt.Sprintf("%s is %s, not a file", quoted(name), describe(entry.Type())), hint: "put a plain file there"}
	}
	info, err := entry.Info()
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", full, err)
	}
	if info.Size() > limit {
		return nil, tooLarge(name, info.Size(), limit)
	}
	f, err := t.fsys.Open(full)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", full, err)
	}
	content, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err := errors.Join(err, f.Close()); err != nil {
		return nil, fmt.Errorf("read %s: %w", full, err)
	}
	if int64(len(content)) > limit {
		return nil, tooLarge(name, int64(len(content)), limit)
	}
	switch {
	case bytes.HasPrefix(content, []byte("version https://git-lfs.github.com/spec/")):
		return nil, &unusable{message: quoted(name) + " is a Git LFS pointer, and its content is not in the repo", hint: "commit the file itself", within: true}
	case bytes.HasPrefix(content, []byte("\x00GITCRYPT\x00")):
		return nil, &unusable{message: quoted(name) + " is encrypted by git-crypt, which gitsync cannot open", hint: "encrypt it with SOPS or age instead (docs/secrets.md)", within: true}
	}
	return content, t.attributes.check(full)
}

// text returns the content of a config file, which is read once.
func (t *directory) text(name string) (string, error) {
	if text, known := t.texts[name]; known {
		return text, nil
	}
	content, err := t.read(name, MaxFileBytes)
	if err != nil {
		return "", err
	}
	t.texts[name] = string(content)
	return t.texts[name], nil
}

// hintFor says what to do about a file that is missing in a directory that is there.
func (t *directory) hintFor(name string) string {
	if _, listed := t.listings[path.Dir(name)]; !listed {
		return ""
	}
	return "add it, or correct the path"
}

// beside returns the names of the files in the directory in which this one is missing.
func (t *directory) beside(name string) []string {
	dir, _ := path.Split(name)
	if names, known := t.names[dir]; known {
		return names
	}
	var names []string
	for _, e := range t.listings[path.Dir(name)] {
		names = append(names, dir+e.Name())
	}
	t.names[dir] = names
	return names
}

func tooLarge(name string, size, limit int64) error {
	return &unusable{
		message: fmt.Sprintf("%s has %d bytes, more than the limit of %s", quoted(name), size, units.BytesSize(float64(limit))),
		hint:    "make it smaller",
	}
}

// describe names what a directory entry is. gitrepo marks submodules as
// irregular.
func describe(mode fs.FileMode) string {
	switch {
	case mode&fs.ModeSymlink != 0:
		return "a symbolic link"
	case mode&fs.ModeIrregular != 0:
		return "a submodule"
	case mode.IsDir():
		return "a directory"
	case mode.IsRegular():
		return "a file"
	}
	return "neither a file nor a directory"
}
