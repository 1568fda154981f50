package sync

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/rs/zerolog"

	"github.com/gitsync/gitsync/state"
	"github.com/gitsync/gitsync/state/outbox"
	"github.com/gitsync/gitsync/trust"
)

// OutboxDir is the name, in the data directory of a repo, of what waits to be written to the
// state branch.
const OutboxDir = "outbox"

// Backlog says that what was deployed cannot be written to the state branch. Nothing of it
// is lost: it waits, and is written in order when that works again.
type Backlog struct {
	// Branch is the state branch.
	Branch string
	// Status says how much waits, since when, and whether a new process knows of it.
	outbox.Status
	// Err is why.
	Err error
}

// Error implements error.
func (b *Backlog) Error() string {
	since := ""
	if !b.Since.IsZero() {
		since = " since " + b.Since.UTC().Format(time.RFC3339)
	}
	text := fmt.Sprintf("branch %s cannot be written%s: %s", b.Branch, since, b.Err)
	switch {
	case b.Commits == 0:
		return text
	case b.Kept:
		return text + ": " + b.amount() + " in the data directory, to be written in order when it works again"
	}
	return text + ": " + b.amount() + " in memory, and would be lost with this process: nothing keeps that without a data directory that can be written (--data-dir); the labels on the containers are enough to go on"
}

// amount says how much waits.
func (b *Backlog) amount() string {
	if b.Commits == 1 && b.Records == 1 {
		return "1 record of 1 deployment waits"
	}
	return fmt.Sprintf("%d records of %d deployments wait", b.Records, b.Commits)
}

// Unwrap returns the reason.
func (b *Backlog) Unwrap() error { return b.Err }

// backlog returns why the state branch cannot be written; nil where it can.
func (r *Result) backlog() error {
	for _, err := range r.StateErrs {
		var behind *Backlog
		if errors.As(err, &behind) {
			return behind
		}
	}
	return nil
}

// openOutbox opens what an earlier process could not write to the state branch.
func (s *Syncer) openOutbox() {
	dir, readOnly := s.opts.storeDir(OutboxDir), false
	if dir == "" && s.opts.ReadOutbox != "" {
		dir, readOnly = s.opts.ReadOutbox, true
	}
	box, problems, err := outbox.Open(dir, readOnly, outbox.Limits{})
	if err != nil {
		problems = append(problems, err)
	}
	s.outboxProblems = append(problems, s.state.Keep(box, s.opts.Now)...)
}

// reportOutbox says once what of the outbox could not be read.
func (c *cycle) reportOutbox(ctx context.Context) {
	for _, problem := range c.outboxProblems {
		zerolog.Ctx(ctx).Warn().Err(problem).Msg("state: going on without a record that waited to be written")
	}
	c.outboxProblems = nil
}

// flushRecords writes what waits to the state branch. What cannot be written is a backlog,
// and no error: that it is not remembered what was written is one.
func (c *cycle) flushRecords(ctx context.Context) error {
	log := zerolog.Ctx(ctx)
	written, err := c.state.Flush(ctx)
	for _, entry := range written {
		c.result.Recorded = entry.Subject
		log.Info().Str("branch", c.opts.StateBranch).Str("subject", entry.Subject).Msg("recorded")
	}
	var other []error
	var why error
	for _, one := range flatten(err) {
		if isUnremembered(one) {
			other = append(other, one)
		} else if why == nil {
			why = one
		}
	}
	if why != nil {
		c.fallBehind(ctx, why)
		return errors.Join(other...)
	}
	c.backlog = nil
	if c.state.Worked() {
		log.Info().Str("branch", c.opts.StateBranch).Msg("state: the state branch can be written again, and nothing waits")
	}
	return errors.Join(other...)
}

// fallBehind remembers why the state branch cannot be written, and says so in the log once.
func (c *cycle) fallBehind(ctx context.Context, why error) {
	news, err := c.state.Failed(why)
	c.backlog = c.backlogOf(why)
	event := zerolog.Ctx(ctx).Debug()
	if news {
		event = zerolog.Ctx(ctx).Error()
	}
	event.Err(c.backlog).Str("reaction", string(React(why))).Msg("state: going on without writing to the state branch")
	if err != nil {
		zerolog.Ctx(ctx).Debug().Err(err).Msg("state: not kept since when the state branch cannot be written")
	}
}

// backlogOf returns what waits, with the reason; nil where nothing waits and nothing is
// wrong.
func (c *cycle) backlogOf(why error) *Backlog {
	if c.state == nil {
		return nil
	}
	status := c.state.Waiting()
	if why == nil && status.Commits == 0 {
		return nil
	}
	if why == nil {
		why = errors.New("not tried yet")
		if status.Error != "" {
			why = errors.New(status.Error)
		}
	}
	return &Backlog{Branch: c.opts.StateBranch, Status: status, Err: why}
}

// enqueue makes the records of hosts wait to be written to the state branch.
func (c *cycle) enqueue(ctx context.Context, changed []*HostResult) {
	records := map[string]*state.Record{}
	for _, h := range changed {
		records[h.Name] = h.record
	}
	if err := c.state.Put(records, c.entryOf(changed[0].source(), changed, records)); err != nil {
		zerolog.Ctx(ctx).Warn().Err(err).Strs("hosts", slices.Sorted(maps.Keys(records))).Msg("state: what is to be recorded is in memory alone until it is written to the state branch")
	}
	for _, h := range changed {
		delete(c.unrecorded, h.Name)
		delete(c.unsaved, h.Name)
	}
}

// unsavedBySource returns the hosts whose records changed, by the commit that they followed:
// the oldest first.
func (c *cycle) unsavedBySource() [][]*HostResult {
	bySource, first := map[string][]*HostResult{}, map[string]int{}
	for _, h := range c.unsaved {
		source := h.source()
		if number, known := first[source]; !known || h.cycle.number < number {
			first[source] = h.cycle.number
		}
		bySource[source] = append(bySource[source], h)
	}
	groups := slices.Collect(maps.Values(bySource))
	for _, group := range groups {
		sortHosts(group)
	}
	slices.SortFunc(groups, func(a, b []*HostResult) int { return cmp.Compare(first[a[0].source()], first[b[0].source()]) })
	return groups
}

func isUnremembered(err error) bool { return errors.Is(err, trust.ErrNotRemembered) }
