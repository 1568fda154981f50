package sync

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	stdsync "sync"
	"time"

	"github.com/rs/zerolog"

	"github.com/gitsync/gitsync/container"
	"github.com/gitsync/gitsync/gitrepo"
	"github.com/gitsync/gitsync/trust"
)

// Who may write the state branch can claim any identity, and labels can be read by whoever
// may use the engine. So containers that bear the owner of another address, or of another
// branch, are ours only when all of this holds:
//
//   - they carry our identity; or, as those of older versions, none, and then the record
//     agrees with all of them in ID, host, key, name and spec digest;
//   - the commits that they came from are in the history of the branch that we deploy: the
//     state branch cannot bring those of another repo into it;
//   - with --verify, a signature or our own data directory tells the identity;
//   - nobody works on the machine for another address.
//
// Or an operator has said so: gitsync adopt.

// judge says of containers of another owner on a host whether they are ours, and remembers
// it.
func (c *cycle) judge(h *HostResult, id identity) container.Judge {
	return func(ctx context.Context, claim container.Claim) (bool, string) {
		adoption := trust.Adoption{Host: h.Name, Owner: claim.Owner, Repo: claim.Repo}
		if c.opts.Memory.HasAdopted(adoption) || slices.Contains(id.adopted, adoption) {
			return true, ""
		}
		if why := c.doubt(ctx, id, claim); why != "" {
			return false, why
		}
		if c.planOnly {
			return true, ""
		}
		if err := c.opts.Memory.Adopt(adoption); err != nil {
			zerolog.Ctx(ctx).Warn().Err(err).Msg("trust: it is not remembered that containers of a former owner are ours")
		}
		zerolog.Ctx(ctx).Info().Str("host", h.Name).Str("from", claim.Owner).Msg("its containers are ours: this is the same repo")
		return true, ""
	}
}

// doubt says why containers of another owner are not ours; empty when they are.
func (c *cycle) doubt(ctx context.Context, id identity, claim container.Claim) string {
	switch {
	case claim.Repo != "" && !claim.Same:
		return "it carries the identity of another repo"
	case claim.Repo == "" && !claim.Recorded:
		return "it carries no identity, and the state branch does not have a record that agrees with all containers of that owner"
	case !c.believes(id, claim):
		return "with --verify an identity counts only when the state branch is signed, or when the data directory knows it"
	}
	return c.notBuiltOn(ctx, claim.Commits)
}

// believes says whether the identity is known by more than what anybody may have written to
// the state branch, where that is wanted.
func (c *cycle) believes(id identity, claim container.Claim) bool {
	if c.opts.Verify == nil || c.state.Signed() || c.opts.TrustRecords {
		return true
	}
	return claim.Repo != "" && (id.Own || claim.Found || c.knownElsewhere(claim.Owner, claim.Repo))
}

// knownElsewhere says whether this agent has used an identity for another owner.
func (c *cycle) knownElsewhere(owner, repo string) bool {
	if c.opts.Elsewhere == nil || repo == "" {
		return false
	}
	memory := c.opts.Elsewhere(owner)
	return memory != nil && memory.HasIdentity(repo)
}

// ancestry remembers on which commits the tip was built.
type ancestry struct {
	mu    stdsync.Mutex
	tip   gitrepo.Hash
	known map[gitrepo.Hash]bool
}

// historyTimeout bounds how long a host's check waits for the history of the branch: a
// forge that hangs is no trouble of the host.
const historyTimeout = 15 * time.Second

var commitForm = regexp.MustCompile(`^[0-9a-f]{40}$`)

// notBuiltOn says why the deployed commit is not built on all of these; empty when it is.
func (c *cycle) notBuiltOn(ctx context.Context, commits []string) string {
	if c.result.Commit == nil {
		return "a directory was read instead of the branch, whose history says where it came from"
	}
	ctx, cancel := context.WithTimeout(ctx, historyTimeout)
	defer cancel()
	for _, commit := range commits {
		if !commitForm.MatchString(commit) {
			return "it does not say which commit it came from"
		}
		built, err := c.builtOn(ctx, c.result.Commit.Hash, gitrepo.Hash(commit))
		if err != nil {
			return fmt.Sprintf("the history of branch %s could not be read: %v", c.opts.Branch, err)
		}
		if !built {
			return fmt.Sprintf("commit %s, which it came from, is not in the history of branch %s, as far as that can be read", gitrepo.Hash(commit).Short(), c.opts.Branch)
		}
	}
	return ""
}

// builtOn says whether one commit is another one, or was built on it.
func (c *cycle) builtOn(ctx context.Context, tip, commit gitrepo.Hash) (bool, error) {
	if tip == commit {
		return true, nil
	}
	a := &c.ancestry
	a.mu.Lock()
	if a.tip != tip {
		a.tip, a.known = tip, map[gitrepo.Hash]bool{}
	}
	built, known := a.known[commit]
	a.mu.Unlock()
	if known {
		return built, nil
	}
	if c.withoutGit {
		return false, errors.New("it is being fetched: the next cycle reads it")
	}
	lineage, err := c.source.Inspect(ctx, tip, gitrepo.InspectOptions{Known: commit})
	switch {
	case gitrepo.Forever(err):
	case err != nil:
		return false, err
	default:
		built = lineage.Descends(tip, commit)
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.tip == tip {
		a.known[commit] = built
	}
	return built, nil
}
