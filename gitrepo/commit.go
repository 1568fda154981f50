package gitrepo

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/filemode"
	"github.com/go-git/go-git/v5/plumbing/object"
	"github.com/go-git/go-git/v5/storage/memory"

	"github.com/gitsync/gitsync/gitrepo/protocol"
	"github.com/gitsync/gitsync/internal/panics"
)

// Commit is a commit and what it holds.
type Commit struct {
	Hash Hash
	// Author and Email are as the commit says; nobody has checked them.
	Author, Email string
	// When is the author's time.
	When time.Time
	// Subject is the first line of Message. Both are foreign text.
	Subject, Message string
	Parents          []Hash

	tree *Tree
}

// Tree returns what the commit holds. It is valid until the store begins anew,
// which [Store.Fetch] may do.
func (c *Commit) Tree() *Tree { return c.tree }

func (s *Store) newCommit(c *object.Commit) *Commit {
	commit := describe(c)
	commit.tree = &Tree{store: s, storer: s.storer, root: c.TreeHash, dirs: map[string]*object.Tree{}}
	return commit
}

func describe(c *object.Commit) *Commit {
	subject, _, _ := strings.Cut(strings.TrimSpace(c.Message), "\n")
	commit := &Commit{
		Hash: Hash(c.Hash.String()), Author: short(c.Author.Name), Email: short(c.Author.Email), When: c.Author.When,
		Subject: strings.TrimSpace(short(subject)), Message: c.Message,
	}
	for _, p := range c.ParentHashes {
		commit.Parents = append(commit.Parents, Hash(p.String()))
	}
	return commit
}

// short cuts a line that is longer than anybody writes: a commit may have 128 MiB.
func short(line string) string {
	const enough = 1000
	if len(line) <= enough {
		return line
	}
	return strings.ToValidUTF8(line[:enough], "") + "…"
}

// Signature says who makes a commit.
type Signature struct {
	Name, Email string
	When        time.Time
}

// CommitOptions say what to commit.
type CommitOptions struct {
	// Parent is the commit to build on, which must have been fetched; empty makes
	// a commit without parent.
	Parent Hash
	// Changes maps paths to contents; nil removes a file. A directory that becomes
	// empty vanishes.
	Changes map[string][]byte
	// Message is the commit's message.
	Message string
	// Author is its author and committer.
	Author Signature
	// Replace makes the changes to Base instead of to what the parent holds, so that nothing
	// of that is left; a nil Base is empty. The parent need not have been fetched then, and
	// all of Base is pushed along, since the remote may have lost it.
	Replace bool
	Base    *Tree
	// Sign, when set, returns the signature of the commit, in its armour.
	Sign func(payload []byte) (armored string, err error)
}

// Commit makes a commit in the store. It is on no branch until [Store.Push].
//
// Errors: [ErrObjectMissing] for a parent that was not fetched; those of Sign.
func (s *Store) Commit(_ context.Context, opts CommitOptions) (Hash, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	w := &writer{store: s}
	commit := &object.Commit{Message: opts.Message}
	signature := object.Signature{Name: opts.Author.Name, Email: opts.Author.Email, When: opts.Author.When}
	commit.Author, commit.Committer = signature, signature
	if opts.Parent != "" {
		commit.ParentHashes = []plumbing.Hash{opts.Parent.git()}
	}
	base, err := w.base(opts)
	if err != nil {
		return "", err
	}
	if commit.TreeHash, err = w.tree(base, opts.Changes); err != nil {
		return "", err
	}
	if commit.TreeHash.IsZero() {
		if commit.TreeHash, err = w.encode(&object.Tree{}); err != nil {
			return "", err
		}
	}
	if opts.Sign != nil {
		if commit.PGPSignature, err = sign(commit, opts.Sign); err != nil {
			return "", err
		}
	}
	hash, err := w.encode(commit)
	if err != nil {
		return "", err
	}
	s.written[Hash(hash.String())] = w.objects
	return Hash(hash.String()), nil
}

// sign returns the signature of a commit that has none yet.
func sign(commit *object.Commit, by func(payload []byte) (string, error)) (string, error) {
	o := &plumbing.MemoryObject{}
	if err := commit.EncodeWithoutSignature(o); err != nil {
		return "", err
	}
	r, err := o.Reader()
	if err != nil {
		return "", err
	}
	payload, err := io.ReadAll(r)
	if err := errors.Join(err, r.Close()); err != nil {
		return "", err
	}
	return by(payload)
}

// base returns what a commit changes; nil when that is empty.
func (w *writer) base(opts CommitOptions) (*object.Tree, error) {
	storer := w.store.storer
	if opts.Replace {
		if opts.Base == nil {
			return nil, nil
		}
		base, err := object.GetTree(storer, opts.Base.root)
		if err == nil {
			err = w.addAll(base, 0)
		}
		if err != nil {
			return nil, fmt.Errorf("%w: tree %s: %w", ErrObjectMissing, opts.Base.root, err)
		}
		return base, nil
	}
	if opts.Parent == "" {
		return nil, nil
	}
	parent, err := object.GetCommit(storer, opts.Parent.git())
	if err != nil {
		return nil, fmt.Errorf("%w: commit %s: %w", ErrObjectMissing, opts.Parent.Short(), err)
	}
	base, err := parent.Tree()
	if err != nil {
		return nil, fmt.Errorf("%w: tree of %s: %w", ErrObjectMissing, opts.Parent.Short(), err)
	}
	return base, nil
}

