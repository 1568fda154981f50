package container

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/rs/zerolog"

	"github.com/gitsync/gitsync/container/types"
	"github.com/gitsync/gitsync/internal/grace"
	"github.com/gitsync/gitsync/runtime"
)

const (
	// stepGrace is how long the step in hand may go on after a cancellation.
	stepGrace = 5 * time.Second
	// cleanupTimeout bounds what must be done although the context is over: undoing
	// a unit, removing a helper.
	cleanupTimeout = 60 * time.Second
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
}

// Error implements error.
func (f *Failure) Error() string { return fmt.Sprintf("%s/%s: %v", f.Host, f.Container, f.Err) }

// Unwrap returns the reason.
func (f *Failure) Unwrap() error { return f.Err }

// ErrBlocked means that a person must act before a container can be deployed.
var ErrBlocked = errors.New("blocked")

// executor carries a plan out. It decides nothing.
type executor struct {
	*machine
	rt      runtime.Runtime
	helpers map[string]*configContainer
	// created holds the IDs of the containers that this deploy created, by key.
	created map[string]string
	// failedPulls holds the errors of images, by canonical reference.
	failedPulls map[string]error
	failed      map[string]bool
}

// deploy makes the plan of the last look and carries it out.
func (m *machine) deploy(ctx context.Context) error {
	plan := m.plan()
	m.checked = false
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
		machine: m, rt: rt, helpers: map[string]*configContainer{},
		created: map[string]string{}, failedPulls: map[string]error{}, failed: map[string]bool{},
	}
	err = e.run(ctx, plan)
	m.settle(plan, e.failed)
	return err
}

func (e *executor) run(ctx context.Context, plan HostPlan) error {
	log := zerolog.Ctx(ctx)
	var errs []error
	for _, c := range plan.Changes {
		log.Info().Str("host", e.name).Str("container", c.Container).Str("cause", c.Why()).Msg(string(c.Kind))
		if c.Kind == Blocked {
			errs = append(errs, e.fail(c.Container, fmt.Errorf("%w: %s", ErrBlocked, c.Why())))
		}
	}
	for _, u := range plan.Recovery {
		errs = append(errs, e.runUnit(ctx, u))
	}
	for _, s := range plan.Pulls {
		if err := e.pull(ctx, s); err != nil {
			e.failedPulls[CanonicalImage(s.Image)] = err
		}
	}
	for _, u := range plan.Units {
		errs = append(errs, e.runUnit(ctx, u))
	}
	for _, h := range e.helpers {
		if err := h.close(ctx); err != nil {
			errs = append(errs, fmt.Errorf("host %s: %w", e.name, err))
		}
	}
	return joinErrors(errs...)
}

func (e *executor) fail(key string, err error) error {
	e.failed[key] = true
	return &Failure{Host: e.name, Container: key, Err: err}
}

// undo is what takes a step back.
type undo struct {
	what string
	run  func(ctx context.Context) error
	// last is set where an old container is started again: by then the new one
	// must be out of its way, and its config files back.
	last bool
}

// runUnit carries the steps out, and takes those that were done back, in reverse,
// when one fails or the context is cancelled. From the first removal on there is
// no way back, and none is needed: the replacement runs by then.
func (e *executor) runUnit(ctx context.Context, unit Unit) error {
	if e.gaveUp(unit) {
		return nil
	}
	if err := e.missingImage(unit); err != nil {
		return err
	}
	var undos []undo
	for _, s := range unit.Steps {
		err := ctx.Err()
		if err == nil {
			var back undo
			back, err = e.step(ctx, s)
			if back.run != nil {
				undos = append(undos, back)
			}
			if s.Action == ActionRemove || s.Action == ActionPostStart {
				undos = nil
			}
		}
		if err != nil {
			return e.undoUnit(ctx, unit, s, fmt.Errorf("%s: %w", s, err), undos)
		}
	}
	return nil
}

// gaveUp says whether the recovery of one of the unit's containers failed: what it
// would build on is not there then, and the failure was told already.
func (e *executor) gaveUp(unit Unit) bool {
	return slices.ContainsFunc(unit.Steps, func(s Step) bool { return e.failed[s.Container] })
}

// missingImage fails a unit whose image could not be pulled before any of its
// steps is done.
func (e *executor) missingImage(unit Unit) error {
	for _, s := range unit.Steps {
		if s.Action != ActionCreate {
			continue
		}
		image := e.desired[s.Container].Container.Config.Image
		if err := e.failedPulls[CanonicalImage(image)]; err != nil {
			return e.failUnit(unit, s, fmt.Errorf("pull %s: %w", image, err))
		}
	}
	return nil
}

// failUnit names the container of the failed step; the others of its unit are
// marked as failed with it.
func (e *executor) failUnit(unit Unit, at Step, err error) error {
	for _, s := range unit.Steps {
		e.failed[s.Container] = true
	}
	return e.fail(at.Container, err)
}

func (e *executor) undoUnit(ctx context.Context, unit Unit, at Step, err error, undos []undo) error {
	log := zerolog.Ctx(ctx)
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanupTimeout)
	defer cancel()
	slices.Reverse(undos)
	slices.SortStableFunc(undos, func(a, b undo) int { return boolInt(a.last) - boolInt(b.last) })
	for _, u := range undos {
		log.Warn().Str("host", e.name).Str("container", at.Container).Str("step", u.what).Msg("undo")
		if undoErr := u.run(ctx); undoErr != nil {
			err = fmt.Errorf("%w; and to undo it, %s: %w", err, u.what, undoErr)
		}
	}
	return e.failUnit(unit, at, err)
}

// step carries one step out and returns what takes it back.
func (e *executor) step(ctx context.Context, s Step) (undo, error) {
	zerolog.Ctx(ctx).Debug().Str("host", e.name).Str("container", s.Container).Stringer("step", s).Str("cause", s.Cause).Msg("step")
	ctx, cancel := grace.Context(ctx, e.timeout(s), stepGrace)
	defer cancel()
	id := s.ID
	if s.Instance == Created {
		id = e.created[s.Container]
	}
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
	case ActionRemove:
		return undo{}, e.remove(ctx, s)
	case ActionPostStart:
		return undo{}, e.postStart(s.Container)
	case ActionForget:
		delete(e.state, s.Container)
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

func boolInt(b bool) int {
	if b {
		return 1
	}
	return 0
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
		changed[c.Container] = c.Kind != Restart && c.Kind != Start
	}
	for key := range m.desired {
		main := m.current.Containers[key].Main
		if changed[key] || failed[key] || main == nil {
			continue
		}
		old := m.state[key]
		m.record(key, main.ID, main.Status)
		if old != nil {
			m.state[key].PostStartPending = old.PostStartPending
			if old.Container.Status.Exists() {
				m.state[key].Container.Status = old.Container.Status
			}
		}
	}
}
