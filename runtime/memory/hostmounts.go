package memory

import (
	"context"
	"slices"
	"strings"

	"github.com/gitsync/gitsync/container/types"
)

// HostMounts implements runtime.MountLister.
func (r *Runtime) HostMounts(ctx context.Context) ([]types.HostMount, error) {
	var mounts []types.HostMount
	err := r.view(ctx, func(d *worldData) error {
		for _, c := range d.Containers {
			for _, m := range c.Config.Mounts {
				if c.up() && m.Kind() == types.MountBind {
					mounts = append(mounts, types.HostMount{
						ID: c.ID, Container: c.Name, Labels: c.Config.Labels, Source: m.Source, Target: m.Target, ReadOnly: m.ReadOnly,
					})
				}
			}
		}
		return nil
	})
	slices.SortStableFunc(mounts, func(a, b types.HostMount) int { return strings.Compare(a.Container, b.Container) })
	return mounts, err
}
