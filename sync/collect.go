package sync

import (
	"context"
	"errors"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/gitsync/gitsync/container"
	"github.com/gitsync/gitsync/lease"
)

// gather is how long the results of hosts are gathered into one commit of the state
// branch, while others are still at work.
const gather = 5 * time.Second

// work deploys to all hosts. Meanwhile it looks for a newer commit, and records what is
// done.
func (c *cycle) work(steps ...hostStep) step {
	return step{"hosts", func(ctx context.Context) error {
		if !c.leaveAt.IsZero() {
			// However long Git took, hosts get their time.
			c.leaveAt = later(c.leaveAt, c.opts.Now().Add(c.opts.Patience))
		}
		watching, stop := context.WithCancel(ctx)
		var group errgroup.Group
		worked := make(chan struct{})
		group.Go(func() error {
			defer close(worked)
			c.onHosts(ctx, steps)
			return nil
		})
		if c.opts.Path == "" && c.result.GitErr == nil && !c.withoutGit {
			group.Go(func() error {
				c.watch(watching)
				return nil
			})
		}
		err := c.collect(ctx, worked)
		stop()
		return errors.Join(err, group.Wait())
	}}
}

// collect takes the results of hosts as they come, until all are there or the cycle
// leaves the rest behind.
func (c *cycle) collect(ctx context.Context, worked <-chan struct{}) error {
	timer := time.NewTimer(gather)
	timer.Stop()
	defer timer.Stop()
	var leave <-chan time.Time
	if !c.leaveAt.IsZero() {
		due := time.NewTimer(c.leaveAt.Sub(c.opts.Now()))
		defer due.Stop()
		leave = due.C
	}
	gathering := false
	for {
		select {
		case <-c.tasks.ended:
			if !gathering {
				timer.Reset(gather)
			}
			gathering = true
		case <-timer.C:
			gathering = false
			// What cannot be recorded now is tried again with what comes next.
			_ = c.flush(ctx)
		case <-leave:
			c.leave()
		case <-worked:
			return c.flush(ctx)
		}
	}
}

// leave goes on without the hosts that are still at work.
func (c *cycle) leave() { c.leaveOnce.Do(func() { close(c.left) }) }

// flush reports and records the results that are there.
func (c *cycle) flush(ctx context.Context) error {
	for _, h := range c.tasks.takeFinished() {
		c.result.Hosts = append(c.result.Hosts, h)
		c.result.Again = c.result.Again || errors.Is(h.Err, container.ErrInterrupted) || isOutOfDate(h.Err) || errors.Is(h.Err, lease.ErrLost)
		c.result.waited = c.result.waited || errors.Is(h.Err, lease.ErrWaited)
		h.cycle.reportHost(ctx, h)
		c.keep(h)
		c.learnIdentity(ctx, h)
		c.know(h)
	}
	c.rememberIdentities(ctx)
	return c.record(ctx)
}
