package sync

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/rs/zerolog"

	"github.com/gitsync/gitsync/container"
	"github.com/gitsync/gitsync/container/types"
	"github.com/gitsync/gitsync/gitrepo"
	"github.com/gitsync/gitsync/trust"
)

// maxLabelled bounds how many commits of a host are looked up in the history.
const maxLabelled = 100

// checkHistory refuses to change a host whose containers came from commits that the one to be
// deployed was not built on. It asks once for each host of a data directory that is new: what
// that one does not remember only the state branch could say otherwise, where a record can be
// removed together with a rewind of the branch. The labels of what runs are on the host.
func (c *cycle) checkHistory(ctx context.Context, h *HostResult) error {
	commit := c.result.Commit
	if c.opts.Verify == nil || c.opts.Verify.AllowRewind || commit == nil || c.opts.Memory.Proven(h.Name) {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, historyTimeout)
	defer cancel()
	for _, from := range labelledCommits(h.Current) {
		built, err := c.builtOn(ctx, commit.Hash, from)
		if errors.Is(err, gitrepo.ErrTooLarge) {
			return fmt.Errorf("commit %s is not deployed on host %s: %w, as far as can be seen: containers there came from commit %s, and what lies between cannot be looked at: %w: nothing is changed there: see that 'git merge-base --is-ancestor %s %s' succeeds, and accept it with --allow-rewind, once",
				commit.Hash.Short(), h.Name, trust.ErrRewind, from.Short(), err, from.Short(), commit.Hash.Short())
		}
		if err != nil {
			return fmt.Errorf("find out whether commit %s was built on %s, which host %s runs: %w", commit.Hash.Short(), from.Short(), h.Name, err)
		}
		if !built {
			return fmt.Errorf("commit %s is not deployed on host %s: %w: containers there came from commit %s, and the history of this one does not lead there, as far as the remote shows it: nothing is changed there: push a commit that is built on %s (git revert undoes), or accept it with --allow-rewind, once",
				commit.Hash.Short(), h.Name, trust.ErrRewind, from.Short(), from.Short())
		}
	}
	if c.planOnly {
		return nil
	}
	if err := c.opts.Memory.Prove(h.Name); err != nil {
		zerolog.Ctx(ctx).Warn().Err(err).Str("host", h.Name).Msg("trust: its containers are compared with the history of the branch again next time")
	}
	return nil
}

// labelledCommits are the commits that a host's containers came from, by their labels.
func labelledCommits(current container.Current) []gitrepo.Hash {
	found := map[gitrepo.Hash]bool{}
	for _, instances := range current.Containers {
		for _, row := range []*types.ContainerSummary{instances.Main, instances.New, instances.Old} {
			if row != nil && commitForm.MatchString(row.Labels[container.LabelCommit]) {
				found[gitrepo.Hash(row.Labels[container.LabelCommit])] = true
			}
		}
	}
	commits := slices.Sorted(maps.Keys(found))
	return commits[:min(len(commits), maxLabelled)]
}
