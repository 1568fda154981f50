package docker

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	stdsync "sync"
	"time"

	cerrdefs "github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/client"

	"github.com/gitsync/gitsync/container/types"
	"github.com/gitsync/gitsync/runtime"
)

// Runtime is a runtime.Runtime over a Docker Engine, with all optional powers.
type Runtime struct {
	api *client.Client
	// idle closes idle connections.
	idle    func()
	address string
	clock   *clock
	// pullStall is how long a pull may make no progress.
	pullStall time.Duration
	// images guards defaults, which are what images fill in, and labels, which are those of
	// gitsync's own that they carry; both by ID.
	images   stdsync.Mutex
	defaults map[string]imageFacts
	labels   map[string]map[string]string
}

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

// removalTimeout bounds the wait for a removal that somebody else began.
const removalTimeout = 30 * time.Second

// Close closes idle connections.
func (r *Runtime) Close() error {
	r.idle()
	return r.api.Close()
}

// Create implements runtime.Runtime.
func (r *Runtime) Create(ctx context.Context, config *types.ContainerConfig) (string, error) {
	id, err := r.create(ctx, config)
	if cerrdefs.IsNotFound(err) && strings.Contains(strings.ToLower(err.Error()), "image") {
		if err := r.fetch(ctx, config.Image); err != nil {
			return "", err
		}
		id, err = r.create(ctx, config)
	}
	if err != nil {
		return "", r.classify(ctx, err)
	}
	return id, nil
}

// fetch pulls an image, or makes it where it is the empty one.
func (r *Runtime) fetch(ctx context.Context, image string) error {
	if image == runtime.EmptyImage {
		return r.importEmpty(ctx)
	}
	return r.Pull(ctx, image, runtime.PullOptions{})
}

func (r *Runtime) create(ctx context.Context, config *types.ContainerConfig) (string, error) {
	if config.Group != "" && config.User == "" {
		return "", fmt.Errorf("%w: a group needs a user beside it", runtime.ErrInvalid)
	}
	settings, hostSettings := convert(config)
	created, err := r.api.ContainerCreate(ctx, settings, hostSettings, networking(config), nil, config.Name)
	if err != nil {
		return "", err
	}
	if checkID(created.ID) != nil {
		return "", fmt.Errorf("%w: it gives a new container the ID %.80q", errAnswer, created.ID)
	}
	return created.ID, nil
}

// Delete implements runtime.Runtime. When the engine removes the container already
// it waits until that is done.
func (r *Runtime) Delete(ctx context.Context, id string) error {
	return r.remove(ctx, id, container.RemoveOptions{})
}

// Discard implements runtime.Discarder.
func (r *Runtime) Discard(ctx context.Context, id string) error {
	return r.remove(ctx, id, container.RemoveOptions{RemoveVolumes: true})
}

func (r *Runtime) remove(ctx context.Context, id string, opts container.RemoveOptions) error {
	if err := checkID(id); err != nil {
		return err
	}
	err := r.api.ContainerRemove(ctx, id, opts)
	if err == nil {
		return nil
	}
	if strings.Contains(err.Error(), "is already in progress") {
		return r.waitRemoved(ctx, id)
	}
	return r.classify(ctx, err)
}

func (r *Runtime) waitRemoved(ctx context.Context, id string) error {
	ctx, cancel := context.WithTimeout(ctx, removalTimeout)
	defer cancel()
	done, errs := r.api.ContainerWait(ctx, id, container.WaitConditionRemoved)
	select {
	case <-done:
		return nil
	case err := <-errs:
		if err == nil || cerrdefs.IsNotFound(err) {
			return nil
		}
		return fmt.Errorf("wait until container %s is removed: %w", short(id), r.classify(ctx, err))
	}
}

// Start implements runtime.Runtime.
func (r *Runtime) Start(ctx context.Context, id string) error {
	if err := checkID(id); err != nil {
		return err
	}
	if err := r.api.ContainerStart(ctx, id, container.StartOptions{}); err != nil {
		return r.classify(ctx, err)
	}
	return nil
}

