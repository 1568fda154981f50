package runtime

import (
	"context"
	"time"
)

// Event says that something happened to a container: it was created, started, ended,
// renamed, removed, connected to a network, and the like.
type Event struct {
	// ID is the container's.
	ID string
	// Name is the one that it has, where the runtime says so.
	Name string
	// Action is the runtime's own word.
	Action string
	// Labels are the container's, where the runtime says so.
	Labels map[string]string
	// Time is that of the event, by the host's clock.
	Time time.Time
}

// Watcher is a runtime that tells of changes when they happen.
type Watcher interface {
	// Watch calls seen for each event, in their order, until the context is done or the
	// stream ends, which is an error in any case. Where since is not zero, it begins with
	// what happened after that, as far as the runtime remembers. ready is called once,
	// before the first event, when nothing that happens from then on is missed. Both are
	// called from this goroutine. It costs one call that stays open.
	//
	// What happens inside of a container is no event, nor is a health check that says
	// the same as before.
	//
	// Errors: [ErrUnreachable], that of the context.
	Watch(ctx context.Context, since time.Time, ready func(), seen func(Event)) error
}
