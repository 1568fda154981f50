package memory

import (
	"fmt"
	"slices"
	"strings"

	"github.com/gitsync/gitsync/runtime"
)

// idLength is that of the IDs that this world makes.
const idLength = 64

// modes are the settings by which a container may join another one's namespaces.
func (c *record) modes() []*string {
	return []*string{&c.Config.NetworkMode, &c.Config.PidMode, &c.Config.IpcMode}
}

// join ties a new container to those whose namespaces it shares: by their IDs, as an engine
// does, so that it never runs with another one that gets their name. One that does not exist
// is taken for somebody else's, of which this world knows nothing.
func (d *worldData) join(c *record) {
	for _, mode := range c.modes() {
		name, shares := strings.CutPrefix(*mode, "container:")
		if !shares {
			continue
		}
		owner := d.Containers[name]
		if owner == nil {
			owner = d.byName(name)
		}
		if owner != nil {
			*mode = "container:" + owner.ID
		}
	}
}

// canJoin says why a container cannot be started: the owner of a namespace is not there, or
// does not run.
func (d *worldData) canJoin(c *record) error {
	for _, mode := range c.modes() {
		if id, shares := strings.CutPrefix(*mode, "container:"); shares {
			switch owner := d.Containers[id]; {
			case owner == nil && len(id) != idLength:
				// It is a name: that of somebody else's container.
			case owner == nil:
				return fmt.Errorf("%w: it shares a namespace with the container %.12s, which does not exist any more", runtime.ErrInvalid, id)
			case !owner.up():
				return fmt.Errorf("%w: it shares a namespace with %s, which does not run", runtime.ErrInvalid, owner.Name)
			}
		}
	}
	return nil
}

// users returns the names of the containers that run and use a volume, sorted.
func (d *worldData) users(volume string) []string {
	var names []string
	for _, c := range d.Containers {
		for _, m := range c.Config.Mounts {
			if c.up() && m.Source == volume && !slices.Contains(names, c.Name) {
				names = append(names, c.Name)
			}
		}
	}
	slices.Sort(names)
	return names
}

// Users returns the names of the containers that run and use a volume, sorted.
func (w *World) Users(volume string) []string {
	var names []string
	w.see(func(d *worldData) { names = d.users(volume) })
	return names
}
