package sync

import (
	"context"
	"errors"
	"fmt"
	stdsync "sync"
	"time"

	"github.com/rs/zerolog"

	"github.com/gitsync/gitsync/internal/panics"
	"github.com/gitsync/gitsync/state"
)

// slotTime is how long a host may keep others from being begun: one that takes longer
// waits for something, and costs this process next to nothing.
const slotTime = 5 * time.Second

// tasks are the hosts that are at work, of this cycle and of those before: a cycle does
// not wait for slow ones. Each host has at most one task at work, and one that waits
// for it to end.
type tasks struct {
	all stdsync.WaitGroup
	// slots bound how many hosts are begun at once, and suspects those that failed the
	// last time, so that they cannot take the place of the others.
	slots, suspects chan struct{}
	// ended is sent to when a task has ended.
	ended chan struct{}

	// mu guards what follows, and what the memories know of failures.
	mu       stdsync.Mutex
	finished []*HostResult
	// fresh are records that are newer than those that a cycle loaded.
	fresh map[string]*state.Record
}

func newTasks(parallel int) tasks {
	return tasks{
		slots: make(chan struct{}, parallel), suspects: make(chan struct{}, parallel),
		ended: make(chan struct{}, 1), fresh: map[string]*state.Record{},
	}
}

// task is a host's part in a cycle.
type task struct {
	cycle *cycle
	// done is closed when the task has ended, or will not begin.
	done chan struct{}
	// abandoned is closed when a later cycle has a newer task for the host.
	abandoned chan struct{}
	// superseded is closed when a newer commit changes the host.
	superseded    chan struct{}
	supersedeOnce stdsync.Once
	// begun says that the host was worked on, and looked that it has answered.
	begun, looked bool
	// deploys says that something is being changed on the host.
	deploys bool
	// secrets are those of the host; nil when its containers use none.
	secrets *hostSecrets
	// outcome is what is to be recorded.
	outcome
}

// outcome is what a host's task changes in its record.
type outcome struct {
	// changed says that the record is to be written; a nil one is removed.
	changed bool
	record  *state.Record
	// failures are those of the containers, by key.
	failures map[string]state.FailedUpdate
	lines    []string
	// confirms says that the record is right as it is.
	confirms bool
}

func newTask(c *cycle) *task {
	return &task{cycle: c, done: make(chan struct{}), abandoned: make(chan struct{}), superseded: make(chan struct{})}
}

// supersede ends the waits for containers to become ready. It says whether that is new.
func (t *task) supersede() (first bool) {
	t.supersedeOnce.Do(func() {
		close(t.superseded)
		first = true
	})
	return first
}

// start does the steps for a host, as soon as its task of an earlier cycle has ended.
// One that has not begun by then never will.
func (c *cycle) start(ctx context.Context, h *HostResult, steps []hostStep) {
	c.tasks.mu.Lock()
	if waiting := h.memory.waiting; waiting != nil {
		close(waiting.abandoned)
	}
	h.memory.waiting = h.task
	c.tasks.mu.Unlock()
	c.tasks.all.Go(func() {
		defer close(h.done)
		if !c.begin(ctx, h) {
			return
		}
		release := c.slot(ctx, h)
		for _, s := range steps {
			if h.Err = c.runStep(ctx, h, s); h.Err != nil || !h.Waiting.IsZero() || h.deployment == nil {
				break
			}
		}
		release()
		c.end(h)
	})
}

// runStep does a step for a host. A panic in it is the host's trouble alone.
func (c *cycle) runStep(ctx context.Context, h *HostResult, s hostStep) error {
	err := c.redact(panics.Catch(func() error { return s.run(ctx, h) }))
	logPanic(ctx, h.Name, err)
	var broken *panics.Error
	if errors.As(err, &broken) {
		return c.failed(h, fmt.Errorf("%s %s: %w", s.name, h.Name, err))
	}
	return err
}

// logPanic writes where a panic happened to the log.
func logPanic(ctx context.Context, host string, err error) {
	var broken *panics.Error
	if errors.As(err, &broken) {
		zerolog.Ctx(ctx).Error().Err(err).Str("host", host).Bytes("stack", broken.Stack).Msg("panic")
	}
}

