package gitrepo

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	stdsync "sync"
	"sync/atomic"

	"github.com/go-git/go-billy/v5/osfs"
	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/cache"
	"github.com/go-git/go-git/v5/storage"
	"github.com/go-git/go-git/v5/storage/filesystem"
	"github.com/go-git/go-git/v5/storage/memory"
	"github.com/gofrs/flock"

	"github.com/gitsync/gitsync/internal/disk"
)

const (
	// maxPacks is how many packs gather before the store begins anew.
	maxPacks = 50
	// maxCommits is how many commits are written into a store before it begins
	// anew: each leaves loose objects behind.
	maxCommits = 200
	// leastIncrement is what may come with a commit on top of others at least, before the
	// store begins again with that commit alone. Above it the largest pack says how much.
	leastIncrement = 1 << 20
	// keptPacks is how many times as much as its largest pack a store holds before it begins
	// again.
	keptPacks = 4
	// objectCache is how much of the objects is kept in memory.
	objectCache = 16 << 20
)

// Store holds the objects of one branch: bare, shallow, without a work tree. It is
// safe for concurrent use.
type Store struct {
	remote *Remote
	branch string
	dir    string
	// only are the entries of the root that are needed; all when there is none.
	only []string
	lock *flock.Flock
	// temporary is a directory that goes with the store.
	temporary string

	mu      stdsync.Mutex
	storer  storage.Storer
	closer  func() error
	tip     Hash
	damaged atomic.Bool
	// verified are the trees that are known to be whole.
	verified map[plumbing.Hash]bool
	// written are the objects of commits that were made here, by commit.
	written map[Hash][]plumbing.Hash
	commits int
	// lacking is the tip that the disk had no room for, and why.
	lacking lack
	// packs are the sizes of what was fetched, largest the largest of them. foreign is how
	// much of it nobody needs.
	packs, largest int64
	foreign        int64
}

// OpenStore opens the store of a branch in dir, which belongs to it alone and is
// made when it is missing. An empty dir keeps the objects in a temporary directory from
// the first fetch on until [Store.Close], or in memory where none can be made: only a small
// repo fits there. What a killed process left behind is removed.
//
// With only, files are fetched that are in one of these directories of the root, or are one
// of these files in it; others cannot be read. Where the server cannot leave the others out
// ([Store.Foreign]), they are fetched all the same.
//
// Errors: [ErrLocked].
func OpenStore(dir string, remote *Remote, branch string, only ...string) (*Store, error) {
	s := &Store{remote: remote, branch: branch, dir: dir, only: only}
	if dir == "" {
		return s, s.open("")
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("open store: %w", disk.Explain(dir, 0, err))
	}
	s.lock = flock.New(filepath.Join(dir, "lock"), flock.SetPermissions(0o600))
	locked, err := s.lock.TryLock()
	if err != nil {
		return nil, fmt.Errorf("open store: %w", disk.Explain(dir, 0, err))
	}
	if !locked {
		return nil, fmt.Errorf("open store: %w: another gitsync works in %s: stop it, or give --data-dir", ErrLocked, dir)
	}
	if err := s.sweep(); err != nil {
		return nil, errors.Join(err, s.lock.Unlock())
	}
	if err := s.open(s.current()); err != nil {
		return nil, errors.Join(err, s.lock.Unlock())
	}
	return s, nil
}

func (s *Store) current() string { return filepath.Join(s.dir, "git") }

// sweep removes what a killed process left.
func (s *Store) sweep() error {
	entries, err := os.ReadDir(s.dir)
	if err != nil {
		return fmt.Errorf("open store: %w", err)
	}
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), "new-") || strings.HasPrefix(e.Name(), "old-") {
			if err := os.RemoveAll(filepath.Join(s.dir, e.Name())); err != nil {
				return fmt.Errorf("open store: %w", err)
			}
		}
	}
	unfinished, err := filepath.Glob(filepath.Join(s.current(), "objects", "pack", "tmp_*"))
	if err != nil {
		return err
	}
	for _, name := range unfinished {
		if err := os.Remove(name); err != nil {
			return fmt.Errorf("open store: %w", err)
		}
	}
	return nil
}

