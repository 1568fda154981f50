package report

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/rs/zerolog"

	"github.com/gitsync/gitsync/report/forge"
)

const (
	// postTime bounds one try to tell something.
	postTime = 30 * time.Second
	// firstPause doubles with each failure, up to longPause.
	firstPause = 5 * time.Second
	longPause  = 10 * time.Minute
	// limitPause is for a rate limit that does not say for how long, and longestLimit
	// for one that says nonsense.
	limitPause   = time.Minute
	longestLimit = 24 * time.Hour
	// patience is how often an entry is tried before others get a turn in between: it
	// may be the only one that the other side chokes on.
	patience = 20
	// staleAfter is when a message is old news.
	staleAfter = 24 * time.Hour
)

// lane is one receiver with an order of its own.
type lane struct {
	name string
	mine func(entry) bool
	// wake has room for one nudge.
	wake chan struct{}
	// turn is held by who tells, so that it stays one after the other.
	turn chan struct{}

	// The rest is for who has the turn. until is a rate limit, and pause when to try
	// again after failures.
	until, pause time.Time
	failures     int
	// refused says that the token was refused, and people know.
	refused bool
	// unsupported says that there is something which the forge does not have, and people
	// know.
	unsupported bool
}

func newLane(name string, mine func(entry) bool) *lane {
	return &lane{name: name, mine: mine, wake: make(chan struct{}, 1), turn: make(chan struct{}, 1)}
}

// nudge says that there may be something to tell.
func (l *lane) nudge() {
	select {
	case l.wake <- struct{}{}:
	default:
	}
}

// work tells what there is whenever there is something, until the context ends.
func (r *Reporter) work(ctx context.Context, l *lane) {
	for ctx.Err() == nil {
		more, next := r.step(ctx, l, false)
		if !more {
			l.wait(ctx, next)
		}
	}
}

// wait returns at a time, unless that is zero, at a nudge, or when the context ends.
func (l *lane) wait(ctx context.Context, next time.Time) {
	var due <-chan time.Time
	if !next.IsZero() {
		timer := time.NewTimer(time.Until(next))
		defer timer.Stop()
		due = timer.C
	}
	select {
	case <-ctx.Done():
	case <-due:
	case <-l.wake:
	}
}

// flush tells what there is until something cannot be told.
func (r *Reporter) flush(ctx context.Context, l *lane) {
	for more := true; more && ctx.Err() == nil; {
		more, _ = r.step(ctx, l, true)
	}
}

// step tells one thing. It says whether to go on at once, or else when; the zero time
// when there is nothing to tell. Whoever is eager does not wait for a pause to end, but
// for a rate limit.
func (r *Reporter) step(ctx context.Context, l *lane, eager bool) (bool, time.Time) {
	select {
	case l.turn <- struct{}{}:
		defer func() { <-l.turn }()
	case <-ctx.Done():
		return false, time.Time{}
	}
	next := l.until
	if !eager && l.pause.After(next) {
		next = l.pause
	}
	e, ok := r.take(ctx, l, !next.After(time.Now()))
	switch {
	case !ok:
		return false, time.Time{}
	case next.After(time.Now()):
		return false, next
	}
	err := r.post(ctx, e)
	if err != nil && ctx.Err() != nil {
		return false, time.Time{} // told to stop: that is not the other side's failure
	}
	return r.settle(ctx, l, e, err), l.later()
}

// later is when to go on after a failure.
func (l *lane) later() time.Time {
	if l.until.After(l.pause) {
		return l.until
	}
	return l.pause
}

// take returns what is to be told next. When it is told at once, the last word about the
// same is forgotten before, in the file too: see [outbox.forget].
func (r *Reporter) take(ctx context.Context, l *lane, now bool) (entry, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	var waiting []entry
	for _, e := range slices.Clone(r.box.Queue) {
		if !l.mine(e) {
			continue
		}
		if e.Message != nil && time.Since(e.Queued) > staleAfter && e.Tries > 0 {
			r.box.drop(e)
			zerolog.Ctx(ctx).Warn().Str("title", e.Message.Title).Msg("a message could not be sent for a day: dropped")
			continue
		}
		waiting = append(waiting, e)
	}
	if len(waiting) == 0 {
		return entry{}, false
	}
	e := waiting[0]
	if len(waiting) > 1 && e.Tries >= patience && l.failures%2 == 1 {
		e = waiting[1]
	}
	if now && r.box.forget(e.key()) {
		r.save(ctx)
	}
	return e, true
}

// post tells one thing.
func (r *Reporter) post(ctx context.Context, e entry) error {
	ctx, cancel := context.WithTimeout(ctx, postTime)
	defer cancel()
	switch {
	case e.Status != nil:
		return r.options.Forge.Status(ctx, *e.Status)
	case e.Deployment != nil:
		return r.options.Forge.Deployment(ctx, *e.Deployment)
	}
	return r.options.Notifier.Send(ctx, e.Message.Title, e.Message.Body)
}

// settle does what an answer asks for, and says whether to go on at once.
func (r *Reporter) settle(ctx context.Context, l *lane, e entry, err error) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	defer r.save(ctx)
	log := zerolog.Ctx(ctx).With().Str("to", l.name).Str("about", or(e.key(), "a message")).Logger()
	var limited *forge.RateLimited
	switch {
	case err == nil:
		if l.failures > 0 || l.refused {
			log.Info().Int("failures", l.failures).Msg("telling works again")
		}
		l.failures, l.refused, l.pause = 0, false, time.Time{}
		r.box.delivered(e)
		return true
	case errors.Is(err, forge.ErrRefused), errors.Is(err, forge.ErrUnsupported):
		event := log.Warn()
		if unsupported := errors.Is(err, forge.ErrUnsupported); unsupported && l.unsupported {
			event = log.Debug()
		} else if unsupported {
			l.unsupported = true
		}
		event.Err(err).Msg("refused for good: dropped")
		// The same words would be refused again, so they count as told.
		r.box.delivered(e)
		return true
	case errors.As(err, &limited):
		l.until = limitedUntil(limited.Until, time.Now())
		if l == r.forge {
			r.box.Until = l.until
		}
		log.Info().Err(err).Time("until", l.until).Msg("waiting out a rate limit")
	case errors.Is(err, forge.ErrAuth):
		if !l.refused {
			log.Error().Err(err).Msg("the token is refused: give gitsync one that may set commit statuses; it tries again every ten minutes")
		}
		l.refused, l.pause = true, time.Now().Add(longPause)
		r.box.failed(e)
	default:
		l.failures++
		l.pause = time.Now().Add(backOff(l.failures))
		event := log.Debug()
		if l.failures == 1 {
			event = log.Warn()
		}
		event.Err(err).Time("next", l.pause).Msg("could not be told yet")
		r.box.failed(e)
	}
	return false
}

// limitedUntil is the end of a rate limit, as far as it makes sense.
func limitedUntil(until, now time.Time) time.Time {
	switch {
	case !until.After(now):
		return now.Add(limitPause)
	case until.Sub(now) > longestLimit:
		return now.Add(longestLimit)
	}
	return until
}

// backOff is how long to wait after so many failures in a row.
func backOff(failures int) time.Duration {
	pause := firstPause
	for range failures - 1 {
		if pause *= 2; pause >= longPause {
			return longPause
		}
	}
	return pause
}
