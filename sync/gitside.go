package sync

import (
	"context"
	stdsync "sync"
	"time"
)

// gitSide fetches for a Run, beside the repairs: neither waits for the other. Its methods
// are called by Run alone.
type gitSide struct {
	syncer *Syncer
	all    stdsync.WaitGroup
	// fetched gets the cycle whose fetch has ended; it holds the Syncer's git then.
	fetched chan *cycle
	// since is when the fetch began that is under way; zero when there is none.
	since time.Time
}

func newGitSide(s *Syncer) *gitSide { return &gitSide{syncer: s, fetched: make(chan *cycle, 1)} }

// busy says whether a fetch is under way.
func (g *gitSide) busy() bool { return !g.since.IsZero() }

// begin begins the fetch of the next cycle.
func (g *gitSide) begin(ctx context.Context) {
	g.since = g.syncer.opts.Now()
	g.syncer.mu.Lock()
	c := g.syncer.newCycle()
	g.syncer.mu.Unlock()
	g.all.Go(func() {
		g.syncer.git.Lock()
		c.run(ctx, step{"fetch", c.fetchGit})
		g.fetched <- c
	})
}

// patientUntil is how long a look that is due waits for the fetch that is under way: most end
// within that, and the cycle after it looks at all hosts, and knows what was suspended.
func (g *gitSide) patientUntil() time.Time { return g.since.Add(g.syncer.opts.Patience) }

// end waits for a fetch that is under way, which ends with the context.
func (g *gitSide) end() {
	g.all.Wait()
	select {
	case <-g.fetched:
		g.syncer.git.Unlock()
	default:
	}
}

// follow runs the rest of a cycle after its fetch.
func (g *gitSide) follow(ctx context.Context, c *cycle, change func(*cycle)) *Result {
	defer g.syncer.git.Unlock()
	g.since = time.Time{}
	g.syncer.mu.Lock()
	defer g.syncer.mu.Unlock()
	c.adoptFetch()
	change(c)
	return c.follow(ctx)
}

// lock waits until nobody else works with the stores, nor on what is known of the hosts.
func (s *Syncer) lock() (unlock func()) {
	s.git.Lock()
	s.mu.Lock()
	return func() {
		s.mu.Unlock()
		s.git.Unlock()
	}
}

// adoptFetch makes what a fetch came to known to later cycles.
func (c *cycle) adoptFetch() { c.Syncer.fetchState = c.fetchState }