// begin waits until the host is nobody else's.
func (c *cycle) begin(ctx context.Context, h *HostResult) bool {
	m, t := h.memory, &c.tasks
	mine := false
	select {
	case m.busy <- struct{}{}:
		mine = true
	case <-h.abandoned:
	case <-ctx.Done():
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if m.waiting == h.task {
		m.waiting = nil
	}
	select {
	case <-h.abandoned:
		if mine {
			<-m.busy
		}
		return false
	default:
	}
	if !mine {
		return false
	}
	m.running, h.begun = h, true
	if record, ok := t.fresh[h.Name]; ok {
		h.Record = record
	}
	return true
}

// slot waits for a place among those that are begun, and returns what gives it back.
func (c *cycle) slot(ctx context.Context, h *HostResult) (release func()) {
	c.tasks.mu.Lock()
	slots := c.tasks.slots
	if h.memory.failures > 0 {
		slots = c.tasks.suspects
	}
	c.tasks.mu.Unlock()
	select {
	case slots <- struct{}{}:
	case <-ctx.Done():
		return func() {}
	}
	giveBack := stdsync.OnceFunc(func() { <-slots })
	timer := time.AfterFunc(slotTime, giveBack)
	return func() {
		timer.Stop()
		giveBack()
	}
}

// end hands the result over to whatever cycle collects it.
func (c *cycle) end(h *HostResult) {
	if !c.planOnly {
		h.outcome = c.outcomeOf(h)
		if !h.Quiet {
			c.settle(h)
		}
		h.slim()
	}
	h.secrets.forget()
	t := &c.tasks
	t.mu.Lock()
	h.memory.running = nil
	if !c.planOnly {
		t.finished = append(t.finished, h)
		switch {
		case h.changed:
			t.fresh[h.Name] = h.record
		case h.confirms:
			t.fresh[h.Name] = h.Record.AsConfirmed()
		}
	}
	<-h.memory.busy
	t.mu.Unlock()
	select {
	case t.ended <- struct{}{}:
	default:
	}
	// Events that came while it was at work ask for a look.
	c.watches.wake()
}

// slim lets go of what only the task needed: the cycle, and what is remembered of it, keep the
// results of all hosts.
func (h *HostResult) slim() { h.deployment, h.Current = nil, h.Current.Outline() }

// handle does the steps for some hosts at once, and waits for them, or until the cycle
// leaves those behind that are slow.
func (c *cycle) handle(ctx context.Context, hosts []*HostResult, steps []hostStep) {
	for _, h := range hosts {
		h.handled = true
		c.start(ctx, h, steps)
	}
	c.await(hosts)
}

// await waits for hosts, or until the cycle leaves those behind that are slow.
func (c *cycle) await(hosts []*HostResult) {
	for _, h := range hosts {
		select {
		case <-h.done:
		case <-c.left:
			return
		}
	}
}

// isLeft says whether the cycle goes on without the hosts that are still at work.
func (c *cycle) isLeft() bool {
	select {
	case <-c.left:
		return true
	default:
		return false
	}
}

// takeFinished returns the results that were not collected yet.
func (t *tasks) takeFinished() []*HostResult {
	t.mu.Lock()
	defer t.mu.Unlock()
	finished := t.finished
	t.finished = nil
	return finished
}

// busyHosts returns the hosts that are at work.
func (s *Syncer) busyHosts() map[string]*HostResult {
	s.tasks.mu.Lock()
	defer s.tasks.mu.Unlock()
	busy := map[string]*HostResult{}
	for name, m := range s.hosts {
		if m.running != nil {
			busy[name] = m.running
		}
	}
	return busy
}

// failed remembers that a host could not be handled, and when it is tried again.
func (c *cycle) failed(h *HostResult, err error) error {
	c.tasks.mu.Lock()
	defer c.tasks.mu.Unlock()
	m := h.memory
	if m.failedTree != h.Host.Tree {
		m.failures = 0
	}
	if m.failures == 0 && m.since.IsZero() {
		m.since = c.opts.Now()
		if f, ok := h.hostFailure(); ok {
			m.since = f.Since
		}
	}
	m.failures++
	m.err, m.failedTree = err, h.Host.Tree
	m.next = c.opts.Now().Add(backOff(m.failures))
	return err
}

// answered forgets that a host could not be handled.
func (c *cycle) answered(h *HostResult) {
	c.tasks.mu.Lock()
	defer c.tasks.mu.Unlock()
	h.memory.failures, h.memory.err, h.memory.since = 0, nil, time.Time{}
}

// hostFailure returns what the record says of the host as a whole.
func (h *HostResult) hostFailure() (state.FailedUpdate, bool) {
	if h.Record == nil {
		return state.FailedUpdate{}, false
	}
	f, ok := h.Record.Failures[""]
	return f, ok && !f.Since.IsZero()
}

// pause says until when the host is left alone, and why.
func (c *cycle) pause(h *HostResult) (until time.Time, why error) {
	c.tasks.mu.Lock()
	defer c.tasks.mu.Unlock()
	m := h.memory
	if m.failures > 0 && m.failedTree == h.Host.Tree && c.opts.Now().Before(m.next) {
		return m.next, m.err
	}
	return time.Time{}, nil
}

// nextTry returns when the first of the hosts that could not be handled is tried again;
// zero when there is none.
func (c *cycle) nextTry() time.Time {
	c.tasks.mu.Lock()
	defer c.tasks.mu.Unlock()
	var first time.Time
	for _, h := range c.hosts {
		if m := h.memory; m.failures > 0 && (first.IsZero() || m.next.Before(first)) {
			first = m.next
		}
	}
	return first
}

// troubleOf returns how often in a row a host could not be handled, and since when.
func (c *cycle) troubleOf(h *HostResult) (failures int, since time.Time) {
	c.tasks.mu.Lock()
	defer c.tasks.mu.Unlock()
	return h.memory.failures, h.memory.since
}
