package sync

import (
	"fmt"
	"regexp"
	"slices"
	"time"

	"github.com/gitsync/gitsync/state"
)

// allowPrune is the line of a commit's message that lets it remove many containers.
var allowPrune = regexp.MustCompile(`(?im)^\s*prune:\s*allow\s*$`)

// pruneLimit is the fraction of a host's containers that may be removed in this
// cycle; 0 means no limit.
func (c *cycle) pruneLimit() float64 {
	if c.opts.AllowPrune || c.saysPrune() {
		return 0
	}
	return c.settings.PruneLimit
}

// saysPrune says whether the commit allows that many containers are removed. Where commits
// are verified, only what somebody signed who may counts: not the message of a merge that the
// forge made.
func (c *cycle) saysPrune() bool {
	commit := c.result.Commit
	switch {
	case commit == nil:
		return false
	case c.opts.Verify == nil:
		return allowPrune.MatchString(commit.Message)
	}
	return c.said.commit == commit.Hash && slices.ContainsFunc(c.said.texts, allowPrune.MatchString)
}

// heldBefore is what was deployed before the first commit whose removals were held back.
func (h *HostResult) heldBefore() []string {
	if h.Record == nil || h.Record.HeldBack == nil {
		return nil
	}
	return h.Record.HeldBack.Deployed
}

// heldBackOf is what to record of removals that are held back: what they are counted
// against, for as long as any is. A host that waits for its turn has not been asked to
// remove anything.
func (c *cycle) heldBackOf(h *HostResult) *state.HeldBack {
	var old *state.HeldBack
	if h.Record != nil {
		old = h.Record.HeldBack
	}
	if h.waitsForTurn {
		return old
	}
	var deployed []string
	for _, p := range h.Plan.Hosts {
		deployed = append(deployed, p.HeldBack...)
	}
	if len(deployed) == 0 {
		return nil
	}
	slices.Sort(deployed)
	held := &state.HeldBack{Commit: h.source(), Since: c.opts.Now().UTC().Truncate(time.Second), Deployed: slices.Compact(deployed)}
	if old != nil && !slices.ContainsFunc(held.Deployed, func(key string) bool { return !slices.Contains(old.Deployed, key) }) {
		held.Commit, held.Since = old.Commit, old.Since
	}
	return held
}

// guardMoves keeps containers that are protected on one host from being created on
// another one, to which a commit moved their entry.
func (c *cycle) guardMoves() {
	protected := map[string]string{}
	for _, h := range c.hosts {
		for key, m := range h.kept() {
			if m.Protect && h.Host.Containers[key] == nil {
				protected[key] = h.Name
			}
		}
	}
	for _, h := range c.hosts {
		for key := range h.Host.Containers {
			from, moves := protected[key]
			if !moves || h.kept()[key] != nil {
				continue
			}
			if h.blocked == nil {
				h.blocked = map[string]string{}
			}
			h.blocked[key] = fmt.Sprintf("it is protected on host %s: a commit must first say protect: false there, and be deployed, before another one moves it", from)
		}
	}
}
