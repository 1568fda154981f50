package trust

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	stdsync "sync"
	"time"

	"github.com/gitsync/gitsync/gitrepo"
	"github.com/gitsync/gitsync/gitrepo/signature"
)

var (
	// ErrRefused means that a commit is not deployed since nobody who may has signed it.
	ErrRefused = errors.New("the commit is refused")
	// ErrRewind means that a commit was not built on the one that was deployed.
	ErrRewind = errors.New("it was not built on what is deployed")
	// ErrKeys means that nobody can say who may sign: no new commit is deployed until that
	// is known again.
	ErrKeys = errors.New("no new commit is deployed until it is known who may sign")
)

// ForgeMerges says which merge commits count that a forge has signed with its own key.
type ForgeMerges string

const (
	// ExactMerges are those that hold exactly what a parent holds which somebody signed
	// who may, and which was built on the other parent: the forge added nothing.
	ExactMerges ForgeMerges = "exact"
	// TrustMerges are all: whoever can merge at the forge can deploy.
	TrustMerges ForgeMerges = "trust"
)

// forgeDepth is how much history is looked at for the parents of a merge, where no commit
// was accepted before.
const forgeDepth = 200

// maxClaimed bounds how many commits are looked up that only the state branch names.
const maxClaimed = 16

// Keys say who may sign. They are read anew for each commit, so that a key that is revoked
// is so at once.
type Keys struct {
	// Rules are those of the people, and Forge those of a forge's own key, for merges; a
	// nil Forge allows none.
	Rules signature.Rules
	Forge *signature.Rules
}

// Gate decides which commits are deployed. It is safe for concurrent use.
type Gate struct {
	// Keys reads who may sign.
	Keys func() (Keys, error)
	// Merges says which merges of the forge count; empty means [ExactMerges].
	Merges ForgeMerges
	// Tags is a pattern: a signed annotated tag with such a name counts for the commit that
	// it points to. Empty means that tags do not count.
	Tags string
	// AllowRewind accepts commits that were not built on what is deployed.
	AllowRewind bool
	// Memory knows what was accepted. Required.
	Memory *Memory
	// Now is the clock. Required.
	Now func() time.Time

	mu stdsync.Mutex
	// seen is the commit that was looked at last, so that a refused one is fetched once.
	seen *gitrepo.Lineage
	// from is what its ancestors were fetched up to, and cut why they, or its tags, were not:
	// they are more than is looked at.
	from gitrepo.Hash
	cut  error
	// bad is a commit that cannot be read, above the one that was accepted then.
	bad      *Refusal
	badAbove gitrepo.Hash
}

// Refusal is why a commit is not deployed.
type Refusal struct {
	Commit gitrepo.Commit
	// Err is [ErrRefused] or [ErrRewind], with why.
	Err error
}

// Error implements error.
func (r *Refusal) Error() string {
	return fmt.Sprintf("commit %s is not deployed: %s", r.Commit.Hash.Short(), r.Err)
}

// Unwrap returns why.
func (r *Refusal) Unwrap() error { return r.Err }

// Admit looks at the tip of a branch, and returns who answers for it. claimed are commits
// that the state branch says are deployed: they count where this gitsync remembers none.
// Whoever has fetched the commit calls [Gate.Accept] before anything of it is deployed.
//
// Errors: [*Refusal], for whatever is wrong with the commit; those of
// [gitrepo.Store.Inspect] that say nothing about it; [ErrKeys].
func (g *Gate) Admit(ctx context.Context, store *gitrepo.Store, tip gitrepo.Hash, claimed []gitrepo.Hash) (Admission, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	keys, err := g.Keys()
	if err != nil {
		return Admission{}, fmt.Errorf("%w: %w", ErrKeys, err)
	}
	accepted := g.Memory.Accepted()
	if g.bad != nil && g.bad.Commit.Hash == tip && g.badAbove == accepted {
		return Admission{}, g.bad
	}
	lineage, err := g.lineage(ctx, store, tip, accepted)
	if err != nil {
		return Admission{}, g.refuseUnread(tip, accepted, err)
	}
	who, err := g.signer(keys, lineage, tip == accepted)
	if err != nil {
		return who, &Refusal{lineage.Tip.Commit, fmt.Errorf("%w: %w: %s", ErrRefused, err, g.advice())}
	}
	if err := g.checkRewind(ctx, store, lineage, accepted, claimed); err != nil {
		return who, g.refuseUnread(tip, accepted, err)
	}
	return who, nil
}

