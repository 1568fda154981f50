package sync

import (
	"cmp"
	"context"
	"errors"
	"slices"

	"github.com/rs/zerolog"

	"github.com/gitsync/gitsync/gitrepo"
	"github.com/gitsync/gitsync/internal/disk"
	"github.com/gitsync/gitsync/state"
	"github.com/gitsync/gitsync/trust"
)

// admit says whether the tip of the branch may be deployed, before anything of it is
// fetched into the store or parsed.
func (c *cycle) admit(ctx context.Context, tip gitrepo.Hash) error {
	if c.opts.Verify == nil {
		return nil
	}
	claimed, err := c.claimed(ctx)
	if err != nil {
		return err
	}
	before := c.refused
	c.refused = nil
	who, err := c.opts.Verify.Admit(ctx, c.source, tip, claimed)
	log := zerolog.Ctx(ctx)
	if errors.As(err, &c.refused) && (before == nil || before.Commit.Hash != tip) {
		log.Error().Str("commit", tip.Short()).Str("signer", who.String()).Str("reaction", string(React(err))).Err(err).Msg("the commit is refused")
	}
	if err == nil {
		log.Info().Str("commit", tip.Short()).Str("signer", who.String()).Msg("the commit is signed")
	}
	return err
}

// claimed returns the commits that the state branch says are deployed, the newest first,
// where this gitsync remembers none itself.
func (c *cycle) claimed(ctx context.Context) ([]gitrepo.Hash, error) {
	if c.opts.Memory.Accepted() != "" || c.opts.Verify.AllowRewind {
		return nil, nil
	}
	hosts, err := c.recordedHosts()
	if err != nil {
		return nil, err
	}
	var records []*state.Record
	for _, host := range hosts {
		record, err := c.readRecord(ctx, host)
		if err != nil {
			return nil, err
		}
		if record != nil && record.SourceCommit != "" {
			records = append(records, record)
		}
	}
	slices.SortFunc(records, func(a, b *state.Record) int {
		return cmp.Or(b.DeployedAt.Compare(a.DeployedAt), cmp.Compare(a.SourceCommit, b.SourceCommit))
	})
	var claimed []gitrepo.Hash
	for _, record := range records {
		if hash := gitrepo.Hash(record.SourceCommit); !slices.Contains(claimed, hash) {
			claimed = append(claimed, hash)
		}
	}
	return claimed, nil
}

// kept returns the commit that was accepted last, when the one that is there now is
// refused, nobody can say who may sign, or there is no room on the disk: what it deployed is kept running.
func (c *cycle) kept(err error) *gitrepo.Commit {
	var refusal *trust.Refusal
	full := errors.Is(err, disk.ErrUnwritable)
	if !errors.As(err, &refusal) && !errors.Is(err, trust.ErrKeys) && !full {
		return nil
	}
	commit := c.source.Kept()
	if commit == nil || commit.Hash != c.opts.Memory.Accepted() && (!full || c.opts.Verify != nil) {
		return nil
	}
	return commit
}

// goesOn says that the cycle goes on with the commit that it has. Of a commit that is
// refused that was said before.
func (c *cycle) goesOn(ctx context.Context, err error) {
	event := zerolog.Ctx(ctx).Error()
	if c.refused != nil {
		event = zerolog.Ctx(ctx).Debug()
	}
	event.Err(err).Str("reaction", string(React(err))).Str("commit", c.commit.Hash.Short()).Msg("git: going on with the commit that is deployed")
	c.result.GitErr = err
}
