package sync

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/gitsync/gitsync/container"
	"github.com/gitsync/gitsync/gitrepo"
	"github.com/gitsync/gitsync/internal/grace"
	"github.com/gitsync/gitsync/state"
	"github.com/gitsync/gitsync/trust"
)

const (
	// recordTimeout bounds the push of the state branch, lastRecordTimeout that of a
	// process that does not try again in its next cycle, and recordGrace what is left of
	// it when we are told to stop.
	recordTimeout     = time.Minute
	lastRecordTimeout = 30 * time.Minute
	recordGrace       = 10 * time.Second
	// awayTimeout and awayGrace are those where the remote did not answer just now: repairs,
	// and whoever wants to stop, do not wait for it long.
	awayTimeout = 10 * time.Second
	awayGrace   = 2 * time.Second
	// fullTry is how often one of several tries in vain has all the time: a push may be slow.
	fullTry = 5
)

// maxUnrecorded bounds the lines that are kept for a host while the state branch
// cannot be written.
const maxUnrecorded = 100

// keep remembers what is to be recorded of a host, until that is done.
func (c *cycle) keep(h *HostResult) {
	if h.confirms {
		c.found[h.Name] = h.Record
	}
	if !h.changed && c.unsaved[h.Name] == nil {
		delete(c.unrecorded, h.Name)
		return
	}
	lines := append(c.unrecorded[h.Name], h.lines...)
	c.unrecorded[h.Name] = lines[max(0, len(lines)-maxUnrecorded):]
	if h.changed {
		c.unsaved[h.Name] = h
	}
}

// record writes the records that changed, in one commit for each commit that was
// deployed: a slow host may be done with an older one. When that fails it is tried again
// with the next results. It goes on for a while after a cancellation, so that what was
// done is written down.
func (c *cycle) record(ctx context.Context) error {
	if c.withoutGit {
		return nil
	}
	// A disk that cannot be written to keeps no deployment out of the state branch.
	unremembered := c.state.Confirm(c.found)
	if unremembered == nil {
		clear(c.found)
	} else if !errors.Is(unremembered, trust.ErrNotRemembered) {
		return unremembered
	}
	c.reportOutbox(ctx)
	for _, changed := range c.unsavedBySource() {
		c.enqueue(ctx, changed)
	}
	if c.state.Waiting().Commits == 0 && c.opts.Seal == nil && !c.state.Broken() {
		return unremembered
	}
	if c.gaveUp = c.gaveUp && ctx.Err() != nil; c.gaveUp {
		return unremembered
	}
	stopped := ctx
	timeout, leave := c.recordTimes()
	ctx, cancel := grace.Context(ctx, timeout, leave)
	defer cancel()
	unremembered = errors.Join(unremembered, c.flushRecords(ctx))
	if c.backlog != nil {
		c.notRecorded(c.backlog, stopped.Err() != nil)
		return unremembered
	}
	c.unpushed = 0
	return errors.Join(unremembered, c.repairState(ctx))
}

// recordTimes says how long a try to record something may take, and how much of that is left
// once Run is told to stop.
func (c *cycle) recordTimes() (timeout, leave time.Duration) {
	switch {
	case c.once:
		return lastRecordTimeout, recordGrace
	case c.away, c.unpushed > 1 && c.unpushed%fullTry != 0:
		return awayTimeout, awayGrace
	case c.only != nil:
		return awayTimeout, recordGrace
	}
	return recordTimeout, recordGrace
}

// notRecorded remembers a try in vain, and whether it was the last one.
func (c *cycle) notRecorded(err error, last bool) {
	c.gaveUp = last
	if errors.Is(err, gitrepo.ErrUnreachable) {
		c.unpushed++
	}
}

// source is the commit that the host's task followed.
func (h *HostResult) source() string { return string(h.cycle.result.Commit.Hash) }

func (c *cycle) entryOf(source string, changed []*HostResult, records map[string]*state.Record) state.Entry {
	entry := state.Entry{
		When: c.opts.Now(), Source: source, Result: state.Success,
		Subject: subject(gitrepo.Hash(source).Short(), changed, records),
		Hosts:   slices.Sorted(maps.Keys(records)),
	}
	for _, h := range changed {
		entry.Details = append(entry.Details, c.unrecorded[h.Name]...)
		if h.Err != nil {
			entry.Result = state.Failure
		}
	}
	return entry
}

// outcomeOf says what a host's task changes in its record.
func (c *cycle) outcomeOf(h *HostResult) outcome {
	if isTurned(h.Err) {
		// Whoever works there records it.
		return outcome{}
	}
	o := outcome{failures: c.failuresOf(h)}
	looked := h.deployment != nil && h.Checked
	if looked {
		o.lines = details(h)
	}
	switch {
	case h.Gone:
		o.record, o.changed = c.recordOfGone(h, o.failures)
	case looked:
		o.record, o.confirms = c.recordOf(h, o.failures)
		o.changed = o.record != nil
	case h.Err != nil && (h.Waiting.IsZero() || h.wantedAgain()):
		o.record = c.recordOfSilent(h)
		o.changed = o.record != nil
	}
	return o
}

