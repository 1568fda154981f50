package sync

import (
	"context"
	"math/rand/v2"
	"time"
)

const (
	// againPause is about how long an interrupted update waits before it is tried
	// anew, and maxAgain how often one run does that.
	againPause = time.Second
	maxAgain   = 4
)

// Run runs cycles on schedule until the context is done; the cycle in hand comes
// to an orderly end then. It returns nil.
func (s *Syncer) Run(ctx context.Context, schedule Schedule) error {
	next := schedule.first(s.opts.Now())
	for {
		timer := time.NewTimer(next.Sub(s.opts.Now()))
		select {
		case <-ctx.Done():
			timer.Stop()
			return nil
		case <-timer.C:
		}
		result := s.Cycle(ctx)
		next = result.next(schedule.next(s.opts.Now()), s.opts.Now())
	}
}

// next says when the next cycle should come: at once when a newer commit is there, soon
// when an update is to be tried anew, and when a roll-out goes on; otherwise as the
// schedule says.
func (r *Result) next(scheduled, now time.Time) time.Time {
	switch {
	case r.Superseded:
		return now
	case r.Again:
		// Two gitsyncs that are in each other's way must not go on in step.
		return now.Add(againPause/2 + rand.N(againPause))
	case r.Rollout != nil && !r.Rollout.Until.IsZero() && r.Rollout.Until.Before(scheduled):
		return r.Rollout.Until
	}
	return scheduled
}

// Once runs one cycle, and more as long as a newer commit takes over, an interrupted
// update is to be tried anew, or a roll-out goes on by itself. It returns the last
// one's result.
func (s *Syncer) Once(ctx context.Context) *Result {
	for tries := 1; ; tries++ {
		result := s.Cycle(ctx)
		result.Again = result.Again && tries < maxAgain
		goesOn := result.Rollout != nil && !result.Rollout.Until.IsZero()
		if ctx.Err() != nil || !result.Superseded && !result.Again && !goesOn {
			return result
		}
		timer := time.NewTimer(result.next(s.opts.Now().Add(time.Second), s.opts.Now()).Sub(s.opts.Now()))
		select {
		case <-ctx.Done():
		case <-timer.C:
		}
		timer.Stop()
	}
}
