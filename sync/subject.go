package sync

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/gitsync/gitsync/container"
	"github.com/gitsync/gitsync/state"
)

// maxSubject is where the subject of a commit is cut.
const maxSubject = 120

// subject is the line that git log --oneline shows: a sentence of the deployment
// diary.
func subject(commit string, hosts []*HostResult, records map[string]*state.Record) string {
	hosts = withoutOnlyDrift(hosts, records)
	names := make([]string, 0, len(hosts))
	var changes []container.Change
	var failed []string
	deployed := false
	for _, h := range hosts {
		names = append(names, h.Name)
		for _, p := range h.Plan.Hosts {
			for _, change := range p.Changes {
				if change.Kind != container.Hold && change.Kind != container.Suspended {
					changes = append(changes, change)
				}
			}
		}
		if records[h.Name] == nil {
			deployed = true
			continue
		}
		for _, key := range sortedFailures(records[h.Name]) {
			why := strings.TrimPrefix(records[h.Name].Failures[key].Error, "host "+h.Name+": ")
			failed = append(failed, strings.TrimPrefix(key+": ", ": ")+why)
		}
		deployed = deployed || h.Record == nil || h.Record.Tree != records[h.Name].Tree || len(h.Record.Failures) > 0
	}
	where := hostList(names)
	var text string
	switch {
	case all(hosts, func(h *HostResult) bool { return h.record == nil }):
		text = fmt.Sprintf("Clean %s, which %s no longer in the repo: %s", where, isAre(names), summary(changes))
	case all(hosts, func(h *HostResult) bool { return !h.Checked }):
		text = fmt.Sprintf("Lose %s: %s", where, strings.Join(failed, "; "))
	case len(changes) == 0 && len(failed) == 0 && all(hosts, func(h *HostResult) bool { _, lost := h.hostFailure(); return lost }):
		text = fmt.Sprintf("Find %s again: no container changes", where)
	case len(changes) == 0 && all(hosts, func(h *HostResult) bool { return onlyDrift(h.Record, records[h.Name]) }):
		text = driftSubject(where, hosts, records)
	case allFailWith(hosts, container.ErrSuperseded):
		text = fmt.Sprintf("Give way to a newer commit than %s on %s", commit, where)
	case allFailWith(hosts, context.Canceled):
		text = fmt.Sprintf("Stop half-way through %s on %s: %s", commit, where, summary(changes))
	case len(failed) > 0:
		text = failureSubject(commit, hosts, records) + ": " + strings.Join(failed, "; ")
	case len(changes) == 0 && deployed && !anyRecord(hosts):
		text = fmt.Sprintf("Record what runs on %s", where)
	case len(changes) == 0:
		text = fmt.Sprintf("Record %s for %s: no container changes", commit, where)
	case deployed:
		text = fmt.Sprintf("Deploy %s to %s: %s", commit, where, summary(changes))
	default:
		text = fmt.Sprintf("Repair %s: %s", where, summary(changes))
	}
	return cut(strings.Join(strings.Fields(text), " "))
}

// failureSubject says on which hosts a commit failed, and where it was deployed all the
// same.
func failureSubject(commit string, hosts []*HostResult, records map[string]*state.Record) string {
	var good, bad []string
	for _, h := range hosts {
		if records[h.Name] != nil && len(records[h.Name].Failures) > 0 {
			bad = append(bad, h.Name)
		} else {
			good = append(good, h.Name)
		}
	}
	if len(good) > 0 {
		return fmt.Sprintf("Deploy %s to %s, fail on %s", commit, hostList(good), hostList(bad))
	}
	return fmt.Sprintf("Fail to deploy %s to %s", commit, hostList(bad))
}

// allFailWith says whether there are errors, and all of them are of one kind: that we
// were told to stop, say.
func allFailWith(hosts []*HostResult, target error) bool {
	found := false
	for _, h := range hosts {
		for _, err := range flatten(h.Err) {
			if !errors.Is(err, target) {
				return false
			}
			found = true
		}
	}
	return found
}

func all(hosts []*HostResult, is func(*HostResult) bool) bool {
	return !slices.ContainsFunc(hosts, func(h *HostResult) bool { return !is(h) })
}

func isAre(names []string) string {
	if len(names) == 1 {
		return "is"
	}
	return "are"
}

func anyRecord(hosts []*HostResult) bool {
	return slices.ContainsFunc(hosts, func(h *HostResult) bool { return h.Record != nil })
}

func sortedFailures(r *state.Record) []string {
	var keys []string
	for key := range r.Failures {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	return keys
}

func hostList(names []string) string {
	if len(names) > 3 {
		return fmt.Sprintf("%s, %s and %d more hosts", names[0], names[1], len(names)-2)
	}
	return strings.Join(names, ", ")
}

// summary says what one change is in full, and counts several.
func summary(changes []container.Change) string {
	if len(changes) == 1 {
		return fmt.Sprintf("%s %s (%s)", changes[0].Kind, changes[0].Container, changes[0].Why())
	}
	var parts []string
	for _, kind := range []container.Kind{
		container.Create, container.Replace, container.Restart, container.Reload, container.Configure, container.Start,
		container.Adjust, container.Unpause, container.Rename, container.Move, container.Remove, container.Recover, container.Finish,
		container.Forget, container.Blocked,
	} {
		var keys []string
		for _, c := range changes {
			if c.Kind == kind {
				keys = append(keys, c.Container)
			}
		}
		if len(keys) > 0 {
			parts = append(parts, string(kind)+" "+strings.Join(keys, " "))
		}
	}
	return strings.Join(parts, ", ")
}

func cut(s string) string {
	if runes := []rune(s); len(runes) > maxSubject {
		return string(runes[:maxSubject-1]) + "…"
	}
	return s
}
