package docker

import (
	"context"
	"fmt"
	"time"

	"github.com/docker/docker/api/types/events"
	"github.com/docker/docker/api/types/filters"

	"github.com/gitsync/gitsync/runtime"
)

// watchedActions are what may be a change to a container. An exec, which each health
// check is, is none.
var watchedActions = []events.Action{
	events.ActionCreate, events.ActionDestroy, events.ActionDie, events.ActionOOM, events.ActionPause, events.ActionUnPause,
	events.ActionRename, events.ActionRestart, events.ActionStart, events.ActionStop, events.ActionUpdate,
	events.ActionHealthStatus, events.ActionConnect, events.ActionDisconnect,
}

// Watch implements runtime.Watcher. The engine remembers its last 256 events, and ends
// the stream when it stops.
func (r *Runtime) Watch(ctx context.Context, since time.Time, ready func(), seen func(runtime.Event)) error {
	ctx, cancel := context.WithCancel(ctx)
	args := filters.NewArgs(filters.Arg("type", string(events.ContainerEventType)), filters.Arg("type", string(events.NetworkEventType)))
	for _, action := range watchedActions {
		args.Add("event", string(action))
	}
	options := events.ListOptions{Filters: args}
	if !since.IsZero() {
		options.Since = fmt.Sprintf("%d.%09d", since.Unix(), since.Nanosecond())
	}
	// The client returns when the engine has answered: from then on nothing is missed.
	messages, errs := r.api.Events(ctx, options)
	// The client's goroutine ends before this returns.
	defer func() {
		cancel()
		for range errs {
		}
	}()
	select {
	case err := <-errs:
		return r.watchEnded(ctx, err)
	default:
		ready()
	}
	for {
		select {
		case m := <-messages:
			seen(eventOf(m))
		case err := <-errs:
			return r.watchEnded(ctx, err)
		}
	}
}

func (r *Runtime) watchEnded(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return fmt.Errorf("%w: watch its events: %w", runtime.ErrUnreachable, engineError{err})
}

func eventOf(m events.Message) runtime.Event {
	e := runtime.Event{ID: m.Actor.ID, Name: m.Actor.Attributes["name"], Action: string(m.Action), Labels: m.Actor.Attributes, Time: time.Unix(0, m.TimeNano)}
	if m.Type == events.NetworkEventType {
		e.ID, e.Name, e.Labels = m.Actor.Attributes["container"], "", nil
	}
	return e
}
