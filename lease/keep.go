package lease

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/gitsync/gitsync/container"
	"github.com/gitsync/gitsync/runtime"
)

// during does the work, renews the lease meanwhile, and gives it back. The work may end
// long after its context does: it takes back what it had begun.
func (l *lease) during(ctx context.Context, work func(ctx context.Context) error) (err error) {
	working, lose := context.WithCancelCause(ctx)
	ended := make(chan struct{})
	// A renewal that hangs does not keep the lease. What is left of it is for the work to
	// take back what it has begun.
	over := time.AfterFunc(l.left(), func() { lose(fmt.Errorf("%w: it could not be renewed in time", ErrLost)) })
	var group errgroup.Group
	group.Go(func() error {
		if err := l.keep(context.WithoutCancel(ctx), ended, over, lose); err != nil {
			lose(err)
		}
		return nil
	})
	defer func() {
		close(ended)
		_ = group.Wait()
		over.Stop()
		if lost := context.Cause(working); errors.Is(lost, ErrLost) {
			err = errors.Join(err, fmt.Errorf("host %s: %w", l.Host, lost))
		}
		lose(nil)
		l.release(ctx)
	}()
	return work(working)
}

// left is how long work may go on without a renewal.
func (l *lease) left() time.Duration { return time.Until(l.ends) - l.opts.Lifetime/graces }

// keep renews the lease until the work has ended. It is an error when the lease is lost.
func (l *lease) keep(ctx context.Context, ended <-chan struct{}, over *time.Timer, lose context.CancelCauseFunc) error {
	next := time.Until(l.ends) - l.opts.Lifetime + l.opts.Lifetime/renewals
	for {
		timer := time.NewTimer(max(next, 0))
		select {
		case <-ended:
			timer.Stop()
			return nil
		case <-timer.C:
		}
		err := l.renew(ctx)
		switch {
		case err == nil:
			if !over.Reset(l.left()) {
				// The work has been told to end. What it takes back it takes back under the lease.
				over.Stop()
				lose(fmt.Errorf("%w: it was renewed too late", ErrLost))
			}
			next = time.Until(l.ends) - l.opts.Lifetime + l.opts.Lifetime/renewals
		case errors.Is(err, ErrLost):
			return err
		case !time.Now().Before(l.ends):
			return fmt.Errorf("%w: it could not be renewed in time: %w", ErrLost, err)
		default:
			next = l.opts.Lifetime / (renewals * 4)
		}
	}
}

// renew creates the container with the next number and removes the one before. As long as
// that one is there nobody else has held the lease.
func (l *lease) renew(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, min(time.Until(l.ends), renewTimeout))
	defer cancel()
	found, err := l.look(ctx)
	if err != nil {
		return err
	}
	if holder := l.holder(found); holder != nil {
		return fmt.Errorf("%w: %s", ErrLost, holder)
	}
	before := l.own
	if !slices.ContainsFunc(found.holders, func(h container.LeaseHolder) bool { return h.ID == before.ID }) {
		return fmt.Errorf("%w: somebody has removed it", ErrLost)
	}
	if err := l.create(ctx, found); err != nil {
		if errors.Is(err, runtime.ErrNameInUse) {
			return fmt.Errorf("%w: another instance has just taken it", ErrLost)
		}
		return err
	}
	err = l.Delete(ctx, before.ID)
	l.letGo(before.Name)
	l.unsure = l.unsure || err != nil
	if errors.Is(err, runtime.ErrNotFound) {
		return fmt.Errorf("%w: somebody has removed it", ErrLost)
	}
	return err
}