// open begins to use the objects in a directory, or in memory.
func (s *Store) open(dir string) error {
	s.verified, s.written = map[plumbing.Hash]bool{}, map[Hash][]plumbing.Hash{}
	s.tip, s.commits = "", 0
	s.packs, s.largest = 0, 0
	s.damaged.Store(false)
	if dir == "" {
		s.storer, s.closer = memory.NewStorage(), func() error { return nil }
		return nil
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("open store: %w", disk.Explain(s.dir, 0, err))
	}
	fsStorer := filesystem.NewStorageWithOptions(osfs.New(dir, osfs.WithBoundOS()), cache.NewObjectLRU(objectCache),
		filesystem.Options{KeepDescriptors: true, ExclusiveAccess: true, LargeObjectThreshold: largeObject})
	if err := fsStorer.Init(); err != nil {
		return fmt.Errorf("open store: %w", disk.Explain(s.dir, 0, err))
	}
	s.storer, s.closer = fsStorer, fsStorer.Close
	if err := s.weigh(); err != nil {
		return fmt.Errorf("open store: %w", err)
	}
	if ref, err := fsStorer.Reference(s.ref()); err == nil {
		s.tip = Hash(ref.Hash().String())
	}
	return nil
}

func (s *Store) ref() plumbing.ReferenceName {
	return plumbing.NewBranchReferenceName(s.branch)
}

// Close lets go of the directory.
func (s *Store) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	err := s.closer()
	if s.lock != nil {
		err = errors.Join(err, s.lock.Unlock())
	}
	if s.temporary != "" {
		err = errors.Join(err, os.RemoveAll(s.temporary))
	}
	return err
}

// makeRoom gives a store without a directory a temporary one, before anything is fetched:
// memory is not for what somebody else sends. It does nothing where none can be made, as
// in a container without /tmp.
func (s *Store) makeRoom() error {
	if s.dir != "" || s.tip != "" {
		return nil
	}
	dir, err := os.MkdirTemp("", "gitsync-")
	if err != nil {
		return nil
	}
	s.dir, s.temporary = dir, dir
	return s.open(s.current())
}

// Fetch makes the commit at the tip of the branch readable, and returns it. What
// the store has already is not fetched again; a store that cannot be used any more
// is replaced by a fresh one.
//
// Errors: those of [Remote.Refs]; [ErrTooLarge]; [ErrBroken]; [ErrRaceLost] when the branch
// is not at that tip any more, so that its references must be read again.
func (s *Store) Fetch(ctx context.Context, tip Hash) (*Commit, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if commit, err := s.whole(tip); err == nil && !s.damaged.Load() {
		return commit, s.setTip(tip)
	}
	if err := s.stillFull(tip); err != nil {
		return nil, err
	}
	if err := s.makeRoom(); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, transferTimeout)
	defer cancel()
	if s.tip != "" && !s.damaged.Load() && !s.worn() {
		commit, err := s.increment(ctx, tip)
		if commit != nil || err != nil {
			return commit, err
		}
	}
	return s.startAgain(ctx, tip)
}

// increment fetches a commit on top of what is there. It returns neither a commit nor an
// error when the store had better begin again.
func (s *Store) increment(ctx context.Context, tip Hash) (*Commit, error) {
	limit := newBudget(max(leastIncrement, s.largest), "what came with the commit")
	tip, err := s.fetchInto(ctx, s.storer, goal{tip: tip, have: s.tip, limit: limit})
	s.grow(limit.used())
	switch {
	case tip != "" && (errors.Is(err, ErrTooLarge) || s.suspect(err)):
		return nil, nil
	case err != nil:
		return nil, s.remote.classify(ctx, err)
	}
	if commit, err := s.whole(tip); err == nil {
		return commit, s.setTip(tip)
	}
	return nil, nil
}

// startAgain fetches a commit alone into a fresh store.
func (s *Store) startAgain(ctx context.Context, tip Hash) (*Commit, error) {
	if err := s.startAnew(ctx, tip); err != nil {
		return nil, s.remote.classify(ctx, s.lacks(tip, err))
	}
	commit, err := s.whole(tip)
	if err != nil {
		return nil, fmt.Errorf("fetch %s: %w: %w", tip.Short(), ErrBroken, err)
	}
	return commit, s.setTip(tip)
}

// FetchTip fetches the commit that the branch is at, whichever it is, in one session: for
// whoever is in a race with others.
//
// Errors: those of [Store.Fetch], and [ErrBranchNotFound].
func (s *Store) FetchTip(ctx context.Context) (*Commit, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	ctx, cancel := context.WithTimeout(ctx, transferTimeout)
	defer cancel()
	if s.tip != "" && !s.damaged.Load() && !s.worn() {
		commit, err := s.increment(ctx, "")
		if commit != nil || err != nil {
			return commit, err
		}
	}
	refs, err := s.remote.Refs(ctx, s.branch)
	if err != nil {
		return nil, err
	}
	tip, err := refs.Branch(s.branch)
	if err != nil {
		return nil, err
	}
	if err := errors.Join(s.stillFull(tip), s.makeRoom()); err != nil {
		return nil, err
	}
	return s.startAgain(ctx, tip)
}

