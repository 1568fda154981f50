package memory

import (
	"context"
	"maps"
	"reflect"
	"slices"
	"time"

	"github.com/gitsync/gitsync/container/types"
	"github.com/gitsync/gitsync/runtime"
)

// filePause is how often a world in a file is looked at for changes: other processes
// may make them.
const filePause = 100 * time.Millisecond

// Watch implements runtime.Watcher, by comparing what is there with what was. Nothing is
// remembered from before the call.
func (r *Runtime) Watch(ctx context.Context, _ time.Time, ready func(), seen func(runtime.Event)) error {
	version := 0
	before, changed, err := r.world.snapshot(&version)
	if err != nil {
		return err
	}
	ready()
	for {
		if err := wait(ctx, changed); err != nil {
			return err
		}
		var now map[string]seenContainer
		if now, changed, err = r.world.snapshot(&version); err != nil {
			return err
		}
		if now == nil {
			continue
		}
		for _, e := range differences(before, now) {
			seen(e)
		}
		before = now
	}
}

// wait waits for a change; where that is nil, for a while.
func wait(ctx context.Context, changed <-chan struct{}) error {
	var due <-chan time.Time
	if changed == nil {
		timer := time.NewTimer(filePause)
		defer timer.Stop()
		due = timer.C
	}
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-changed:
	case <-due:
	}
	return nil
}

// seenContainer is what of a container makes an event.
type seenContainer struct {
	name, status string
	started      int64
	networks     []string
	config       types.ContainerConfig
}

// snapshot returns what is there, and what is closed at the next change of the world; that
// is nil for a world in a file. Of such a one it returns nothing while the version is that of
// the last time.
func (w *World) snapshot(version *int) (map[string]seenContainer, <-chan struct{}, error) {
	if w.file != "" {
		var seen map[string]seenContainer
		err := w.view(func(d *worldData) error {
			if *version != w.stored.version {
				seen, *version = d.seen(), w.stored.version
			}
			return nil
		})
		return seen, nil, err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.data.seen(), w.changes(), nil
}

func (d *worldData) seen() map[string]seenContainer {
	seen := map[string]seenContainer{}
	for id, c := range d.Containers {
		seen[id] = seenContainer{c.Name, c.Status, c.Started, slices.Clone(c.Networks), c.Config}
	}
	return seen
}

// changes returns what is closed at the next change. The world is locked.
func (w *World) changes() <-chan struct{} {
	if w.changed == nil {
		w.changed = make(chan struct{})
	}
	return w.changed
}

func differences(before, now map[string]seenContainer) []runtime.Event {
	var events []runtime.Event
	add := func(id, action string, c seenContainer) {
		events = append(events, runtime.Event{ID: id, Name: c.name, Action: action, Labels: c.config.Labels, Time: time.Now()})
	}
	ids := append(slices.Collect(maps.Keys(before)), slices.Collect(maps.Keys(now))...)
	slices.Sort(ids)
	for _, id := range slices.Compact(ids) {
		was, existed := before[id]
		is, exists := now[id]
		switch {
		case !exists:
			add(id, "destroy", was)
			continue
		case !existed:
			add(id, "create", is)
			was = seenContainer{name: is.name, status: types.StatusCreated, networks: is.networks, config: is.config}
		}
		if was.name != is.name {
			add(id, "rename", is)
		}
		if was.status != is.status || was.started != is.started {
			add(id, is.status, is)
		}
		if !slices.Equal(was.networks, is.networks) || !reflect.DeepEqual(was.config, is.config) {
			add(id, "update", is)
		}
	}
	return events
}
