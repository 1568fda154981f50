package sync

import (
	"errors"
	"time"

	"github.com/gitsync/gitsync/container"
	"github.com/gitsync/gitsync/gitrepo"
	"github.com/gitsync/gitsync/internal/disk"
	"github.com/gitsync/gitsync/layout"
	"github.com/gitsync/gitsync/runtime"
	"github.com/gitsync/gitsync/state"
	"github.com/gitsync/gitsync/trust"
)

// Reaction says what an error needs before it goes away.
type Reaction string

// The reactions.
const (
	// Retry means that time may heal it: a network, an engine, a registry.
	Retry Reaction = "retry"
	// NeedsCommit means that the repo must change.
	NeedsCommit Reaction = "needs a commit"
	// NeedsPerson means that somebody must act outside of the repo.
	NeedsPerson Reaction = "needs a person"
)

// React says what an error needs.
func React(err error) Reaction {
	if errors.Is(err, container.ErrInterrupted) || gaveWay(err) {
		return Retry
	}
	for _, target := range []error{
		gitrepo.ErrAuth, gitrepo.ErrHostKey, gitrepo.ErrPushRefused, gitrepo.ErrSetup, trust.ErrRewind, trust.ErrKeys, trust.ErrNoStateKey, ErrUnconfirmed, ErrUnknownMachine, disk.ErrUnwritable,
		state.ErrUnreadable,
		container.ErrBlocked, container.ErrNotOurs, runtime.ErrNameInUse, runtime.ErrPortInUse,
	} {
		if errors.Is(err, target) {
			return NeedsPerson
		}
	}
	var mistakes layout.Mistakes
	if errors.As(err, &mistakes) {
		return NeedsCommit
	}
	for _, target := range []error{
		trust.ErrRefused, layout.ErrNoHosts, layout.ErrTooLarge, gitrepo.ErrBranchNotFound, gitrepo.ErrEmptyRemote,
		runtime.ErrImageNotFound, runtime.ErrInvalid, container.ErrNotReady, container.ErrWritable, container.ErrNestedMount,
	} {
		if errors.Is(err, target) {
			return NeedsCommit
		}
	}
	return Retry
}

const (
	firstPause = 5 * time.Second
	maxPause   = 5 * time.Minute
)

// backOff is how long a host that cannot be handled at all is left alone after so many
// failures in a row. A new commit for the host ends the pause.
func backOff(failures int) time.Duration { return grow(firstPause, maxPause, failures) }
