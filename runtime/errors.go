package runtime

import (
	"errors"
	"fmt"
)

// What callers can decide on, with errors.Is.
var (
	// ErrNotFound means that the runtime answered, and there is no such
	// container.
	ErrNotFound = errors.New("no such container")
	// ErrNameInUse means that another container has the name.
	ErrNameInUse = errors.New("the name is in use")
	// ErrImageNotFound means that the registry answered, and has no such image
	// or does not show it to us.
	ErrImageNotFound = errors.New("no such image")
	// ErrPortInUse means that a published port is taken on the host.
	ErrPortInUse = errors.New("the port is in use")
	// ErrRunning means that the container must be stopped first.
	ErrRunning = errors.New("the container is running")
	// ErrNotRunning means that the container has no process to send a signal to.
	ErrNotRunning = errors.New("the container is not running")
	// ErrRestarting means that the container's process has just ended, and that the runtime
	// is about to start it again: until then, or until the container is stopped, that cannot
	// be done.
	ErrRestarting = errors.New("the container is being restarted")
	// ErrInvalid means that the runtime refused the settings, for good.
	ErrInvalid = errors.New("the runtime refuses the settings")
	// ErrNoSource means that a path of the host which a container mounts does not exist. It
	// is an [ErrInvalid].
	ErrNoSource = fmt.Errorf("%w: a path of the host that it mounts does not exist", ErrInvalid)
	// ErrNotRegular means that a path is a directory, a link or a device.
	ErrNotRegular = errors.New("not a regular file")
	// ErrUnreachable means that the runtime did not answer, so that nothing is
	// known about its containers.
	ErrUnreachable = errors.New("the runtime cannot be reached")
)
