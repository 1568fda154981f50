package gitrepo

import (
	"context"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/storage/memory"

	"github.com/gitsync/gitsync/gitrepo/pack"
	"github.com/gitsync/gitsync/gitrepo/protocol"
	"github.com/gitsync/gitsync/internal/panics"
)

const (
	// maxLineage bounds what a look at the history may cost.
	maxLineage = 256 << 20
	// maxTags bounds how many tags of one commit are looked at.
	maxTags = 20
	// commitsAlone leaves out what commits hold.
	commitsAlone = "tree:0"
)

// Lineage is a commit with what is known of its ancestors. It is in memory: nothing of it
// is in a [Store], so that a commit which is refused leaves no trace there.
type Lineage struct {
	// Tip is the commit that was asked for.
	Tip *SignedCommit
	// Tags are the annotated tags that point to it, as far as they were asked for.
	Tags []*SignedTag

	objects *memory.Storage
}

// InspectOptions say what is fetched with a commit.
type InspectOptions struct {
	// Known is a commit up to which the ancestors are fetched; empty for none.
	Known Hash
	// Depth is how many commits are fetched where there is no known one; 0 means 1.
	Depth int
	// Tags is a pattern, as in path.Match: annotated tags of the commit with such names
	// are fetched.
	Tags string
}