func (s *Store) setTip(tip Hash) error {
	if tip == s.tip {
		return nil
	}
	s.tip = tip
	return explainDisk(s.storer, s.storer.SetReference(plumbing.NewHashReference(s.ref(), tip.git())))
}

// suspect says whether an error comes from the local store rather than from the
// remote.
func (s *Store) suspect(err error) bool {
	// A snapshot may have room where all that changed meanwhile has not.
	return isFull(err) || errors.Is(err, ErrTooLarge) || !isNetwork(err) && (errors.Is(err, plumbing.ErrObjectNotFound) || errors.Is(err, errStore) || errors.Is(err, errPack))
}

// worn says whether so many packs or loose objects have gathered that a fresh
// store is better.
func (s *Store) worn() bool {
	if s.commits >= maxCommits {
		return true
	}
	if s.dir == "" {
		return false
	}
	packs, err := filepath.Glob(filepath.Join(s.current(), "objects", "pack", "*.pack"))
	if s.packs > max(keptPacks*s.largest, keptPacks*leastIncrement) {
		return true
	}
	loose, looseErr := filepath.Glob(filepath.Join(s.current(), "objects", "??", "*"))
	return err != nil || looseErr != nil || len(packs) >= maxPacks || len(loose) >= 20*maxCommits
}

// weigh finds out how large the packs are.
func (s *Store) weigh() error {
	names, err := filepath.Glob(filepath.Join(s.current(), "objects", "pack", "*.pack"))
	for _, name := range names {
		if info, err := os.Stat(name); err == nil {
			s.grow(info.Size())
		}
	}
	return err
}

// grow notes that a pack was added.
func (s *Store) grow(size int64) {
	s.packs += size
	s.largest = max(s.largest, size)
}

// startAnew fetches into a fresh store, and puts it in the place of the old one
// when it is whole.
func (s *Store) startAnew(ctx context.Context, tip Hash) error {
	if s.dir == "" {
		fresh, limit := memory.NewStorage(), newBudget(maxPack, "what the branch holds")
		if _, err := s.fetchInto(ctx, fresh, goal{tip: tip, limit: limit}); err != nil {
			return err
		}
		if err := s.open(""); err != nil {
			return err
		}
		s.storer = fresh
		s.grow(limit.used())
		return nil
	}
	dir, err := os.MkdirTemp(s.dir, "new-")
	if err != nil {
		return fmt.Errorf("open store: %w", disk.Explain(s.dir, 0, err))
	}
	defer func() { _ = os.RemoveAll(dir) }()
	fresh := filesystem.NewStorageWithOptions(osfs.New(dir, osfs.WithBoundOS()), cache.NewObjectLRU(objectCache), filesystem.Options{ExclusiveAccess: true})
	if err := fresh.Init(); err != nil {
		return fmt.Errorf("open store: %w", disk.Explain(s.dir, 0, err))
	}
	_, err = s.fetchInto(ctx, fresh, goal{tip: tip, limit: newBudget(maxPack, "what the branch holds")})
	if err == nil && s.tip != "" && !s.damaged.Load() {
		err = s.betterThanKept(fresh, tip)
	}
	if err := errors.Join(err, fresh.Close()); err != nil {
		return err
	}
	_ = s.closer()
	s.closer = func() error { return nil }
	old := strings.Replace(dir, "new-", "old-", 1)
	if err := errors.Join(os.Rename(s.current(), old), os.Rename(dir, s.current()), os.RemoveAll(old)); err != nil {
		return fmt.Errorf("replace store: %w", disk.Explain(s.dir, 0, err))
	}
	if err := s.open(s.current()); err != nil {
		return err
	}
	s.foreign, err = s.elsewhere(s.storer, tip)
	return err
}

// Foreign returns how many bytes of files that nobody needs came along when the store began,
// since the server could not leave them out.
func (s *Store) Foreign() int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.foreign
}

// Damaged says whether an object could not be read. The next Fetch mends that.
func (s *Store) Damaged() bool { return s.damaged.Load() }
