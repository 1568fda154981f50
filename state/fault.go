package state

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"

	"github.com/gitsync/gitsync/gitrepo"
	"github.com/gitsync/gitsync/internal/disk"
	"github.com/gitsync/gitsync/trust"
)

// ErrUnreadable means that something in a state branch cannot be read. What is missing
// counts as not recorded: the labels on the containers are enough to go on.
var ErrUnreadable = errors.New("the state branch cannot be read")

// Fault is something in a state branch that cannot be read. It is an [ErrUnreadable].
type Fault struct {
	// Branch and Commit say where it is.
	Branch string
	Commit gitrepo.Hash
	// Path is the file; empty for the branch as a whole.
	Path string
	// Host is the host that it is about; empty for the branch as a whole.
	Host string
	// Err is why it cannot be read.
	Err error
	// lasting says that it is the commit that cannot be read, whoever fetches it.
	lasting bool
}

// Error implements error. It says what follows, and what to do.
func (f *Fault) Error() string {
	switch {
	case f.Path != "":
		return fmt.Sprintf("%s: %s:%s in commit %s: %s", ErrUnreadable, f.Branch, f.Path, f.Commit.Short(), f.Err)
	case f.lasting:
		return fmt.Sprintf("%s: branch %s, commit %s: %s: what can be read of it counts, and the next gitsync run that may push puts that back by a commit on top: find out who pushed commit %s",
			ErrUnreadable, f.Branch, f.Commit.Short(), f.Err, f.Commit.Short())
	}
	return fmt.Sprintf("%s: branch %s, commit %s: %s: what was read before counts until the branch can be fetched again", ErrUnreadable, f.Branch, f.Commit.Short(), f.Err)
}

// Unwrap returns [ErrUnreadable], and the reason.
func (f *Fault) Unwrap() []error { return []error{ErrUnreadable, f.Err} }

// maxFailed is how often in a row the remote says that it cannot give a tip before it counts
// as one that nobody can fetch: the server has lost some of it. A remote that is slow, or does
// not answer, says nothing of the tip, which others may well read.
const maxFailed = 3

// isTransient says whether an error is about the way to the remote, or about the wait for
// it, and not about what the branch holds.
func isTransient(ctx context.Context, err error) bool {
	if ctx.Err() != nil {
		return true
	}
	if isForever(err) {
		return false
	}
	for _, target := range []error{
		gitrepo.ErrRaceLost, gitrepo.ErrUnreachable, gitrepo.ErrAuth, gitrepo.ErrHostKey, gitrepo.ErrLocked, gitrepo.ErrEmptyRemote,
		gitrepo.ErrBranchNotFound, gitrepo.ErrSetup, trust.ErrKeys, disk.ErrUnwritable, context.Canceled, context.DeadlineExceeded,
	} {
		if errors.Is(err, target) {
			return true
		}
	}
	return false
}

// isForever says whether it is the commit that cannot be read, whoever fetches it.
func isForever(err error) bool { return errors.Is(err, gitrepo.ErrBroken) || gitrepo.Forever(err) }

// judge says what becomes of a tip that was read, or could not be: nothing at all, an error
// of the way to the remote, or a fault.
func (b *Branch) judge(ctx context.Context, tip gitrepo.Hash, err error) error {
	if err == nil {
		b.fault, b.failed = nil, failedTip{}
		return nil
	}
	if isTransient(ctx, err) {
		return err
	}
	return b.spoilt(ctx, tip, err)
}

// failedTip counts how often in a row a tip could not be fetched.
type failedTip struct {
	tip   gitrepo.Hash
	times int
}

// GiveUp says that a tip cannot be fetched, although the remote answers otherwise, and
// makes that a fault: the error is one that [Branch.Load] returned for it.
func (b *Branch) GiveUp(ctx context.Context, refs gitrepo.Refs, err error) *Fault {
	tip, _ := refs.Branch(b.name)
	return b.spoilt(ctx, tip, err)
}

// spoilt goes on without a tip that cannot be read: with what of it can, or with what was
// read last.
func (b *Branch) spoilt(ctx context.Context, tip gitrepo.Hash, err error) *Fault {
	if b.failed.tip != tip {
		b.failed = failedTip{tip: tip}
	}
	if !isTransient(ctx, err) {
		b.failed.times++
	}
	f := &Fault{Branch: b.name, Commit: tip, Err: err}
	f.lasting = isForever(err) || b.failed.times >= maxFailed && !isTransient(ctx, err)
	good := b.lastGood(tip)
	switch {
	case f.lasting:
		b.tip, b.tree = tip, good
		if partial := b.store.Partial(tip); partial != nil && b.seal == nil && shape(partial.Tree()) == nil {
			b.tree = partial.Tree()
		}
		b.read, b.mend = true, b.seal != nil
	case good != nil && b.tree != good:
		b.tree = good
	}
	b.fault = f
	return f
}

