package sync

import (
	"context"
	"strings"
	stdsync "sync"
	"time"

	"github.com/rs/zerolog"

	"github.com/gitsync/gitsync/container"
	"github.com/gitsync/gitsync/internal/panics"
	"github.com/gitsync/gitsync/runtime"
)

const (
	// firstRewatch and maxRewatch bound the pause before a stream of events that ended is
	// opened again. Meanwhile each poll looks at the host.
	firstRewatch = time.Second
	maxRewatch   = time.Minute
	// maxEventIDs bounds how many containers of a host are remembered to have had events.
	maxEventIDs = 10_000
)

// watches are the streams of the hosts' events, while a [Syncer] runs.
type watches struct {
	syncer *Syncer
	all    stdsync.WaitGroup
	// asked is sent to when a host asks for a look.
	asked chan struct{}
}

// watch is the stream of one host. It outlives the cycle that opened it, and keeps nothing of
// that.
type watch struct {
	name    string
	machine container.Machine
	memory  *memory
	// key is that of the connection that it uses.
	key string
	// alive says that events come.
	alive bool
	stop  context.CancelFunc
}

func newWatches(s *Syncer) *watches { return &watches{syncer: s, asked: make(chan struct{}, 1)} }

// follow begins to watch a host that has answered, unless that is done already.
func (w *watches) follow(ctx context.Context, h *HostResult) {
	if w == nil {
		return
	}
	key := connectionKey(h.Host.Host, h.Host.Runtime)
	w.syncer.tasks.mu.Lock()
	defer w.syncer.tasks.mu.Unlock()
	l := &h.memory.looks
	if l.watch != nil && l.watch.key == key {
		return
	}
	if l.watch != nil {
		l.watch.stop()
	}
	ctx, stop := context.WithCancel(ctx)
	one := &watch{name: h.Name, machine: container.Machine{Host: h.Host.Host, Runtime: h.Host.Runtime}, memory: h.memory, key: key, stop: stop}
	l.watch = one
	w.all.Go(func() {
		defer stop()
		w.run(ctx, one)
	})
}

// keep ends the watches of hosts that are not among these.
func (w *watches) keep(hosts []*HostResult) {
	if w == nil {
		return
	}
	kept := map[*memory]bool{}
	for _, h := range hosts {
		kept[h.memory] = true
	}
	w.syncer.tasks.mu.Lock()
	defer w.syncer.tasks.mu.Unlock()
	for _, m := range w.syncer.hosts {
		if kept[m] {
			continue
		}
		if m.looks.watch != nil {
			m.looks.watch.stop()
		}
		m.looks = looks{}
	}
}

// run opens the stream again and again, until the context is done. After a gap the host is
// looked at completely.
func (w *watches) run(ctx context.Context, one *watch) {
	log := zerolog.Ctx(ctx).With().Str("host", one.name).Logger()
	var since time.Time
	opened := false
	for failures := 1; ; failures++ {
		rt, release, err := w.syncer.connections.Connect(ctx, one.machine.Host, one.machine.Runtime)
		if err == nil {
			watcher, can := rt.(runtime.Watcher)
			if !can {
				release()
				return
			}
			err = panics.Catch(func() error {
				return watcher.Watch(ctx, since, func() {
					log.Debug().Bool("again", opened).Msg("watching events")
					w.ready(one, opened)
					opened, failures = true, 0
				}, func(e runtime.Event) {
					since = e.Time
					log.Trace().Str("action", e.Action).Str("name", e.Name).Msg("event")
					w.seen(one, e)
				})
			})
			logPanic(ctx, one.name, err)
			release()
		}
		w.lost(one)
		if ctx.Err() != nil {
			return
		}
		log.Debug().Err(err).Msg("events are not watched: the host is looked at with each poll")
		timer := time.NewTimer(grow(firstRewatch, maxRewatch, failures+1))
		select {
		case <-ctx.Done():
		case <-timer.C:
		}
		timer.Stop()
	}
}

// ready asks for a look at what happened before the stream was open: at all of it where
// events may have been missed.
func (w *watches) ready(one *watch, again bool) {
	w.ask(one, func(l *looks) {
		one.alive = true
		if again {
			// It answers: a pause after failures is over.
			l.next, l.settled, one.memory.next = time.Time{}, nil, time.Time{}
		}
	})
}

// seen asks for a look at what an event tells of. Foreign containers count too: one may
// have a name, a port or a namespace that ours need. Leases never do.
func (w *watches) seen(one *watch, e runtime.Event) {
	if e.Labels[container.LabelRole] == container.RoleLease && strings.HasPrefix(e.Name, container.LeasePrefix) {
		return
	}
	w.ask(one, func(l *looks) {
		if len(l.ids) >= maxEventIDs {
			// A flood: a complete look needs none.
			l.next = time.Time{}
			return
		}
		if l.ids == nil {
			l.ids = map[string]bool{}
		}
		l.ids[e.ID] = true
	})
}

func (w *watches) ask(one *watch, change func(*looks)) {
	w.syncer.tasks.mu.Lock()
	l, now := &one.memory.looks, w.syncer.opts.Now()
	if l.watch == one {
		change(l)
		if now.Sub(l.eventLook) > calm {
			l.idle = 0
		}
		if !l.dirty {
			l.dirty, l.eventAt = true, now.Add(grow(firstEventPause, maxEventPause, l.idle-freeLooks+1))
		}
	}
	w.syncer.tasks.mu.Unlock()
	w.wake()
}

// wake makes Run look again at what is due.
func (w *watches) wake() {
	if w == nil {
		return
	}
	select {
	case w.asked <- struct{}{}:
	default:
	}
}

func (w *watches) lost(one *watch) {
	w.syncer.tasks.mu.Lock()
	defer w.syncer.tasks.mu.Unlock()
	one.alive = false
}
