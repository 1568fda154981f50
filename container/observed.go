package container

import (
	"time"

	"github.com/gitsync/gitsync/container/types"
)

// observed is what the answers about one container tell about how long it has run. Its
// engine's clock and ours are never compared: the engine's times only tell one run of the
// container's process from the next one.
type observed struct {
	// any says that there was an answer.
	any bool
	// restarts is how often the runtime had restarted the container when the wait began:
	// never, where the wait follows a start of ours, from which the runtime counts.
	restarts int
	// ours says that the wait follows a start of ours.
	ours bool
	// run is the first answer of the current run, and since when it arrived.
	run   types.ContainerDetails
	since time.Time
}

// observe begins to look at a container.
func (e *executor) observe(id string) *observed {
	e.mu.Lock()
	defer e.mu.Unlock()
	return &observed{ours: e.begun[id]}
}

// answer takes what the runtime says. It returns whether the container was restarted since
// the wait began, and how long it has run at least: the process was there already when the
// first answer about this run arrived, and was still there when this request was sent. How
// long answers are on their way adds nothing to that.
func (o *observed) answer(now types.ContainerDetails, sent, arrived time.Time) (restarted bool, up time.Duration) {
	if !o.any && !o.ours {
		o.restarts = now.Restarts
	}
	same := o.any && now.StartedAt.Equal(o.run.StartedAt) && now.FinishedAt.Equal(o.run.FinishedAt) && now.Restarts == o.run.Restarts
	if !same || o.run.Status != types.StatusRunning {
		o.run, o.since = now, arrived
	}
	o.any = true
	return now.Restarts > o.restarts, max(0, sent.Sub(o.since))
}
