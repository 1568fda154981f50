package sync

import (
	"context"
	"errors"

	"github.com/gitsync/gitsync/runtime"
)

// deploy carries the plan out. An empty plan makes no call. One that gave way to another
// instance is no trouble of the host.
func (c *cycle) deploy(ctx context.Context, h *HostResult) error {
	c.tasks.mu.Lock()
	h.deploys = changes(h)
	c.tasks.mu.Unlock()
	err := h.deployment.DeployContext(ctx)
	if gaveWay(err) && !errors.Is(err, runtime.ErrUnreachable) {
		c.lookAgain(h)
		c.answered(h)
		return err
	}
	if lost := errors.Is(err, runtime.ErrUnreachable); lost || hostFailure(err) != nil {
		if lost {
			c.connections.drop(h.Host.Host, h.Host.Runtime)
		}
		return c.failed(h, err)
	}
	c.answered(h)
	return err
}
