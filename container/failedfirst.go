package container

import (
	"errors"
	"fmt"
	"slices"
)

// takenBack is the error of a container that did not fail itself: it is updated together
// with another one, which did.
type takenBack struct {
	container string
	err       error
}

func (t *takenBack) Error() string {
	return fmt.Sprintf("not updated without %s, since one hands on what the other needs: %v", t.container, t.err)
}

// Unwrap returns why the other one failed.
func (t *takenBack) Unwrap() error { return t.err }

// FailedFirst returns the key of the container that failed, where an error is that of
// another one, which did not. It says too whether the two are updated together, so that
// neither can be tried without the other.
func FailedFirst(err error) (key string, together, ok bool) {
	var with *takenBack
	var image *imageFailure
	switch {
	case errors.As(err, &with):
		return with.container, true, true
	case errors.As(err, &image):
		return image.container, false, true
	}
	return "", false, false
}

// keys returns the containers that a unit works on.
func (u Unit) keys() []string {
	var keys []string
	for _, s := range u.Steps {
		if s.Condition == "" && !slices.Contains(keys, s.Container) {
			keys = append(keys, s.Container)
		}
	}
	return keys
}
