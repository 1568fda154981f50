package sync

import (
	"context"
	"errors"
	"io/fs"
	"time"

	"github.com/rs/zerolog"

	"github.com/gitsync/gitsync/layout"
)

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
		refs, err := c.opts.Remote.Refs(ctx, c.opts.Branch)
		if err != nil {
			continue
		}
		tip, err := refs.Branch(c.opts.Branch)
		if err != nil || tip == seen {
			continue
		}
		if c.opts.Verify != nil {
			// What is refused takes nothing over; the next cycle says why.
			if _, err := c.opts.Verify.Admit(ctx, c.source, tip, nil); err != nil {
				continue
			}
		}
		commit, err := c.source.Fetch(ctx, tip)
		if err != nil {
			continue
		}
		if c.opts.Verify != nil && c.opts.Verify.Accept(tip) != nil {
			continue
		}
		seen = tip
		c.supersede(ctx, hashedTree{commit.Tree()}, commit.Hash.Short())
	}
}

// supersede ends the waits on the hosts that a newer tree has otherwise: the newer
// commit takes over.
func (c *cycle) supersede(ctx context.Context, tree hashedTree, commit string) {
	c.result.Superseded = true
	for _, h := range c.hosts {
		hash, err := layout.Tree(tree, h.Name, h.Host.Groups)
		if err != nil && !errors.Is(err, fs.ErrNotExist) || hash == h.Host.Tree || h.Gone {
			continue
		}
		if h.supersede() {
			zerolog.Ctx(ctx).Info().Str("host", h.Name).Str("commit", commit).Msg("a newer commit takes over")
		}
	}
	if !c.leaveAt.IsZero() {
		c.leave()
	}
}

// supersedeBusy ends the waits on hosts that are still at work for an older commit.
func (c *cycle) supersedeBusy(ctx context.Context) {
	busy := c.busyHosts()
	for _, h := range c.hosts {
		if older := busy[h.Name]; older != nil && older.Host.Tree != h.Host.Tree && older.supersede() {
			zerolog.Ctx(ctx).Info().Str("host", h.Name).Str("commit", c.result.Commit.Hash.Short()).Msg("a newer commit takes over")
		}
	}
}
