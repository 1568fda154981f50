package docker

import (
	"cmp"
	"context"
	"fmt"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/mount"

	"github.com/gitsync/gitsync/container/types"
)

// Inspect implements runtime.Inspector.
func (r *Runtime) Inspect(ctx context.Context, id string) (types.ContainerDetails, error) {
	inspected, err := r.inspect(ctx, id)
	if err != nil {
		return types.ContainerDetails{}, fmt.Errorf("look at container %s: %w", short(id), r.classify(ctx, err))
	}
	state := inspected.State
	details := types.ContainerDetails{
		ContainerStatus: types.ContainerStatus{ID: inspected.ID, Status: state.Status, ImageID: inspected.Image},
		ExitCode:        state.ExitCode, OOMKilled: state.OOMKilled, Error: state.Error, Restarts: inspected.RestartCount,
		StartedAt: timestamp(state.StartedAt), FinishedAt: timestamp(state.FinishedAt), AnonymousVolumes: anonymousVolumes(inspected.Mounts),
	}
	if state.Health != nil && state.Health.Status != container.NoHealthcheck {
		details.Health = state.Health.Status
		details.HealthDelay = healthDelay(inspected.Config.Healthcheck)
		for _, check := range state.Health.Log {
			details.HealthLog = append(details.HealthLog, types.HealthResult{ExitCode: check.ExitCode, Output: check.Output})
		}
	}
	return details, nil
}

// healthDelay fills in the engine's defaults.
func healthDelay(h *container.HealthConfig) types.Duration {
	const engineDefault = 30 * time.Second
	if h == nil {
		return 0
	}
	return types.Duration(h.StartPeriod + cmp.Or(h.Interval, engineDefault) + cmp.Or(h.Timeout, engineDefault))
}

// timestamp reads one of the engine's; year 1 is its word for never.
func timestamp(text string) time.Time {
	t, err := time.Parse(time.RFC3339Nano, text)
	if err != nil || t.Year() <= 1 {
		return time.Time{}
	}
	return t
}

func anonymousVolumes(mounts []container.MountPoint) map[string]string {
	found := map[string]string{}
	for _, m := range mounts {
		if m.Type == mount.TypeVolume && types.GeneratedVolume(m.Name) {
			found[m.Destination] = m.Name
		}
	}
	return found
}

// Signal implements runtime.Signaler.
func (r *Runtime) Signal(ctx context.Context, id, signal string) error {
	if err := checkID(id); err != nil {
		return err
	}
	if err := r.api.ContainerKill(ctx, id, signal); err != nil {
		return r.classify(ctx, err)
	}
	return nil
}
