package sync

import (
	"context"
	"fmt"

	"github.com/gitsync/gitsync/layout"
)

// Desired returns what the repo says about the hosts, with where each value comes from.
// No host is asked anything.
//
// Errors: [layout.ErrUnknownHost], those of [layout.Loader.Load].
func (s *Syncer) Desired(ctx context.Context) (*layout.Repo, error) {
	defer s.lock()()
	c := s.newCycle()
	if err := c.fetch(ctx); err != nil {
		return nil, err
	}
	repo, err := c.loader.Load(ctx, c.tree, c.layoutOptions(ctx, c.opts.Hosts, true))
	if err == nil {
		err = repo.CheckMatched(nil)
	}
	if err != nil {
		return nil, fmt.Errorf("load %s: %w", c.where(), err)
	}
	return repo, nil
}
