package sync

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/gitsync/gitsync/container"
	"github.com/gitsync/gitsync/state"
)

const (
	// freeRepairs follow each other without a pause: people make mistakes more than once.
	freeRepairs = 3
	// firstFight and maxFight bound the pauses after that: somebody undoes the repairs.
	firstFight = 30 * time.Second
	maxFight   = time.Hour
	// peace is how long nothing must have been undone for a fight to be forgotten, beside
	// the last pause.
	peace = 10 * time.Minute
)

// foughtPrefix begins what is said of a fight.
const foughtPrefix = "somebody undoes the repairs"

// nextRepair says when drift of a container may be repaired again; zero means now.
func nextRepair(r state.Repairs, now time.Time) time.Time {
	if r.Count < freeRepairs {
		return time.Time{}
	}
	next := r.Last.Add(fightPause(r.Count))
	if !now.Before(next) {
		return time.Time{}
	}
	return next
}

func fightPause(count int) time.Duration { return grow(firstFight, maxFight, count-freeRepairs+1) }

// forgotten says whether the last repair has lasted long enough.
func forgotten(r state.Repairs, now time.Time) bool {
	wait := peace
	if r.Count >= freeRepairs {
		wait += fightPause(r.Count)
	}
	return now.Sub(r.Last) >= wait
}

// fights says of which containers drift is not repaired for now, and why.
func (c *cycle) fights(h *HostResult) map[string]string {
	if !h.confirmed() {
		return nil
	}
	fights := map[string]string{}
	for key, r := range h.Record.Repairs {
		if next := nextRepair(r, c.opts.Now()); !next.IsZero() && !forgotten(r, c.opts.Now()) {
			fights[key] = fmt.Sprintf(foughtPrefix+": repaired %s since %s, next at %s (gitsync apply --host %s repairs now)",
				times(r.Count), r.Since.UTC().Format("15:04:05 MST"), next.UTC().Format("15:04:05 MST"), h.Name)
		}
	}
	return fights
}

// repairsOf returns the repairs to record after a task: those of before that are not
// forgotten, and what this task repaired.
func (c *cycle) repairsOf(h *HostResult, failures map[string]state.FailedUpdate) map[string]state.Repairs {
	now := c.opts.Now().UTC().Truncate(time.Second)
	repairs := map[string]state.Repairs{}
	if h.confirmed() {
		maps.Copy(repairs, h.Record.Repairs)
	}
	maps.DeleteFunc(repairs, func(_ string, r state.Repairs) bool { return forgotten(r, now) })
	for _, d := range h.drifted() {
		if !slices.ContainsFunc(d.Drift, func(drift container.Drift) bool { return drift.Repair }) || h.Host.Containers[d.Container] == nil {
			continue
		}
		if _, failed := failures[d.Container]; failed {
			// Nobody undid it: it waits as any update that failed.
			continue
		}
		r := repairs[d.Container]
		if r.Count == 0 {
			r.Since = now
		}
		r.Count, r.Last = r.Count+1, now
		repairs[d.Container] = r
	}
	if len(repairs) == 0 {
		return nil
	}
	return repairs
}

// drifted returns what the last look at the host found to differ without a commit.
func (h *HostResult) drifted() []container.Drifted {
	var drifted []container.Drifted
	for _, p := range h.Plan.Hosts {
		drifted = append(drifted, p.Drift...)
	}
	return drifted
}

// passing are the fields that a container's own trouble makes come and go. They are in
// reports, and not worth a commit each time.
func passing(d container.Drift) bool {
	return d.Field == "health" || d.Field == "status" && d.Found == "restarting"
}

// driftOf returns what differs and is left, for the record: with the time when it was
// found first.
func (c *cycle) driftOf(h *HostResult, failures map[string]state.FailedUpdate) []state.Drift {
	now := c.opts.Now().UTC().Truncate(time.Second)
	left := h.unseenDrift(failures)
	for _, d := range h.drifted() {
		_, failed := failures[d.Container]
		for _, drift := range d.Drift {
			if passing(drift) || drift.Repair && !failed {
				continue
			}
			one := state.Drift{Container: d.Container, Field: drift.Field, Wanted: drift.Wanted, Found: drift.Found, Since: now}
			if h.Record != nil {
				for _, was := range h.Record.Drift {
					if was.Container == one.Container && was.Field == one.Field && was.Found == one.Found {
						one.Since = was.Since
					}
				}
			}
			left = append(left, one)
		}
	}
	return left
}
