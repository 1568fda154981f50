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
// schedule has it: they go on beside the next ones. Drift is repaired beside the fetch of
// the next cycle, however long that takes. It returns nil.
func (s *Syncer) Run(ctx context.Context, schedule Schedule) error {
	watches, git := newWatches(s), newGitSide(s)
	defer s.finish(ctx)
	defer watches.all.Wait()
	defer git.end()
	next := schedule.first(s.opts.Now())
	for {
		if !git.busy() {
			s.health.expect(s.opts.Now(), next)
		}
		what, fetched := s.await(ctx, next, watches, git)
		switch what {
		case awaitedEnd:
			s.mu.Lock()
			s.away = s.away || git.busy()
			s.mu.Unlock()
			return nil
		case awaitedLook:
			next = s.lookAtDue(ctx, next, watches, git)
		case awaitedCycle:
			git.begin(ctx)
		case awaitedFetched:
			if ctx.Err() != nil {
				// It was told to stop, which is no error.
				s.git.Unlock()
				return nil
			}
			due := schedule.next(s.opts.Now())
			s.health.expect(s.opts.Now(), due)
			result := git.follow(ctx, fetched, func(c *cycle) { c.watches, c.leaveAt = watches, due })
			s.health.learn(s.opts.Now(), result)
			if len(result.Busy) == 0 {
				due = schedule.next(s.opts.Now())
			}
			next = result.next(due, s.opts.Now())
		}
	}
}

// awaited is what came first.
type awaited int

const (
	awaitedEnd awaited = iota
	awaitedCycle
	awaitedFetched
	awaitedLook
)

// await waits until a cycle is due, by the schedule or since it was asked for, until the
// fetch of one has ended, or until a look at a host is due that no commit asks for.
func (s *Syncer) await(ctx context.Context, next time.Time, w *watches, git *gitSide) (awaited, *cycle) {
	for {
		at, what, wake := next, awaitedCycle, s.wake
		due := s.due()
		if git.busy() {
			// The next one begins after this one.
			at, wake = time.Time{}, nil
			if !due.IsZero() {
				due = later(due, git.patientUntil())
			}
		}
		if !due.IsZero() && (at.IsZero() || due.Before(at)) {
			at, what = due, awaitedLook
		}
		var comes <-chan time.Time
		if !at.IsZero() {
			// One that nobody waits for any more is collected.
			comes = time.After(at.Sub(s.opts.Now()))
		}
		select {
		case <-ctx.Done():
			return awaitedEnd, nil
		case fetched := <-git.fetched:
			return awaitedFetched, fetched
		case <-wake:
			return awaitedCycle, nil
		case <-comes:
			return what, nil
		case <-w.asked:
		}
	}
}

// lookAtDue runs a cycle for the hosts that are due for a look, with the commit that is
// there. It returns when the next one of the schedule comes.
func (s *Syncer) lookAtDue(ctx context.Context, next time.Time, w *watches, git *gitSide) time.Time {
	only := s.dueHosts()
	if len(only) == 0 {
		return next
	}
	look := s.cycle
	if git.busy() {
		look = s.repair
	}
	result := look(ctx, func(c *cycle) { c.only, c.watches, c.leaveAt = only, w, s.opts.Now() })
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
	defer s.lock()()
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
