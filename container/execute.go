package container

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	stdsync "sync"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"

	"github.com/gitsync/gitsync/container/types"
	"github.com/gitsync/gitsync/internal/grace"
	"github.com/gitsync/gitsync/runtime"
)

const (
	// stepGrace is how long the step in hand may go on after a cancellation.
	stepGrace = 5 * time.Second
	// cleanupTimeout bounds the removal of a helper, which must be done although the
	// context is over.
	cleanupTimeout = 60 * time.Second
	// reportTimeout bounds the look at a container that did not become ready.
	reportTimeout = 10 * time.Second
	// stepTimeout bounds a call to the runtime beyond the stop time-out.
	stepTimeout = 2 * time.Minute
)

// Failure says that a container could not be deployed. Errors of DeployContext
// hold one for each container that failed.
type Failure struct {
	// Host is the machine's name in the plan.
	Host string
	// Container is the key.
	Container string
	// Err is why.
	Err error
	// Report is what is known of a container that did not become ready; nil for other
	// failures.
	Report *Report
}

// Error implements error.
func (f *Failure) Error() string { return fmt.Sprintf("%s/%s: %v", f.Host, f.Container, f.Err) }

// Unwrap returns the reason.
func (f *Failure) Unwrap() error { return f.Err }

// ErrBlocked means that a person must act before a container can be deployed.
var ErrBlocked = errors.New("blocked")

// ErrHeld means that an update failed before, and waits for its next try.
var ErrHeld = errors.New("held back")

// ErrDependency means that a container was not changed since another one, which it
// depends on, could not be deployed.
var ErrDependency = errors.New("not deployed, since what it depends on failed")

// ErrInterrupted means that an update which another process had begun was in the way,
// or did not succeed. Whoever stopped that process may have stopped the container too,
// so this says nothing about the update: it was taken back, and is to be tried anew.
var ErrInterrupted = errors.New("an interrupted update is in the way")

// executor carries a plan out. It decides nothing.
type executor struct {
	*machine
	rt runtime.Runtime
	// slots bounds the units that disturb what runs, creations the others.
	slots, creations *slots
	// waiting counts the containers that are waited for.
	waiting atomic.Int64
	// filesMu is held by whoever reads or writes files on the host: they share carriers,
	// and a list.
	filesMu stdsync.Mutex
	files   *hostFiles

	// mu guards what follows, and the machine's state.
	mu stdsync.Mutex
	// writers are what running found, once it was listed.
	writers []writer
	listed  bool
	// created holds the IDs of the containers that this deploy created, by key.
	created map[string]string
	// failedPulls holds the errors of images, by canonical reference.
	failedPulls map[string]error
	// failedImages holds, by canonical reference, the first container that failed with it.
	failedImages map[string]string
	failed       map[string]bool
	// begun holds the IDs of the containers that this deploy, or the one that it goes on
	// with, has started.
	begun map[string]bool
}

// forgetFound makes the state one of what was deployed, and not of what was found.
func (m *machine) forgetFound() {
	m.checked = false
	// What a look found in a config file is no record of what was deployed.
	for key, c := range m.state {
		if m.options.Unconfirmed {
			c.ConfigFiles = m.agreedFiles(key)
		} else if recorded := m.previous[key]; recorded != nil {
			c.ConfigFiles = maps.Clone(recorded.ConfigFiles)
		}
	}
}

// carryOut carries a plan out.
func (m *machine) carryOut(ctx context.Context, plan HostPlan) error {
	if plan.Empty() {
		m.settle(plan, nil)
		return nil
	}
	rt, release, err := m.connect(ctx, m.Host, m.Runtime)
	if err != nil {
		return fmt.Errorf("host %s: %w", m.name, err)
	}
	defer release()
	e := &executor{
		machine: m, rt: rt, slots: &slots{free: m.parallel}, creations: &slots{free: m.creations}, files: newHostFiles(rt, m.origin),
		created: map[string]string{}, failedPulls: map[string]error{}, failedImages: map[string]string{}, failed: map[string]bool{}, begun: map[string]bool{},
	}
	err = e.run(ctx, plan)
	m.settle(plan, e.failed)
	return err
}

func (e *executor) run(ctx context.Context, plan HostPlan) error {
	log := zerolog.Ctx(ctx)
	var errs []error
	for _, c := range plan.Changes {
		switch c.Kind {
		case Suspended:
			continue
		case Hold:
			errs = append(errs, &Failure{Host: e.name, Container: c.Container, Err: fmt.Errorf("%w: %s", ErrHeld, c.Why())})
			continue
		case Blocked:
			errs = append(errs, e.fail(c.Container, fmt.Errorf("%w: %s", ErrBlocked, c.Why())))
			continue
		}
		log.Info().Str("host", e.name).Str("container", c.Container).Str("cause", c.Why()).Msg(string(c.Kind))
	}
	errs = append(errs, e.runAll(ctx, plan.Recovery))
	e.pullAll(ctx, plan.Pulls)
	errs = append(errs, e.runAll(ctx, plan.Removals), e.runAll(ctx, plan.Units))
	if err := e.files.close(ctx); err != nil {
		errs = append(errs, fmt.Errorf("host %s: %w", e.name, err))
	}
	return joinErrors(errs...)
}

