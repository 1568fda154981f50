package sync

import "context"

// deploy carries the plan out. An empty plan makes no call.
func (c *cycle) deploy(ctx context.Context, h *HostResult) error {
	err := h.deployment.DeployContext(ctx)
	if hostFailure(err) != nil {
		return c.failed(h, err)
	}
	h.memory.failures, h.memory.err = 0, nil
	return err
}
