package sync

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/gitsync/gitsync/state"
)

// ErrNothingToRetry means that no failed update is recorded for what was named.
var ErrNothingToRetry = errors.New("nothing to try again")

// Retry forgets how long failed updates wait, so that the next cycle of whoever
// deploys tries them: those of the named hosts and containers ("web1", "web1/db"), or
// all. It returns what is tried again. The record is written to the state branch.
//
// Errors: [ErrNothingToRetry].
func (s *Syncer) Retry(ctx context.Context, targets []string) ([]string, error) {
	defer s.lock()()
	refs, err := s.opts.Remote.Refs(ctx, s.state.Branches())
	if err != nil {
		return nil, err
	}
	// What cannot be read is left for gitsync run to repair.
	c := s.newCycle()
	if err := c.loadState(ctx, refs); err != nil {
		return nil, err
	}
	hosts, err := c.recordedHosts()
	if err != nil {
		return nil, err
	}
	records := map[string]*state.Record{}
	var retried, source []string
	for _, host := range hosts {
		record, err := s.state.Record(ctx, host)
		if err := c.noteFault(err); err != nil {
			return nil, err
		}
		if record == nil {
			continue
		}
		changed, keys := withoutWaits(record, host, targets)
		if len(keys) == 0 {
			continue
		}
		records[host], retried, source = changed, append(retried, keys...), append(source, record.SourceCommit)
	}
	if len(retried) == 0 {
		return nil, fmt.Errorf("%w: no failed update is recorded%s", ErrNothingToRetry, ofTargets(targets))
	}
	entry := state.Entry{
		When: s.opts.Now(), Source: source[0], Result: state.Success,
		Subject: cut("Retry " + strings.Join(retried, ", ") + ": asked for by an operator"),
	}
	for host := range records {
		entry.Hosts = append(entry.Hosts, host)
	}
	slices.Sort(entry.Hosts)
	if err := s.state.Save(ctx, records, entry); err != nil {
		return nil, fmt.Errorf("record the request in branch %s: %w", s.opts.StateBranch, err)
	}
	return retried, nil
}

// withoutWaits returns a copy of the record in which the named failures wait no
// longer, and their names.
func withoutWaits(record *state.Record, host string, targets []string) (*state.Record, []string) {
	changed := *record
	changed.Failures = map[string]state.FailedUpdate{}
	var names []string
	for key, f := range record.Failures {
		name := host + "/" + key
		named := len(targets) == 0 || slices.Contains(targets, host) || slices.ContainsFunc(record.Together(key), func(other string) bool {
			return slices.Contains(targets, host+"/"+other)
		})
		if named && key != "" && (f.Attempts > 0 || f.Paused || !f.NextAttempt.IsZero()) {
			names = append(names, name)
			f.Attempts, f.Paused, f.NextAttempt = 0, false, time.Time{}
		}
		changed.Failures[key] = f
	}
	slices.Sort(names)
	return &changed, names
}

func ofTargets(targets []string) string {
	if len(targets) == 0 {
		return ""
	}
	return " for " + strings.Join(targets, ", ")
}
