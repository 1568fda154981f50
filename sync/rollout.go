package sync

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/gitsync/gitsync/container"
	"github.com/gitsync/gitsync/container/types"
	"github.com/gitsync/gitsync/layout"
	"github.com/gitsync/gitsync/state"
)

// Rollout says where a roll-out stands. There is one while gitsync.yaml asks for it
// and hosts have not followed the commit yet.
type Rollout struct {
	// Done are the hosts that follow the commit, Waiting those that do not yet, and
	// Failed those with a container that could not be deployed.
	Done, Waiting, Failed []string
	// Until is when it goes on, while the canaries are monitored; zero otherwise.
	Until time.Time
	// Stopped says why it does not go on by itself; empty when it does.
	Stopped string
}

// String returns where the roll-out stands, in one line.
func (r *Rollout) String() string {
	all := len(r.Done) + len(r.Waiting) + len(r.Failed)
	text := fmt.Sprintf("roll-out: %d of %d hosts done", len(r.Done), all)
	switch {
	case r.Stopped != "":
		text += ", stopped: " + r.Stopped
	case !r.Until.IsZero():
		text += ", the canaries are watched until " + r.Until.UTC().Format("15:04:05 MST")
	}
	if len(r.Waiting) > 0 {
		text += "; waiting: " + hostList(r.Waiting)
	}
	return text
}

// turnState is what a roll-out knows of one host.
type turnState struct {
	name string
	// mine says that this gitsync handles the host.
	mine bool
	// pending says that the host does not follow the commit yet, and older that the
	// commit does not change it.
	pending, older bool
	// failed says that one of its containers could not be deployed, or does not run
	// well; unreachable that the host did not answer.
	failed, unreachable bool
	since               time.Time
}

// nextTurn says which hosts follow now. It is a pure function: the roll-out has no
// memory besides the records of the hosts. What failed with an older commit holds
// nobody up, unless it is a canary.
func nextTurn(settings layout.Rollout, hosts []turnState, now time.Time) (turn []string, status Rollout) {
	canaries := settings.Canary
	if len(canaries) == 0 {
		for _, h := range hosts[:min(settings.CanaryCount, len(hosts))] {
			canaries = append(canaries, h.name)
		}
	}
	var pending, pendingCanaries []string
	taking, reachable, canariesDone := 0, 0, time.Time{}
	for _, h := range hosts {
		isCanary := slices.Contains(canaries, h.name)
		if h.older && (!isCanary || !h.failed) {
			continue
		}
		switch {
		case h.failed:
			status.Failed = append(status.Failed, h.name)
		case h.pending:
			status.Waiting = append(status.Waiting, h.name)
		default:
			status.Done = append(status.Done, h.name)
		}
		if h.pending && !h.unreachable && isCanary {
			pendingCanaries = append(pendingCanaries, h.name)
		} else if h.pending && !h.unreachable && h.mine {
			pending = append(pending, h.name)
		}
		if isCanary {
			taking++
		}
		if isCanary && !h.unreachable {
			reachable++
			if !h.pending && h.since.After(canariesDone) {
				canariesDone = h.since
			}
		}
	}
	if len(status.Waiting) == 0 {
		return nil, status
	}
	watched := canariesDone.Add(time.Duration(settings.Monitor))
	switch {
	case len(status.Failed) > 0 && settings.OnFailure != layout.ContinueRollout:
		status.Stopped = hostList(status.Failed) + " failed"
	case len(pendingCanaries) > 0:
		turn = pendingCanaries
	case taking > 0 && reachable == 0:
		status.Stopped = "no canary can be reached"
	case taking > 0 && now.Before(watched):
		status.Until = watched
	default:
		turn = pending
	}
	if settings.Parallelism > 0 {
		turn = turn[:min(settings.Parallelism, len(turn))]
	}
	return turn, status
}

