package sync

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strings"
	"time"

	"github.com/gitsync/gitsync/container"
	"github.com/gitsync/gitsync/runtime"
	"github.com/gitsync/gitsync/state"
)

const (
	// firstRetry and maxRetry bound the pause before a failed update is tried again.
	// Each try may stop the old container for a moment, so the pauses grow longer
	// than those of a host that does not answer.
	firstRetry = 10 * time.Second
	maxRetry   = time.Hour
)

// retryAfter is how long a failed update waits after so many tries.
func retryAfter(attempts int) time.Duration { return grow(firstRetry, maxRetry, attempts) }

// grow doubles a pause with each failure, up to a cap.
func grow(first, most time.Duration, failures int) time.Duration {
	pause := first
	for range failures - 1 {
		if pause *= 2; pause >= most {
			return most
		}
	}
	return pause
}

// known returns the failures that the record tells of what is to be deployed now: a
// commit that changes the host's directory forgets them.
func (h *HostResult) known() map[string]state.FailedUpdate {
	if h.Record == nil || h.Record.Tree != h.Host.Tree {
		return nil
	}
	known := map[string]state.FailedUpdate{}
	for key, f := range h.Record.Failures {
		known[key] = h.plausible(key, f)
	}
	return known
}

// maxAttempts is more often than an update is tried in a year.
const maxAttempts = 10_000

// plausible takes back of a failure what no gitsync records: whoever writes to the state
// branch must not put an update off for longer than a failure does.
func (h *HostResult) plausible(key string, f state.FailedUpdate) state.FailedUpdate {
	f.Attempts = min(max(f.Attempts, 0), maxAttempts)
	if h.task != nil && f.NextAttempt.After(h.cycle.opts.Now().Add(maxRetry)) {
		f.NextAttempt = time.Time{}
	}
	if f.Paused && !h.pauses(key) && !h.pauses(f.With) {
		f.Paused = false
	}
	return f
}

// pauses says whether a failed update of a container waits for a person.
func (h *HostResult) pauses(key string) bool {
	m := h.Host.Containers[key]
	return m != nil && m.Update != nil && m.Update.FailureAction == container.Pause
}

// held says which containers wait for their next try, and why.
func (c *cycle) held(h *HostResult) map[string]string {
	held := map[string]string{}
	for key, f := range h.known() {
		switch {
		case key == "" || c.opts.RetryNow || !f.Waits(c.opts.Now()):
		case f.Paused:
			held[key] = fmt.Sprintf("its update is paused since it failed (gitsync retry %s/%s, or a new commit, tries again): %s", h.Name, key, f.Error)
		case f.Attempts == 0:
			held[key] = fmt.Sprintf("its update is tried at %s (gitsync retry %s/%s tries now): %s",
				f.NextAttempt.UTC().Format("15:04:05 MST"), h.Name, key, f.Error)
		default:
			held[key] = fmt.Sprintf("its update failed %s and is tried again at %s (gitsync retry %s/%s tries now): %s",
				times(f.Attempts), f.NextAttempt.UTC().Format("15:04:05 MST"), h.Name, key, f.Error)
		}
	}
	return held
}

// patient says which containers are left alone until their next try, where an event asked
// for the look: those that failed as they were deployed. To try them again makes events
// itself, and would go on for ever without a pause. Polls try them.
func (c *cycle) patient(h *HostResult) map[string]bool {
	patient := map[string]bool{}
	for key := range c.held(h) {
		want, was := h.Host.Containers[key], h.kept()[key]
		same := want != nil && was != nil && container.SameSpec(want, was) && maps.Equal(want.ConfigFiles, was.ConfigFiles)
		patient[key] = same && c.only != nil
	}
	return patient
}

func times(n int) string {
	switch n {
	case 1:
		return "once"
	case 2:
		return "twice"
	}
	return fmt.Sprintf("%d times", n)
}

