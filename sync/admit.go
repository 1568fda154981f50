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

// said is what people said of a commit who may deploy.
type said struct {
	commit gitrepo.Hash
	texts  []string
}

// admit says whether the tip of the branch may be deployed, before anything of it is
// fetched into the store or parsed. Without verification each one may.
func (c *cycle) admit(ctx context.Context, tip gitrepo.Hash) (said, error) {
	if c.opts.Verify == nil {
		return said{}, nil
	}
	claimed, err := c.claimed(ctx)
	if err != nil {
		return said{}, err
	}
	who, err := c.opts.Verify.Admit(ctx, c.source, tip, claimed)
	if err != nil {
		c.refuse(ctx, tip, who.String(), err)
		return said{}, err
	}
	zerolog.Ctx(ctx).Info().Str("commit", tip.Short()).Str("signer", who.String()).Msg("the commit is signed")
	return said{tip, who.Said}, nil
}

// refuse remembers that the tip of the branch is not deployed, if that is what the error
// says, and says it once.
func (c *cycle) refuse(ctx context.Context, tip gitrepo.Hash, signer string, err error) {
	before := c.refused
	c.refused, c.refusedAbove = nil, c.accepted()
	if !errors.As(err, &c.refused) || before != nil && before.Commit.Hash == tip {
		return
	}
	zerolog.Ctx(ctx).Error().Str("commit", tip.Short()).Str("signer", signer).Str("reaction", string(React(err))).Err(err).Msg("the commit is refused")
}

// accepted returns the commit that was accepted last, by this process or another one; empty
// without verification.
func (c *cycle) accepted() gitrepo.Hash {
	if c.opts.Verify == nil {
		return ""
	}
	return c.opts.Memory.Accepted()
}

// take fetches a commit that was admitted, and remembers that it was accepted. One that
// cannot be read is refused as one that nobody signed is.
func (c *cycle) take(ctx context.Context, tip gitrepo.Hash, words said) error {
	foreign := c.source.Foreign()
	commit, err := c.source.Fetch(ctx, tip)
	if err != nil {
		if gitrepo.Faulty(err) {
			err = trust.Refuse(tip, err)
		}
		c.refuse(ctx, tip, "", err)
		return err
	}
	if now := c.source.Foreign(); now != foreign {
		sayForeign(ctx, now)
	}
	if c.opts.Verify != nil {
		if err := c.opts.Verify.Accept(tip); err != nil {
			return err
		}
	}
	c.result.Moved = c.commit == nil || c.commit.Hash != tip
	c.refused, c.commit, c.said = nil, commit, words
	if c.opts.Verify != nil && allowPrune.MatchString(commit.Message) && !slices.ContainsFunc(words.texts, allowPrune.MatchString) {
		zerolog.Ctx(ctx).Warn().Str("commit", tip.Short()).Msg("the message says prune: allow, but nobody who may deploy has signed it: it does not count; write it into the message of a signed commit")
	}
	return nil
}

// claimed returns the commits that the state branch says are deployed, the newest first,
// where this gitsync remembers none itself. What is no commit's name is passed over.
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
		if hash := gitrepo.Hash(record.SourceCommit); commitForm.MatchString(string(hash)) && !slices.Contains(claimed, hash) {
			claimed = append(claimed, hash)
		}
	}
	return claimed, nil
}

// tipError is why the tip of the branch is not deployed: the references, and what is known
// of the hosts, were read before.
type tipError struct{ error }

// Unwrap returns why.
func (e *tipError) Unwrap() error { return e.error }

// kept returns the commit that was accepted last, when the one that is there now is
// refused, does not come, nobody can say who may sign, or has no room on the
// disk: what it deployed is kept running.
func (c *cycle) kept(err error) *gitrepo.Commit {
	var tip *tipError
	if !errors.As(err, &tip) && !errors.Is(err, disk.ErrUnwritable) {
		return nil
	}
	commit := c.source.Kept()
	if commit == nil || c.opts.Verify != nil && commit.Hash != c.opts.Memory.Accepted() {
		return nil
	}
	if c.opts.Verify != nil {
		c.said = said{commit.Hash, c.opts.Verify.Said(c.source, commit.Hash)}
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
