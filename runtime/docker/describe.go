package docker

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	cerrdefs "github.com/containerd/errdefs"
	dockertypes "github.com/docker/docker/api/types"
	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/mount"
	"github.com/docker/docker/api/types/network"
	"github.com/docker/go-connections/nat"

	"github.com/gitsync/gitsync/container/types"
)

// Describe implements runtime.Describer.
func (r *Runtime) Describe(ctx context.Context, id string) (types.ContainerFacts, error) {
	c, err := r.inspect(ctx, id)
	if err != nil {
		return types.ContainerFacts{}, fmt.Errorf("look at container %s: %w", short(id), r.classify(ctx, err))
	}
	facts := types.ContainerFacts{
		ContainerStatus: types.ContainerStatus{ID: c.ID, Status: c.State.Status, ImageID: c.Image},
		Name:            strings.TrimPrefix(c.Name, "/"),
		Config:          configOf(c),
		Networks:        networksOf(c),
		MemorySwap:      c.HostConfig.MemorySwap,
	}
	image, err := r.imageDefaults(ctx, c.Image)
	if err != nil {
		return types.ContainerFacts{}, err
	}
	facts.Defaults = image.config
	facts.Other, facts.Filled = otherSettings(c, image.imageSettings), told(filled(), c, image.imageSettings)
	podman, err := r.isPodman(ctx, facts.Config.Env)
	switch {
	case err != nil:
		return types.ContainerFacts{}, err
	case podman:
		fromPodman(&facts)
		return facts, nil
	}
	if err := r.withoutSwapLimit(ctx, &facts); err != nil {
		return types.ContainerFacts{}, err
	}
	return facts, r.withoutClusterAddresses(ctx, &facts)
}

// isPodman tells Podman's API from Docker's. Podman writes a variable into each container
// (https://docs.podman.io/en/latest/markdown/podman-run.1.html#env-e-env), but so do some
// images: the engine itself is asked then.
func (r *Runtime) isPodman(ctx context.Context, env map[string]string) (bool, error) {
	if env["container"] != "podman" && env["container"] != "oci" {
		return false, nil
	}
	version, err := r.api.ServerVersion(ctx)
	if err != nil {
		return false, fmt.Errorf("ask for the engine's version: %w", r.classify(ctx, err))
	}
	return slices.ContainsFunc(version.Components, func(c dockertypes.ComponentVersion) bool {
		return strings.Contains(c.Name, "Podman")
	}), nil
}

// fromPodman makes up for what Podman (4.3 was looked at) tells otherwise than Docker: the
// variables that it adds count as the image's, what it translates is not known as it was
// asked for, and its own limit of processes is the default.
func fromPodman(facts *types.ContainerFacts) {
	facts.Unknown = []string{
		"capAdd", "capDrop", "cpuPeriod", "cpuQuota", "healthcheck", "init", "ipcMode", "macAddress", "memorySwap", "stopSignal", "tmpfs",
	}
	facts.Filled = nil
	for name, network := range facts.Networks {
		network.Settings = nil
		facts.Networks[name] = network
	}
	if facts.Other["pidsLimit"] == podmanPidsLimit {
		delete(facts.Other, "pidsLimit")
	}
	if facts.Defaults == nil {
		return
	}
	defaults := *facts.Defaults
	defaults.Env = maps.Clone(defaults.Env)
	if defaults.Env == nil {
		defaults.Env = map[string]string{}
	}
	for _, name := range []string{"HOME", "HOSTNAME", "TERM", "container"} {
		if value, there := facts.Config.Env[name]; there && defaults.Env[name] == "" {
			defaults.Env[name] = value
		}
	}
	facts.Defaults = &defaults
}

// configOf translates what the engine says into a config: the way back of convert.
func configOf(c container.InspectResponse) types.ContainerConfig {
	h := c.HostConfig
	config := types.ContainerConfig{
		Name: strings.TrimPrefix(c.Name, "/"), Image: c.Config.Image,
		Args: slices.Clone(c.Config.Cmd), Entrypoint: slices.Clone(c.Config.Entrypoint),
		Ports: portMaps(h.PortBindings), Mounts: mountsOf(c.Mounts), Privileged: h.Privileged,
		NetworkMode: string(h.NetworkMode), PidMode: string(h.PidMode), IpcMode: string(h.IpcMode),
		Env: envMap(c.Config.Env), Labels: c.Config.Labels, Restart: restartText(h.RestartPolicy),
		Workdir: c.Config.WorkingDir, Hostname: c.Config.Hostname, Healthcheck: healthcheckOf(c.Config.Healthcheck),
		CapAdd: slices.Clone(h.CapAdd), CapDrop: slices.Clone(h.CapDrop),
		Memory: types.Bytes(max(0, h.Memory)), CPUs: float64(h.NanoCPUs) / 1e9,
		ExtraHosts: slices.Clone(h.ExtraHosts), Tmpfs: h.Tmpfs,
	}
	config.User, config.Group, _ = strings.Cut(c.Config.User, ":")
	if c.Config.StopTimeout != nil {
		config.StopTimeout = types.Duration(*c.Config.StopTimeout) * 1e9
	}
	return config
}

// imageFacts are what an image fills in; the zero value when it is gone.
type imageFacts struct {
	config *types.ContainerConfig
	imageSettings
}