// fail marks a container as failed, and names it in the error.
func (e *executor) fail(key string, err error) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.failed[key] = true
	f := &Failure{Host: e.name, Container: key, Err: e.redact(err)}
	var n *notReady
	var with *takenBack
	if errors.As(err, &n) && !errors.As(err, &with) {
		report := e.redactReport(n.report)
		f.Report = &report
	}
	return f
}

// undo is what takes a step back.
type undo struct {
	what string
	run  func(ctx context.Context) error
	// turn is when it is done, beside the reverse order of the steps.
	turn int
}

// The turns of undoing. An old container starts when the new one is out of its way
// and the config files are back. The new one is removed after that: as long as it
// is there, it tells whoever comes after a crash that the old one must be started.
const (
	turnFirst = iota
	turnStart
	turnRemove
)

// runUnit carries the steps out, and takes those that were done back, in reverse,
// when one fails or the context is cancelled. From the first removal on there is
// no way back, and none is needed: the replacement is ready by then, and what cannot be
// removed is tried again.
func (e *executor) runUnit(ctx context.Context, unit Unit, own *slot, started func()) error {
	if err := e.missingImage(unit); err != nil {
		return err
	}
	if key, err := e.imageFailed(unit); err != nil {
		return e.failUnit(unit, key, err)
	}
	var undos []undo
	var tolerated error
	lastStart := lastIndex(unit.Steps, ActionStart)
	for i, s := range unit.Steps {
		if s.Action == ActionRemove || s.Action == ActionPostStart {
			undos = nil
		}
		own.before(s)
		var back undo
		err := ctx.Err()
		if err == nil || s.Done {
			back, err = e.step(ctx, s)
		}
		if back.run != nil {
			undos = append(undos, back)
		}
		if err != nil && s.Optional && ctx.Err() == nil {
			zerolog.Ctx(ctx).Warn().Err(err).Str("host", e.name).Str("container", s.Container).Stringer("step", s).Msg("going on without")
			err = nil
		}
		if err != nil && s.Action == ActionWait && errors.Is(err, ErrNotReady) && e.goesOn(s) {
			tolerated, err = joinErrors(tolerated, e.fail(s.Container, fmt.Errorf("%s: %w (update.failureAction: continue)", s, err))), nil
		}
		if err != nil {
			e.noteImage(unit, s, err)
			err = fmt.Errorf("%s: %w", s, err)
			if unit.Steps[0].Done {
				err = fmt.Errorf("%w: %w", ErrInterrupted, err)
			}
			return joinErrors(tolerated, e.undoUnit(ctx, unit, s, err, undos))
		}
		if i == lastStart {
			started()
		}
	}
	return tolerated
}

// goesOn says whether a container that is not ready stays all the same.
func (e *executor) goesOn(s Step) bool {
	return s.Condition == "" && e.desired[s.Container].failureAction() == Continue
}

func lastIndex(steps []Step, action Action) int {
	last := -1
	for i, s := range steps {
		if s.Action == action {
			last = i
		}
	}
	return last
}

// missingImage fails a unit whose image could not be pulled before any of its
// steps is done.
func (e *executor) missingImage(unit Unit) error {
	for _, s := range unit.Steps {
		if s.Action != ActionCreate || s.Done {
			continue
		}
		image := e.desired[s.Container].Container.Config.Image
		if err := e.failedPulls[CanonicalImage(image)]; err != nil {
			return e.failUnit(unit, s.Container, fmt.Errorf("pull %s: %w", image, err))
		}
	}
	return nil
}

// failUnit names the container of the failed step, and the others of its unit, which are
// taken back with it.
func (e *executor) failUnit(unit Unit, key string, err error) error {
	failures := []error{e.fail(key, err)}
	for _, other := range unit.keys() {
		if other != key {
			failures = append(failures, e.fail(other, &takenBack{key, err}))
		}
	}
	return joinErrors(failures...)
}

