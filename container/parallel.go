package container

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"golang.org/x/sync/errgroup"

	"github.com/gitsync/gitsync/internal/panics"
)

// errGaveUp ends a unit whose container could not be recovered, which was told.
var errGaveUp = errors.New("its recovery failed")

// progress tells how far a unit is. A channel is closed when there is something to
// know, and then says whether it went well.
type progress struct {
	started, ended     chan struct{}
	startedOK, endedOK bool
}

// runAll carries units out, each as soon as those that it needs are far enough, and
// no more at once than there are slots for.
func (e *executor) runAll(ctx context.Context, units []Unit) error {
	errs := make([]error, len(units))
	byKey := map[string]*progress{}
	all := make([]*progress, 0, len(units))
	for _, u := range units {
		p := &progress{started: make(chan struct{}), ended: make(chan struct{})}
		all = append(all, p)
		for _, s := range u.Steps {
			if s.Condition == "" {
				byKey[s.Container] = p
			}
		}
	}
	var group errgroup.Group
	for i, u := range units {
		place := e.slotFor(u)
		group.Go(func() error {
			if err := e.runWhenReady(ctx, u, place, all[i], byKey); !errors.Is(err, errGaveUp) {
				errs[i] = err
			}
			return nil
		})
	}
	_ = group.Wait()
	return joinErrors(errs...)
}

// runWhenReady waits for what the unit needs and for a slot, and carries it out.
func (e *executor) runWhenReady(ctx context.Context, unit Unit, place *slot, own *progress, byKey map[string]*progress) (err error) {
	begun := false
	started := func() {
		if !begun {
			begun = true
			own.startedOK = true
			close(own.started)
		}
	}
	defer func() {
		if err == nil {
			started()
		}
		if !begun {
			close(own.started)
		}
		own.endedOK = err == nil
		close(own.ended)
	}()
	defer place.giveBack()
	if e.gaveUp(unit) {
		// The failure of its recovery was told already.
		return errGaveUp
	}
	for _, need := range unit.Needs {
		if missing := byKey[need.Container].missing(need); missing {
			return e.failUnit(unit, unit.Steps[len(unit.Steps)-1].Container, fmt.Errorf("%w: %s", ErrDependency, need.Container))
		}
	}
	place.take()
	err = panics.Catch(func() error { return e.runUnit(ctx, unit, place, started) })
	var broken *panics.Error
	if errors.As(err, &broken) {
		// The next cycle finds what was begun, as after a crash.
		return e.failUnit(unit, unit.Steps[len(unit.Steps)-1].Container, err)
	}
	return err
}

// missing waits until it is known whether the need is met. Every unit ends, so this
// does too.
func (p *progress) missing(need Need) bool {
	if p == nil {
		return false
	}
	if need.Condition == Started {
		<-p.started
		return !p.startedOK
	}
	<-p.ended
	return !p.endedOK
}

// gaveUp says whether the recovery of one of the unit's containers failed: what it
// would build on is not there then, and the failure was told already.
func (e *executor) gaveUp(unit Unit) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return slices.ContainsFunc(unit.Steps, func(s Step) bool { return e.failed[s.Container] && s.Condition == "" })
}

// pullAll fetches images, several at a time.
func (e *executor) pullAll(ctx context.Context, pulls []Step) {
	var group errgroup.Group
	group.SetLimit(e.parallel)
	for _, s := range pulls {
		group.Go(func() error {
			if err := panics.Catch(func() error { return e.pull(ctx, s) }); err != nil {
				e.mu.Lock()
				e.failedPulls[CanonicalImage(s.Image)] = err
				e.mu.Unlock()
			}
			return nil
		})
	}
	_ = group.Wait()
}
