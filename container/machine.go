package container

import (
	"context"
	"errors"
	"fmt"
	"slices"
	stdsync "sync"

	"golang.org/x/sync/errgroup"

	"github.com/gitsync/gitsync/container/types"
	"github.com/gitsync/gitsync/internal/panics"
	"github.com/gitsync/gitsync/registry"
	"github.com/gitsync/gitsync/runtime"
)

// machine is one runtime with its part of the states. One goroutine at a time
// works on it.
type machine struct {
	Machine
	name              string
	origin            *Origin
	connect           Connector
	progress          func(runtime.PullProgress)
	credentials       registry.Credentials
	previous, desired ContainersState
	// state is what is known to be there; it starts as the previous state and
	// follows each step of a deploy.
	state   ContainersState
	current Current
	// seen are the containers that the look found, and lease is the machine's; nil where
	// none is needed.
	seen  []sighting
	lease Lease
	// checked says that current is a fresh look.
	checked bool
	// parallel, superseded and options are those of the deployment, and creations how many
	// units that disturb nothing are at work at once.
	parallel, creations int
	superseded          <-chan struct{}
	secrets             Secrets
	options             PlanOptions
	nested              NestedMounts
	// inherited are containers of other host directories whose place this one takes.
	inherited map[string]Inherited
	// moved are the keys of containers that are wanted on another machine.
	moved []string
}

// address tells machines apart: neither credentials nor time-outs are in it.
func (m Machine) address() string {
	address := m.Host.Address()
	if config, err := m.Runtime.selected(); err == nil {
		address += " " + config.GetAddress()
	}
	return address
}

func (m *HostConfiguredContainer) machine() Machine { return Machine{m.Host, m.Container.Runtime} }

// look asks the runtime what is there. When it fails nothing is known: recorded
// IDs are kept, and the status of each container is unknown.
func (m *machine) look(ctx context.Context, opts CheckOptions) error {
	m.checked = false
	rt, release, err := m.connect(ctx, m.Host, m.Runtime)
	if err != nil {
		m.setUnknown()
		return fmt.Errorf("host %s: %w", m.name, err)
	}
	defer release()
	err = m.lookWith(ctx, rt, opts)
	if err != nil {
		m.setUnknown()
		return m.redact(fmt.Errorf("host %s: %w", m.name, err))
	}
	m.checked = true
	m.setStatuses()
	return nil
}

func (m *machine) lookWith(ctx context.Context, rt runtime.Runtime, opts CheckOptions) error {
	rows, err := m.rows(ctx, rt)
	if err != nil {
		return err
	}
	known := m.previous
	if m.options.Unconfirmed {
		known = withoutIDs(m.previous)
	}
	now, err := timeOf(rt, rows)
	if err != nil {
		return err
	}
	origin, refused := m.judged(ctx, now, rows)
	m.origin = origin
	m.current, m.seen = makeCurrent(rows, origin, known, m.desired), sightings(rows)
	m.current.Origin, m.current.refused, m.current.Time = origin, refused, now
	if m.options.Unconfirmed {
		m.confirm()
	}
	if err := m.lookForNames(ctx, rt); err != nil {
		return err
	}
	if err := m.lookAtSettings(ctx, rt, opts); err != nil {
		return err
	}
	if !opts.SkipFiles {
		if err := m.lookAtFiles(ctx, rt); err != nil {
			return err
		}
	}
	m.seal(ctx)
	return nil
}

// vouched returns the record where nobody else may have written it.
func (m *machine) vouched() ContainersState {
	if m.options.Unconfirmed {
		return nil
	}
	return m.previous
}

// rows is one list where the runtime has lists. Without an origin, or a list, the
// recorded IDs are asked for one by one.
func (m *machine) rows(ctx context.Context, rt runtime.Runtime) ([]types.ContainerSummary, error) {
	var rows []types.ContainerSummary
	if lister, ok := rt.(runtime.Lister); ok {
		var err error
		if rows, err = lister.List(ctx, m.origin.filter()); err != nil {
			return nil, err
		}
		if m.origin != nil {
			inherited, err := m.inheritedRows(ctx, lister)
			return append(credible(rows, m.vouched()), inherited...), err
		}
		rows = credible(rows, m.vouched())
	}
	for _, key := range sortedKeys(m.previous) {
		c := m.previous[key].Container
		if !c.Status.Exists() || slices.ContainsFunc(rows, func(r types.ContainerSummary) bool { return r.ID == c.Status.ID }) {
			continue
		}
		status, err := rt.Status(ctx, c.Status.ID)
		if err != nil {
			return nil, err
		}
		if status.Exists() {
			rows = append(rows, types.ContainerSummary{
				ID: status.ID, Name: c.Config.Name, Image: c.Config.Image, Status: status.Status,
			})
		}
	}
	return rows, nil
}

