package sync

import (
	"context"
	"maps"

	"github.com/gitsync/gitsync/gitrepo"
	"github.com/gitsync/gitsync/layout"
	"github.com/gitsync/gitsync/state"
)

// kept is what the last cycle read of Git. Drift is repaired by it while the next one is
// still reading. It is never changed.
type kept struct {
	commit     *gitrepo.Commit
	settings   layout.Settings
	names      []string
	trees      map[string]string
	identities map[string]identity
	files      map[string]map[string]bool
	sealed     map[string]map[string]bool
	records    map[string]*state.Record
	faults     map[string]*state.Fault
	// hosts are those of the cycle, as they were before anything was done to them.
	hosts []HostResult
}

// keepRead remembers what was read, before hosts are worked on.
func (c *cycle) keepRead(context.Context) error {
	if c.planOnly || c.only != nil {
		return nil
	}
	k := &kept{
		commit: c.result.Commit, settings: c.settings, names: c.names, trees: c.trees,
		identities: maps.Clone(c.identities), files: maps.Clone(c.files), sealed: c.sealed,
		records: c.records, faults: maps.Clone(c.faults),
	}
	for _, h := range c.all {
		host := *h
		// It leads to all that this cycle comes to.
		host.task = nil
		k.hosts = append(k.hosts, host)
	}
	c.read = k
	return nil
}

// loadKept takes over what the last cycle read, for the hosts that are due for a look: no
// store is touched, since a fetch is under way there. What has to do with several hosts is
// left to the next cycle.
func (c *cycle) loadKept(context.Context) error {
	k := c.read
	c.result.Commit, c.settings, c.names, c.trees, c.records = k.commit, k.settings, k.names, k.trees, k.records
	c.sealed = k.sealed
	c.identities, c.faults, c.files = maps.Clone(k.identities), maps.Clone(k.faults), maps.Clone(k.files)
	for i := range k.hosts {
		h := k.hosts[i]
		h.task = newTask(c)
		if record, known := c.freshRecord(h.Name); known {
			h.Record = record
		}
		if h.Suspended = h.Suspended.In(c.opts.Now()); len(h.Suspended) == 0 {
			h.Suspended = nil
		}
		c.all = append(c.all, &h)
		if c.only[h.Name] && !h.Gone && len(h.moves) == 0 && !h.handsOver() {
			c.hosts = append(c.hosts, &h)
		}
	}
	return nil
}

// repair looks at hosts, and repairs drift there, while a fetch is under way. What is to be
// recorded is so by the next cycle.
func (s *Syncer) repair(ctx context.Context, change func(*cycle)) *Result {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.newCycle()
	if change(c); s.read == nil {
		return c.result
	}
	c.withoutGit = true
	return c.follow(ctx)
}
