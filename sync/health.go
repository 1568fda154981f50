package sync

import (
	"context"
	"errors"
	stdsync "sync"
	"time"

	"github.com/gitsync/gitsync/gitrepo"
	"github.com/gitsync/gitsync/internal/disk"
)

const (
	// cycleBound is how long a cycle may take beside what it waits for hosts: Git's own
	// bounds, one after the other, with some room.
	cycleBound = 20 * time.Minute
	// failingFor is how long cycles fail before that is no passing trouble.
	failingFor = 10 * time.Minute
)

// Health is how a [Syncer.Run] is. The zero value is well.
type Health struct {
	// Failing says that a person should look after it. A commit that cannot be deployed, or
	// a host that fails, is not meant: statuses and the log tell of those.
	Failing bool
	// Reason is why, in words that everybody may read; empty where all is well.
	Reason string
	// Since is when that began.
	Since time.Time
}

// health is what is known of the cycles of a Run.
type health struct {
	mu stdsync.Mutex
	// ended is when the last cycle ended, or Run began, and bound when the next one should
	// have ended. Zero before Run.
	ended, bound time.Time
	// failing is since when cycles fail; zero when the last one did not. reason is why.
	failing time.Time
	reason  string
}

// expect says that a cycle should have ended soon after a time.
func (h *health) expect(now, due time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.ended.IsZero() {
		h.ended = now
	}
	h.bound = later(now, due).Add(cycleBound)
}

// learn takes over what a cycle came to.
func (h *health) learn(now time.Time, r *Result) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.ended = now
	err := errors.Join(r.Err, r.GitErr, r.backlog())
	if err == nil || React(err) == NeedsCommit || errors.Is(err, context.Canceled) {
		h.failing, h.reason = time.Time{}, ""
		return
	}
	if h.failing.IsZero() {
		h.failing = now
	}
	h.reason = publicReason(err)
}

// publicReason says why a cycle failed without the names and addresses that an error has.
func publicReason(err error) string {
	for _, known := range []struct {
		is  error
		why string
	}{
		{disk.ErrUnwritable, "the data directory cannot be written to"},
		{gitrepo.ErrAuth, "the Git server refuses the login"},
		{gitrepo.ErrHostKey, "the key of the Git server is not the known one"},
		{gitrepo.ErrPushRefused, "the Git server refuses the state branch"},
		{gitrepo.ErrUnreachable, "the Git server cannot be reached"},
	} {
		if errors.Is(err, known.is) {
			return known.why
		}
	}
	return "see the log"
}

// Health says how Run is: it fails when no cycle ended within its bound, and when cycles
// have failed for ten minutes. It does not wait for the current cycle.
func (s *Syncer) Health() Health {
	h, now := &s.health, s.opts.Now()
	h.mu.Lock()
	defer h.mu.Unlock()
	switch {
	case !h.bound.IsZero() && now.After(h.bound):
		return Health{Failing: true, Reason: "no cycle has ended", Since: h.ended}
	case !h.failing.IsZero() && now.Sub(h.failing) >= failingFor:
		return Health{Failing: true, Reason: "cycles fail: " + h.reason, Since: h.failing}
	}
	return Health{}
}
