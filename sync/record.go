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
	"github.com/gitsync/gitsync/internal/grace"
	"github.com/gitsync/gitsync/state"
)

const (
	// recordTimeout bounds the push of the state branch, and recordGrace what is left
	// of it when we are told to stop.
	recordTimeout = time.Minute
	recordGrace   = 10 * time.Second
)

// maxUnrecorded bounds the lines that are kept for a host while the state branch
// cannot be written.
const maxUnrecorded = 100

// record writes the records that changed, all in one commit. When that fails the
// next cycle finds the same difference and writes it then. It goes on for a while
// after a cancellation, so that what was done is written down.
func (c *cycle) record(ctx context.Context) error {
	records := map[string]*state.Record{}
	var changed []*HostResult
	for _, h := range c.result.Hosts {
		if h.deployment == nil || !h.Checked {
			continue
		}
		lines := append(c.unrecorded[h.Name], details(h)...)
		c.unrecorded[h.Name] = lines[max(0, len(lines)-maxUnrecorded):]
		if record := c.recordOf(h); record != nil {
			records[h.Name] = record
			changed = append(changed, h)
		} else {
			delete(c.unrecorded, h.Name)
		}
	}
	if len(records) == 0 {
		return nil
	}
	entry := state.Entry{
		When: c.opts.Now(), Source: string(c.result.Commit.Hash), Result: state.Success,
		Subject: subject(c.result.Commit.Hash.Short(), changed, records),
		Hosts:   slices.Sorted(maps.Keys(records)),
	}
	for _, h := range changed {
		entry.Details = append(entry.Details, c.unrecorded[h.Name]...)
		if h.Err != nil {
			entry.Result = state.Failure
		}
	}
	ctx, cancel := grace.Context(ctx, recordTimeout, recordGrace)
	defer cancel()
	if err := c.state.Save(ctx, records, entry); err != nil {
		return fmt.Errorf("record the deployment in branch %s (the next cycle tries again): %w", c.opts.StateBranch, err)
	}
	for _, h := range changed {
		delete(c.unrecorded, h.Name)
	}
	c.result.Recorded = entry.Subject
	return nil
}

// recordOf returns the host's new record, or nil when the old one says it all.
func (c *cycle) recordOf(h *HostResult) *state.Record {
	record := &state.Record{
		SourceCommit:  string(c.result.Commit.Hash),
		Tree:          h.Host.Tree,
		DeployedAt:    c.opts.Now(),
		Failures:      c.failuresOf(h),
		PreviousState: h.deployment.ToExported().PreviousState,
	}
	old := h.Record
	if old == nil {
		if len(record.PreviousState) == 0 && len(record.Failures) == 0 {
			return nil
		}
		return record
	}
	if old.Tree == record.Tree || h.waitsForTurn {
		// The commit did not touch this host, or not yet: it stays explained by the
		// older one.
		record.SourceCommit, record.Tree = old.SourceCommit, old.Tree
	}
	if h.waitsForTurn {
		record.Failures = old.Failures
	}
	// A repair is part of the history, also where it ends in the same state.
	if old.Same(record) && (h.Err != nil || !changes(h)) {
		return nil
	}
	return record
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

// details has a line for each change of a host.
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
			if change.Kind != container.Hold {
				lines = append(lines, line)
			}
		}
	}
	for _, key := range slices.Sorted(maps.Keys(failed)) {
		lines = append(lines, strings.TrimSuffix(h.Name+"/"+key, "/")+": failed: "+failed[key])
	}
	return lines
}
