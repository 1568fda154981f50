package sync

import (
	"context"
	"time"
)

// turn is a host's place in a roll-out. It gets one when it has answered, so that a host
// that hangs takes none from others.
type turn struct {
	// answered is closed by the host, and given by the roll-out.
	answered, given chan struct{}
}

// rollOut lets hosts follow turn by turn. Those whose turn does not come in this
// cycle are kept up as they are. What hangs is not waited for.
func (c *cycle) rollOut(ctx context.Context, turns map[string]*HostResult, steps []hostStep) {
	over := make(chan struct{})
	inTurn := []hostStep{steps[0], {"turn", func(ctx context.Context, h *HostResult) error { return c.takeTurn(ctx, h, over) }}}
	inTurn = append(inTurn, steps[1:]...)
	var settled []*HostResult
	for _, h := range turns {
		switch suspect := c.isSuspect(h); {
		case h.pending() && suspect:
			c.ask(ctx, h, inTurn)
		case !h.pending():
			h.handled = true
			c.start(ctx, h, steps)
			if !suspect {
				settled = append(settled, h)
			}
		}
	}
	c.awaitSettled(settled)
	for {
		names, status := nextTurn(*c.settings.Rollout, c.turnStates(turns), c.opts.Now())
		c.result.Rollout = &status
		if ctx.Err() != nil || c.isLeft() || !c.giveTurns(ctx, turns, names, inTurn) && !c.awaitLate(turns) {
			break
		}
	}
	if status := c.result.Rollout; len(status.Waiting) == 0 && len(status.Failed) == 0 {
		c.result.Rollout = nil
	}
	close(over)
	all := make([]*HostResult, 0, len(turns))
	for _, h := range turns {
		if !h.handled {
			h.handled, h.waitsForTurn = true, true
			c.start(ctx, h, steps)
		}
		all = append(all, h)
	}
	c.await(all)
}

// ask begins with a host that is to follow.
func (c *cycle) ask(ctx context.Context, h *HostResult, steps []hostStep) {
	h.handled = true
	h.turn = &turn{answered: make(chan struct{}), given: make(chan struct{})}
	c.start(ctx, h, steps)
}

// takeTurn is the step of a host that has answered and waits for its turn. One that does
// not come is the next cycle's, which knows then that the host answers.
func (c *cycle) takeTurn(ctx context.Context, h *HostResult, over <-chan struct{}) error {
	begun := c.opts.Now()
	close(h.turn.answered)
	select {
	case <-h.turn.given:
		if c.opts.Now().Sub(begun) < slotTime {
			return nil
		}
		return c.check(ctx, h)
	case <-over:
	case <-ctx.Done():
	}
	c.answered(h)
	h.waitsForTurn, h.deployment = true, nil
	return nil
}

// giveTurns lets those of the named hosts follow that answer, and waits for them. It says
// whether this gitsync handles any of them.
func (c *cycle) giveTurns(ctx context.Context, turns map[string]*HostResult, names []string, steps []hostStep) bool {
	var now, follow []*HostResult
	for _, name := range names {
		if h := turns[name]; h != nil && !h.ended() {
			if h.turn == nil {
				c.ask(ctx, h, steps)
			}
			now = append(now, h)
		}
	}
	impatient, stop := after(slotTime)
	defer stop()
	for _, h := range now {
		select {
		case <-h.turn.answered:
		case <-h.done:
		case <-impatient:
		case <-c.left:
		}
		if h.hasAnswered() {
			h.seen = true
			close(h.turn.given)
			follow = append(follow, h)
		}
	}
	c.await(follow)
	return len(now) > 0
}

// awaitSettled waits for hosts that follow already, but not for those that take long to
// answer at all.
func (c *cycle) awaitSettled(hosts []*HostResult) {
	impatient, stop := after(slotTime)
	defer stop()
	for _, h := range hosts {
		select {
		case <-h.done:
			h.seen = true
			continue
		case <-c.left:
			return
		case <-impatient:
		}
		if c.hasLooked(h) {
			c.await([]*HostResult{h})
		}
	}
}

// awaitLate waits for the hosts that took long to answer. It says whether any of them has
// answered.
func (c *cycle) awaitLate(turns map[string]*HostResult) (news bool) {
	for _, h := range turns {
		if !h.handled || h.seen {
			continue
		}
		var answered chan struct{}
		if h.turn != nil {
			answered = h.turn.answered
		}
		select {
		case <-answered:
		case <-h.done:
		case <-c.left:
			return false
		}
		h.seen = true
		news = news || h.hasAnswered() || h.ended() && (h.Checked || h.Quiet)
	}
	return news
}

// isSuspect says whether a host did not answer the last time, or has not answered yet.
func (c *cycle) isSuspect(h *HostResult) bool {
	c.tasks.mu.Lock()
	defer c.tasks.mu.Unlock()
	m := h.memory
	return m.failures > 0 || m.running != nil && !m.running.looked
}

// hasLooked says whether a host that is at work has answered.
func (c *cycle) hasLooked(h *HostResult) bool {
	c.tasks.mu.Lock()
	defer c.tasks.mu.Unlock()
	return h.looked
}

// hasAnswered says whether a host that is to follow has answered.
func (h *HostResult) hasAnswered() bool {
	if h.turn == nil {
		return false
	}
	select {
	case <-h.turn.answered:
		return true
	default:
		return false
	}
}

// ended says whether the host's task has ended.
func (h *HostResult) ended() bool {
	select {
	case <-h.done:
		return true
	default:
		return false
	}
}

// after returns a channel that is closed after a while.
func after(d time.Duration) (over <-chan struct{}, stop func() bool) {
	c := make(chan struct{})
	return c, time.AfterFunc(d, func() { close(c) }).Stop
}