// lookForNames finds out who has the names of the containers that are to be
// created.
func (m *machine) lookForNames(ctx context.Context, rt runtime.Runtime) error {
	finder, ok := rt.(runtime.Finder)
	if !ok {
		return nil
	}
	var mu stdsync.Mutex
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(m.creations)
	for _, key := range sortedKeys(m.desired) {
		if i := m.current.Containers[key]; i.Main != nil || i.Old != nil {
			continue
		}
		group.Go(func() (err error) {
			defer panics.Into(&err)
			row, err := finder.Find(ctx, m.desired[key].Container.Config.Name)
			switch {
			case errors.Is(err, runtime.ErrNotFound):
			case err != nil:
				return err
			case !m.owns(row):
				mu.Lock()
				defer mu.Unlock()
				m.current.Taken[row.Name] = row
			}
			return nil
		})
	}
	return group.Wait()
}

// owns says whether a container is one of those that the look has found.
func (m *machine) owns(row types.ContainerSummary) bool {
	for _, i := range m.current.Containers {
		if i.Main != nil && i.Main.ID == row.ID {
			return true
		}
	}
	return false
}

// lookAtFiles reads the config files of the containers that are as desired by
// their labels; those of the others are written anyway.
func (m *machine) lookAtFiles(ctx context.Context, rt runtime.Runtime) (err error) {
	files := newHostFiles(rt, m.origin)
	defer func() { err = errors.Join(err, files.close(ctx)) }()
	var keys, paths []string
	for _, key := range sortedKeys(m.desired) {
		if m.current.Containers[key].any() != nil && len(m.desired[key].ConfigFiles) > 0 {
			keys, paths = append(keys, key), append(paths, sortedKeys(m.desired[key].ConfigFiles)...)
		}
	}
	// All at once; what is wrong with one of them is found where that is read.
	if err := files.open(ctx, directories(paths)); errors.Is(err, runtime.ErrUnreachable) || ctx.Err() != nil {
		return err
	}
	for _, key := range keys {
		found, err := files.read(ctx, sortedKeys(m.desired[key].ConfigFiles))
		switch {
		case errors.Is(err, runtime.ErrUnreachable) || ctx.Err() != nil:
			return err
		case err != nil:
			m.current.FileErrors[key] = err.Error()
		}
		for p, file := range found {
			m.current.Files[p] = file
		}
	}
	return nil
}

// setStatuses writes what the look found into the state.
func (m *machine) setStatuses() {
	for key, c := range m.state {
		status := types.ContainerStatus{Status: StatusMissing}
		if row := m.current.Containers[key].any(); row != nil {
			status = types.ContainerStatus{ID: row.ID, Status: row.Status, ImageID: m.imageOf(key, row)}
		}
		c.Container.Status = &status
		if m.desired[key] == nil {
			continue
		}
		for p := range c.ConfigFiles {
			file, looked := m.current.Files[p]
			switch {
			case looked && file == nil:
				delete(c.ConfigFiles, p)
			case looked:
				c.ConfigFiles[p] = file.Content
			}
		}
	}
}

// imageOf returns which image was deployed: by the record, or else as it was found. The
// row may be of another spec than the record is: then nothing is known.
func (m *machine) imageOf(key string, row *types.ContainerSummary) string {
	recorded := m.previous[key]
	if recorded == nil || row.ID != idOf(recorded) && !recorded.HasSpecDigest(row.Labels[LabelSpec]) {
		return ""
	}
	if status := recorded.Container.Status; status != nil && status.ImageID != "" {
		return status.ImageID
	}
	return m.current.Facts[key].ImageID
}

func (m *machine) setUnknown() {
	for _, c := range m.state {
		if c.Container.Status.Exists() {
			c.Container.Status.Status = StatusUnknown
		}
	}
}

// has says whether the look found a container with this ID.
func (m *machine) has(id string) bool {
	for _, i := range m.current.Containers {
		for _, row := range []*types.ContainerSummary{i.Main, i.New, i.Old} {
			if row != nil && row.ID == id {
				return true
			}
		}
	}
	return false
}

// forget drops a container from all that is known.
func (m *machine) forget(key string) {
	delete(m.previous, key)
	delete(m.state, key)
	delete(m.current.Containers, key)
}

// plan compares the states; a machine that was not looked at has an empty plan.
func (m *machine) plan() HostPlan {
	if !m.checked {
		return HostPlan{Host: m.name}
	}
	return MakePlan(m.name, m.desired, m.previous, m.current, m.options)
}
