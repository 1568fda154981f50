package sync

import (
	"context"

	"github.com/gitsync/gitsync/container"
)

// plan compares what should run, what was deployed and what runs.
func (c *cycle) plan(_ context.Context, h *HostResult) error {
	h.Plan = h.deployment.Plan()
	for _, p := range h.Plan.Hosts {
		for _, change := range p.Changes {
			if change.Kind == container.Recover {
				// Its config files are looked at again when that is done.
				c.lookAgain(h)
			}
		}
	}
	return nil
}
