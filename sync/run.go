package sync

import (
	"context"
	"math/rand/v2"
	"time"

	"github.com/rs/zerolog"
)

const (
	// againPause is about how long an interrupted update waits before it is tried
	// anew, and maxAgain how often one run does that.
	againPause = time.Second
	maxAgain   = 4
	// retryPause is how long, at least, a host that could not be handled waits when the
	// schedule would let it wait longer.
	retryPause = time.Minute
)

// Run runs cycles on schedule until the context is done; the cycle in hand comes
// to an orderly end then. A cycle does not wait for hosts that take longer than the
// schedule has it: they go on beside the next ones. It returns nil.
func (s *Syncer) Run(ctx context.Context, schedule Schedule) error {
	watches := newWatches(s)
	defer s.finish(ctx)
	defer watches.all.Wait()
	next := schedule.first(s.opts.Now())
	for {
		s.health.expect(s.opts.Now(), next)
		switch s.await(ctx, next, watches) {
		case awaitedEnd:
			return nil
		case awaitedLook:
			next = s.lookAtDue(ctx, next, watches)
			continue
		}
		due := schedule.next(s.opts.Now())
		s.health.expect(s.opts.Now(), due)
		result := s.cycle(ctx, func(c *cycle) { c.watches, c.leaveAt = watches, due })
		s.health.learn(s.opts.Now(), result)
		if len(result.Busy) == 0 {
			due = schedule.next(s.opts.Now())
		}
		next = result.next(due, s.opts.Now())
	}
}

// awaited is what came first.
type awaited int

const (
	awaitedEnd awaited = iota
	awaitedCycle
	awaitedLook
)

// await waits until a cycle is due, by the schedule or since it was asked for, or a look
// at a host that no commit asks for.
func (s *Syncer) await(ctx context.Context, next time.Time, w *watches) awaited {
	for {
		at, what := next, awaitedCycle
		if due := s.due(); !due.IsZero() && due.Before(at) {
			at, what = due, awaitedLook
		}
		timer := time.NewTimer(at.Sub(s.opts.Now()))
		select {
		case <-ctx.Done():
			what = awaitedEnd
		case <-s.wake:
			what = awaitedCycle
		case <-timer.C:
		case <-w.asked:
			timer.Stop()
			continue
		}
		timer.Stop()
		return what
	}
}

// lookAtDue runs a cycle for the hosts that are due for a look, with the commit that is
// there. It returns when the next one of the schedule comes.
func (s *Syncer) lookAtDue(ctx context.Context, next time.Time, w *watches) time.Time {
	only := s.dueHosts()
	if len(only) == 0 {
		return next
	}
	result := s.cycle(ctx, func(c *cycle) { c.only, c.watches, c.leaveAt = only, w, s.opts.Now() })
	s.postpone(only)
	return result.next(next, s.opts.Now())
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// finish waits for the hosts that are still at work, and records what they came to.
func (s *Syncer) finish(ctx context.Context) {
	s.tasks.all.Wait()
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.newCycle()
	if err := c.flush(ctx); err != nil {
		zerolog.Ctx(ctx).Error().Err(err).Msg("the last cycle is not recorded")
	}
	c.tell(ctx)
	s.withdraw(ctx, func(string) bool { return true })
}

// next says when the next cycle should come: at once when a newer commit is there, soon
// when an update is to be tried anew, when a roll-out goes on, and when a host that could
// not be handled is to be tried again; otherwise as the schedule says.
func (r *Result) next(scheduled, now time.Time) time.Time {
	if r.Superseded {
		return now
	}
	if r.Again {
		// Two gitsyncs that are in each other's way must not go on in step.
		return now.Add(againPause/2 + rand.N(againPause))
	}
	next := scheduled
	if r.Rollout != nil && !r.Rollout.Until.IsZero() && r.Rollout.Until.Before(next) {
		next = r.Rollout.Until
	}
	if retry := later(r.retry, now.Add(retryPause)); !r.retry.IsZero() && retry.Before(next) {
		next = retry
	}
	return next
}

// Once runs one cycle, and more as long as a newer commit takes over, an interrupted
// update is to be tried anew, or a roll-out goes on by itself. It returns the last
// one's result.
func (s *Syncer) Once(ctx context.Context) *Result {
	waitUntil := time.Now().Add(s.opts.LeaseWait)
	for tries := 1; ; tries++ {
		result := s.cycle(ctx, func(c *cycle) { c.once, c.waitUntil = true, waitUntil })
		if result.waited {
			// It was somebody else's turn, and this one's is still to come.
			tries--
		} else {
			waitUntil = time.Now().Add(s.opts.LeaseWait)
		}
		result.Again = result.Again && tries < maxAgain
		goesOn := result.Rollout != nil && !result.Rollout.Until.IsZero()
		if ctx.Err() != nil || !result.Superseded && !result.Again && !goesOn {
			return result
		}
		result.retry = time.Time{}
		timer := time.NewTimer(result.next(s.opts.Now().Add(time.Second), s.opts.Now()).Sub(s.opts.Now()))
		select {
		case <-ctx.Done():
		case <-timer.C:
		}
		timer.Stop()
	}
}
