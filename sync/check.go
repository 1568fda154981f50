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
	if !c.deep && m.failures > 0 && m.failedTree == h.Host.Tree && now.Before(m.next) {
		h.Waiting = m.next
		return m.err
	}
	if h.waitsForTurn && h.Record == nil {
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
	desired := h.Host.Containers
	if h.waitsForTurn {
		desired = h.kept()
	}
	containers := &container.Containers{
		DesiredState: desired,
		Parallel:     h.Host.Parallelism,
		PruneLimit:   c.pruneLimit(),
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

// failed remembers a failure, and when the host is tried again.
func (c *cycle) failed(h *HostResult, err error) error {
	m := h.memory
	if m.failedTree != h.Host.Tree {
		m.failures = 0
	}
	m.failures++
	m.err, m.failedTree = err, h.Host.Tree
	m.next = c.opts.Now().Add(backOff(m.failures))
	return err
}
