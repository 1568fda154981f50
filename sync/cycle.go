package sync

import (
	"context"
	"errors"
	"io/fs"
	"maps"
	"slices"
	"strings"
	stdsync "sync"
	"time"

	"github.com/gitsync/gitsync/gitrepo"
	"github.com/gitsync/gitsync/internal/panics"
	"github.com/gitsync/gitsync/layout"
	"github.com/gitsync/gitsync/state"
)

// cycle is one pass over the repo and its hosts.
type cycle struct {
	*Syncer
	fetchState
	result *Result
	// hosts are all that take part. Those of the result are the ones that are done.
	hosts []*HostResult
	// all are the hosts before those were left out that this cycle does not look at.
	all []*HostResult
	// leaveAt is when the cycle ends although hosts are still at work, some patience
	// later at the earliest; zero means that it waits for all.
	leaveAt time.Time
	// left is closed when the cycle goes on without them.
	left      chan struct{}
	leaveOnce stdsync.Once
	// waitUntil is when the wait for another instance on a host is given up; zero means
	// never.
	waitUntil time.Time
	// once says that no other cycle follows in this process.
	once bool
	// tree is what the commit holds.
	tree fs.FS
	// deep looks completely, whether or not that is due.
	deep bool
	// only are the hosts that a look is due at, where no commit asks for the cycle; nil
	// for all.
	only map[string]bool
	// stale says that the commit is not the newest one, in a cycle that no commit asks for.
	stale bool
	// watches are the streams of events, while the syncer runs.
	watches *watches
	// newPolicy says that the policy is another one than in the cycle before.
	newPolicy bool
	// withoutGit says that neither the stores nor the remote are used: a fetch is under way, or
	// the remote does not answer. What the last cycle read is there then.
	withoutGit bool
	// planOnly says that nothing is deployed.
	planOnly bool
	// settings are those of gitsync.yaml, and names those of all hosts in the repo.
	settings layout.Settings
	names    []string
	// trees are the hashes of the hosts' directories, where there is a roll-out.
	trees map[string]string
	// identities are those of the repo, by the name of the state branch.
	identities map[string]identity
	// sealed are the owners of ciphertexts, by their digests; nil where that was not noted. It is
	// not changed once the hosts are loaded.
	sealed map[string]map[string]bool
	// files are the config files of hosts by their confirmed records, as far as the policy
	// asked for them.
	files map[string]map[string]bool
	// records are those of the hosts that others handle, where there is a roll-out.
	records map[string]*state.Record
	// number counts the cycles of this process.
	number int
	// backlog says why the state branch cannot be written; nil when it can, or was not to be.
	backlog *Backlog
	// faults are what cannot be read in the state branch, by their text.
	faults map[string]*state.Fault
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
// goes wrong is in the result. It waits for all hosts.
func (s *Syncer) Cycle(ctx context.Context) *Result {
	return s.cycle(ctx, func(c *cycle) { c.waitUntil = time.Now().Add(s.opts.LeaseWait) })
}

func (s *Syncer) cycle(ctx context.Context, change func(*cycle)) *Result {
	defer s.lock()()
	c := s.newCycle()
	change(c)
	c.run(ctx, step{"fetch", c.fetch})
	return c.follow(ctx)
}

// follow does what comes after the fetch.
func (c *cycle) follow(ctx context.Context) *Result {
	steps := []step{{"load", c.load}, {"identify", c.identify}, {"keep", c.keepRead}}
	if !c.withoutGit && c.only == nil {
		c.away = errors.Is(c.result.GitErr, gitrepo.ErrUnreachable) || errors.Is(c.result.Err, gitrepo.ErrUnreachable)
	}
	if c.withoutGit {
		steps = []step{{"load", c.loadKept}}
	}
	c.run(ctx, append(steps, c.work(
		hostStep{"check", c.check},
		hostStep{"plan", c.plan},
		hostStep{"deploy", c.deploy},
	))...)
	sortHosts(c.result.Hosts)
	if c.hosts != nil && c.only == nil {
		c.leaveOthers(ctx)
		c.rememberMachines(ctx)
		c.watches.keep(c.hosts)
		c.connections.keep(slices.AppendSeq(slices.Clone(c.hosts), maps.Values(c.busyHosts())))
	}
	c.result.Busy, c.result.retry = slices.Sorted(maps.Keys(c.busyHosts())), c.nextTry()
	c.reportFaults(ctx)
	c.report(ctx)
	c.tell(ctx)
	return c.result
}

func (s *Syncer) newCycle() *cycle {
	s.cycles++
	return &cycle{Syncer: s, number: s.cycles, fetchState: s.fetchState, result: &Result{Offline: s.opts.Offline}, left: make(chan struct{})}
}

// Plan does what Cycle does, up to the plan. It changes nothing.
func (s *Syncer) Plan(ctx context.Context) *Result {
	defer s.lock()()
	c := s.newCycle()
	c.deep, c.planOnly = true, true
	c.run(ctx,
		step{"fetch", c.fetch},
		step{"load", c.load},
		step{"identify", c.identify},
		c.onEachHost(
			hostStep{"check", c.check},
			hostStep{"plan", c.plan},
		),
		step{"stage", c.stage},
	)
	c.result.Hosts = c.hosts
	c.reportFaults(ctx)
	return c.result
}

func (c *cycle) run(ctx context.Context, steps ...step) {
	for _, s := range steps {
		if c.result.Err != nil {
			return
		}
		err := c.redact(panics.Catch(func() error { return s.run(ctx) }))
		logPanic(ctx, "", err)
		if err != nil {
			c.result.Err = err
		}
	}
}

// onEachHost does the steps for all hosts, without turns: for plans.
func (c *cycle) onEachHost(steps ...hostStep) step {
	return step{"hosts", func(ctx context.Context) error {
		c.handle(ctx, c.hosts, steps)
		return nil
	}}
}

// stage says where a roll-out stands, for plans.
func (c *cycle) stage(context.Context) error {
	if c.settings.Rollout == nil || c.opts.Path != "" {
		return nil
	}
	turns := map[string]*HostResult{}
	for _, h := range c.hosts {
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