// Accept remembers a commit that was admitted and fetched.
func (g *Gate) Accept(tip gitrepo.Hash) error {
	if err := g.Memory.Accept(tip, g.Now()); err != nil || !g.AllowRewind {
		return err
	}
	return g.Memory.ProveAll()
}

// refuseUnread refuses a commit that cannot be read as a commit, or not within bounds. That
// stays so, so it is not fetched again; a connection that fails is not the commit's fault.
func (g *Gate) refuseUnread(tip, accepted gitrepo.Hash, err error) error {
	var refused *Refusal
	if errors.As(err, &refused) || !gitrepo.Faulty(err) {
		return err
	}
	refusal := Refuse(tip, err)
	if gitrepo.Forever(err) {
		g.bad, g.badAbove = refusal, accepted
	}
	return refusal
}

// Refuse refuses a commit for what is wrong with it.
func Refuse(tip gitrepo.Hash, err error) *Refusal {
	return &Refusal{gitrepo.Commit{Hash: tip}, fmt.Errorf("%w: %w: nothing is changed: push a commit without that", ErrRefused, err)}
}

// lineage fetches the tip, and its ancestors up to what was accepted.
func (g *Gate) lineage(ctx context.Context, store *gitrepo.Store, tip, from gitrepo.Hash) (*gitrepo.Lineage, error) {
	if g.seen != nil && g.seen.Tip.Hash == tip && g.from == from && g.Tags == "" {
		return g.seen, nil
	}
	var lineage *gitrepo.Lineage
	var cut, err error
	for _, opts := range g.views(from) {
		lineage, err = store.Inspect(ctx, tip, opts)
		if !errors.Is(err, gitrepo.ErrTooLarge) {
			break
		}
		cut = cmp.Or(cut, err)
	}
	if err != nil {
		return nil, err
	}
	g.seen, g.from, g.cut = lineage, from, cut
	return lineage, nil
}

// views are what is looked at with a commit, most of it first. Others push its tags, and what
// lies between it and the accepted one may have any size: neither is the commit's fault, so
// where it is too large the commit is looked at without.
func (g *Gate) views(from gitrepo.Hash) []gitrepo.InspectOptions {
	all := gitrepo.InspectOptions{Known: from, Tags: g.Tags}
	if g.Merges != "" {
		all.Depth = forgeDepth
	}
	views := []gitrepo.InspectOptions{all}
	for _, less := range []gitrepo.InspectOptions{{Known: from, Depth: all.Depth}, {Depth: all.Depth, Tags: g.Tags}, {}} {
		if !slices.Contains(views, less) {
			views = append(views, less)
		}
	}
	return views
}

// signer says who answers for the tip: who signed it, or a tag of it, or the forge that
// merged what somebody signed.
func (g *Gate) signer(keys Keys, lineage *gitrepo.Lineage, known bool) (Admission, error) {
	tip := lineage.Tip
	who, err := keys.Rules.Verify(g.claim(tip.Signed, known))
	if err == nil {
		return Admission{who, []string{tip.Message}}, nil
	}
	reasons := []error{err}
	for _, tag := range lineage.Tags {
		tagger, err := keys.Rules.Verify(g.claim(tag.Signed, known))
		if err == nil {
			// The tag's signature covers the name of the commit, and so its message.
			return Admission{tagger, []string{tip.Message}}, nil
		}
		reasons = append(reasons, fmt.Errorf("tag %s: %w", tag.Name, err))
	}
	if keys.Forge != nil {
		forge, err := g.forge(keys, lineage, known)
		if err == nil {
			return Admission{forge, g.said(keys, lineage, known)}, nil
		}
		if !errors.Is(err, errNoForge) {
			reasons = append(reasons, err)
		}
	}
	texts := make([]string, 0, len(reasons))
	for _, r := range reasons {
		texts = append(texts, r.Error())
	}
	return Admission{Signer: who}, fmt.Errorf("%w%s", reasons[0], strings.Join(append([]string{""}, texts[1:]...), "; "))
}

func (g *Gate) claim(s gitrepo.Signed, known bool) signature.Claim {
	return signature.Claim{Payload: s.Payload, Armored: s.Armored, When: s.When, Now: g.Now(), Known: known}
}