// imageDefaults returns what an image fills in. Images never change, so that each is
// asked for once.
func (r *Runtime) imageDefaults(ctx context.Context, id string) (imageFacts, error) {
	r.images.Lock()
	defer r.images.Unlock()
	if known, ok := r.defaults[id]; ok {
		return known, nil
	}
	if checkImage(id) != nil {
		return imageFacts{}, fmt.Errorf("%w: a container's image has the ID %.80q", errAnswer, id)
	}
	image, err := r.api.ImageInspect(ctx, id)
	if cerrdefs.IsNotFound(err) {
		return imageFacts{}, nil
	}
	if err != nil {
		return imageFacts{}, fmt.Errorf("look at image %s: %w", short(id), r.classify(ctx, err))
	}
	facts := imageFacts{&types.ContainerConfig{}, imageSettings{known: true}}
	if c, defaults := image.Config, facts.config; c != nil {
		defaults.Args, defaults.Entrypoint = c.Cmd, c.Entrypoint
		defaults.Env, defaults.Labels, defaults.Workdir = envMap(c.Env), c.Labels, c.WorkingDir
		defaults.User, defaults.Group, _ = strings.Cut(c.User, ":")
		defaults.Healthcheck = healthcheckOf(c.Healthcheck)
		facts.stopSignal, facts.shell = c.StopSignal, strings.Join(c.Shell, " ")
	}
	if len(r.defaults) >= maxDefaults || r.defaults == nil {
		r.defaults = map[string]imageFacts{}
	}
	r.defaults[id] = facts
	return facts, nil
}

// maxDefaults bounds how many images are remembered.
const maxDefaults = 500

func envMap(env []string) map[string]string {
	out := make(map[string]string, len(env))
	for _, line := range env {
		key, value, _ := strings.Cut(line, "=")
		out[key] = value
	}
	return out
}

func portMaps(bindings nat.PortMap) []types.PortMap {
	var out []types.PortMap
	for port, hosts := range bindings {
		for _, b := range hosts {
			p := types.PortMap{IP: b.HostIP, Port: port.Int(), Protocol: port.Proto(), HostPort: -1}
			if n, err := strconv.Atoi(b.HostPort); err == nil && n != 0 {
				p.HostPort = n
			}
			out = append(out, p)
		}
	}
	return out
}

// mountsOf has volumes by their names, and nothing of how those are mounted.
func mountsOf(points []container.MountPoint) []types.Mount {
	var out []types.Mount
	for _, p := range points {
		m := types.Mount{
			Type: string(p.Type), Source: p.Source, Target: p.Destination, ReadOnly: !p.RW, Propagation: string(p.Propagation),
		}
		if p.Type == mount.TypeVolume {
			m.Source, m.Propagation = p.Name, ""
		}
		out = append(out, m)
	}
	return out
}

func restartText(p container.RestartPolicy) string {
	switch {
	case p.Name == "":
		return "no"
	case p.MaximumRetryCount > 0:
		return string(p.Name) + ":" + strconv.Itoa(p.MaximumRetryCount)
	}
	return string(p.Name)
}

func healthcheckOf(h *container.HealthConfig) *types.Healthcheck {
	if h == nil {
		return nil
	}
	return &types.Healthcheck{
		Test: slices.Clone(h.Test), Interval: types.Duration(h.Interval), Timeout: types.Duration(h.Timeout),
		StartPeriod: types.Duration(h.StartPeriod), Retries: h.Retries,
	}
}

// networksOf knows which aliases an engine gives by itself: the beginning of the ID (up to
// API 1.44), the host name (Docker from version 25 on, up to API 1.44), and the name where
// Podman says it.
func networksOf(c container.InspectResponse) map[string]types.NetworkFacts {
	networks := map[string]types.NetworkFacts{}
	if c.NetworkSettings == nil {
		return networks
	}
	given := []string{short(c.ID), c.Config.Hostname, strings.TrimPrefix(c.Name, "/")}
	for key, endpoint := range c.NetworkSettings.Networks {
		if endpoint == nil {
			endpoint = &network.EndpointSettings{}
		}
		if asBegun(key, endpoint, c.NetworkSettings.Networks) {
			continue
		}
		networks[networkName(key)] = types.NetworkFacts{
			ID: endpoint.NetworkID, Aliases: slices.Clone(endpoint.Aliases), Given: given, Settings: connectionSettings(endpoint),
		}
	}
	return networks
}

// asBegun says whether a key stands for what a network was asked for with, the beginning
// of its ID. The engine (seen with 20.10) lists that beside the network's name from the
// first start on, and keeps it when the container is disconnected.
func asBegun(key string, endpoint *network.EndpointSettings, all map[string]*network.EndpointSettings) bool {
	const shortID = 12
	if endpoint.NetworkID == "" || !strings.HasPrefix(endpoint.NetworkID, key) {
		return false
	}
	for other, e := range all {
		if other != key && e != nil && e.NetworkID == endpoint.NetworkID {
			return true
		}
	}
	// A network can have a name with which its ID begins, but none that long.
	return len(key) >= shortID
}

// networkName has Podman's default network by Docker's name for it.
func networkName(key string) string {
	if key == "podman" {
		return "bridge"
	}
	return key
}

// podmanPidsLimit is what Podman gives each container.
const podmanPidsLimit = "2048"

func pairsOf(m map[string]string) []string {
	var out []string
	for key, value := range m {
		out = append(out, key+"="+value)
	}
	slices.Sort(out)
	return out
}
