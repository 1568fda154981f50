package gitrepo

import (
	"context"
	"maps"
	"slices"
	"strings"
	"unicode"

	"github.com/go-git/go-git/v5/plumbing"

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

// Refs are the branches of a remote at one moment. The zero value has none.
type Refs struct {
	branches map[string]Hash
}

// Branch returns the tip of a branch.
//
// Errors: [ErrBranchNotFound], which names the branches that there are.
func (r Refs) Branch(name string) (Hash, error) {
	if tip, ok := r.branches[name]; ok {
		return tip, nil
	}
	return "", notFound(name, r.Names())
}

// Names returns the names of all branches, in order.
func (r Refs) Names() []string { return slices.Sorted(maps.Keys(r.branches)) }

// With returns references in which a branch is at this tip.
func (r Refs) With(name string, tip Hash) Refs {
	branches := maps.Clone(r.branches)
	if branches == nil {
		branches = map[string]Hash{}
	}
	branches[name] = tip
	return Refs{branches}
}

// Refs asks the remote for its branches: one reference advertisement.
//
// Errors: [ErrEmptyRemote], [ErrAuth], [ErrHostKey], [ErrUnreachable].
func (r *Remote) Refs(ctx context.Context) (_ Refs, err error) {
	defer panics.Into(&err)
	ctx, cancel := context.WithTimeout(ctx, refsTimeout)
	defer cancel()
	session, err := r.uploadPack(ctx)
	if err != nil {
		return Refs{}, r.classify(ctx, err)
	}
	defer func() { _ = session.Close() }()
	advertised, err := session.AdvertisedReferencesContext(ctx)
	if err != nil {
		return Refs{}, r.classify(ctx, err)
	}
	return branchesOf(advertised.References), nil
}

func branchesOf(references map[string]plumbing.Hash) Refs {
	refs := Refs{branches: map[string]Hash{}}
	for name, hash := range references {
		if branch, ok := strings.CutPrefix(name, "refs/heads/"); ok {
			refs.branches[branch] = Hash(hash.String())
		}
	}
	return refs
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