// recordOf returns the host's new record, or nil when the old one says it all; then it says
// whether that was found to be right just now.
func (c *cycle) recordOf(h *HostResult, failures map[string]state.FailedUpdate) (record *state.Record, confirms bool) {
	record = &state.Record{
		SourceCommit:  h.source(),
		Tree:          h.Host.Tree,
		Agent:         h.Host.Agent,
		DeployedAt:    c.opts.Now(),
		Failures:      failures,
		Moving:        h.moving(),
		HeldBack:      c.heldBackOf(h),
		Drift:         c.driftOf(h, failures),
		Repairs:       c.repairsOf(h, failures),
		MovedFrom:     h.movedFrom(),
		Secrets:       h.secrets.toRecord(),
		PreviousState: h.deployed(),
		Confirmed:     !c.opts.Offline,
	}
	old := h.Record
	if old == nil {
		if len(record.PreviousState) == 0 && len(record.Failures) == 0 && !c.faultOf(h.Name) {
			return nil, false
		}
		return record, false
	}
	if old.Tree == record.Tree || h.waitsForTurn {
		// The commit did not touch this host, or not yet: it stays explained by the
		// older one.
		record.SourceCommit, record.Tree = old.SourceCommit, old.Tree
	}
	if h.waitsForTurn {
		record.Failures = withoutHost(old.Failures)
	}
	// A repair is part of the history, also where it ends in the same state.
	if old.Same(record) && (h.Err != nil || !changes(h)) {
		if confirms = c.confirms(h, record); confirms || old.Confirmed {
			return nil, confirms
		}
	}
	return record, false
}

// withoutHost returns the failures of containers alone.
func withoutHost(failures map[string]state.FailedUpdate) map[string]state.FailedUpdate {
	if _, ok := failures[""]; !ok {
		return failures
	}
	containers := maps.Clone(failures)
	delete(containers, "")
	return containers
}

// recordSilence is how often in a row a host must fail before that is recorded: one
// that is restarted is not worth a line in the history. A single cycle knows of no
// earlier ones.
const recordSilence = 2

// recordOfSilent returns the record of a host that cannot be handled: what it was, and
// since when and why. It is nil when the old one says so already.
func (c *cycle) recordOfSilent(h *HostResult) *state.Record {
	_, told := h.hostFailure()
	failures, since := c.troubleOf(h)
	if !h.wantedAgain() && (told || failures < recordSilence && !c.once) || errors.Is(h.Err, context.Canceled) {
		return nil
	}
	record := &state.Record{Confirmed: true}
	if h.Record != nil {
		*record = *h.Record
	}
	record.Clean = nil
	record.Failures = maps.Clone(record.Failures)
	if record.Failures == nil {
		record.Failures = map[string]state.FailedUpdate{}
	}
	record.Failures[""] = state.FailedUpdate{Error: firstLine(h.Err), Since: since.UTC().Truncate(time.Second)}
	return record
}

// wantedAgain says whether the host's directory was gone and is there again: what allowed
// its removal is over.
func (h *HostResult) wantedAgain() bool { return !h.Gone && h.Record != nil && h.Record.Clean != nil }

// recordOfGone returns the record of a host that is no longer in the repo: none once it
// is clean; until then it tells what is left to do.
func (c *cycle) recordOfGone(h *HostResult, failures map[string]state.FailedUpdate) (record *state.Record, changed bool) {
	if h.Record == nil {
		// It was cleaned while this task waited for its turn.
		return nil, false
	}
	record = &state.Record{}
	*record = *h.Record
	record.Clean = h.clean
	switch {
	case h.deployment == nil && h.Err == nil && h.Waiting.IsZero():
		return nil, true
	case h.Checked:
		record.PreviousState, record.Confirmed = h.deployment.ToExported().PreviousState, true
		record.Failures, record.Moving, record.HeldBack = failures, h.moving(), c.heldBackOf(h)
		if len(record.PreviousState) == 0 && h.Err == nil {
			return nil, true
		}
	case h.Err != nil && h.Waiting.IsZero():
		if silent := c.recordOfSilent(h); silent != nil {
			record.Failures = silent.Failures
		}
	}
	return record, !h.Record.Same(record)
}

// changes says whether the plan did anything.
func changes(h *HostResult) bool {
	for _, p := range h.Plan.Hosts {
		if len(p.Steps()) > 0 {
			return true
		}
	}
	return false
}

// details has a line for each change of a host, and for drift that is left there.
func details(h *HostResult) []string {
	var lines []string
	failed := map[string]string{}
	for _, err := range flatten(h.Err) {
		var failure *container.Failure
		if errors.As(err, &failure) {
			failed[failure.Container] = firstLine(failure.Err)
		} else {
			failed[""] = firstLine(err)
		}
	}
	for _, p := range h.Plan.Hosts {
		for _, change := range p.Changes {
			line := fmt.Sprintf("%s/%s: %s: %s", h.Name, change.Container, change.Kind, change.Why())
			if why, ok := failed[change.Container]; ok {
				line += ": failed: " + why
				delete(failed, change.Container)
			}
			if change.Kind != container.Hold && change.Kind != container.Suspended {
				lines = append(lines, line)
			}
		}
		lines = append(lines, driftDetails(h.Name, p.Drift)...)
	}
	for _, key := range slices.Sorted(maps.Keys(failed)) {
		lines = append(lines, strings.TrimSuffix(h.Name+"/"+key, "/")+": failed: "+failed[key])
	}
	return lines
}
