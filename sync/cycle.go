package sync

import (
	"context"
	"errors"
	"io/fs"
	"slices"
	"strings"

	"github.com/gitsync/gitsync/container"
	"github.com/gitsync/gitsync/layout"
)

// cycle is one pass over the repo and its hosts.
type cycle struct {
	*Syncer
	result *Result
	// tree is what the commit holds.
	tree fs.FS
	// deep reads config files back, whether or not they are due.
	deep bool
	// planOnly says that nothing is deployed.
	planOnly bool
	// settings are those of gitsync.yaml, and names those of all hosts in the repo.
	settings layout.Settings
	names    []string
	// trees are the hashes of the hosts' directories, where there is a roll-out.
	trees map[string]string
}

// step is a part of a cycle. When it fails the rest is not done.
type step struct {
	name string
	run  func(ctx context.Context) error
}

// hostStep is a part of a cycle that is done for each host on its own.
type hostStep struct {
	name string
	run  func(ctx context.Context, h *HostResult) error
}

// Cycle makes one pass: it deploys what the repo says and records it. Whatever
// goes wrong is in the result.
func (s *Syncer) Cycle(ctx context.Context) *Result {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := &cycle{Syncer: s, result: &Result{}}
	c.run(ctx,
		step{"fetch", c.fetch},
		step{"load", c.load},
		c.watched(c.onHosts(
			hostStep{"check", c.check},
			hostStep{"plan", c.plan},
			hostStep{"deploy", c.deploy},
		)),
		step{"record", c.record},
	)
	for _, h := range c.result.Hosts {
		c.result.Again = c.result.Again || errors.Is(h.Err, container.ErrInterrupted)
	}
	c.report(ctx)
	return c.result
}

// Plan does what Cycle does, up to the plan. It changes nothing.
func (s *Syncer) Plan(ctx context.Context) *Result {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := &cycle{Syncer: s, result: &Result{}, deep: true, planOnly: true}
	c.run(ctx,
		step{"fetch", c.fetch},
		step{"load", c.load},
		c.onEachHost(
			hostStep{"check", c.check},
			hostStep{"plan", c.plan},
		),
		step{"stage", c.stage},
	)
	return c.result
}

func (c *cycle) run(ctx context.Context, steps ...step) {
	for _, s := range steps {
		if err := s.run(ctx); err != nil {
			c.result.Err = err
			return
		}
	}
}

// onEachHost does the steps for all hosts, so many at once as the options say, and
// without turns: for plans.
func (c *cycle) onEachHost(steps ...hostStep) step {
	return step{"hosts", func(ctx context.Context) error {
		c.handle(ctx, make(chan struct{}, c.opts.Parallel), c.result.Hosts, steps)
		return nil
	}}
}

// stage says where a roll-out stands, for plans.
func (c *cycle) stage(context.Context) error {
	if c.settings.Rollout == nil || c.opts.Path != "" {
		return nil
	}
	turns := map[string]*HostResult{}
	for _, h := range c.result.Hosts {
		if c.takesTurn(h) {
			// A look has not changed what is pending.
			h.handled = !h.pending()
			turns[h.Name] = h
		}
	}
	if _, status := nextTurn(*c.settings.Rollout, c.turnStates(turns), c.opts.Now()); len(status.Waiting)+len(status.Failed) > 0 {
		c.result.Rollout = &status
	}
	return nil
}

func sortHosts(hosts []*HostResult) {
	slices.SortFunc(hosts, func(a, b *HostResult) int { return strings.Compare(a.Name, b.Name) })
}