// failuresOf says which containers failed, and when they are tried again.
func (c *cycle) failuresOf(h *HostResult) map[string]state.FailedUpdate {
	if h.Err == nil {
		return nil
	}
	out := map[string]state.FailedUpdate{}
	known, now := h.known(), c.opts.Now().UTC().Truncate(time.Second)
	for _, err := range flatten(h.Err) {
		var failure *container.Failure
		if !errors.As(err, &failure) {
			out[""] = state.FailedUpdate{Error: err.Error()}
			continue
		}
		key := failure.Container
		before, failedBefore := known[key]
		f := state.FailedUpdate{Error: firstLine(failure.Err), Since: now}
		if failedBefore {
			f.Since = before.Since
		}
		switch {
		case errors.Is(err, container.ErrSuperseded):
			continue
		case errors.Is(err, container.ErrHeld) && failedBefore:
			f = before
		case notItself(err):
			f.Attempts = before.Attempts
		case costsNothing(err):
		default:
			f.Attempts = before.Attempts + 1
			f.NextAttempt = now.Add(retryAfter(f.Attempts))
			h.pause(key, &f)
		}
		out[key] = f
	}
	c.waitTogether(h, out)
	return out
}

// notItself says whether the error is that of a container that did not fail itself.
func notItself(err error) bool {
	_, _, ok := container.FailedFirst(err)
	return ok
}

// waitTogether gives containers that did not fail themselves the pause of the one that did.
// What is updated together is tried again together; where a new image failed in another
// container, each try disturbs no more containers than the first did.
func (c *cycle) waitTogether(h *HostResult, failures map[string]state.FailedUpdate) {
	for _, err := range flatten(h.Err) {
		var failure *container.Failure
		first, together, ok := container.FailedFirst(err)
		if !ok || !errors.As(err, &failure) || errors.Is(err, container.ErrSuperseded) {
			continue
		}
		f := failures[failure.Container]
		f.NextAttempt, f.Paused = failures[first].NextAttempt, failures[first].Paused
		if together {
			f.With = first
		} else if f.Paused {
			f.NextAttempt, f.Paused = c.opts.Now().UTC().Truncate(time.Second).Add(retryAfter(failures[first].Attempts)), false
			h.pause(failure.Container, &f)
		}
		failures[failure.Container] = f
	}
}

// pause makes a failure wait for a person, where its container's update says so.
func (h *HostResult) pause(key string, f *state.FailedUpdate) {
	if h.pauses(key) {
		f.Paused, f.NextAttempt = true, time.Time{}
	}
}

// costsNothing says whether a failure disturbed no container, and is found again by
// looking: it needs no pause.
func costsNothing(err error) bool {
	for _, target := range []error{container.ErrBlocked, container.ErrHeld, container.ErrDependency, container.ErrInterrupted, runtime.ErrUnreachable, context.Canceled} {
		if errors.Is(err, target) {
			return true
		}
	}
	return false
}

// hostFailure returns the errors that are not about one container; nil when there
// are none.
func hostFailure(err error) error {
	var other []error
	for _, e := range flatten(err) {
		var failure *container.Failure
		if !errors.As(e, &failure) {
			other = append(other, e)
		}
	}
	return errors.Join(other...)
}

// firstLine keeps a record from growing with an engine's chatter.
func firstLine(err error) string {
	line, _, _ := strings.Cut(err.Error(), "\n")
	return line
}

// flatten takes joined errors apart.
func flatten(err error) []error {
	if err == nil {
		return nil
	}
	joined, ok := err.(interface{ Unwrap() []error })
	if !ok {
		return []error{err}
	}
	var out []error
	var texts []string
	for _, e := range joined.Unwrap() {
		out = append(out, flatten(e)...)
		texts = append(texts, e.Error())
	}
	if strings.Join(texts, "\n") != err.Error() {
		// One error that wraps several.
		return []error{err}
	}
	return out
}
