package gitrepo

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/storage"
	"github.com/go-git/go-git/v5/storage/filesystem"

	"github.com/gitsync/gitsync/gitrepo/protocol"
	"github.com/gitsync/gitsync/internal/disk"
	"github.com/gitsync/gitsync/internal/panics"
)

const (
	// maxRounds is how often objects are asked for that are still missing: trees, and then
	// the files in them.
	maxRounds = 3
	// maxMissing bounds how many are asked for at once.
	maxMissing = 500_000
	// moved is how many commits below the tip a commit is looked for, where the branch has
	// moved on and the server gives no other commits than tips.
	moved = 50
	// withoutFilter is how long all is fetched from a server that did not give what it had
	// left out.
	withoutFilter = time.Hour
	// maxEnds bounds at how many commits the history in a store may end, however many answers
	// said so: they are all read for the next one.
	maxEnds = 20_000
	// withoutFiles leaves out all files, which are asked for by their hashes then.
	withoutFiles = "blob:none"
)

// errStore means that what was fetched could not be put into the store.
var errStore = errors.New("write the fetched objects")

// goal is what a fetch brings into a store.
type goal struct {
	// tip is the commit; empty for the one that the branch is at.
	tip Hash
	// have is a commit that the store holds: only what is newer is asked for, with all
	// commits between. Without one the tip alone is.
	have Hash
	// below is how many commits the tip may be below that of the branch.
	below int
	// limit is how many bytes may come.
	limit *budget
}

// fetchInto fetches a commit and what it holds, or as much of that as the store is for, and
// returns which commit it was.
//
// The server believes that what have was built on is there too. So it sends no history that
// is older, whatever was merged; what is missing then, since an old file came back, is asked
// for by its hash where the server gives that, and otherwise the store begins again. Thin
// packs are never asked for: they cannot be read.
func (s *Store) fetchInto(ctx context.Context, into storage.Storer, g goal) (tip Hash, err error) {
	defer panics.Into(&err)
	tip, err = s.tryFetch(ctx, into, g)
	if errors.Is(err, errFilter) {
		tip, err = s.tryFetch(ctx, into, g)
	}
	if errors.Is(err, errNotOffered) {
		err = fmt.Errorf("fetch %s of branch %s: %w", g.tip.Short(), s.branch, ErrRaceLost)
	}
	return tip, err
}

func (s *Store) tryFetch(ctx context.Context, into storage.Storer, g goal) (Hash, error) {
	u, tip, err := s.meet(ctx, g.tip)
	if err != nil {
		return "", err
	}
	defer func() { _ = u.Close() }()
	if g.tip == "" && tip == g.have {
		return tip, nil
	}
	request := protocol.Request{Wants: []string{string(tip)}, Filter: s.filter(u)}
	switch {
	case g.have != "":
		request.Haves = []string{string(g.have)}
	default:
		request.Depth = 1
	}
	if !u.gives(s.branch, tip) {
		now := u.branch(s.branch)
		if now == "" {
			return tip, errNotOffered
		}
		if request.Wants[0] = string(now); request.Depth > 0 {
			request.Depth += max(g.below, moved)
		}
	}
	if err := receive(ctx, u, request, into, g.limit); err != nil {
		return tip, err
	}
	if request.Wants[0] != string(tip) {
		if _, err := into.EncodedObjectSize(tip.git()); err != nil {
			return tip, errNotOffered
		}
	}
	if g.have == "" && request.Filter == "" {
		return tip, nil // all of it came
	}
	return tip, s.complete(ctx, u, into, tip, request.Filter, g.limit)
}

// meet begins a conversation about a commit, or about the one that the branch is at.
func (s *Store) meet(ctx context.Context, tip Hash) (*upload, Hash, error) {
	if tip != "" {
		about := branches(s.branch)
		if s.remote.http != nil {
			about = nil // there every commit of a branch can be asked for
		}
		u, err := s.remote.converse(ctx, about)
		return u, tip, err
	}
	refs, u, err := s.remote.list(ctx, branches(s.branch))
	if err != nil {
		return nil, "", err
	}
	if len(refs) == 0 {
		_ = u.Close()
		_, err := Refs{some: true}.Branch(s.branch)
		return nil, "", err
	}
	return u, Hash(refs[0].Hash), nil
}

