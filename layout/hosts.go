package layout

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/gitsync/gitsync/internal/spelling"
)

// hostEntries returns the entries of hosts/ that are hosts, or should be, sorted
// by name.
func hostEntries(fsys fs.FS) ([]fs.DirEntry, error) {
	root := newDirectory(fsys, ".")
	top, err := fs.ReadDir(fsys, ".")
	if err != nil {
		return nil, fmt.Errorf("list the repo: %w", err)
	}
	i := slices.IndexFunc(top, func(e fs.DirEntry) bool { return e.Name() == hostsDir })
	switch {
	case i < 0:
		return nil, noHosts("there is no directory hosts/")
	case !top[i].IsDir():
		return nil, noHosts("hosts is " + describe(top[i].Type()) + ", not a directory")
	}
	all, err := root.list(hostsDir)
	var u *unusable
	switch {
	case errors.As(err, &u):
		return nil, noHosts(u.message)
	case err != nil:
		return nil, err
	}
	var entries []fs.DirEntry
	for _, e := range all {
		if !isBystander(e) {
			entries = append(entries, e)
		}
	}
	switch {
	case len(entries) == 0:
		return nil, noHosts("the directory hosts/ has no host in it")
	case len(entries) > MaxHosts:
		return nil, overLimit("load the repo: hosts/ has %d entries, more than the limit of %d: split the repo", len(entries), MaxHosts)
	}
	slices.SortFunc(entries, func(a, b fs.DirEntry) int { return strings.Compare(a.Name(), b.Name()) })
	return entries, nil
}

func noHosts(why string) error {
	return fmt.Errorf("%w: %s, so nothing is changed and nothing removed; add hosts/<host>/containers.yaml (to remove a host's containers, keep its directory and write containers: {})",
		ErrNoHosts, why)
}

// isBystander says whether a file in hosts/ is there for people, or for Git.
func isBystander(e fs.DirEntry) bool {
	name := e.Name()
	if strings.HasPrefix(name, ".") {
		return true
	}
	ext := strings.ToLower(path.Ext(name))
	return e.Type().IsRegular() && (ext == ".md" || ext == ".txt" || name == "README" || name == "LICENSE")
}

var hostName = regexp.MustCompile(`^[a-zA-Z0-9][a-zA-Z0-9_.-]{0,127}$`)

// entryMistake says why an entry of hosts/ is no host.
func entryMistake(e fs.DirEntry) *Mistake {
	file := printable(path.Join(hostsDir, e.Name()))
	switch {
	case !e.IsDir():
		return &Mistake{File: file, Message: fmt.Sprintf("%s is %s, and a host is a directory", quoted(e.Name()), describe(e.Type())),
			Hint: "write hosts/<host>/containers.yaml"}
	case !hostName.MatchString(e.Name()):
		return &Mistake{File: file, Message: fmt.Sprintf("%s is no name for a host", quoted(e.Name())),
			Hint: "use at most 128 of a-z, A-Z, 0-9, _, . and -, beginning with a letter or digit"}
	}
	return nil
}

// printable returns a path as it is, or quoted when a terminal would not show it
// so.
func printable(p string) string {
	if spelling.Deceives(p) {
		return strconv.QuoteToASCII(p)
	}
	if q := strconv.Quote(p); q != `"`+p+`"` {
		return q
	}
	return p
}