// addAll counts what a tree holds among what is written.
func (w *writer) addAll(tree *object.Tree, depth int) error {
	if depth > maxDepth {
		return ErrTooLarge
	}
	w.objects = append(w.objects, tree.Hash)
	for _, e := range tree.Entries {
		switch e.Mode {
		case filemode.Submodule:
		case filemode.Dir:
			below, err := object.GetTree(w.store.storer, e.Hash)
			if err == nil {
				err = w.addAll(below, depth+1)
			}
			if err != nil {
				return err
			}
		default:
			w.objects = append(w.objects, e.Hash)
		}
	}
	return nil
}

// writer puts objects into the store and remembers which.
type writer struct {
	store   *Store
	objects []plumbing.Hash
}

// encoder is what a commit and a tree have in common.
type encoder interface {
	Encode(o plumbing.EncodedObject) error
}

func (w *writer) encode(e encoder) (plumbing.Hash, error) {
	o := w.store.storer.NewEncodedObject()
	if err := e.Encode(o); err != nil {
		return plumbing.ZeroHash, err
	}
	return w.set(o)
}

func (w *writer) set(o plumbing.EncodedObject) (plumbing.Hash, error) {
	hash, err := w.store.storer.SetEncodedObject(o)
	if err != nil {
		return plumbing.ZeroHash, fmt.Errorf("write object: %w", explainDisk(w.store.storer, err))
	}
	w.objects = append(w.objects, hash)
	return hash, nil
}

func (w *writer) blob(content []byte) (plumbing.Hash, error) {
	o := w.store.storer.NewEncodedObject()
	o.SetType(plumbing.BlobObject)
	out, err := o.Writer()
	if err != nil {
		return plumbing.ZeroHash, err
	}
	if _, err := out.Write(content); err != nil {
		return plumbing.ZeroHash, errors.Join(err, out.Close())
	}
	if err := out.Close(); err != nil {
		return plumbing.ZeroHash, err
	}
	return w.set(o)
}

// tree writes a directory with changes; the zero hash means that it became empty.
func (w *writer) tree(base *object.Tree, changes map[string][]byte) (plumbing.Hash, error) {
	entries := map[string]object.TreeEntry{}
	if base != nil {
		for _, e := range base.Entries {
			entries[e.Name] = e
		}
	}
	below := map[string]map[string][]byte{}
	for p, content := range changes {
		name, rest, deeper := strings.Cut(p, "/")
		switch {
		case deeper:
			if below[name] == nil {
				below[name] = map[string][]byte{}
			}
			below[name][rest] = content
		case content == nil:
			delete(entries, name)
		default:
			hash, err := w.blob(content)
			if err != nil {
				return plumbing.ZeroHash, err
			}
			entries[name] = object.TreeEntry{Name: name, Mode: filemode.Regular, Hash: hash}
		}
	}
	for name, changes := range below {
		var sub *object.Tree
		if e, ok := entries[name]; ok && e.Mode == filemode.Dir {
			var err error
			if sub, err = object.GetTree(w.store.storer, e.Hash); err != nil {
				return plumbing.ZeroHash, fmt.Errorf("%w: directory %s: %w", ErrObjectMissing, name, err)
			}
		}
		hash, err := w.tree(sub, changes)
		if err != nil {
			return plumbing.ZeroHash, err
		}
		delete(entries, name)
		if !hash.IsZero() {
			entries[name] = object.TreeEntry{Name: name, Mode: filemode.Dir, Hash: hash}
		}
	}
	if len(entries) == 0 {
		return plumbing.ZeroHash, nil
	}
	return w.encode(sortedTree(entries))
}

// Log returns the newest commits of a branch, newest first, by first parents. What they hold
// is not fetched where the server can leave it out.
//
// Errors: those of [Remote.Refs]; [ErrBranchNotFound].
func (r *Remote) Log(ctx context.Context, branch string, limit int) ([]Commit, error) {
	ctx, cancel := context.WithTimeout(ctx, transferTimeout)
	defer cancel()
	storer := memory.NewStorage()
	tip, err := r.history(ctx, storer, branch, limit)
	if errors.Is(err, errFilter) {
		tip, err = r.history(ctx, storer, branch, limit)
	}
	if err != nil {
		return nil, r.classify(ctx, err)
	}
	var commits []Commit
	for hash := tip.git(); len(commits) < limit && !hash.IsZero(); {
		c, err := object.GetCommit(storer, hash)
		if err != nil {
			break
		}
		commits = append(commits, *describe(c))
		hash = plumbing.ZeroHash
		if len(c.ParentHashes) > 0 {
			hash = c.ParentHashes[0]
		}
	}
	return commits, nil
}

// history fetches the newest commits of a branch, and returns its tip.
func (r *Remote) history(ctx context.Context, into *memory.Storage, branch string, limit int) (_ Hash, err error) {
	defer panics.Into(&err)
	u, tip, err := (&Store{remote: r, branch: branch}).meet(ctx, "")
	if err != nil {
		return "", err
	}
	defer func() { _ = u.Close() }()
	request := protocol.Request{Wants: []string{string(tip)}, Depth: limit, Filter: u.filter(commitsAlone)}
	return tip, receive(ctx, u, request, into, newBudget(maxPack, "the history of branch "+branch))
}
