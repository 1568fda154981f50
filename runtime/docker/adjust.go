package docker

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/network"

	"github.com/gitsync/gitsync/container/types"
	"github.com/gitsync/gitsync/runtime"
)

// Adjust implements runtime.Adjuster.
func (r *Runtime) Adjust(ctx context.Context, id string, config *types.ContainerConfig) error {
	c, err := r.inspect(ctx, id)
	if err != nil {
		return r.classify(ctx, err)
	}
	if err := r.adjustLimits(ctx, c, config); err != nil {
		return err
	}
	return r.adjustNetworks(ctx, c, config)
}

func (r *Runtime) adjustLimits(ctx context.Context, c container.InspectResponse, config *types.ContainerConfig) error {
	podman, err := r.isPodman(ctx, envMap(c.Config.Env))
	if err != nil {
		return err
	}
	_, want := convert(config)
	is := c.HostConfig
	update := container.UpdateConfig{}
	if restartText(is.RestartPolicy) != restartText(want.RestartPolicy) {
		update.RestartPolicy = want.RestartPolicy
	}
	if want.Memory == 0 && is.Memory > 0 {
		return fmt.Errorf("%w: the engine takes a memory limit away only with a new container", runtime.ErrInvalid)
	}
	if swap := defaultSwap(want.Memory); want.Memory != max(0, is.Memory) || want.Memory > 0 && is.MemorySwap != swap && !podman {
		update.Memory, update.MemorySwap = want.Memory, swap
	}
	if is.PidsLimit != nil && *is.PidsLimit > 0 && !podman {
		unlimited := int64(0)
		update.PidsLimit = &unlimited
	}
	if is.NanoCPUs != want.NanoCPUs {
		if want.NanoCPUs == 0 {
			return fmt.Errorf("%w: the engine takes a CPU limit away only with a new container", runtime.ErrInvalid)
		}
		update.NanoCPUs = want.NanoCPUs
	}
	if update.RestartPolicy.Name == "" && update.Memory == 0 && update.NanoCPUs == 0 && update.PidsLimit == nil {
		return nil
	}
	if _, err := r.api.ContainerUpdate(ctx, c.ID, update); err != nil {
		return r.classify(ctx, err)
	}
	return nil
}

// adjustNetworks connects the container to the network of its config, and disconnects it
// from others. A network mode that is no network leaves no choice.
func (r *Runtime) adjustNetworks(ctx context.Context, c container.InspectResponse, config *types.ContainerConfig) error {
	mode := container.NetworkMode(config.NetworkMode)
	if c.NetworkSettings == nil || mode.IsHost() || mode.IsNone() || mode.IsContainer() {
		return nil
	}
	want := config.NetworkMode
	if mode.IsDefault() || mode.IsBridge() || want == "" {
		want = "bridge"
	}
	facts := types.ContainerFacts{Networks: networksOf(c)}
	if err := r.withoutClusterAddresses(ctx, &facts); err != nil {
		return err
	}
	asked := types.FindNetwork(facts.Networks, want)
	connected := false
	for _, name := range slices.Sorted(maps.Keys(c.NetworkSettings.Networks)) {
		if _, known := facts.Networks[networkName(name)]; !known {
			continue
		}
		if networkName(name) == asked {
			connected = sameConnection(facts.Networks[asked], config)
			if connected {
				continue
			}
		}
		if checkID(name) != nil {
			return fmt.Errorf("%w: a network has the name %.80q", errAnswer, name)
		}
		if err := r.api.NetworkDisconnect(ctx, name, c.ID, false); err != nil {
			return fmt.Errorf("disconnect from network %s: %w", name, r.classifyRestarting(ctx, c.ID, err))
		}
	}
	if connected {
		return nil
	}
	var settings *network.EndpointSettings
	if len(config.NetworkAliases) > 0 {
		settings = &network.EndpointSettings{Aliases: slices.Clone(config.NetworkAliases)}
	}
	if err := r.api.NetworkConnect(ctx, want, c.ID, settings); err != nil {
		return fmt.Errorf("connect to network %s: %w", want, r.classifyRestarting(ctx, c.ID, err))
	}
	return nil
}

// sameConnection says whether the container is connected to a network as the config says.
func sameConnection(network types.NetworkFacts, config *types.ContainerConfig) bool {
	want := slices.Compact(slices.Sorted(slices.Values(config.NetworkAliases)))
	return slices.Equal(network.OtherThanGiven(want), want) && len(network.Settings) == 0
}

// Unpause implements runtime.Adjuster.
func (r *Runtime) Unpause(ctx context.Context, id string) error {
	c, err := r.inspect(ctx, id)
	if err != nil {
		return r.classify(ctx, err)
	}
	if !c.State.Paused {
		return nil
	}
	if err := r.api.ContainerUnpause(ctx, id); err != nil {
		return r.classify(ctx, err)
	}
	return nil
}

// freezeTries is how often a container is paused that cannot be frozen, and freezePause
// the time between two tries: the kernel may be too busy for the engine's patience.
const (
	freezeTries = 20
	freezePause = 200 * time.Millisecond
)

// Pause implements runtime.Adjuster.
func (r *Runtime) Pause(ctx context.Context, id string) error {
	if err := checkID(id); err != nil {
		return err
	}
	for try := 1; ; try++ {
		err := r.api.ContainerPause(ctx, id)
		switch {
		case err == nil, strings.Contains(err.Error(), "is already paused"):
			return nil
		case try == freezeTries, !strings.Contains(err.Error(), "unable to freeze"):
			return r.classify(ctx, err)
		}
		timer := time.NewTimer(freezePause)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return r.classify(ctx, err)
		}
	}
}
