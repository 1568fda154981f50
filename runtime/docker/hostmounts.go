package docker

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/docker/docker/api/types/container"

	"github.com/gitsync/gitsync/container/types"
)

// HostMounts implements runtime.MountLister. A volume is a path of the machine as well.
func (r *Runtime) HostMounts(ctx context.Context) ([]types.HostMount, error) {
	found, err := r.api.ContainerList(ctx, container.ListOptions{})
	if err != nil {
		return nil, fmt.Errorf("list what containers mount: %w", r.classify(ctx, err))
	}
	var mounts []types.HostMount
	missing := map[string]bool{}
	for _, c := range found {
		if checkID(c.ID) != nil {
			return nil, fmt.Errorf("list what containers mount: %w: one has the ID %.80q", errAnswer, c.ID)
		}
		row := types.ContainerSummary{Labels: c.Labels}
		if err := r.withoutImageLabels(ctx, &row, c.ImageID, missing); err != nil {
			return nil, fmt.Errorf("list what containers mount: %w", err)
		}
		for _, m := range c.Mounts {
			if strings.HasPrefix(m.Source, "/") {
				mounts = append(mounts, types.HostMount{
					ID: c.ID, Container: nameOf(c.Names), Labels: row.Labels, Source: m.Source, Target: m.Destination, ReadOnly: !m.RW,
				})
			}
		}
	}
	slices.SortStableFunc(mounts, func(a, b types.HostMount) int { return strings.Compare(a.Container, b.Container) })
	return mounts, nil
}
