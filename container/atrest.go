package container

import (
	"context"
	"errors"

	"github.com/rs/zerolog"

	"github.com/gitsync/gitsync/container/types"
	"github.com/gitsync/gitsync/runtime"
)

// atRest does to a container what a runtime does not do while it is about to start it
// again: then nothing of it runs, so that it is stopped for the call, and started after it.
// A crash in between leaves a container that is stopped: the next cycle starts it.
func (e *executor) atRest(ctx context.Context, s Step, id string, call func(context.Context) error) error {
	err := call(ctx)
	if !errors.Is(err, runtime.ErrRestarting) {
		return err
	}
	now, err := inspect(ctx, e.rt, id)
	if err != nil {
		return err
	}
	if now.Status != types.StatusRestarting {
		// It is past that: it has ended for good, and must not be started, or runs again.
		if err := call(ctx); !errors.Is(err, runtime.ErrRestarting) {
			return err
		}
	}
	if err := e.rt.Stop(ctx, id); err != nil {
		return err
	}
	err = call(ctx)
	// It is not left down because the time is over.
	startCtx, cancel := context.WithTimeout(context.WithoutCancel(ctx), stepTimeout)
	defer cancel()
	if startErr := e.rt.Start(startCtx, id); startErr != nil {
		// It failed again and again before, too.
		zerolog.Ctx(ctx).Warn().Err(startErr).Str("host", e.name).Str("container", s.Container).Msg("start it again after it was stopped between two restarts")
	}
	return err
}

// pauseAgain brings a container that was started for an undo back to where a person left it.
func (e *executor) pauseAgain(ctx context.Context, s Step, id string) error {
	adjuster, ok := e.rt.(runtime.Adjuster)
	if !s.WasPaused || !ok {
		return nil
	}
	return adjuster.Pause(ctx, id)
}