// errNoForge means that the commit is none that the forge has signed.
var errNoForge = errors.New("not signed by the forge")

// forge says whether a merge counts that the forge has signed.
func (g *Gate) forge(keys Keys, lineage *gitrepo.Lineage, known bool) (signature.Signer, error) {
	tip := lineage.Tip
	forge, err := keys.Forge.Verify(g.claim(tip.Signed, known))
	switch {
	case err != nil:
		return forge, fmt.Errorf("%w: %w", errNoForge, err)
	case len(tip.Parents) < 2:
		return forge, fmt.Errorf("the forge's key %s counts for merge commits only", forge)
	case g.Merges == TrustMerges:
		return forge, nil
	case len(tip.Parents) > 2:
		return forge, fmt.Errorf("it is a merge of %d parents, and one of 2 counts", len(tip.Parents))
	}
	base, merged := tip.Parents[0], tip.Parents[1]
	branch, err := lineage.Commit(merged)
	if err != nil {
		return forge, fmt.Errorf("the merged commit %s cannot be looked at: %w", merged.Short(), err)
	}
	who, err := keys.Rules.Verify(g.claim(branch.Signed, known))
	switch {
	case err != nil:
		return forge, fmt.Errorf("the merged commit %s: %w", merged.Short(), err)
	case branch.Root != tip.Root, !lineage.Descends(merged, base):
		return forge, fmt.Errorf("the merge holds other files than the signed commit %s, which was not built on %s: have the branch brought up to date before it is merged (a semi-linear history), or set --verify-forge-merges trust",
			merged.Short(), base.Short())
	}
	return who, nil
}

// advice says what to do about a commit that nobody signed.
func (g *Gate) advice() string {
	text := "nothing is changed: push a commit that is signed with an allowed key (git commit -S)"
	if g.cut != nil {
		// In words alone: it may be another one the next time.
		text = fmt.Sprintf("not all that belongs to it could be looked at (%s): %s", g.cut.Error(), text)
	}
	if g.Tags != "" {
		text += ", or a signed tag of this one that matches " + g.Tags + " (git tag -s)"
	}
	return text
}

// checkRewind refuses a commit that was not built on the accepted one, or, where none is
// remembered, on those that the state branch names.
func (g *Gate) checkRewind(ctx context.Context, store *gitrepo.Store, lineage *gitrepo.Lineage, accepted gitrepo.Hash, claimed []gitrepo.Hash) error {
	if g.AllowRewind {
		return nil
	}
	tip := lineage.Tip
	if accepted != "" {
		if !lineage.Descends(tip.Hash, accepted) {
			return rewind(tip, accepted, "the data directory", g.cut)
		}
		return nil
	}
	for _, deployed := range claimed[:min(len(claimed), maxClaimed)] {
		if lineage.Descends(tip.Hash, deployed) {
			continue
		}
		longer, err := store.Inspect(ctx, tip.Hash, gitrepo.InspectOptions{Known: deployed})
		switch {
		case errors.Is(err, gitrepo.ErrTooLarge):
			return rewind(tip, deployed, "the state branch", err)
		case err != nil:
			return err
		case !longer.Descends(tip.Hash, deployed):
			return rewind(tip, deployed, "the state branch", nil)
		}
	}
	return nil
}

// rewind refuses a commit that was not built on the deployed one, or of which that cannot be
// known, since the history between them is more than is looked at.
func rewind(tip *gitrepo.SignedCommit, deployed gitrepo.Hash, whence string, cut error) *Refusal {
	says := fmt.Sprintf("%s says that commit %s is deployed, and", whence, deployed.Short())
	if cut != nil {
		return &Refusal{tip.Commit, fmt.Errorf("%w, as far as can be seen: %s what lies between that and this one cannot be looked at: %w: nothing is changed: see that 'git merge-base --is-ancestor %s %s' succeeds, and let it be with --allow-rewind, once",
			ErrRewind, says, cut, deployed.Short(), tip.Hash.Short())}
	}
	return &Refusal{tip.Commit, fmt.Errorf("%w: %s the history of this one does not lead there, as far as the remote shows it: nothing is changed: push a commit that is built on %s (git revert undoes), or let it be with --allow-rewind, once",
		ErrRewind, says, deployed.Short())}
}
