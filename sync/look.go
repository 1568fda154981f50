package sync

import (
	"maps"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/gitsync/gitsync/container"
	"github.com/gitsync/gitsync/state"
)

// looks is what is known of the looks at a host, and of what asks for the next one.
type looks struct {
	// tree is the host's at the last complete look, and next when the next one is due;
	// zero means now.
	tree string
	next time.Time
	// watch is the stream of the host's events; nil when there is none.
	watch *watch
	// dirty says that events ask for a look, from eventAt on, and ids of which containers
	// they tell.
	dirty   bool
	ids     map[string]bool
	eventAt time.Time
	// idle counts the looks in a row that events asked for, and that put nothing right;
	// eventLook is the last one.
	idle      int
	eventLook time.Time
	// settled is the host as it was when there was nothing to do; nil when there is.
	settled *settled
	// wakeAt is when time alone changes what is to be done: a suspension ends, a fight
	// has paused long enough. Zero for never.
	wakeAt time.Time
}

// settled is what a host must still be so that there is nothing to do.
type settled struct {
	tree      string
	record    *state.Record
	suspended state.Suspensions
	// current is the outline of what the look found.
	current container.Current
}

const (
	// firstEventPause is how long events are gathered before they are answered by a look,
	// and maxEventPause how long where they do not end: a container that crashes again and
	// again tells of it each time.
	firstEventPause = 100 * time.Millisecond
	maxEventPause   = 10 * time.Second
	// freeLooks are answered without a longer pause: that after a repair is one of them.
	freeLooks = 3
	// calm is how long there must be no event for the pause to be short again.
	calm = time.Minute
)

// lookOptions says how deep the look is that is due now, and takes over what asked for it:
// what comes from now on asks for another one.
func (c *cycle) lookOptions(h *HostResult) container.CheckOptions {
	if c.planOnly {
		return container.CheckOptions{}
	}
	c.tasks.mu.Lock()
	defer c.tasks.mu.Unlock()
	l := &h.memory.looks
	complete := c.deep || l.next.IsZero() || l.tree != h.Host.Tree || !c.opts.Now().Before(l.next)
	opts := container.CheckOptions{SkipFiles: !complete, SkipSettings: !complete, SettingsOf: slices.Sorted(maps.Keys(l.ids))}
	if l.dirty {
		l.idle, l.eventLook = l.idle+1, c.opts.Now()
	}
	l.dirty, l.ids, l.settled = false, nil, nil
	return opts
}

// looked remembers that the host answered, and when it is looked at completely again.
func (c *cycle) looked(h *HostResult, opts container.CheckOptions) {
	c.tasks.mu.Lock()
	defer c.tasks.mu.Unlock()
	if opts.SkipSettings || c.planOnly {
		return
	}
	l := &h.memory.looks
	l.tree, l.next = h.Host.Tree, c.opts.Now().Add(jitter(c.driftInterval(h)))
}

// driftInterval is how often the host is looked at completely.
func (c *cycle) driftInterval(h *HostResult) time.Duration {
	if own := time.Duration(h.Host.DriftInterval); own > 0 {
		return own
	}
	return c.opts.DriftInterval
}

// jitter is a duration give or take a tenth, so that many hosts do not do the same at
// once.
func jitter(d time.Duration) time.Duration {
	if d < 10 {
		return d
	}
	return d + rand.N(d/5) - d/10
}

// lookAgain asks for a complete look the next time.
func (c *cycle) lookAgain(h *HostResult) {
	c.tasks.mu.Lock()
	defer c.tasks.mu.Unlock()
	h.memory.looks.next, h.memory.looks.settled = time.Time{}, nil
}

