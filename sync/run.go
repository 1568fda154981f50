package sync

import (
	"context"
	"time"
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
		s.Cycle(ctx)
		next = schedule.next(s.opts.Now())
	}
}
