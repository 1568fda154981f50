package gitrepo

import (
	"fmt"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/object"
	"github.com/go-git/go-git/v5/storage"

	"github.com/gitsync/gitsync/internal/panics"
)

// Partial returns a commit that was fetched and of which not all can be read
// ([ErrBroken]): what of its tree is there can be read, the rest is an error. It is nil
// when the commit itself cannot be read.
func (s *Store) Partial(tip Hash) (commit *Commit) {
	s.mu.Lock()
	defer s.mu.Unlock()
	err := panics.Catch(func() error {
		c, err := object.GetCommit(s.storer, tip.git())
		if err == nil {
			commit = s.newCommit(c)
		}
		return err
	})
	if err != nil {
		return nil
	}
	return commit
}

// betterThanKept says why a fresh store must not take the place of the one that there is: a
// commit that cannot be read is no reason to lose the last one that could.
func (s *Store) betterThanKept(fresh storage.Storer, tip Hash) error {
	if _, err := s.whole(s.tip); err != nil {
		return nil
	}
	probe := &Store{remote: s.remote, branch: s.branch, only: s.only, storer: fresh, verified: map[plumbing.Hash]bool{}}
	if _, err := probe.whole(tip); err != nil {
		return fmt.Errorf("fetch %s: %w: %w", tip.Short(), ErrBroken, err)
	}
	return nil
}
