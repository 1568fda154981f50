package sync

import (
	"context"
	"errors"

	"github.com/gitsync/gitsync/container"
	"github.com/gitsync/gitsync/runtime"
)

// check looks at the host, unless it failed a short while ago and nothing new was
// committed for it.
func (c *cycle) check(ctx context.Context, h *HostResult) error {
	if until, why := c.pause(h); !c.deep && !until.IsZero() {
		h.Waiting = until
		return why
	}
	if h.waitsForTurn && !h.confirmed() || h.Gone && len(h.kept()) == 0 {
		return nil
	}
	if h.Gone && !h.confirmed() && !c.mayLogIn(h) {
		return c.unconfirmedGone(h)
	}
	if c.quiet(h) {
		return nil
	}
	c.prepareSecrets(ctx, h)
	deployment, err := c.deploymentOf(h).Deployment()
	if err != nil {
		return err
	}
	h.deployment = deployment
	if c.opts.Offline {
		assume(h)
		return nil
	}
	opts := c.lookOptions(h)
	looking, cancel := context.WithTimeout(ctx, c.opts.CheckTimeout)
	defer cancel()
	if err := deployment.Check(looking, opts); err != nil {
		c.lookAgain(h)
		if errors.Is(err, runtime.ErrUnreachable) || looking.Err() != nil {
			c.connections.drop(h.Host.Host, h.Host.Runtime)
		}
		return c.failed(h, err)
	}
	c.looked(h, opts)
	c.watches.follow(ctx, h)
	c.lookedAt(h)
	h.Current = deployment.Current()[0]
	if err := c.checkHistory(ctx, h); err != nil {
		return c.failed(h, err)
	}
	c.stay(ctx, h, opts)
	return nil
}

// lookedAt remembers that the host has answered.
func (c *cycle) lookedAt(h *HostResult) {
	c.tasks.mu.Lock()
	defer c.tasks.mu.Unlock()
	h.Checked, h.looked = true, true
}

// deploymentOf brings desired and previous state together.
func (c *cycle) deploymentOf(h *HostResult) *container.Containers {
	desired := h.desired()
	containers := &container.Containers{
		DesiredState: desired,
		Parallel:     h.Host.Parallelism,
		PruneLimit:   c.pruneLimitOf(h),
		HeldBack:     h.heldBefore(),
		Moves:        h.moveTexts(),
		Held:         c.held(h),
		Patient:      c.patient(h),
		Blocked:      h.blocked,
		Superseded:   h.superseded,
		Suspended:    h.leftAlone(),
		Fights:       c.fights(h),
		NestedMounts: c.policy.Load().NestedMounts(h.Name),
		Drift:        h.Host.Drift,
		RepairNow:    c.opts.RepairNow,
		Origin:       c.originOf(h),
		Machine:      &container.Machine{Host: h.Host.Host, Runtime: h.Host.Runtime},
		Connector:    c.connections.Connect,
		Progress:     c.opts.Progress,
		Credentials:  c.loginsOf(h),
	}
	if lease, ok := c.leaseOf(h); ok {
		containers.Lease = lease
	}
	if h.secrets != nil {
		containers.Secrets = h.secrets
	}
	if h.Record != nil {
		containers.PreviousState, containers.Unconfirmed = h.Record.PreviousState, !h.confirmed()
	}
	h.handOn(containers)
	c.keepDown(h, containers)
	return containers
}
