package docker

import (
	"context"
	"errors"
	"fmt"

	"github.com/gitsync/gitsync/container/types"
	"github.com/gitsync/gitsync/runtime"
)

// maxLabelled bounds how many images are remembered with their labels.
const maxLabelled = 10_000

// withoutImageLabels takes from a row the labels of ours that are its image's: a list of
// containers does not tell them apart. Only a row that bears labels of ours needs that, and
// each image is asked for once. Where the image is gone, or damaged so that the engine cannot
// read it, the row says so: no other row is worse for it. missing are the images that were found
// to be so already.
func (r *Runtime) withoutImageLabels(ctx context.Context, row *types.ContainerSummary, image string, missing map[string]bool) error {
	if !types.HasOwnLabel(row.Labels) {
		return nil
	}
	labels, there, err := r.imageLabels(ctx, image, missing)
	if err != nil {
		return err
	}
	row.ImageGone, row.Labels = !there, types.WithoutImageLabels(row.Labels, labels)
	return nil
}

// imageLabels returns the labels of ours that an image carries.
func (r *Runtime) imageLabels(ctx context.Context, id string, missing map[string]bool) (labels map[string]string, there bool, err error) {
	if id == "" || missing[id] {
		return nil, false, nil
	}
	r.images.Lock()
	labels, there = r.labels[id]
	r.images.Unlock()
	if there {
		return labels, true, nil
	}
	if checkImage(id) != nil {
		return nil, false, fmt.Errorf("%w: a container's image has the ID %.80q", errAnswer, id)
	}
	image, err := r.api.ImageInspect(ctx, id)
	if err != nil {
		if err = r.classify(ctx, err); ctx.Err() != nil || errors.Is(err, runtime.ErrUnreachable) {
			return nil, false, fmt.Errorf("look at image %s: %w", short(id), err)
		}
		missing[id] = true
		return nil, false, nil
	}
	if image.Config != nil {
		labels = types.OwnLabels(image.Config.Labels)
	}
	r.images.Lock()
	defer r.images.Unlock()
	if len(r.labels) >= maxLabelled || r.labels == nil {
		r.labels = map[string]map[string]string{}
	}
	r.labels[id] = labels
	return labels, true, nil
}
