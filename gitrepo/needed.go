package gitrepo

import (
	"fmt"
	"slices"
	"strings"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/filemode"
	"github.com/go-git/go-git/v5/plumbing/object"
	"github.com/go-git/go-git/v5/storage"

	"github.com/gitsync/gitsync/internal/panics"
)

// maxDepth bounds how deep directories are nested: Go ends a process whose stack grows
// too large.
const maxDepth = 256

// maxEntries bounds how many entries all directories of a commit have: those that are nested
// are held in memory, and each is looked up. They may have come in several packs.
const maxEntries = 500_000

// needs says whether what has this name in the root of the repo is needed.
func (s *Store) needs(name string) bool {
	return len(s.only) == 0 || slices.Contains(s.only, name)
}

// stock is what is there, and what is not, of that which is needed of a commit.
type stock struct {
	from storage.Storer
	// known are trees that were whole before, seen those that are in the commit.
	known, seen map[plumbing.Hash]bool
	// missing are the trees and files that are not there, and first says which one that is.
	missing []string
	first   error
	asked   map[plumbing.Hash]bool
	// entries are those of all directories so far.
	entries int
}

// take goes through what is needed of a commit. Trees that were whole before are not walked
// again, so that the effort follows what changed.
//
// Errors: [ErrObjectMissing] for the commit or its root; [ErrTooLarge].
func (s *Store) take(from storage.Storer, tip Hash) (*stock, error) {
	found := &stock{from: from, seen: map[plumbing.Hash]bool{}, asked: map[plumbing.Hash]bool{}}
	if from == s.storer {
		found.known = s.verified
	}
	commit, err := object.GetCommit(from, tip.git())
	if err != nil {
		return nil, fmt.Errorf("%w: commit %s: %w", ErrObjectMissing, tip.Short(), err)
	}
	root, err := object.GetTree(from, commit.TreeHash)
	if err != nil {
		return nil, fmt.Errorf("%w: tree %s: %w", ErrObjectMissing, commit.TreeHash, err)
	}
	if err := checkNames(root); err != nil {
		return nil, err
	}
	for _, e := range root.Entries {
		if s.needs(e.Name) {
			if err := found.entry(e, false, 1); err != nil {
				return nil, err
			}
		}
	}
	return found, nil
}

// entry looks for what an entry of a directory is.
func (k *stock) entry(e object.TreeEntry, known bool, depth int) error {
	switch {
	case e.Mode == filemode.Dir:
		return k.directory(e.Hash, depth)
	case e.Mode == filemode.Submodule || known:
		return nil
	}
	// Not HasEncodedObject: with exclusive access go-git v5.19 does not look into packs for
	// it.
	if _, err := k.from.EncodedObjectSize(e.Hash); err != nil {
		return k.miss(e.Hash, fmt.Errorf("%w: file %s: %w", ErrObjectMissing, short(e.Name), err))
	}
	return nil
}

func (k *stock) directory(hash plumbing.Hash, depth int) error {
	if k.seen[hash] {
		return nil
	}
	if depth > maxDepth {
		return fmt.Errorf("the directories of the repo are nested more than %d deep, which is %w", maxDepth, ErrTooLarge)
	}
	content, err := object.GetTree(k.from, hash)
	if err != nil {
		return k.miss(hash, fmt.Errorf("%w: tree %s: %w", ErrObjectMissing, hash, err))
	}
	if err := checkNames(content); err != nil {
		return err
	}
	if k.entries += len(content.Entries); k.entries > maxEntries {
		return fmt.Errorf("the directories of the repo are together %w: more than %d entries", ErrTooLarge, maxEntries)
	}
	k.seen[hash] = true
	for _, e := range content.Entries {
		if err := k.entry(e, k.known[hash], depth+1); err != nil {
			return err
		}
	}
	return nil
}

// miss notes what is missing.
func (k *stock) miss(hash plumbing.Hash, why error) error {
	if k.first == nil {
		k.first = why
	}
	if k.asked[hash] {
		return nil
	}
	k.asked[hash] = true
	if k.missing = append(k.missing, hash.String()); len(k.missing) > maxMissing {
		return fmt.Errorf("the number of files in the repo is %w: more than %d", ErrTooLarge, maxMissing)
	}
	return nil
}

// whole returns a commit when all that is needed of it is in the store.
func (s *Store) whole(tip Hash) (_ *Commit, err error) {
	defer panics.Into(&err)
	found, err := s.take(s.storer, tip)
	if err != nil {
		return nil, err
	}
	if found.first != nil {
		return nil, found.first
	}
	commit, err := object.GetCommit(s.storer, tip.git())
	if err != nil {
		return nil, err
	}
	s.verified = found.seen
	return s.newCommit(commit), nil
}

// elsewhere returns how many bytes of files that nobody needs a commit has in a store.
func (s *Store) elsewhere(from storage.Storer, tip Hash) (total int64, err error) {
	defer panics.Into(&err)
	if len(s.only) == 0 {
		return 0, nil
	}
	commit, err := object.GetCommit(from, tip.git())
	if err != nil {
		return 0, nil //nolint:nilerr // whoever reads the commit next says so
	}
	root, err := object.GetTree(from, commit.TreeHash)
	if err != nil {
		return 0, nil //nolint:nilerr // as above
	}
	seen := map[plumbing.Hash]bool{}
	var add func(entries []object.TreeEntry, depth int)
	add = func(entries []object.TreeEntry, depth int) {
		for _, e := range entries {
			if seen[e.Hash] || depth == 1 && s.needs(e.Name) || depth > maxDepth || len(seen) > maxEntries {
				continue
			}
			seen[e.Hash] = true
			if e.Mode != filemode.Dir {
				size, _ := from.EncodedObjectSize(e.Hash) // 0 for what was left out
				total += size
			} else if tree, err := object.GetTree(from, e.Hash); err == nil {
				add(tree.Entries, depth+1)
			}
		}
	}
	add(root.Entries, 1)
	return total, nil
}

// checkNames refuses a directory that Git makes for nobody: what it holds would depend on
// who reads it.
func checkNames(tree *object.Tree) error {
	seen := make(map[string]bool, len(tree.Entries))
	for _, e := range tree.Entries {
		switch {
		case e.Name == "" || e.Name == "." || e.Name == ".." || strings.Contains(e.Name, "/"):
			return operatorError{fmt.Errorf("%w: directory %s holds %q, which no file can be called: git fsck says more; push a commit without it", ErrBrokenRepo, tree.Hash, short(e.Name))}
		case seen[e.Name]:
			return operatorError{fmt.Errorf("%w: directory %s holds %q twice: git fsck says more; push a commit without it", ErrBrokenRepo, tree.Hash, short(e.Name))}
		}
		seen[e.Name] = true
	}
	return nil
}
