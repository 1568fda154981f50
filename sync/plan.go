package sync

import "context"

// plan compares what should run, what was deployed and what runs.
func (c *cycle) plan(_ context.Context, h *HostResult) error {
	h.Plan = h.deployment.Plan()
	return nil
}