// lastGood returns what was read last, if it still can be, or what an earlier process read
// last; nil when there is none.
func (b *Branch) lastGood(tip gitrepo.Hash) *gitrepo.Tree {
	if b.tree != nil && shape(b.tree) == nil {
		return b.tree
	}
	if b.seal != nil {
		if kept := b.seal.Kept(b.store, b.name); kept != nil {
			return kept.Tree()
		}
		return nil
	}
	if kept := b.store.Kept(); kept != nil && kept.Hash != tip && shape(kept.Tree()) == nil {
		return kept.Tree()
	}
	return nil
}

// shape says why a tree cannot be that of a state branch.
func shape(tree *gitrepo.Tree) error {
	info, err := tree.Stat("hosts")
	switch {
	case errors.Is(err, fs.ErrNotExist):
		_, err = tree.ReadDir(".")
		return err
	case err != nil:
		return err
	case !info.IsDir():
		return fmt.Errorf("%w: hosts is not a directory", gitrepo.ErrBroken)
	}
	_, err = tree.ReadDir("hosts")
	return err
}

// maxSalvage bounds what is put back of a branch that cannot be read.
const maxSalvage = 64 << 20

// salvage returns the files that can be read of a branch that cannot as a whole.
func (b *Branch) salvage() map[string][]byte {
	files := map[string][]byte{"README.md": []byte(readme)}
	left := int64(maxSalvage)
	keep := func(path string, limit int64) {
		if data, err := b.tree.ReadFileLimit(path, min(limit, left)); err == nil {
			files[path] = data
			left -= int64(len(data))
		}
	}
	if repo, err := b.Repo(); err == nil && repo.Identity != "" {
		keep(repoPath, maxRepo)
	}
	hosts, err := b.Hosts()
	if err != nil {
		return files
	}
	for _, host := range hosts {
		if record, err := b.Record(host); err == nil && record != nil {
			keep(path(host), maxRecord)
		}
		// What of it can be read still holds, and resume repairs it.
		if suspended, _ := b.Suspensions(host); suspended != nil {
			keep(suspendedPath(host), maxSuspended)
		}
	}
	return files
}

// isLasting says whether an error is a fault of the tip itself, on which a commit can be
// built all the same.
func isLasting(err error) bool {
	var f *Fault
	return errors.As(err, &f) && f.lasting
}

// Repair puts back what can be read of branches that cannot be as a whole, by an ordinary
// commit on top, and what was signed last where a branch does not hold that any more.
// Branches that are as they should be are left alone.
//
// Errors: those of [Branch.Save].
func (r *Records) Repair(ctx context.Context, entry Entry) error {
	err := r.Mend(ctx, entry)
	if r.seal != nil {
		return err
	}
	for _, name := range r.names() {
		err = errors.Join(err, r.branches[name].repair(ctx, entry))
	}
	return err
}

func (r *Records) names() []string {
	var names []string
	for name := range r.branches {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

func (b *Branch) repair(ctx context.Context, entry Entry) error {
	if b.fault == nil || !b.fault.lasting {
		return nil
	}
	entry.Subject = "Repair the state branch: not all of commit " + b.fault.Commit.Short() + " could be read"
	return b.save(ctx, entry, func() (map[string][]byte, error) {
		if b.fault == nil {
			return nil, nil
		}
		return map[string][]byte{"README.md": []byte(readme)}, nil
	})
}

// Broken says whether a branch that was read holds something that [Records.Repair] puts
// back.
func (r *Records) Broken() bool {
	for _, b := range r.branches {
		if b.fault != nil && b.fault.lasting {
			return true
		}
	}
	return false
}

// GiveUp says that the branch of all hosts cannot be fetched, although the remote answers
// otherwise; see [Branch.GiveUp]. Where each host has a branch of its own it does nothing.
func (r *Records) GiveUp(ctx context.Context, refs gitrepo.Refs, err error) *Fault {
	return r.branches[r.name].GiveUp(ctx, refs, err)
}

// unsealedFault makes an error that says something about a signed tip a refusal of it.
func (b *Branch) unsealedFault(ctx context.Context, tip gitrepo.Hash, err error) (trust.Verdict, bool) {
	if _, rulesErr := b.seal.Rules(); rulesErr != nil || isTransient(ctx, err) {
		return trust.Verdict{}, false
	}
	return trust.Verdict{Tip: trust.Tip{Commit: tip}, Err: fmt.Errorf("%w: %w", trust.ErrUnsealed, err)}, true
}
