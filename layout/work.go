package layout

import (
	"context"
	"fmt"
)

// work is what a load has spent, and what it may. Files within the limits of their sizes may
// still ask for a lot: by aliases, groups, names that are compared with each other. Each
// part of the load says what it is about to do before it does it, in counts that do not
// depend on the machine. A nil one is without bounds.
type work struct {
	// done returns the error of the context when the load is to end.
	done func() error
	// stopped is that error.
	stopped error
	// steps are those of the host at hand: values, merged entries, published ports.
	// total are those of all hosts.
	steps, total int
	// comparisons are those of names, for hints, of the load as a whole.
	comparisons int
	// hints counts those that were looked for.
	hints int
}

func newWork(ctx context.Context) *work {
	return &work{done: func() error { return context.Cause(ctx) }}
}

// begin begins with another host.
func (w *work) begin() {
	if w != nil {
		w.steps = 0
	}
}

// apart begins with a group, and returns what goes on with the host that named it first:
// what a host may spend does not depend on that.
func (w *work) apart() (back func()) {
	if w == nil {
		return func() {}
	}
	host := w.steps
	w.steps = 0
	return func() { w.steps = host }
}

// err returns why the load ended early; nil when it did not.
func (w *work) err() error {
	if w == nil || w.stopped == nil {
		return nil
	}
	return fmt.Errorf("load the repo: %w", w.stopped)
}

// spend says whether so many more steps are within the bounds.
func (w *work) spend(steps int) bool {
	if w == nil {
		return true
	}
	if w.stopped == nil {
		w.stopped = w.done()
	}
	w.steps, w.total = w.steps+steps, w.total+steps
	return w.stopped == nil && w.steps <= MaxHostSteps
}

// compare says whether so many more names may be compared.
func (w *work) compare(names int) bool {
	if w == nil {
		return true
	}
	if w.comparisons+names > MaxComparisons {
		return false
	}
	w.comparisons, w.hints = w.comparisons+names, w.hints+1
	return true
}

// spend says whether the decoder may go on with so many more values at this place. Where the
// budget ends it records that, once.
func (d *decoder) spend(at position, steps int) bool {
	if d.full() {
		return false
	}
	within := d.work == nil || d.work.steps <= MaxHostSteps
	if d.work.spend(steps) {
		if d.work == nil || d.work.total <= MaxLoadSteps {
			return true
		}
		d.work.stopped = overLimit("the hosts up to %s take more than %d steps of work in all: split the repo, or use fewer groups and aliases",
			at.mistake(d.file, "", "").Position(), MaxLoadSteps)
		return false
	}
	if within && d.work.stopped == nil {
		d.badAt(at, "use fewer aliases, groups and containers, or several hosts", "the host takes more than %d steps of work to load", MaxHostSteps)
	}
	return false
}

// over says whether the rest of the file is not read.
func (d *decoder) over() bool {
	return d.full() || d.work != nil && (d.work.steps > MaxHostSteps || d.work.stopped != nil)
}

// full says whether there are so many mistakes that the rest of the file is not read.
func (d *decoder) full() bool { return len(d.mistakes) >= maxRecorded }