// onHosts does the steps for all hosts. An error, or a slow host, is that host's alone.
// With a roll-out the hosts that a commit changes take their turns, beside all others.
// Containers that have moved are removed in the end from where they were.
func (c *cycle) onHosts(ctx context.Context, steps []hostStep) {
	if c.only != nil {
		for _, h := range c.hosts {
			// A turn comes with the cycles that all hosts take part in.
			h.waitsForTurn = c.settings.Rollout != nil && h.pending()
		}
		c.handle(ctx, c.hosts, steps)
		return
	}
	var free []*HostResult
	turns := map[string]*HostResult{}
	for _, h := range c.hosts {
		if c.settings.Rollout != nil && c.takesTurn(h) {
			turns[h.Name] = h
		} else {
			free = append(free, h)
		}
	}
	var group errgroup.Group
	group.Go(func() error {
		c.handle(ctx, free, steps)
		return nil
	})
	if c.settings.Rollout != nil {
		group.Go(func() error {
			c.rollOut(ctx, turns, steps)
			return nil
		})
	}
	_ = group.Wait()
	if ctx.Err() == nil && !c.isLeft() {
		c.handle(ctx, c.arrivals(), steps)
	}
}

// takesTurn says whether a host is looked at before others follow: the commit changes
// it, or has; its update failed; or it is a canary by name.
func (c *cycle) takesTurn(h *HostResult) bool {
	return h.pending() || c.follows(h.Record) || len(h.known()) > 0 || slices.Contains(c.settings.Rollout.Canary, h.Name)
}

// pending says whether the host does not follow the commit yet.
func (h *HostResult) pending() bool { return h.Record == nil || h.Record.Tree != h.Host.Tree }

// turnStates says how far the hosts are that take part: from this cycle, or, for those
// that others handle, from their records.
func (c *cycle) turnStates(turns map[string]*HostResult) []turnState {
	mine := map[string]bool{}
	for _, h := range c.hosts {
		mine[h.Name] = true
	}
	var states []turnState
	for _, name := range c.names {
		if h := turns[name]; h != nil {
			states = append(states, c.handledTurn(h))
		} else if !mine[name] {
			states = append(states, c.recordedTurn(name)...)
		}
	}
	return states
}

// handledTurn is what this cycle tells of a host.
func (c *cycle) handledTurn(h *HostResult) turnState {
	ended := h.ended()
	c.tasks.mu.Lock()
	defer c.tasks.mu.Unlock()
	s := turnState{name: h.Name, mine: true, older: !h.pending() && !c.follows(h.Record), pending: h.pending()}
	if h.Record != nil {
		s.since = h.Record.DeployedAt
	}
	switch {
	case !h.handled:
	case !ended:
		s.unreachable = !h.looked
		s.failed = !s.pending && len(withoutHost(h.known())) > 0
	case isTurned(h.Err):
		// Another instance is at it: nobody waits for that.
		s.unreachable = true
	default:
		s.failed = c.spoilt(h)
		s.unreachable = !h.Checked && !h.Quiet
		s.pending = h.pending() && s.unreachable
		if h.pending() {
			s.since = c.opts.Now()
		}
	}
	return s
}

// recordedTurn is what the state branch tells of a host that another gitsync
// handles: nothing, or one state.
func (c *cycle) recordedTurn(name string) []turnState {
	if c.trees == nil {
		return nil
	}
	record := c.records[name]
	if record == nil {
		// What cannot be read has not followed.
		return []turnState{{name: name, pending: true}}
	}
	pending := record.Tree != c.trees[name]
	return []turnState{{
		name: name, pending: pending, older: !pending && !c.follows(record),
		failed: !pending && len(withoutHost(record.Failures)) > 0, since: record.DeployedAt,
	}}
}

// follows says whether it was this commit that was deployed to a host last.
func (c *cycle) follows(record *state.Record) bool {
	return record != nil && c.result.Commit != nil && record.SourceCommit == string(c.result.Commit.Hash)
}

// spoilt says whether a host that was looked at has a container that could not be
// deployed, by this cycle or where that is a plan by an earlier one, or that does not
// run well.
func (c *cycle) spoilt(h *HostResult) bool {
	if h.Checked && h.Err != nil || c.planOnly && len(h.known()) > 0 {
		return true
	}
	for key := range h.Host.Containers {
		main := h.Current.Containers[key].Main
		if main != nil && (main.Status == types.StatusRestarting || strings.Contains(main.Detail, "("+types.HealthUnhealthy+")")) {
			return true
		}
	}
	return false
}

// kept is the desired state of a host whose turn has not come: what it has.
func (h *HostResult) kept() container.ContainersState {
	if h.Record == nil {
		return nil
	}
	return h.Record.PreviousState
}