func (e *executor) undoUnit(ctx context.Context, unit Unit, at Step, err error, undos []undo) error {
	log := zerolog.Ctx(ctx)
	slices.Reverse(undos)
	slices.SortStableFunc(undos, func(a, b undo) int { return a.turn - b.turn })
	// Without the old container, the new one alone has the data: it is kept.
	undone, lost := true, errors.Is(err, runtime.ErrNotFound)
	for _, u := range undos {
		if lost && u.turn == turnRemove {
			continue
		}
		log.Warn().Str("host", e.name).Str("container", at.Container).Str("step", u.what).Msg("undo")
		if undoErr := e.undo(ctx, unit, u); undoErr != nil {
			err, undone = fmt.Errorf("%w; and to undo it, %s: %w", err, u.what, undoErr), false
			lost = lost || errors.Is(undoErr, runtime.ErrNotFound)
		}
	}
	if undone && slices.ContainsFunc(undos, func(u undo) bool { return u.turn == turnStart }) {
		err = fmt.Errorf("%w; %s", err, "the old container and its config files are back")
	}
	key := at.Container
	if at.Condition != "" && len(unit.Steps) > 0 {
		// It waited for another container: the unit's own is the one that failed.
		key = unit.Steps[len(unit.Steps)-1].Container
	}
	if at.Action == ActionRemove || at.Action == ActionPostStart {
		// All are ready: the others are what they should be.
		return e.fail(key, err)
	}
	return e.failUnit(unit, key, err)
}

// undo takes one step back, although the context may be over. It has the time of the
// unit's slowest stop: a bound for all of them would run out before the old container
// is started.
func (e *executor) undo(ctx context.Context, unit Unit, u undo) error {
	bound := stepTimeout
	for _, s := range unit.Steps {
		bound = max(bound, e.timeout(Step{Action: ActionStop, Container: s.Container}))
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), bound)
	defer cancel()
	return u.run(ctx)
}

// step carries one step out and returns what takes it back. A step that was done
// before is not done again.
func (e *executor) step(ctx context.Context, s Step) (undo, error) {
	if !s.Done {
		zerolog.Ctx(ctx).Debug().Str("host", e.name).Str("container", s.Container).Stringer("step", s).Str("cause", s.Cause).Msg("step")
	}
	id := s.ID
	if s.Instance == Created {
		e.mu.Lock()
		id = e.created[s.Container]
		e.mu.Unlock()
	}
	if s.Action == ActionWait {
		return undo{}, e.waitReady(ctx, s, id)
	}
	ctx, cancel := grace.Context(ctx, e.timeout(s), stepGrace)
	defer cancel()
	switch s.Action {
	case ActionFiles:
		return e.writeFiles(ctx, s)
	case ActionCreate:
		return e.create(ctx, s)
	case ActionStop:
		return e.stop(ctx, s, id)
	case ActionRename:
		return e.rename(ctx, s, id)
	case ActionStart:
		return e.start(ctx, s, id)
	case ActionSignal:
		return e.signal(ctx, s, id)
	case ActionAdjust, ActionUnpause:
		return undo{}, e.putRight(ctx, s)
	case ActionRemove:
		return undo{}, e.remove(ctx, s)
	case ActionPostStart:
		return undo{}, e.postStart(s.Container)
	case ActionForget:
		e.mu.Lock()
		delete(e.state, s.Container)
		e.mu.Unlock()
	}
	return undo{}, nil
}

// timeout bounds a step. A stop may take as long as the container is allowed.
func (e *executor) timeout(s Step) time.Duration {
	if s.Action != ActionStop {
		return stepTimeout
	}
	stop := types.DefaultStopTimeout
	for _, m := range []*HostConfiguredContainer{e.previous[s.Container], e.desired[s.Container]} {
		if m != nil {
			stop = max(stop, time.Duration(m.Container.Config.StopTimeout))
		}
	}
	return stop + stepTimeout
}

func notFoundIsFine(err error) error {
	if errors.Is(err, runtime.ErrNotFound) {
		return nil
	}
	return err
}

// settle records the containers that are as desired, with the IDs that the look
// found: it brings a lost state back.
func (m *machine) settle(plan HostPlan, failed map[string]bool) {
	changed := map[string]bool{}
	for _, c := range plan.Changes {
		changed[c.Container] = !slices.Contains([]Kind{Restart, Start, Reload, Configure, Finish, Adjust, Unpause}, c.Kind)
	}
	for key := range m.desired {
		found := m.current.Containers[key]
		main := found.Main
		if main == nil && found.Old == nil && found.New != nil && !failed[key] && sameSpec(found.New.Labels[LabelSpec], m.desired[key], nil) &&
			slices.ContainsFunc(plan.Changes, func(c Change) bool { return c.Container == key && c.Kind == Recover }) {
			// It took the name of one that somebody removed.
			m.record(key, found.New.ID, found.New.Status)
			continue
		}
		if changed[key] || failed[key] || main == nil {
			continue
		}
		old := m.state[key]
		m.record(key, main.ID, main.Status)
		if old != nil {
			m.state[key].PostStartPending, m.state[key].ReadyPending = old.PostStartPending, old.ReadyPending
			if old.Container.Status.Exists() {
				m.state[key].Container.Status = old.Container.Status
			}
		}
	}
}
