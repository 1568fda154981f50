package sync

import (
	"context"
	"errors"
	"slices"

	"github.com/gitsync/gitsync/container"
	"github.com/gitsync/gitsync/state"
)

// A check that did not look at a thing says nothing about it: what differed there before
// is still said to differ, until a check compares it and finds it the same, a new container
// takes the place of the one that differed, or nobody wants it any more.

// unseenDrift is the recorded drift that the task said nothing about.
func (h *HostResult) unseenDrift(failures map[string]state.FailedUpdate) []state.Drift {
	if h.Record == nil {
		return nil
	}
	var left []state.Drift
	for _, d := range h.Record.Drift {
		if h.lasts(d.Container, d.Field, failures) {
			left = append(left, d)
		}
	}
	return left
}

// lasts says whether a difference that was known before the task is still to be told,
// beside what the task itself found.
func (h *HostResult) lasts(key, field string, failures map[string]state.FailedUpdate) bool {
	if h.Gone {
		return false
	}
	if !h.Checked {
		return true
	}
	for _, d := range h.drifted() {
		for _, drift := range d.Drift {
			if d.Container == key && drift.Field == field {
				// It was found again; whether it was repaired is known unless that was
				// interrupted.
				_, failed := failures[key]
				return drift.Repair && !failed && h.interrupted()
			}
		}
	}
	if h.Host.Containers[key] == nil || h.renewed(key, failures) {
		return false
	}
	return slices.ContainsFunc(h.Plan.Hosts, func(p container.HostPlan) bool { return !p.Checked(key, field) })
}

// renewed says whether the task put a new container in the place of an old one.
func (h *HostResult) renewed(key string, failures map[string]state.FailedUpdate) bool {
	if _, failed := failures[key]; failed || h.interrupted() {
		return false
	}
	made, held := false, false
	for _, p := range h.Plan.Hosts {
		for _, change := range p.Changes {
			if change.Container == key {
				made = made || change.Kind == container.Replace || change.Kind == container.Create
				held = held || change.Kind == container.Hold
			}
		}
	}
	return made && !held
}

// interrupted says whether the task ended before it was through: it was cut off, or the
// host as a whole failed, so that it is not known what became of each container.
func (h *HostResult) interrupted() bool {
	return slices.ContainsFunc(flatten(h.Err), func(err error) bool {
		var failure *container.Failure
		return !errors.As(err, &failure) || errors.Is(err, context.Canceled) || errors.Is(err, container.ErrSuperseded)
	})
}
