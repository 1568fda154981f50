package trust

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/gitsync/gitsync/gitrepo"
	"github.com/gitsync/gitsync/gitrepo/signature"
)

var (
	// ErrUnsealed means that a state branch is not as somebody left it who may write it.
	ErrUnsealed = errors.New("its records are not believed")
	// ErrNoStateKey means that the state branch must be signed, and that there is no key.
	ErrNoStateKey = errors.New("the state branch is signed, and there is no key to sign with: set --state-sign-key FILE")
)

// sealDepth is how much history is looked at for a commit that counts, where none is
// remembered, and maxBelow how many commits are, in any case.
const (
	sealDepth = 50
	maxBelow  = 1000
)

// TrailerBranch says which branch a commit was signed for: what was signed for another one,
// or as something else, does not count.
const TrailerBranch = "Gitsync-Branch: "

// Seal says which commits of state branches count: those that were signed by somebody who
// may, for that branch, and later than the one that counted last.
type Seal struct {
	// Sign signs as git does; nil where nothing is written.
	Sign func(payload []byte) (armored string, err error)
	// Rules reads whose signatures count. Required.
	Rules func() (signature.Rules, error)
	// Believe takes a commit for good that nobody signed.
	Believe bool
	// Now is the clock. Required.
	Now func() time.Time
}

// Mark returns a message of a commit that says for which branch it is signed.
func (s *Seal) Mark(message, branch string) string { return message + TrailerBranch + branch + "\n" }

// Verdict is what is to be thought of the tip of a state branch.
type Verdict struct {
	Tip Tip
	// Signed says whether it is signed as it should be.
	Signed bool
	// Err is why it does not count: [ErrUnsealed] with the reason; nil when it does.
	Err error
	// Good is the newest commit below it that counts, or did so last, and Below how far
	// below; zero when there is none, or none that is not older than the remembered one.
	Good  Tip
	Below int
}

// Judge looks at the tip of a state branch, before its files are fetched.
//
// Errors: those of [gitrepo.Store.Inspect], as far as they say nothing about the commit;
// rules that cannot be read.
func (s *Seal) Judge(ctx context.Context, store *gitrepo.Store, memory *Memory, branch string, tip gitrepo.Hash) (Verdict, error) {
	v := Verdict{Tip: Tip{Commit: tip}}
	rules, err := s.Rules()
	if err != nil {
		return v, err
	}
	last := memory.Tip(branch)
	lineage, err := store.Inspect(ctx, tip, gitrepo.InspectOptions{Known: last.Commit, Depth: sealDepth})
	if gitrepo.Faulty(err) {
		v.Err = fmt.Errorf("%w: %w", ErrUnsealed, err)
		return v, nil
	}
	if err != nil {
		return v, err
	}
	v.Tip.When = lineage.Tip.Signed.When
	why := s.check(rules, lineage.Tip, branch, tip == last.Commit)
	if why == nil && !v.Tip.When.After(last.When) && last.Commit != "" && !lineage.Descends(tip, last.Commit) {
		why = fmt.Errorf("it is older than commit %s, which was there before: somebody replays it", last.Commit.Short())
	}
	v.Signed = why == nil
	if why == nil || s.Believe {
		return v, nil
	}
	v.Err = fmt.Errorf("%w: %w", ErrUnsealed, why)
	v.Good, v.Below = s.below(rules, lineage, branch, last)
	return v, nil
}

// check says why a commit is not signed as it should be.
func (s *Seal) check(rules signature.Rules, c *gitrepo.SignedCommit, branch string, known bool) error {
	who, err := rules.Verify(signature.Claim{Payload: c.Payload, Armored: c.Armored, When: c.Signed.When, Now: s.Now(), Known: known})
	if err != nil {
		return err
	}
	// The last one is ours: a trailer within what others have a say in comes before.
	_, marked, found := cutLast(strings.TrimRight(c.Message, "\n"), "\n"+TrailerBranch)
	if !found || marked != branch {
		return fmt.Errorf("%s did not sign it for this branch", who)
	}
	return nil
}

func cutLast(s, sep string) (before, after string, found bool) {
	i := strings.LastIndex(s, sep)
	if i < 0 {
		return s, "", false
	}
	return s[:i], s[i+len(sep):], true
}

// below returns the newest commit below the tip that counts, and that is not older than
// what is remembered; that itself is not looked at again.
func (s *Seal) below(rules signature.Rules, lineage *gitrepo.Lineage, branch string, last Tip) (Tip, int) {
	parents := lineage.Tip.Parents
	for n := 1; n <= maxBelow && len(parents) > 0; n++ {
		if parents[0] == last.Commit {
			return last, n
		}
		c, err := lineage.Commit(parents[0])
		if err != nil {
			return Tip{}, 0
		}
		newer := last.Commit == "" || c.Signed.When.After(last.When) || lineage.Descends(c.Hash, last.Commit)
		if newer && s.check(rules, c, branch, false) == nil {
			return Tip{c.Hash, c.Signed.When}, n
		}
		parents = c.Parents
	}
	return Tip{}, 0
}

// Kept returns the commit of a state branch that the store holds, if it still counts.
func (s *Seal) Kept(store *gitrepo.Store, branch string) *gitrepo.Commit {
	commit := store.Kept()
	if commit == nil {
		return nil
	}
	rules, err := s.Rules()
	if err != nil {
		return nil
	}
	signed, err := store.Signed(commit.Hash)
	if err != nil || s.check(rules, signed, branch, true) != nil {
		return nil
	}
	return commit
}