// branch returns where a branch is, as far as the greeting said that.
func (u *upload) branch(name string) Hash {
	for _, ref := range u.advertised {
		if ref.Name == "refs/heads/"+name {
			return Hash(ref.Hash)
		}
	}
	return ""
}

// gives says whether a commit of a branch can be asked for, which need not be its tip.
func (u *upload) gives(branch string, commit Hash) bool {
	return u.remote.http != nil || u.server.AnyObject() || u.branch(branch) == commit
}

// filter returns what is left out of a fetch: nothing where all files are needed, or where
// the server would not give those that are.
func (s *Store) filter(u *upload) string {
	if len(s.only) == 0 || u.remote.http == nil && !u.server.AnyObject() {
		return ""
	}
	return u.filter(withoutFiles)
}

// complete asks for what the commit needs and the store does not have.
func (s *Store) complete(ctx context.Context, u *upload, into storage.Storer, tip Hash, filter string, limit *budget) error {
	for range maxRounds {
		found, err := s.take(into, tip)
		if err != nil || len(found.missing) == 0 {
			// A commit that did not come is found missing later.
			return ignoreMissing(err)
		}
		if filter == "" && u.server.Version != 2 {
			return nil
		}
		if u, err = u.again(ctx); err != nil {
			return err
		}
		request := protocol.Request{Wants: found.missing, Filter: filter}
		err = receive(ctx, u, request, into, limit)
		if errors.Is(err, errNotOffered) && filter != "" {
			// It leaves files out, but does not give them: so it must send all at once. That
			// may pass, as when one of several servers is behind the others.
			u.remote.refuse(filter, time.Now().Add(withoutFilter))
			return fmt.Errorf("%w: %w", errFilter, err)
		}
		if errors.Is(err, errNotOffered) {
			return nil
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func ignoreMissing(err error) error {
	if errors.Is(err, ErrObjectMissing) {
		return nil
	}
	return err
}

// receive asks for objects, and stores what comes.
func receive(ctx context.Context, u *upload, request protocol.Request, into storage.Storer, limit *budget) error {
	answer, err := u.fetch(ctx, request, limit)
	if err != nil {
		return err
	}
	if err := addShallow(into, answer.Shallow); err != nil {
		return fmt.Errorf("%w: %w", errStore, err)
	}
	err = storePack(ctx, into, answer.Pack)
	if len(request.Haves) > 0 && isEmptyPack(err) {
		err = nil // nothing is newer
	}
	if err == nil {
		// What is behind the pack belongs to it; another answer may follow.
		_, err = io.Copy(io.Discard, answer.Pack)
	}
	var refusal *protocol.Refusal
	switch {
	case err == nil, isNetwork(err), errors.Is(err, ErrTooLarge), errors.Is(err, errSlow), errors.Is(err, errPack), ctx.Err() != nil,
		errors.Is(err, disk.ErrUnwritable), errors.As(err, &refusal), errors.Is(err, protocol.ErrNotGit):
		return err
	}
	return fmt.Errorf("%w: %w", errStore, err)
}

// addShallow remembers where the history ends.
func addShallow(into storage.Storer, shallow []string) error {
	if len(shallow) == 0 {
		return nil
	}
	known, err := into.Shallow()
	if err != nil {
		return err
	}
	seen := map[plumbing.Hash]bool{}
	for _, hash := range known {
		seen[hash] = true
	}
	for _, text := range shallow {
		if hash := plumbing.NewHash(text); !seen[hash] {
			seen[hash] = true
			known = append(known, hash)
		}
	}
	if len(known) > maxEnds {
		return aboutRefs(fmt.Errorf("what the remote says of its history is %w: it ends at more than %d commits", ErrTooLarge, maxEnds))
	}
	return explainDisk(into, into.SetShallow(known))
}

// explainDisk says what is wrong with the disk of a store, if that is it.
func explainDisk(of storage.Storer, err error) error {
	if onDisk, ok := of.(*filesystem.Storage); ok {
		return disk.Explain(onDisk.Filesystem().Root(), 0, err)
	}
	return err
}
