package gitrepo

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/transport"

	"github.com/gitsync/gitsync/internal/panics"
)

// Hash is the name of a Git object: 40 hexadecimal digits, or empty for none.
type Hash string

// Short returns the first seven digits.
func (h Hash) Short() string {
	if len(h) > 7 {
		return string(h[:7])
	}
	return string(h)
}

func (h Hash) git() plumbing.Hash { return plumbing.NewHash(string(h)) }

// Refs are branches of a remote at one moment. The zero value has none.
type Refs struct {
	branches map[string]Hash
	// some says that only those were asked for that somebody wants: there may be others.
	some bool
}

// Branch returns the tip of a branch.
//
// Errors: [ErrBranchNotFound], which names the branches that there are, where all were asked
// for.
func (r Refs) Branch(name string) (Hash, error) {
	if tip, ok := r.branches[name]; ok {
		return tip, nil
	}
	if r.some {
		return "", fmt.Errorf("branch %s: %w; nothing is changed until it is there", name, ErrBranchNotFound)
	}
	return "", notFound(name, r.Names())
}

// Names returns the names of the branches, in order.
func (r Refs) Names() []string { return slices.Sorted(maps.Keys(r.branches)) }

// With returns references in which a branch is at this tip.
func (r Refs) With(name string, tip Hash) Refs {
	branches := maps.Clone(r.branches)
	if branches == nil {
		branches = map[string]Hash{}
	}
	branches[name] = tip
	return Refs{branches, r.some}
}

// Refs asks the remote for branches: for those with these names, where a * at the end of a
// name stands for all that begin so; without names for all. It is one request, or two where
// the server was not asked before, and what it costs does not depend on how many references
// there are, where the server knows protocol version 2. When the first of the branches is not
// there, all are asked for, so that the error can name them.
//
// Errors: [ErrEmptyRemote], [ErrAuth], [ErrHostKey], [ErrUnreachable].
func (r *Remote) Refs(ctx context.Context, names ...string) (_ Refs, err error) {
	defer panics.Into(&err)
	ctx, cancel := context.WithTimeout(ctx, refsTimeout)
	defer cancel()
	refs := Refs{}
	if len(names) > 0 {
		if refs, err = r.branches(ctx, names); err != nil {
			return Refs{}, r.classify(ctx, err)
		}
		if refs.branches[names[0]] != "" || strings.HasSuffix(names[0], "*") {
			return refs, nil
		}
	}
	if refs, err = r.branches(ctx, []string{"*"}); err != nil {
		return Refs{}, r.classify(ctx, err)
	}
	refs.some = false
	return refs, nil
}

// branches asks for branches, and finds out whether a repo without them has anything.
func (r *Remote) branches(ctx context.Context, names []string) (Refs, error) {
	list, u, err := r.list(ctx, branches(names...))
	if err != nil {
		return Refs{}, err
	}
	defer func() { _ = u.Close() }()
	refs := Refs{branches: map[string]Hash{}, some: true}
	for _, ref := range list {
		refs.branches[strings.TrimPrefix(ref.Name, "refs/heads/")] = Hash(ref.Hash)
	}
	if len(list) == 0 && names[0] == "*" {
		// Tags alone are no empty repo, but nothing that can be deployed either.
		return Refs{}, transport.ErrEmptyRemoteRepository
	}
	return refs, nil
}

// printable puts foreign text on one line, without characters that steer a terminal.
func printable(s string) string {
	s = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || unicode.Is(unicode.Cf, r) || r == '\u2028' || r == '\u2029' {
			return ' '
		}
		return r
	}, s)
	return strings.Join(strings.Fields(s), " ")
}
