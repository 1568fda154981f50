package state

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/gitsync/gitsync/gitrepo"
	"github.com/gitsync/gitsync/trust"
)

// mendPause is how long a branch is left as it is that others spoil, unless there is
// something to record: gitsyncs that do not accept each other's keys must not take turns at
// mending.
const mendPause = 10 * time.Minute

// Refused is told of a state branch whose tip does not count; the commit is empty when the
// branch is gone.
type Refused func(ctx context.Context, branch string, commit gitrepo.Hash, err error)

// Require makes what is in the branches count only as far as it is signed, and signs what
// is saved; refused is told once of each commit that does not count. It must be called
// before anything is read.
func (r *Records) Require(seal *trust.Seal, refused Refused) {
	r.seal, r.refused = seal, refused
	for _, b := range r.branches {
		r.confide(b)
	}
}

// Mend puts back what was signed last where a branch does not hold that any more, and signs
// what is to be believed as it is.
func (r *Records) Mend(ctx context.Context, entry Entry) error {
	if r.seal == nil || r.seal.Sign == nil {
		return nil
	}
	var errs []error
	for _, name := range slices.Sorted(maps.Keys(r.branches)) {
		errs = append(errs, r.branches[name].restore(ctx, entry))
	}
	return errors.Join(errs...)
}

func (b *Branch) restore(ctx context.Context, entry Entry) error {
	if !b.mend || !b.mended.IsZero() && entry.When.Sub(b.mended) < mendPause {
		return nil
	}
	b.mended = entry.When
	return b.save(ctx, entry, func() (map[string][]byte, error) {
		if !b.mend {
			return nil, nil
		}
		return map[string][]byte{"README.md": []byte(readme)}, nil
	})
}

// loadSealed reads the branch as far as it counts. An empty tip means that there is none.
func (b *Branch) loadSealed(ctx context.Context, tip gitrepo.Hash) error {
	if b.read && tip == b.tip && !b.store.Damaged() {
		return nil
	}
	if tip == "" {
		if b.seal.Believe || b.memory.Tip(b.name).Commit == "" {
			b.read, b.tip, b.tree, b.mend = true, "", nil, false
			return nil
		}
		return b.refuse(ctx, trust.Verdict{Err: fmt.Errorf("%w: the branch is gone", trust.ErrUnsealed)})
	}
	verdict, err := b.seal.Judge(ctx, b.store, b.memory, b.name, tip)
	if err != nil {
		if refused, about := b.unsealedFault(ctx, tip, err); about {
			return b.refuse(ctx, refused)
		}
		return fmt.Errorf("look who signed branch %s: %w", b.name, err)
	}
	if verdict.Err != nil {
		return b.refuse(ctx, verdict)
	}
	commit, err := b.store.Fetch(ctx, tip)
	if err == nil {
		err = shape(commit.Tree())
	}
	if err != nil {
		if refused, about := b.unsealedFault(ctx, tip, err); about {
			return b.refuse(ctx, refused)
		}
		return fmt.Errorf("fetch branch %s: %w", b.name, err)
	}
	b.read, b.tip, b.tree, b.mend = true, tip, commit.Tree(), !verdict.Signed
	if !verdict.Signed {
		return nil
	}
	return b.memory.SetTip(b.name, verdict.Tip)
}

// refuse goes on with what counted last, and with no records where that is lost. What is
// pushed next is built on the tip all the same, so that nobody can keep us from writing.
func (b *Branch) refuse(ctx context.Context, verdict trust.Verdict) error {
	if verdict.Good.Commit != "" {
		_, err := b.store.FetchBelow(ctx, verdict.Tip.Commit, verdict.Good.Commit, verdict.Below)
		if errors.Is(err, gitrepo.ErrRaceLost) {
			return fmt.Errorf("fetch branch %s: %w", b.name, err)
		}
		if err == nil {
			if err := b.memory.SetTip(b.name, verdict.Good); err != nil {
				return err
			}
		}
	}
	good := b.seal.Kept(b.store, b.name)
	told := b.read && b.mend && b.tip == verdict.Tip.Commit
	b.read, b.tip, b.tree, b.mend = true, verdict.Tip.Commit, nil, true
	instead := "there are no records until something is recorded"
	if good != nil {
		b.tree = good.Tree()
		instead = "commit " + good.Hash.Short() + " counts instead"
	}
	if !told && b.refused != nil {
		b.refused(ctx, b.name, b.tip, fmt.Errorf("%w: %s, and is put back on top by the next gitsync run that has a key: find out who could push to %s; if you know that its records are right, as when you begin to sign them, run once with --trust-records",
			verdict.Err, instead, b.name))
	}
	return nil
}

// seals prepares a commit to be signed.
func (b *Branch) seals(opts *gitrepo.CommitOptions) {
	opts.Message, opts.Sign = b.seal.Mark(opts.Message, b.name), b.seal.Sign
	if !b.mend {
		return
	}
	opts.Replace, opts.Base = true, b.tree
	// What does not descend from what others remember counts for them when it is newer.
	if last := b.memory.Tip(b.name); !opts.Author.When.Truncate(time.Second).After(last.When) {
		opts.Author.When = last.When.Add(time.Second)
	}
}

// pushed takes over a commit that was signed and pushed here.
func (b *Branch) pushed(ctx context.Context, tip gitrepo.Hash) error {
	commit, err := b.store.Fetch(ctx, tip)
	if err != nil {
		return fmt.Errorf("fetch branch %s: %w", b.name, err)
	}
	signed, err := b.store.Signed(tip)
	if err != nil {
		return fmt.Errorf("read branch %s: %w", b.name, err)
	}
	b.read, b.tip, b.tree, b.mend = true, tip, commit.Tree(), false
	return b.memory.SetTip(b.name, trust.Tip{Commit: tip, When: signed.Signed.When})
}

// writable says why nothing may be written.
func (b *Branch) writable() error {
	if b.seal != nil && b.seal.Sign == nil {
		return trust.ErrNoStateKey
	}
	return nil
}

// lost says that what is in the branch does not count, and that nothing is known instead.
func (b *Branch) lost() bool { return b.seal != nil && b.mend && b.tree == nil }
