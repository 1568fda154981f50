package docker

import (
	"context"
	"fmt"
	"strings"

	cerrdefs "github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/network"

	"github.com/gitsync/gitsync/container/types"
)

// defaultSwap is the engine's own limit of memory and swap together where none was asked
// for: as much swap again as memory.
func defaultSwap(memory int64) int64 { return 2 * memory }

// withoutSwapLimit makes up for an engine whose kernel does not limit swap: it says -1,
// whatever was asked for.
func (r *Runtime) withoutSwapLimit(ctx context.Context, facts *types.ContainerFacts) error {
	if facts.MemorySwap != -1 || facts.Config.Memory == 0 {
		return nil
	}
	info, err := r.api.Info(ctx)
	if err != nil {
		return fmt.Errorf("ask whether the engine limits swap: %w", r.classify(ctx, err))
	}
	if !info.SwapLimit {
		facts.Unknown = append(facts.Unknown, "memorySwap")
	}
	return nil
}

// connectionSettings are those of a connection that nobody can ask for in containers.yaml.
// The container's MAC address is a setting of the container: what an endpoint has may be a
// generated one.
func connectionSettings(e *network.EndpointSettings) map[string]string {
	settings := map[string]string{}
	add := func(name, is string) {
		if is != "" {
			settings[name] = is
		}
	}
	if ipam := e.IPAMConfig; ipam != nil {
		add("ipv4Address", ipam.IPv4Address)
		add("ipv6Address", ipam.IPv6Address)
		add("linkLocalIPs", strings.Join(ipam.LinkLocalIPs, " "))
	}
	add("links", strings.Join(e.Links, " "))
	add("driverOpts", hidden(len(e.DriverOpts)))
	add("gwPriority", plain(e.GwPriority))
	if len(settings) == 0 {
		return nil
	}
	return settings
}

// withoutClusterAddresses leaves the addresses out that a Swarm's manager gave: the engine
// says them as if somebody had asked for them.
func (r *Runtime) withoutClusterAddresses(ctx context.Context, facts *types.ContainerFacts) error {
	for name, connected := range facts.Networks {
		if connected.Settings["ipv4Address"] == "" && connected.Settings["ipv6Address"] == "" || checkID(connected.ID) != nil {
			continue
		}
		found, err := r.api.NetworkInspect(ctx, connected.ID, network.InspectOptions{})
		if cerrdefs.IsNotFound(err) {
			continue
		}
		if err != nil {
			return fmt.Errorf("look at network %s: %w", name, r.classify(ctx, err))
		}
		if found.Scope != "swarm" {
			continue
		}
		delete(connected.Settings, "ipv4Address")
		delete(connected.Settings, "ipv6Address")
	}
	return nil
}
