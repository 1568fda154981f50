package memory

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/distribution/reference"

	"github.com/gitsync/gitsync/container/types"
	"github.com/gitsync/gitsync/runtime"
)

// Runtime is a runtime.Runtime over a World, with all optional powers.
type Runtime struct{ world *World }

var (
	_ runtime.Runtime     = (*Runtime)(nil)
	_ runtime.Discarder   = (*Runtime)(nil)
	_ runtime.Lister      = (*Runtime)(nil)
	_ runtime.Finder      = (*Runtime)(nil)
	_ runtime.MountLister = (*Runtime)(nil)
	_ runtime.Renamer     = (*Runtime)(nil)
	_ runtime.Puller      = (*Runtime)(nil)
	_ runtime.LogReader   = (*Runtime)(nil)
	_ runtime.Inspector   = (*Runtime)(nil)
	_ runtime.Signaler    = (*Runtime)(nil)
	_ runtime.Stager      = (*Runtime)(nil)
	_ runtime.Describer   = (*Runtime)(nil)
	_ runtime.Adjuster    = (*Runtime)(nil)
	_ runtime.Watcher     = (*Runtime)(nil)
	_ runtime.Clock       = (*Runtime)(nil)
)

// update runs an action unless the context is over.
func (r *Runtime) update(ctx context.Context, action func(*worldData) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	return r.world.update(action)
}

// view runs an action that changes nothing, unless the context is over.
func (r *Runtime) view(ctx context.Context, action func(*worldData) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	return r.world.view(action)
}

// look runs an action on one container that changes nothing.
func (r *Runtime) look(ctx context.Context, id string, action func(*worldData, *record) error) error {
	return r.view(ctx, func(d *worldData) error {
		c, ok := d.Containers[id]
		if !ok {
			return runtime.ErrNotFound
		}
		return action(d, c)
	})
}

// on runs an action on one container.
func (r *Runtime) on(ctx context.Context, id string, action func(*worldData, *record) error) error {
	return r.update(ctx, func(d *worldData) error {
		c, ok := d.Containers[id]
		if !ok {
			return runtime.ErrNotFound
		}
		return action(d, c)
	})
}

// Create implements runtime.Runtime.
func (r *Runtime) Create(ctx context.Context, config *types.ContainerConfig) (string, error) {
	id := ""
	err := r.update(ctx, func(d *worldData) error {
		if d.byName(config.Name) != nil {
			return runtime.ErrNameInUse
		}
		if err := d.pull(config.Image); err != nil {
			return err
		}
		if config.Group != "" && config.User == "" {
			return fmt.Errorf("%w: a group needs a user", runtime.ErrInvalid)
		}
		c, err := newRecord(config, r.world.time())
		if err != nil {
			return err
		}
		c.takeLabels(d.Behaviours[c.Config.Image].Labels)
		d.join(c)
		d.makeVolumes(c)
		d.Containers[c.ID] = c
		id = c.ID
		return nil
	})
	return id, err
}

func newRecord(config *types.ContainerConfig, now time.Time) (*record, error) {
	raw, err := json.Marshal(config)
	if err != nil {
		return nil, err
	}
	c := &record{Name: config.Name, Status: types.StatusCreated, Created: now.UnixNano(), Files: map[string]*fileEntry{}}
	if err := json.Unmarshal(raw, &c.Config); err != nil {
		return nil, err
	}
	c.ID = randomHex()
	return c, nil
}

func randomHex() string {
	id := make([]byte, 32)
	_, _ = rand.Read(id)
	return hex.EncodeToString(id)
}

// makeVolumes makes the volumes that do not exist yet. Those without a name get
// one, as with Docker.
func (d *worldData) makeVolumes(c *record) {
	for i, m := range c.Config.Mounts {
		if m.Kind() != types.MountVolume {
			continue
		}
		if m.Source == "" {
			c.Config.Mounts[i].Source = randomHex()
		}
		if name := c.Config.Mounts[i].Source; d.Volumes[name] == nil {
			d.Volumes[name] = map[string]*fileEntry{}
		}
	}
}

// Time implements runtime.Clock.
func (r *Runtime) Time() (time.Time, error) { return r.world.time(), nil }

// Delete implements runtime.Runtime.
func (r *Runtime) Delete(ctx context.Context, id string) error {
	return r.update(ctx, func(d *worldData) error {
		c := d.Containers[id]
		if c == nil {
			c = d.byName(id)
		}
		switch {
		case c == nil:
			return runtime.ErrNotFound
		case c.up():
			return runtime.ErrRunning
		}
		delete(d.Containers, c.ID)
		return nil
	})
}

// Discard implements runtime.Discarder.
func (r *Runtime) Discard(ctx context.Context, id string) error {
	return r.update(ctx, func(d *worldData) error {
		c := d.Containers[id]
		switch {
		case c == nil:
			return runtime.ErrNotFound
		case c.up():
			return runtime.ErrRunning
		}
		for _, m := range c.Config.Mounts {
			if m.Kind() == types.MountVolume && types.GeneratedVolume(m.Source) {
				delete(d.Volumes, m.Source)
			}
		}
		delete(d.Containers, c.ID)
		return nil
	})
}

