package container

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/gitsync/gitsync/container/types"
	"github.com/gitsync/gitsync/runtime"
)

// ConfigMountpoint is where the containers that carry config files have the directories of
// the host: /srv/web is at /mnt/host/srv/web.
const ConfigMountpoint = "/mnt/host"

// carrierPrefix begins the names of carriers.
const carrierPrefix = "gitsync-config-"

// carriers makes the containers that carry files to and from a machine, and removes them.
// They are never started.
type carriers struct {
	rt     runtime.Runtime
	origin *Origin
	// made are the IDs of those that are not removed yet.
	made []string
}

// bind makes a carrier of the empty image, which has nothing but these paths of the host.
// So a link that somebody plants in one of them leads to nothing: it is resolved in the
// carrier's own root directory, which is empty.
//
// Errors: [runtime.ErrNoSource] where one of them does not exist.
func (c *carriers) bind(ctx context.Context, paths []string, readOnly bool) (string, error) {
	mounts := make([]types.Mount, 0, len(paths))
	for _, p := range paths {
		mounts = append(mounts, types.Mount{Source: p, Target: hostPath(p), ReadOnly: readOnly})
	}
	return c.create(ctx, runtime.EmptyImage, mounts)
}

func (c *carriers) create(ctx context.Context, image string, mounts []types.Mount) (string, error) {
	labels := map[string]string{LabelRole: roleConfig, LabelOwner: c.origin.owner()}
	if c.origin != nil {
		labels[LabelHost], labels[LabelRepo] = c.origin.Host, c.origin.Repo
	}
	id, err := c.rt.Create(ctx, &types.ContainerConfig{
		Name: carrierPrefix + strings.ToLower(rand.Text()[:10]), Image: image,
		Args:   []string{"gitsync-never-starts-this"},
		Mounts: mounts, Labels: AllLabels(labels),
		// No network, so that nothing is allocated for it.
		NetworkMode: "none",
	})
	if err != nil {
		return "", fmt.Errorf("create the container that carries config files: %w", err)
	}
	c.made = append(c.made, id)
	return id, nil
}

// remove removes a carrier, and the volumes that its image made with it. It uses a context
// of its own when the caller's is done, since a carrier must not stay behind.
func (c *carriers) remove(ctx context.Context, id string) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanupTimeout)
	defer cancel()
	err := discard(ctx, c.rt, id)
	if err != nil && !errors.Is(err, runtime.ErrNotFound) {
		return fmt.Errorf("remove the container that carries config files: %w", err)
	}
	c.made = slices.DeleteFunc(c.made, func(made string) bool { return made == id })
	return nil
}

// close removes all that are left.
func (c *carriers) close(ctx context.Context) error {
	var errs []error
	for _, id := range slices.Clone(c.made) {
		errs = append(errs, c.remove(ctx, id))
	}
	return joinErrors(errs...)
}

// discard removes a container in whose volumes nothing ever was.
func discard(ctx context.Context, rt runtime.Runtime, id string) error {
	if discarder, ok := rt.(runtime.Discarder); ok {
		return discarder.Discard(ctx, id)
	}
	return rt.Delete(ctx, id)
}

// isCarrier says whether a container is a carrier that a crash left behind, of this version
// or an earlier one, rather than something that has its label.
func isCarrier(row *types.ContainerSummary) bool {
	return row.Labels[LabelRole] == roleConfig && strings.HasPrefix(row.Name, carrierPrefix) && row.Status == types.StatusCreated
}
