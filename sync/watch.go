package sync

import (
	"context"
	"errors"
	"io/fs"
	"time"

	"github.com/rs/zerolog"
	"golang.org/x/sync/errgroup"
)

// watched does the work, and meanwhile looks for a newer commit. For hosts that it
// changes the wait for containers to become ready ends: the newer commit takes over.
func (c *cycle) watched(work step) step {
	return step{work.name, func(ctx context.Context) error {
		if c.opts.Path != "" || c.result.GitErr != nil {
			return work.run(ctx)
		}
		watching, stop := context.WithCancel(ctx)
		var group errgroup.Group
		group.Go(func() error {
			c.watch(watching)
			return nil
		})
		err := work.run(ctx)
		stop()
		return errors.Join(err, group.Wait())
	}}
}

// watch looks at the branch again and again. Trouble with Git is the next cycle's.
func (c *cycle) watch(ctx context.Context) {
	ticker := time.NewTicker(c.opts.WatchInterval)
	defer ticker.Stop()
	seen := c.commit.Hash
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		refs, err := c.opts.Remote.Refs(ctx)
		if err != nil {
			continue
		}
		tip, err := refs.Branch(c.opts.Branch)
		if err != nil || tip == seen {
			continue
		}
		commit, err := c.source.Fetch(ctx, tip)
		if err != nil {
			continue
		}
		seen = tip
		c.supersede(ctx, hashedTree{commit.Tree()}, commit.Hash.Short())
	}
}

// supersede ends the waits on the hosts that a newer tree has otherwise.
func (c *cycle) supersede(ctx context.Context, tree hashedTree, commit string) {
	c.result.Superseded = true
	for _, h := range c.result.Hosts {
		hash, err := tree.TreeHash("hosts/" + h.Name)
		if err != nil && !errors.Is(err, fs.ErrNotExist) || hash == h.Host.Tree || h.isSuperseded {
			continue
		}
		zerolog.Ctx(ctx).Info().Str("host", h.Name).Str("commit", commit).Msg("a newer commit takes over")
		h.isSuperseded = true
		close(h.superseded)
	}
}
