package state

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"slices"

	"sigs.k8s.io/yaml"

	"github.com/gitsync/gitsync/gitrepo"
	"github.com/gitsync/gitsync/internal/yamlout"
	"github.com/gitsync/gitsync/trust"
)

const (
	repoPath = "repo.yaml"
	// maxRepo bounds its size.
	maxRepo = 1 << 20
)

// Repo is what a state branch says about the repo as a whole. Who can write the branch can
// claim anything.
type Repo struct {
	// Identity is what containers carry; empty when none was made yet.
	Identity string `json:"identity,omitempty"`
	// Adopted are former owners of containers, by which operators took these over.
	Adopted []trust.Adoption `json:"adopted,omitempty"`
}

// Repo returns what the branch says about the repo; zero when it says nothing.
//
// Errors: [*Fault].
func (b *Branch) Repo() (Repo, error) {
	var repo Repo
	if b.tree == nil {
		return repo, nil
	}
	data, err := b.tree.ReadFileLimit(repoPath, maxRepo)
	if errors.Is(err, fs.ErrNotExist) {
		return repo, nil
	}
	if err == nil {
		err = yaml.Unmarshal(data, &repo)
	}
	if err == nil && repo.Identity != "" && !trust.IsIdentity(repo.Identity) {
		err = fmt.Errorf("identity %q: want 32 hexadecimal digits", repo.Identity)
	}
	if err != nil {
		return Repo{}, b.faultAt(repoPath, "", err)
	}
	return repo, nil
}

// Identify gives the repo an identity, unless it has one by the time that the branch can be
// written, and returns the one that it has then. Of several that do so at once one wins, and
// all return the same.
//
// Errors: those of [Branch.Save].
func (b *Branch) Identify(ctx context.Context, proposed string, entry Entry) (string, error) {
	var identity string
	changed := func() (map[string][]byte, error) {
		repo, err := b.Repo()
		if err == nil && repo.Identity != "" {
			identity = repo.Identity
			return nil, nil
		}
		// What cannot be read is replaced.
		identity, repo.Identity = proposed, proposed
		return repo.files()
	}
	if err := b.writable(); err != nil {
		return "", err
	}
	// Where many begin at once all but one lose the first race, and need not push again.
	changes, err := changed()
	if err == nil && len(changes) > 0 {
		err = b.push(ctx, changes, entry)
	}
	if errors.Is(err, gitrepo.ErrRaceLost) {
		if err = b.loadTip(ctx); err == nil || errors.Is(err, gitrepo.ErrRaceLost) || isLasting(err) {
			err = b.save(ctx, entry, changed)
		}
	}
	if err != nil {
		return "", err
	}
	return identity, nil
}

// Adopt records that operators took containers of former owners over.
//
// Errors: those of [Branch.Save].
func (b *Branch) Adopt(ctx context.Context, adopted []trust.Adoption, entry Entry) error {
	return b.save(ctx, entry, func() (map[string][]byte, error) {
		// What cannot be read is replaced: the next cycle writes the identity again.
		repo, err := b.Repo()
		if err != nil && !errors.Is(err, ErrUnreadable) {
			return nil, err
		}
		for _, a := range adopted {
			if !slices.Contains(repo.Adopted, a) {
				repo.Adopted = append(repo.Adopted, a)
			}
		}
		return repo.files()
	})
}

func (r Repo) files() (map[string][]byte, error) {
	data, err := yamlout.Marshal(r)
	if err != nil {
		return nil, fmt.Errorf("write %s: %w", repoPath, err)
	}
	return map[string][]byte{repoPath: data}, nil
}

// Repo returns what the branch of a host says about the repo; see [Branch.Repo].
func (r *Records) Repo(ctx context.Context, host string) (Repo, error) {
	b, fault, err := r.readable(ctx, host)
	if err != nil {
		return Repo{}, err
	}
	repo, err := b.Repo()
	return repo, errors.Join(fault, err)
}

// Identify gives the repo an identity in the branch of a host; see [Branch.Identify].
func (r *Records) Identify(ctx context.Context, host, proposed string, entry Entry) (string, error) {
	b, err := r.loaded(ctx, host)
	if err != nil {
		return "", err
	}
	identity, err := b.Identify(ctx, proposed, entry)
	if err == nil {
		r.refs = r.refs.With(b.name, b.tip)
	}
	return identity, err
}

// Adopt records adoptions in the branches of the hosts; see [Branch.Adopt].
func (r *Records) Adopt(ctx context.Context, adopted []trust.Adoption, entry Entry) error {
	byBranch := map[string][]trust.Adoption{}
	for _, a := range adopted {
		byBranch[r.BranchOf(a.Host)] = append(byBranch[r.BranchOf(a.Host)], a)
	}
	for _, name := range slices.Sorted(maps.Keys(byBranch)) {
		own, of := entry, byBranch[name]
		if r.PerHost() {
			own.Hosts = []string{of[0].Host}
		}
		b, err := r.loaded(ctx, of[0].Host)
		if err == nil {
			err = b.Adopt(ctx, of, own)
		}
		if err != nil {
			return err
		}
		r.refs = r.refs.With(b.name, b.tip)
	}
	return nil
}

// Signed says whether what the branches say counts only as far as somebody signed it who
// may.
func (r *Records) Signed() bool { return r.seal != nil }