// Start implements runtime.Runtime.
func (r *Runtime) Start(ctx context.Context, id string) error {
	return r.on(ctx, id, func(d *worldData, c *record) error {
		if c.Status == types.StatusPaused {
			return errPaused
		}
		if c.up() {
			return nil
		}
		for _, other := range d.Containers {
			if other.up() && conflict(c.Config.Ports, other.Config.Ports) {
				return fmt.Errorf("%w: %s has it", runtime.ErrPortInUse, other.Name)
			}
		}
		if err := d.canJoin(c); err != nil {
			return err
		}
		b := d.Behaviours[c.Config.Image]
		if b.Refuses != "" {
			return fmt.Errorf("%w: %s", runtime.ErrInvalid, b.Refuses)
		}
		c.start(b)
		return nil
	})
}

// errPaused is the answer to the start of a paused container, in Docker's words.
var errPaused = errors.New("cannot start a paused container, try unpause instead")

func conflict(a, b []types.PortMap) bool {
	for _, p := range a {
		if slices.ContainsFunc(b, p.Conflicts) {
			return true
		}
	}
	return false
}

// Status implements runtime.Runtime.
func (r *Runtime) Status(ctx context.Context, id string) (types.ContainerStatus, error) {
	var status types.ContainerStatus
	err := r.view(ctx, func(d *worldData) error {
		if c, ok := d.Containers[id]; ok {
			status = types.ContainerStatus{ID: id, Status: c.Status}
		}
		return nil
	})
	return status, err
}

// Stop implements runtime.Runtime.
func (r *Runtime) Stop(ctx context.Context, id string) error {
	return r.on(ctx, id, func(_ *worldData, c *record) error {
		if c.up() {
			if c.Status != types.StatusRestarting {
				c.ExitCode, c.Finished = 0, time.Now().UnixNano()
			}
			c.Status = types.StatusExited
		}
		return nil
	})
}

// List implements runtime.Lister.
func (r *Runtime) List(ctx context.Context, labels map[string]string) ([]types.ContainerSummary, error) {
	var rows []types.ContainerSummary
	err := r.view(ctx, func(d *worldData) error {
		for _, c := range d.Containers {
			if c.carries(labels) {
				rows = append(rows, d.summary(c))
			}
		}
		return nil
	})
	slices.SortFunc(rows, func(a, b types.ContainerSummary) int { return cmp.Compare(a.Name, b.Name) })
	return rows, err
}

// Find implements runtime.Finder.
func (r *Runtime) Find(ctx context.Context, name string) (types.ContainerSummary, error) {
	var row types.ContainerSummary
	err := r.view(ctx, func(d *worldData) error {
		c := d.byName(name)
		if c == nil {
			return fmt.Errorf("container %s: %w", name, runtime.ErrNotFound)
		}
		row = d.summary(c)
		return nil
	})
	return row, err
}

// Rename implements runtime.Renamer.
func (r *Runtime) Rename(ctx context.Context, id, name string) error {
	return r.on(ctx, id, func(d *worldData, c *record) error {
		if other := d.byName(name); other != nil && other != c {
			return runtime.ErrNameInUse
		}
		if c.Status == types.StatusRestarting && c.Name != name {
			// As Docker 20.10 does.
			return runtime.ErrRestarting
		}
		c.Name = name
		return nil
	})
}

// HasImage implements runtime.Puller.
func (r *Runtime) HasImage(ctx context.Context, image string) (bool, error) {
	has := false
	err := r.view(ctx, func(d *worldData) error {
		has = d.Images[image]
		return nil
	})
	return has, err
}

// Pull implements runtime.Puller.
func (r *Runtime) Pull(ctx context.Context, image string, opts runtime.PullOptions) error {
	return r.update(ctx, func(d *worldData) error {
		r.world.pulls = append(r.world.pulls, Pull{image, opts.Credential})
		if err := d.pull(image); err != nil {
			return err
		}
		if opts.Progress != nil {
			opts.Progress(runtime.PullProgress{Image: image, Done: 1, Total: 1})
		}
		return nil
	})
}

func (d *worldData) pull(image string) error {
	if _, err := reference.ParseAnyReference(image); err != nil {
		return fmt.Errorf("image %s: %w: %w", image, runtime.ErrInvalid, err)
	}
	if d.Missing[image] {
		return fmt.Errorf("image %s: %w", image, runtime.ErrImageNotFound)
	}
	d.Images[image] = true
	return nil
}

// up says whether the container has a process, and so its ports.
func (c *record) up() bool {
	return c.Status == types.StatusRunning || c.Status == types.StatusRestarting || c.Status == types.StatusPaused
}

func (c *record) carries(labels map[string]string) bool {
	for key, value := range labels {
		got, ok := c.Config.Labels[key]
		if !ok || value != "" && got != value {
			return false
		}
	}
	return true
}

// takeLabels gives the container those labels of its image that it has none of its own for.
func (c *record) takeLabels(image map[string]string) {
	if len(image) == 0 {
		return
	}
	labels := maps.Clone(image)
	maps.Copy(labels, c.Config.Labels)
	c.Config.Labels = labels
}

func (d *worldData) summary(c *record) types.ContainerSummary {
	row := types.ContainerSummary{
		ID: c.ID, Name: c.Name, Image: c.Config.Image, Labels: c.Config.Labels,
		Status: c.Status, Created: time.Unix(0, c.Created),
	}
	if image := d.Behaviours[c.Config.Image]; image.Gone {
		row.ImageGone = types.HasOwnLabel(row.Labels)
	} else {
		row.Labels = types.WithoutImageLabels(row.Labels, image.Labels)
	}
	if c.Status == types.StatusExited {
		row.Detail = fmt.Sprintf("Exited (%d) a while ago", c.ExitCode)
	}
	if c.up() {
		row.Ports = c.Config.Ports
	}
	return row
}