// Status implements runtime.Runtime.
func (r *Runtime) Status(ctx context.Context, id string) (types.ContainerStatus, error) {
	inspected, err := r.inspect(ctx, id)
	if cerrdefs.IsNotFound(err) || errors.Is(err, runtime.ErrNotFound) {
		return types.ContainerStatus{}, nil
	}
	if err != nil {
		return types.ContainerStatus{}, fmt.Errorf("look at container %s: %w", short(id), r.classify(ctx, err))
	}
	return types.ContainerStatus{ID: inspected.ID, Status: inspected.State.Status}, nil
}

// Stop implements runtime.Runtime. The time-out is the one that the container was
// created with.
func (r *Runtime) Stop(ctx context.Context, id string) error {
	if err := checkID(id); err != nil {
		return err
	}
	if err := r.api.ContainerStop(ctx, id, container.StopOptions{}); err != nil {
		return r.classify(ctx, err)
	}
	return nil
}

// Rename implements runtime.Renamer.
func (r *Runtime) Rename(ctx context.Context, id, name string) error {
	if err := checkID(id); err != nil {
		return err
	}
	err := r.api.ContainerRename(ctx, id, name)
	if err != nil && !strings.Contains(err.Error(), "same name as its current name") {
		return r.classifyRestarting(ctx, id, err)
	}
	return nil
}

// List implements runtime.Lister.
func (r *Runtime) List(ctx context.Context, labels map[string]string) ([]types.ContainerSummary, error) {
	args := filters.NewArgs()
	for key, value := range labels {
		if value != "" {
			key += "=" + value
		}
		args.Add("label", key)
	}
	return r.list(ctx, args)
}

func (r *Runtime) list(ctx context.Context, args filters.Args) ([]types.ContainerSummary, error) {
	found, err := r.api.ContainerList(ctx, container.ListOptions{All: true, Filters: args})
	if err != nil {
		return nil, fmt.Errorf("list containers: %w", r.classify(ctx, err))
	}
	rows, missing := make([]types.ContainerSummary, 0, len(found)), map[string]bool{}
	for _, c := range found {
		if checkID(c.ID) != nil {
			return nil, fmt.Errorf("list containers: %w: one has the ID %.80q", errAnswer, c.ID)
		}
		row := types.ContainerSummary{
			ID: c.ID, Name: nameOf(c.Names), Image: c.Image, Labels: c.Labels,
			Status: c.State, Detail: c.Status, Created: time.Unix(c.Created, 0), Ports: published(c.Ports),
		}
		if err := r.withoutImageLabels(ctx, &row, c.ImageID, missing); err != nil {
			return nil, fmt.Errorf("list containers: %w", err)
		}
		rows = append(rows, row)
	}
	slices.SortFunc(rows, func(a, b types.ContainerSummary) int { return cmp.Compare(a.Name, b.Name) })
	return rows, nil
}

func published(ports []container.Port) []types.PortMap {
	var out []types.PortMap
	for _, p := range ports {
		if p.PublicPort != 0 {
			out = append(out, types.PortMap{IP: p.IP, Port: int(p.PrivatePort), HostPort: int(p.PublicPort), Protocol: p.Type})
		}
	}
	return out
}

// nameOf returns a container's own name; those with a second slash are links.
func nameOf(names []string) string {
	for _, name := range names {
		if name = strings.TrimPrefix(name, "/"); !strings.Contains(name, "/") {
			return name
		}
	}
	return ""
}

// Find implements runtime.Finder.
func (r *Runtime) Find(ctx context.Context, name string) (types.ContainerSummary, error) {
	c, err := r.inspect(ctx, name)
	if err != nil {
		return types.ContainerSummary{}, fmt.Errorf("find container %s: %w", name, r.classify(ctx, err))
	}
	if strings.TrimPrefix(c.Name, "/") != name {
		// The engine takes the beginning of an ID for a name too.
		return types.ContainerSummary{}, fmt.Errorf("find container %s: %w", name, runtime.ErrNotFound)
	}
	created, _ := time.Parse(time.RFC3339Nano, c.Created)
	row := types.ContainerSummary{
		ID: c.ID, Name: name, Image: c.Config.Image, Labels: c.Config.Labels,
		Status: c.State.Status, Created: created,
	}
	if err := r.withoutImageLabels(ctx, &row, c.Image, map[string]bool{}); err != nil {
		return types.ContainerSummary{}, fmt.Errorf("find container %s: %w", name, err)
	}
	return row, nil
}

