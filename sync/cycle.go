package sync

import (
	"context"
	"io/fs"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"
)

// cycle is one pass over the repo and its hosts.
type cycle struct {
	*Syncer
	result *Result
	// tree is what the commit holds.
	tree fs.FS
	// deep reads config files back, whether or not they are due.
	deep bool
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
		c.onEachHost(
			hostStep{"check", c.check},
			hostStep{"plan", c.plan},
			hostStep{"deploy", c.deploy},
		),
		step{"record", c.record},
	)
	c.report(ctx)
	return c.result
}

// Plan does what Cycle does, up to the plan. It changes nothing.
func (s *Syncer) Plan(ctx context.Context) *Result {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := &cycle{Syncer: s, result: &Result{}, deep: true}
	c.run(ctx,
		step{"fetch", c.fetch},
		step{"load", c.load},
		c.onEachHost(
			hostStep{"check", c.check},
			hostStep{"plan", c.plan},
		),
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

// onEachHost does the steps for all hosts, so many at once as the options say. An
// error ends its own host's steps and no other's.
func (c *cycle) onEachHost(steps ...hostStep) step {
	return step{"hosts", func(ctx context.Context) error {
		var group errgroup.Group
		group.SetLimit(c.opts.Parallel)
		for _, h := range c.result.Hosts {
			group.Go(func() error {
				for _, s := range steps {
					if h.Err = s.run(ctx, h); h.Err != nil || !h.Waiting.IsZero() {
						break
					}
				}
				return nil
			})
		}
		return group.Wait()
	}}
}

func sortHosts(hosts []*HostResult) {
	slices.SortFunc(hosts, func(a, b *HostResult) int { return strings.Compare(a.Name, b.Name) })
}
