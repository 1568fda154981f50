package container

import (
	"errors"
	"fmt"

	"github.com/gitsync/gitsync/runtime"
)

// ErrImageFailed means that a container was not replaced, since the replacement of another
// one by the same new image has just failed. Its own update was not tried.
var ErrImageFailed = errors.New("not updated, since its new image failed in another container")

// imageFailure is that error, with the container that failed.
type imageFailure struct{ image, container string }

func (f *imageFailure) Error() string {
	return fmt.Sprintf("%v: %s did not become ready with image %s", ErrImageFailed, f.container, f.image)
}

// Is makes it an [ErrImageFailed].
func (f *imageFailure) Is(target error) bool { return target == ErrImageFailed }

// newImages returns the new images that a unit replaces containers by, by key.
func (u Unit) newImages() map[string]string {
	images := map[string]string{}
	for _, s := range u.Steps {
		if s.Action == ActionCreate && s.Image != "" {
			images[s.Container] = s.Image
		}
	}
	return images
}

// noteImage remembers a new image with which a container did not start, or did not become
// ready. Other reasons to fail say nothing about the image.
func (e *executor) noteImage(unit Unit, at Step, err error) {
	image := unit.newImages()[at.Container]
	verdict := at.Action == ActionWait && at.Condition == "" && errors.Is(err, ErrNotReady) ||
		at.Action == ActionStart && errors.Is(err, runtime.ErrInvalid)
	if image == "" || !verdict || unit.Steps[0].Done {
		return
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if image = CanonicalImage(image); e.failedImages[image] == "" {
		e.failedImages[image] = at.Container
	}
}

// imageFailed says which container of a unit, that has not begun, would get an image that
// failed.
func (e *executor) imageFailed(unit Unit) (key string, err error) {
	images := unit.newImages()
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, key := range sortedKeys(images) {
		if failed := e.failedImages[CanonicalImage(images[key])]; failed != "" {
			return key, &imageFailure{images[key], failed}
		}
	}
	return "", nil
}