// settle remembers after a task whether there is nothing to do on the host until
// something changes, and when time alone changes that.
func (c *cycle) settle(h *HostResult) {
	record := h.Record
	if h.changed {
		record = h.record
	}
	left := slices.ContainsFunc(h.drifted(), func(d container.Drifted) bool { return d.Left != "" })
	c.tasks.mu.Lock()
	defer c.tasks.mu.Unlock()
	l := &h.memory.looks
	if !h.Plan.Empty() && h.Err == nil {
		l.idle = 0
	}
	l.wakeAt = h.nextSuspensionEnd()
	for _, r := range repairsIn(record) {
		if next := nextRepair(r, c.opts.Now()); !next.IsZero() && (l.wakeAt.IsZero() || next.Before(l.wakeAt)) {
			l.wakeAt = next
		}
	}
	if !h.Checked || h.Err != nil || !h.Plan.Empty() || left && len(h.Suspended) == 0 || h.Gone || h.waitsForTurn || len(h.moves) > 0 || h.handsOver() {
		l.settled = nil
		return
	}
	l.settled = &settled{h.Host.Tree, record, h.Suspended, h.Current.Outline()}
}

func repairsIn(record *state.Record) map[string]state.Repairs {
	if record == nil {
		return nil
	}
	return record.Repairs
}

// quiet says whether nothing has happened on a host since there was nothing to do: its
// events are watched, and neither the repo nor the record changed. Then it is not asked,
// and as good as looked at.
func (c *cycle) quiet(h *HostResult) bool {
	if c.watches == nil || c.deep || c.opts.RetryNow || c.opts.RepairNow || h.Gone || h.waitsForTurn || len(h.moves) > 0 || h.handsOver() {
		return false
	}
	c.tasks.mu.Lock()
	defer c.tasks.mu.Unlock()
	l, now := &h.memory.looks, c.opts.Now()
	s := l.settled
	if s == nil || l.watch == nil || !l.watch.alive || l.dirty || !now.Before(l.next) || s.tree != h.Host.Tree ||
		!l.wakeAt.IsZero() && !now.Before(l.wakeAt) || !maps.Equal(s.suspended, h.Suspended) {
		return false
	}
	if s.record != h.Record {
		if !s.record.Same(h.Record) {
			return false
		}
		s.record = h.Record
	}
	h.Quiet, h.looked, h.Current = true, true, s.current
	return true
}

// due returns when the first look is due that no commit asks for, of hosts that are not at
// work; zero when none is.
func (s *Syncer) due() time.Time {
	s.tasks.mu.Lock()
	defer s.tasks.mu.Unlock()
	var first time.Time
	for _, m := range s.hosts {
		if at := m.dueAt(); !at.IsZero() && (first.IsZero() || at.Before(first)) {
			first = at
		}
	}
	return first
}

// dueAt returns when a look is due that no commit asks for; zero when none is. The tasks
// are locked.
func (m *memory) dueAt() time.Time {
	l := &m.looks
	// A host that failed is tried again after its pause, unless its events say that it is
	// there.
	answers := l.dirty && l.watch != nil && l.watch.alive
	if m.running != nil || l.tree == "" || m.failures > 0 && !answers {
		return time.Time{}
	}
	var at time.Time
	earlier := func(other time.Time) {
		if !other.IsZero() && (at.IsZero() || other.Before(at)) {
			at = other
		}
	}
	earlier(l.next)
	earlier(l.wakeAt)
	if l.dirty {
		earlier(l.eventAt)
	}
	return at
}

// dueHosts returns the hosts that are due for a look now.
func (s *Syncer) dueHosts() map[string]bool {
	s.tasks.mu.Lock()
	defer s.tasks.mu.Unlock()
	due := map[string]bool{}
	for name, m := range s.hosts {
		if at := m.dueAt(); !at.IsZero() && !s.opts.Now().Before(at) {
			due[name] = true
		}
	}
	return due
}

// postpone keeps hosts that could not be looked at from being due all the time.
func (s *Syncer) postpone(hosts map[string]bool) {
	s.tasks.mu.Lock()
	defer s.tasks.mu.Unlock()
	now := s.opts.Now()
	for name := range hosts {
		l := &s.hosts[name].looks
		for _, at := range []*time.Time{&l.next, &l.wakeAt, &l.eventAt} {
			if !at.IsZero() && !now.Before(*at) {
				*at = now.Add(maxEventPause)
			}
		}
	}
}
