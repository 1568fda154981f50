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
	m, now := h.memory, c.opts.Now()
	if until, why := c.pause(h); !c.deep && !until.IsZero() {
		h.Waiting = until
		return why
	}
	if h.waitsForTurn && h.Record == nil || h.Gone && len(h.kept()) == 0 {
		return nil
	}
	deployment, err := c.deploymentOf(h).Deployment()
	if err != nil {
		return err
	}
	h.deployment = deployment
	due := c.deep || m.filesAt.IsZero() || m.filesTree != h.Host.Tree || now.Sub(m.filesAt) >= c.opts.FilesInterval
	ctx, cancel := context.WithTimeout(ctx, c.opts.CheckTimeout)
	defer cancel()
	if err := deployment.Check(ctx, container.CheckOptions{SkipFiles: !due}); err != nil {
		if errors.Is(err, runtime.ErrUnreachable) || ctx.Err() != nil {
			c.connections.drop(h.Host.Host, h.Host.Runtime)
		}
		return c.failed(h, err)
	}
	if due {
		m.filesAt, m.filesTree = now, h.Host.Tree
	}
	h.Checked = true
	h.Current = deployment.Current()[0]
	return nil
}

// deploymentOf brings desired and previous state together.
func (c *cycle) deploymentOf(h *HostResult) *container.Containers {
	desired := h.desired()
	containers := &container.Containers{
		DesiredState: desired,
		Parallel:     h.Host.Parallelism,
		PruneLimit:   c.pruneLimitOf(h),
		Moves:        h.moveTexts(),
		Held:         c.held(h),
		Blocked:      h.blocked,
		Superseded:   h.superseded,
		Origin:       &container.Origin{Host: h.Name, Owner: c.opts.owner()},
		Machine:      &container.Machine{Host: h.Host.Host, Runtime: h.Host.Runtime},
		Connector:    c.connections.Connect,
		Progress:     c.opts.Progress,
	}
	if h.Record != nil {
		containers.PreviousState = h.Record.PreviousState
	}
	if c.result.Commit != nil {
		containers.Origin.Commit = string(c.result.Commit.Hash)
	}
	return containers
}
