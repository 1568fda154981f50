package sync

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/docker/go-units"
	"github.com/rs/zerolog"

	"github.com/gitsync/gitsync/gitrepo"
	"github.com/gitsync/gitsync/layout"
)

// maxFetches bounds how often branches that move while they are fetched are read
// again.
const maxFetches = 5

// fetch reads the references, and the objects when a branch moved. When that
// fails and an earlier cycle has a commit, the cycle goes on with that one.
func (c *cycle) fetch(ctx context.Context) error {
	if c.only != nil {
		return c.fetchSuspensions(ctx)
	}
	defer c.adoptFetch()
	return c.fetchGit(ctx)
}

// fetchGit is the part of a fetch that needs the stores alone.
func (c *cycle) fetchGit(ctx context.Context) error {
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
		if c.commit == nil && c.opts.Path == "" {
			c.commit = c.kept(err)
		}
		if c.commit == nil || ctx.Err() != nil {
			return err
		}
		c.goesOn(ctx, err)
	}
	if c.opts.Path == "" {
		c.result.Commit = c.commit
		c.tree = hashedTree{c.commit.Tree()}
	}
	return nil
}

// foreignBytes is how much may be fetched that nobody needs before that is worth a line.
const foreignBytes = 16 << 20

// sayForeign says what it costs that the remote cannot leave files out.
func sayForeign(ctx context.Context, bytes int64) {
	if bytes >= foreignBytes {
		zerolog.Ctx(ctx).Warn().Str("size", units.BytesSize(float64(bytes))).
			Msgf("fetched and keeps files that are in none of %s, since the remote does not offer partial fetches: enable them there (git config uploadpack.allowFilter true)", strings.Join(layout.Paths(), ", "))
	}
}

// suspensionsTimeout bounds how long a repair waits for the state branch.
const suspensionsTimeout = 5 * time.Second

// fetchSuspensions is for a cycle that no commit asks for: the commit that an earlier one
// fetched is good enough, but a person may have suspended a container just before they
// stopped it. Where Git does not answer that cannot be known. Where the branch has moved,
// another instance may have deployed it already: then all is left to the next cycle.
func (c *cycle) fetchSuspensions(ctx context.Context) error {
	c.result.Commit, c.tree = c.commit, hashedTree{c.commit.Tree()}
	ctx, cancel := context.WithTimeout(ctx, suspensionsTimeout)
	defer cancel()
	refs, err := c.opts.Remote.Refs(ctx, c.opts.Branch, c.state.Branches())
	if err == nil {
		c.stale = c.isBehind(refs)
		c.result.Superseded = c.stale
		err = c.loadState(ctx, refs)
	}
	if err != nil {
		zerolog.Ctx(ctx).Debug().Err(err).Msg("git: looking at hosts with the state branch as it was")
		// Nor is it waited for when the look is recorded: the next cycle does that.
		c.withoutGit = c.read != nil
	}
	return nil
}

// isBehind says whether the branch has another tip than the commit that is deployed, and
// than the one that is refused.
func (c *cycle) isBehind(refs gitrepo.Refs) bool {
	tip, err := refs.Branch(c.opts.Branch)
	return err == nil && tip != c.commit.Hash && (c.refused == nil || c.refused.Commit.Hash != tip)
}

func (c *cycle) fetchBranches(ctx context.Context) error {
	refs, err := c.opts.Remote.Refs(ctx, c.opts.Branch, c.state.Branches())
	if err != nil {
		return err
	}
	stateErr := c.loadState(ctx, refs)
	if stateErr != nil && (c.opts.Path != "" || ctx.Err() != nil || errors.Is(stateErr, gitrepo.ErrRaceLost)) {
		return stateErr
	}
	if c.opts.Path != "" {
		return nil
	}
	if err := c.fetchSource(ctx, refs); err != nil {
		var tip *tipError
		if stateErr != nil && errors.As(err, &tip) {
			// Nothing is repaired while nobody knows what is suspended.
			err = tip.error
		}
		return errors.Join(err, stateErr)
	}
	if stateErr != nil {
		return c.retryState(ctx, refs)
	}
	return nil
}

// fetchSource fetches the branch that is deployed.
func (c *cycle) fetchSource(ctx context.Context, refs gitrepo.Refs) error {
	tip, err := refs.Branch(c.opts.Branch)
	if err != nil {
		return err
	}
	if c.commit != nil && c.commit.Hash == tip && !c.source.Damaged() {
		c.refused = nil
		return nil
	}
	if r := c.refused; r != nil && r.Commit.Hash == tip && gitrepo.Forever(r) && c.refusedAbove == c.accepted() {
		// It has not changed, nor has an operator let it be: it is not downloaded again.
		return &tipError{r}
	}
	words, err := c.admit(ctx, tip)
	if err == nil {
		err = c.take(ctx, tip, words)
	}
	if err != nil {
		return &tipError{err}
	}
	return nil
}