// RemoveVolume removes a named volume. One that does not exist is no error.
func (r *Runtime) RemoveVolume(ctx context.Context, name string) error {
	if err := checkID(name); err != nil {
		return fmt.Errorf("remove volume: %w", err)
	}
	err := r.api.VolumeRemove(ctx, name, false)
	if err != nil && !cerrdefs.IsNotFound(err) {
		return fmt.Errorf("remove volume %s: %w", name, r.classify(ctx, err))
	}
	return nil
}

func short(id string) string {
	if len(id) > 12 {
		return id[:12]
	}
	return id
}

// classify gives an error of the engine its class, and keeps its words. It names no
// container: the caller knows it by a better name than the engine does.
func (r *Runtime) classify(ctx context.Context, err error) error {
	text := strings.ToLower(err.Error())
	class := func(target error) error { return fmt.Errorf("%w: %w", target, engineError{err}) }
	switch {
	case ctx.Err() != nil:
		if errors.Is(context.Cause(ctx), context.DeadlineExceeded) {
			return fmt.Errorf("%w: the engine at %s did not answer in time: %w", runtime.ErrUnreachable, r.address, ctx.Err())
		}
		return context.Cause(ctx)
	case strings.Contains(text, "permission denied while trying to connect"):
		return fmt.Errorf("%w: no permission for %s: run gitsync as root, or as a member of the group that owns the socket (docker)", runtime.ErrUnreachable, r.address)
	case client.IsErrConnectionFailed(err):
		return class(runtime.ErrUnreachable)
	case strings.Contains(text, "port is already allocated"), strings.Contains(text, "address already in use"):
		return class(runtime.ErrPortInUse)
	case cerrdefs.IsConflict(err) && strings.Contains(text, "is already in use by container"):
		return class(runtime.ErrNameInUse)
	case strings.Contains(text, "is restarting, wait until"):
		return class(runtime.ErrRestarting)
	case cerrdefs.IsConflict(err) && strings.Contains(text, "is not running"):
		return class(runtime.ErrNotRunning)
	case cerrdefs.IsConflict(err) && strings.Contains(text, "running"), strings.Contains(text, "cannot remove a running container"),
		strings.Contains(text, "cannot remove a restarting container"), strings.Contains(text, "cannot remove a paused container"):
		return class(runtime.ErrRunning)
	case cerrdefs.IsNotFound(err) && strings.Contains(text, "no such container"):
		return class(runtime.ErrNotFound)
	case strings.Contains(text, "bind source path does not exist"), strings.Contains(text, "statfs ") && strings.Contains(text, "no such file"):
		return class(runtime.ErrNoSource)
	case cerrdefs.IsInvalidArgument(err), strings.Contains(text, "oci runtime"), strings.Contains(text, "failed to create shim"), strings.Contains(text, "failed to create task"):
		return class(runtime.ErrInvalid)
	}
	return engineError{err}
}

// classifyRestarting is classify for calls that an engine refuses in other words, such as
// "sandbox … not found", while it is about to start the container again: what belongs to
// the last run is gone then.
func (r *Runtime) classifyRestarting(ctx context.Context, id string, err error) error {
	if ctx.Err() != nil || client.IsErrConnectionFailed(err) || cerrdefs.IsConflict(err) {
		return r.classify(ctx, err)
	}
	if !strings.Contains(err.Error(), "sandbox") {
		if c, inspectErr := r.inspect(ctx, id); inspectErr != nil || !c.State.Restarting {
			return r.classify(ctx, err)
		}
	}
	return fmt.Errorf("%w: %w", runtime.ErrRestarting, engineError{err})
}

// engineError leaves out the words that the client puts before each error of the
// engine.
type engineError struct{ error }

// Error implements error.
func (e engineError) Error() string {
	return strings.ReplaceAll(e.error.Error(), "Error response from daemon: ", "")
}

// Unwrap returns the client's error.
func (e engineError) Unwrap() error { return e.error }
