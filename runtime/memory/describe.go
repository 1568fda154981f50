package memory

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/gitsync/gitsync/container/types"
	"github.com/gitsync/gitsync/runtime"
)

// Describe implements runtime.Describer. What an image would fill in is nothing here.
func (r *Runtime) Describe(ctx context.Context, id string) (types.ContainerFacts, error) {
	var facts types.ContainerFacts
	err := r.look(ctx, id, func(d *worldData, c *record) error {
		facts = types.ContainerFacts{
			ContainerStatus: types.ContainerStatus{ID: c.ID, Status: c.Status, ImageID: c.imageID()}, Name: c.Name, Config: c.Config,
			Defaults: &types.ContainerConfig{Labels: d.Behaviours[c.Config.Image].Labels}, Networks: map[string]types.NetworkFacts{}, Other: map[string]string{},
		}
		config := &facts.Config
		config.Name, config.Hostname = c.Name, hostname(c)
		config.Mounts = slices.Clone(config.Mounts)
		for i, m := range config.Mounts {
			config.Mounts[i].Type = m.Kind()
		}
		given := []string{c.ID[:12]}
		for _, network := range c.networks() {
			facts.Networks[network] = types.NetworkFacts{ID: network, Aliases: slices.Concat(c.Config.NetworkAliases, given), Given: given}
		}
		return nil
	})
	return facts, err
}

// imageID makes one reference one image.
func (c *record) imageID() string { return "sha256:" + c.Config.Image }

func hostname(c *record) string {
	if c.Config.Hostname == "" && c.Config.NetworkMode != "host" {
		return c.ID[:12]
	}
	return c.Config.Hostname
}

// networks are those of the container's config, unless somebody changed that.
func (c *record) networks() []string {
	if c.Networks != nil {
		return c.Networks
	}
	if c.Config.NetworkMode == "" || c.Config.NetworkMode == "default" {
		return []string{"bridge"}
	}
	return []string{c.Config.NetworkMode}
}

// Adjust implements runtime.Adjuster.
func (r *Runtime) Adjust(ctx context.Context, id string, config *types.ContainerConfig) error {
	return r.on(ctx, id, func(_ *worldData, c *record) error {
		if config.Memory == 0 && c.Config.Memory != 0 || config.CPUs == 0 && c.Config.CPUs != 0 {
			return fmt.Errorf("%w: a limit is taken away only with a new container", runtime.ErrInvalid)
		}
		c.Config.Restart, c.Config.Memory, c.Config.CPUs = config.Restart, config.Memory, config.CPUs
		c.Networks = nil
		return nil
	})
}

// Unpause implements runtime.Adjuster.
func (r *Runtime) Unpause(ctx context.Context, id string) error {
	return r.on(ctx, id, func(_ *worldData, c *record) error {
		if c.Status == types.StatusPaused {
			c.Status = types.StatusRunning
		}
		return nil
	})
}

// Pause implements runtime.Adjuster.
func (r *Runtime) Pause(ctx context.Context, id string) error {
	return r.on(ctx, id, func(_ *worldData, c *record) error {
		switch c.Status {
		case types.StatusRunning:
			c.Status = types.StatusPaused
		case types.StatusPaused:
		case types.StatusRestarting:
			return runtime.ErrRestarting
		default:
			return runtime.ErrNotRunning
		}
		return nil
	})
}

// Change changes the settings of the container with this name by hand.
func (w *World) Change(name string, change func(*types.ContainerConfig)) {
	w.must(func(d *worldData) {
		if c := d.byName(name); c != nil {
			c.Config.Env, c.Config.Labels = maps.Clone(c.Config.Env), maps.Clone(c.Config.Labels)
			change(&c.Config)
		}
	})
}

// MakeAnew replaces the container with this name by another one with its labels and other
// settings, by hand.
func (w *World) MakeAnew(name string, change func(*types.ContainerConfig)) {
	w.Change(name, change)
	w.must(func(d *worldData) {
		if c := d.byName(name); c != nil {
			delete(d.Containers, c.ID)
			c.ID = randomHex()
			d.Containers[c.ID] = c
		}
	})
}

// Connect makes the container with this name one that is connected to just these
// networks, by hand.
func (w *World) Connect(name string, networks ...string) {
	w.must(func(d *worldData) {
		if c := d.byName(name); c != nil {
			c.Networks = append([]string{}, networks...)
		}
	})
}
