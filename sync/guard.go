package sync

import (
	"fmt"
	"regexp"
)

// allowPrune is the line of a commit's message that lets it remove many containers.
var allowPrune = regexp.MustCompile(`(?im)^\s*prune:\s*allow\s*$`)

// pruneLimit is the fraction of a host's containers that may be removed in this
// cycle; 0 means no limit.
func (c *cycle) pruneLimit() float64 {
	if c.opts.AllowPrune || c.result.Commit != nil && allowPrune.MatchString(c.result.Commit.Message) {
		return 0
	}
	return c.settings.PruneLimit
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
