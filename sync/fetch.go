package sync

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/rs/zerolog"

	"github.com/gitsync/gitsync/gitrepo"
)

// maxFetches bounds how often branches that move while they are fetched are read
// again.
const maxFetches = 5

// fetch reads the references, and the objects when a branch moved. When that
// fails and an earlier cycle has a commit, the cycle goes on with that one.
func (c *cycle) fetch(ctx context.Context) error {
	if c.opts.Path != "" {
		c.tree, c.result.Path = os.DirFS(c.opts.Path), c.opts.Path
		if c.opts.Remote == nil {
			return nil
		}
	}
	err := c.fetchBranches(ctx)
	for tries := 1; errors.Is(err, gitrepo.ErrRaceLost) && tries < maxFetches; tries++ {
		err = c.fetchBranches(ctx)
	}
	if err != nil {
		err = fmt.Errorf("fetch %s: %w", c.opts.Remote, err)
		if c.commit == nil || ctx.Err() != nil {
			return err
		}
		zerolog.Ctx(ctx).Error().Err(err).Str("commit", c.commit.Hash.Short()).
			Msg("git: going on with the commit that is deployed")
		c.result.GitErr = err
	}
	if c.opts.Path == "" {
		c.result.Commit = c.commit
		c.tree = hashedTree{c.commit.Tree()}
	}
	return nil
}

func (c *cycle) fetchBranches(ctx context.Context) error {
	refs, err := c.opts.Remote.Refs(ctx)
	if err != nil {
		return err
	}
	if err := c.state.Load(ctx, refs); err != nil {
		return err
	}
	if c.opts.Path != "" {
		return nil
	}
	tip, err := refs.Branch(c.opts.Branch)
	if err != nil {
		return err
	}
	if c.commit != nil && c.commit.Hash == tip && !c.source.Damaged() {
		return nil
	}
	commit, err := c.source.Fetch(ctx, tip)
	if err != nil {
		return err
	}
	c.result.Moved = c.commit == nil || c.commit.Hash != tip
	c.commit = commit
	return nil
}
