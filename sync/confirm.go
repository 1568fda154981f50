package sync

import (
	"context"
	"errors"
	"fmt"
	"maps"

	"github.com/rs/zerolog"

	"github.com/gitsync/gitsync/container"
	"github.com/gitsync/gitsync/gitrepo"
	"github.com/gitsync/gitsync/state"
)

// ErrUnconfirmed means that only the state branch knows of a host, and that nothing else
// says that it is right.
var ErrUnconfirmed = errors.New("its record is not confirmed")

// confirmed says whether there is a record, and whether it may decide something: this
// gitsync wrote it, or has found that what runs agrees with it.
func (h *HostResult) confirmed() bool { return h.Record != nil && h.Record.Confirmed }

// leftAlone says what is left as it is: what is suspended, and what moves from here as long
// as its record is not confirmed, since it cannot be kept up by it.
func (h *HostResult) leftAlone() map[string]string {
	left := h.suspensions()
	for key, why := range h.left {
		if left[key] == "" {
			left[key] = why
		}
	}
	if h.confirmed() {
		return left
	}
	left = maps.Clone(left)
	for key, to := range h.moving() {
		if left == nil {
			left = map[string]string{}
		}
		left[key] = "it moves to " + to + ", and its record is not confirmed yet"
	}
	return left
}

// mayLogIn says whether a host that is no longer in the repo is a machine that we reach
// anyway: this one, or that of a host which the repo has. Then the way there is ours, and
// not that of the record.
func (c *cycle) mayLogIn(h *HostResult) bool {
	if h.Host.Runtime.Memory != nil && h.Host.Host.SSHConfig == nil {
		return true
	}
	key := machineKey(h.Host.Host, h.Host.Runtime)
	for _, other := range c.all {
		if !other.Gone && machineKey(other.Host.Host, other.Host.Runtime) == key {
			h.Host.Host, h.Host.Runtime = other.Host.Host, other.Host.Runtime
			return true
		}
	}
	docker := h.Host.Runtime.Docker
	if docker == nil || docker.Context != "" || h.Host.Host.SSHConfig != nil {
		return false
	}
	usual := *docker
	usual.Host = c.opts.DockerHost
	return docker.GetAddress() == usual.GetAddress()
}

// unconfirmedGone leaves a host alone that only an unconfirmed record knows. A plan says
// what the record says.
func (c *cycle) unconfirmedGone(h *HostResult) error {
	if c.planOnly {
		deployment, err := c.deploymentOf(h).Deployment()
		if err != nil {
			return err
		}
		h.deployment = deployment
		assume(h)
		return nil
	}
	return c.failed(h, fmt.Errorf("host %s is no longer in the repo, and %w by anything but the state branch, which others may write: nobody logs in to %s for it: bring hosts/%s back and remove it again, give it up with gitsync forget %s, or believe the record with --trust-records, once",
		h.Name, ErrUnconfirmed, h.Host.Host.Address(), h.Name, h.Name))
}

// confirms says whether a task found that the record is right as it is.
func (c *cycle) confirms(h *HostResult, next *state.Record) bool {
	old := h.Record
	if old == nil || old.Confirmed || !h.Checked || h.Err != nil || c.opts.Offline || h.deployment == nil {
		return false
	}
	// These are not compared, and would be believed too.
	return len(old.MovedFrom)+len(old.Repairs)+len(old.Failures)+len(old.Moving) == 0 && old.Clean == nil && old.HeldBack == nil && old.Same(next) && !unknown(h.Current)
}

// unknown says whether the look could not read what it wanted to.
func unknown(current container.Current) bool { return len(current.FileErrors) > 0 }

// recordsRefused says loudly that somebody wrote to the state branch who may not.
func recordsRefused(ctx context.Context, branch string, commit gitrepo.Hash, err error) {
	zerolog.Ctx(ctx).Error().Str("branch", branch).Str("commit", commit.Short()).Str("reaction", string(NeedsPerson)).Err(err).
		Msg("state: what is in the state branch decides nothing")
}

// repairState puts back what can be read of a state branch that cannot be as a whole, and
// what was signed last in one that is signed. Deployments do not wait for it.
func (c *cycle) repairState(ctx context.Context) error {
	if c.planOnly || c.result.Commit == nil {
		return nil
	}
	entry := state.Entry{
		When: c.opts.Now(), Source: string(c.result.Commit.Hash), Result: state.Success,
		Subject: "Sign the records: the branch was not as it was signed last",
	}
	if err := c.state.Repair(ctx, entry); err != nil {
		return fmt.Errorf("repair branch %s (the next cycles try again): %w", c.opts.StateBranch, err)
	}
	return nil
}
