package sync

import (
	"fmt"
	"slices"
	"strings"

	"github.com/gitsync/gitsync/container"
	"github.com/gitsync/gitsync/state"
)

// onlyDrift says whether two records of a host differ in the drift that is left there, and
// in nothing else.
func onlyDrift(before, after *state.Record) bool {
	if before == nil || after == nil || before.Same(after) {
		return false
	}
	same := *after
	same.Drift = before.Drift
	return before.Same(&same)
}

// withoutOnlyDrift leaves out hosts of which nothing but drift is to be told, where there is
// more to tell of others: it is in the details.
func withoutOnlyDrift(hosts []*HostResult, records map[string]*state.Record) []*HostResult {
	others := slices.DeleteFunc(slices.Clone(hosts), func(h *HostResult) bool {
		return !changes(h) && onlyDrift(h.Record, records[h.Name])
	})
	if len(others) == 0 {
		return hosts
	}
	return others
}

// driftSubject says what was found to differ on hosts, or no longer does.
func driftSubject(where string, hosts []*HostResult, records map[string]*state.Record) string {
	var found, gone []string
	left := 0
	for _, h := range hosts {
		was, is := h.Record.Drift, records[h.Name].Drift
		found, gone, left = append(found, newDrift(was, is)...), append(gone, newDrift(is, was)...), left+len(is)
	}
	switch {
	case len(found) > 0:
		return fmt.Sprintf("Find drift on %s: %s", where, strings.Join(found, ", "))
	case left > 0:
		return fmt.Sprintf("Some drift on %s is gone: %s", where, strings.Join(gone, ", "))
	}
	return fmt.Sprintf("Drift on %s is gone", where)
}

// newDrift are the differences that are not among those of before, as texts.
func newDrift(before, now []state.Drift) []string {
	var texts []string
	for _, d := range now {
		known := slices.ContainsFunc(before, func(b state.Drift) bool {
			return b.Container == d.Container && b.Field == d.Field && b.Wanted == d.Wanted && b.Found == d.Found
		})
		if !known {
			drift := container.Drift{Field: d.Field, Wanted: d.Wanted, Found: d.Found}
			texts = append(texts, fmt.Sprintf("%s (%s)", d.Container, drift))
		}
	}
	return texts
}

// driftDetails has a line for each difference that is left on a host, without those that a
// container's own trouble makes come and go.
func driftDetails(host string, drifted []container.Drifted) []string {
	var lines []string
	for _, d := range drifted {
		for _, drift := range d.Drift {
			if !drift.Repair && !passing(drift) {
				lines = append(lines, fmt.Sprintf("%s/%s: drift: %s (%s)", host, d.Container, drift, d.Fate(drift)))
			}
		}
	}
	return lines
}
