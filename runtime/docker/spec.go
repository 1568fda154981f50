package docker

import (
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/mount"
	"github.com/docker/docker/api/types/network"
	"github.com/docker/go-connections/nat"

	"github.com/gitsync/gitsync/container/types"
)

// convert puts a config into Docker's words. The values are copies: the client
// library changes what it is given.
func convert(c *types.ContainerConfig) (*container.Config, *container.HostConfig) {
	exposed, bindings := ports(c.Ports)
	stopTimeout := stopSeconds(c.StopTimeout)
	settings := &container.Config{
		Image: c.Image, Cmd: slices.Clone(c.Args), Entrypoint: slices.Clone(c.Entrypoint),
		Env: environment(c.Env), Labels: maps.Clone(c.Labels), ExposedPorts: exposed,
		User: user(c), WorkingDir: c.Workdir, Hostname: c.Hostname,
		Healthcheck: healthcheck(c.Healthcheck), StopTimeout: &stopTimeout,
	}
	hostSettings := &container.HostConfig{
		PortBindings: bindings, Mounts: mounts(c.Mounts), Privileged: c.Privileged,
		NetworkMode: container.NetworkMode(c.NetworkMode), PidMode: container.PidMode(c.PidMode),
		IpcMode: container.IpcMode(c.IpcMode), CapAdd: capabilities(c.CapAdd), CapDrop: capabilities(c.CapDrop),
		ExtraHosts: slices.Clone(c.ExtraHosts), Tmpfs: maps.Clone(c.Tmpfs), RestartPolicy: restartPolicy(c.Restart),
		Resources: container.Resources{Memory: int64(c.Memory), NanoCPUs: int64(math.Round(c.CPUs * 1e9))},
	}
	return settings, hostSettings
}

// capabilities are the names as they are, but for CAP_ALL: the engine takes each one with
// CAP_ before it or without, and ALL only without.
func capabilities(names []string) []string {
	names = slices.Clone(names)
	for i, name := range names {
		if strings.EqualFold(name, "CAP_ALL") {
			names[i] = "ALL"
		}
	}
	return names
}

// networking names the container's aliases on its network; nil when it has none.
func networking(c *types.ContainerConfig) *network.NetworkingConfig {
	if len(c.NetworkAliases) == 0 {
		return nil
	}
	return &network.NetworkingConfig{EndpointsConfig: map[string]*network.EndpointSettings{
		c.NetworkMode: {Aliases: slices.Clone(c.NetworkAliases)},
	}}
}

// stopSeconds rounds up, so that no container gets less time than it asked for.
func stopSeconds(d types.Duration) int {
	timeout := time.Duration(d)
	if timeout == 0 {
		timeout = types.DefaultStopTimeout
	}
	return int(math.Ceil(timeout.Seconds()))
}

func user(c *types.ContainerConfig) string {
	if c.Group != "" {
		return c.User + ":" + c.Group
	}
	return c.User
}

func environment(env map[string]string) []string {
	var out []string
	for _, key := range slices.Sorted(maps.Keys(env)) {
		out = append(out, key+"="+env[key])
	}
	return out
}

func ports(in []types.PortMap) (nat.PortSet, nat.PortMap) {
	exposed, bindings := nat.PortSet{}, nat.PortMap{}
	for _, p := range in {
		port := nat.Port(strconv.Itoa(p.Port) + "/" + p.Proto())
		exposed[port] = struct{}{}
		bindings[port] = append(bindings[port], nat.PortBinding{
			HostIP: p.IP, HostPort: strconv.Itoa(p.Published()),
		})
	}
	return exposed, bindings
}

func mounts(in []types.Mount) []mount.Mount {
	var out []mount.Mount
	for _, m := range in {
		converted := mount.Mount{
			Type: mount.Type(m.Kind()), Source: m.Source, Target: m.Target, ReadOnly: m.ReadOnly,
		}
		if converted.Type == mount.TypeBind && m.Source != "/" {
			converted.Source = strings.TrimSuffix(m.Source, "/")
		}
		if m.Propagation != "" {
			converted.BindOptions = &mount.BindOptions{Propagation: mount.Propagation(m.Propagation)}
		}
		out = append(out, converted)
	}
	return out
}

func healthcheck(h *types.Healthcheck) *container.HealthConfig {
	if h == nil {
		return nil
	}
	return &container.HealthConfig{
		Test: slices.Clone(h.Test), Interval: time.Duration(h.Interval), Timeout: time.Duration(h.Timeout),
		StartPeriod: time.Duration(h.StartPeriod), Retries: h.Retries,
	}
}

// restartPolicy is unless-stopped by default.
func restartPolicy(policy string) container.RestartPolicy {
	name, retries, _ := strings.Cut(policy, ":")
	if name == "" {
		name = "unless-stopped"
	}
	count, _ := strconv.Atoi(retries)
	return container.RestartPolicy{Name: container.RestartPolicyMode(name), MaximumRetryCount: count}
}