// Inspect fetches the commit at the tip of the branch, without its files where the server
// can leave them out. The store is not touched.
//
// Errors: those of [Remote.Refs]; [ErrTooLarge]; [ErrRaceLost] when the branch is not at
// that tip any more; [ErrMalformed]; [ErrObjectMissing] when it does not come.
func (s *Store) Inspect(ctx context.Context, tip Hash, opts InspectOptions) (*Lineage, error) {
	ctx, cancel := context.WithTimeout(ctx, transferTimeout)
	defer cancel()
	if opts.Known == tip {
		opts.Known = ""
	}
	l := &Lineage{objects: memory.NewStorage()}
	if err := s.inspect(ctx, l, tip, opts); err != nil {
		return nil, s.remote.classify(ctx, err)
	}
	var err error
	if l.Tip, err = readSigned(l.objects, tip); errors.Is(err, plumbing.ErrObjectNotFound) && opts.Known != "" {
		// The server sends nothing that the known commit was built on: the tip is older.
		opts.Known = ""
		return s.Inspect(ctx, tip, opts)
	}
	switch {
	case errors.Is(err, plumbing.ErrObjectNotFound):
		return nil, fmt.Errorf("%w: the remote did not send commit %s", ErrObjectMissing, tip.Short())
	case errors.Is(err, ErrTooLarge):
		return nil, err
	case err != nil:
		return nil, fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	return l, nil
}

func (s *Store) inspect(ctx context.Context, l *Lineage, tip Hash, opts InspectOptions) (err error) {
	defer panics.Into(&err)
	err = s.tryInspect(ctx, l, tip, opts)
	if errors.Is(err, errFilter) {
		err = s.tryInspect(ctx, l, tip, opts)
	}
	if errors.Is(err, errNotOffered) {
		err = fmt.Errorf("fetch %s of branch %s: %w", tip.Short(), s.branch, ErrRaceLost)
	}
	return err
}

func (s *Store) tryInspect(ctx context.Context, l *Lineage, tip Hash, opts InspectOptions) error {
	u, refs, err := s.meetTagged(ctx, tip, opts.Tags)
	if err != nil {
		return err
	}
	defer func() { _ = u.Close() }()
	if !u.gives(s.branch, tip) {
		return errNotOffered
	}
	tags := tagsOf(refs, tip, opts.Tags)
	request := protocol.Request{Wants: []string{string(tip)}, Filter: u.filter(commitsAlone)}
	for _, tag := range tags {
		request.Wants = append(request.Wants, tag.Hash)
	}
	if opts.Known != "" {
		request.Haves = []string{string(opts.Known)}
	} else {
		request.Depth = max(1, opts.Depth)
	}
	if err := receiveLineage(ctx, u, request, l); err != nil {
		return err
	}
	for _, ref := range tags {
		tag, err := readTag(l.objects, Hash(ref.Hash))
		// What is no tag of this commit, or bears another name, is nobody's word for it.
		if err == nil && tag.Target == tip && "refs/tags/"+tag.Name == ref.Name {
			l.Tags = append(l.Tags, tag)
		}
	}
	return nil
}

// meetTagged begins a conversation about a commit, and returns the tags that may be of it.
func (s *Store) meetTagged(ctx context.Context, tip Hash, pattern string) (*upload, []protocol.Ref, error) {
	if pattern == "" {
		u, _, err := s.meet(ctx, tip)
		return u, nil, err
	}
	prefix := pattern
	if i := strings.IndexAny(pattern, `*?[\`); i >= 0 {
		prefix = pattern[:i]
	}
	refs, u, err := s.remote.list(ctx, append(branches(s.branch), "refs/tags/"+prefix+"*"))
	return u, refs, err
}

// tagsOf returns the annotated tags that point to a commit.
func tagsOf(refs []protocol.Ref, tip Hash, pattern string) []protocol.Ref {
	var tags []protocol.Ref
	for _, ref := range refs {
		if matched, err := path.Match("refs/tags/"+pattern, ref.Name); pattern != "" && err == nil && matched && ref.Peeled == string(tip) {
			tags = append(tags, ref)
		}
	}
	slices.SortFunc(tags, func(a, b protocol.Ref) int { return strings.Compare(a.Name, b.Name) })
	return tags[:min(len(tags), maxTags)]
}

func receiveLineage(ctx context.Context, u *upload, request protocol.Request, l *Lineage) error {
	answer, err := u.fetch(ctx, request, newBudget(maxLineage, "the history"))
	if err != nil {
		return err
	}
	// A server that cannot leave the files out sends them: they are passed over.
	err = keepPack(ctx, l.objects, answer.Pack, pack.Commit, pack.Tag)
	if isEmptyPack(err) {
		return nil
	}
	return err
}

// Commit returns a commit of the lineage.
//
// Errors: [ErrObjectMissing] for one that did not come.
func (l *Lineage) Commit(hash Hash) (*SignedCommit, error) {
	c, err := readSigned(l.objects, hash)
	if errors.Is(err, plumbing.ErrObjectNotFound) {
		return nil, fmt.Errorf("%w: commit %s", ErrObjectMissing, hash.Short())
	}
	return c, err
}

// Descends says whether one commit is another one, or was built on it. That is certain for
// the known commits, since the server sends all between; otherwise no may mean that the
// history does not reach so far.
func (l *Lineage) Descends(tip, from Hash) bool {
	queue, seen := []Hash{tip}, map[Hash]bool{}
	for len(queue) > 0 {
		hash := queue[0]
		queue = queue[1:]
		if hash == from {
			return true
		}
		if seen[hash] {
			continue
		}
		seen[hash] = true
		if c, err := l.Commit(hash); err == nil {
			queue = append(queue, c.Parents...)
		}
	}
	return false
}

// Kept returns the commit that the store was at last, when all of it is there: for going
// on without the remote. It is nil when there is none.
func (s *Store) Kept() *Commit {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.tip == "" || s.damaged.Load() {
		return nil
	}
	commit, err := s.whole(s.tip)
	if err != nil {
		return nil
	}
	return commit
}

// Signed returns a commit that the store has, as its signature sees it.
//
// Errors: [ErrObjectMissing], [ErrMalformed].
func (s *Store) Signed(hash Hash) (*SignedCommit, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c, err := readSigned(s.storer, hash)
	switch {
	case errors.Is(err, plumbing.ErrObjectNotFound):
		return nil, fmt.Errorf("%w: commit %s", ErrObjectMissing, hash.Short())
	case err != nil:
		return nil, fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	return c, nil
}

// FetchBelow makes an ancestor of the branch's tip readable, so many commits below it, and
// returns it. The tip itself is not read.
//
// Errors: those of [Store.Fetch]; [ErrObjectMissing] when it did not come.
func (s *Store) FetchBelow(ctx context.Context, tip, wanted Hash, below int) (*Commit, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.damaged.Load() {
		return nil, fmt.Errorf("fetch %s: %w", wanted.Short(), ErrObjectMissing)
	}
	if commit, err := s.whole(wanted); err == nil {
		return commit, s.setTip(wanted)
	}
	if err := s.makeRoom(); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, transferTimeout)
	defer cancel()
	limit := newBudget(max(leastIncrement, s.largest), "what came with the commit")
	if s.tip == "" {
		limit = newBudget(maxPack, "what the branch holds")
	}
	_, err := s.fetchInto(ctx, s.storer, goal{tip: wanted, have: s.tip, below: below, limit: limit})
	s.grow(limit.used())
	if errors.Is(err, ErrTooLarge) && s.tip != "" {
		return s.startAgain(ctx, wanted)
	}
	if err != nil {
		return nil, s.remote.classify(ctx, err)
	}
	commit, err := s.whole(wanted)
	if err != nil {
		return nil, fmt.Errorf("fetch %s: %w", wanted.Short(), err)
	}
	return commit, s.setTip(wanted)
}
