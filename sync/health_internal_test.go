package sync

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/gitsync/gitsync/gitrepo"
	"github.com/gitsync/gitsync/layout"
)

func TestHealthIsWhatTheLastCycleSays(t *testing.T) {
	start := time.Date(2026, 2, 3, 4, 5, 6, 0, time.UTC)
	now := start
	s := &Syncer{opts: Options{Now: func() time.Time { return now }}}
	if h := s.Health(); h.Failing {
		t.Errorf("before it runs: %+v", h)
	}
	away := fmt.Errorf("fetch https://git.internal/secret: %w", gitrepo.ErrUnreachable)
	cycle := func(r *Result) {
		s.health.learn(now, r)
		s.health.expect(now, now.Add(time.Minute))
	}
	s.health.expect(now, now)
	cycle(&Result{GitErr: away})
	if h := s.Health(); h.Failing {
		t.Errorf("after one failure: %+v", h)
	}
	now = now.Add(11 * time.Minute)
	cycle(&Result{GitErr: away})
	h := s.Health()
	if !h.Failing || !h.Since.Equal(start) || !strings.Contains(h.Reason, "cannot be reached") || strings.Contains(h.Reason, "git.internal") {
		t.Errorf("after eleven minutes of failures: %+v", h)
	}
	cycle(&Result{})
	if h := s.Health(); h.Failing {
		t.Errorf("after a cycle that went well: %+v", h)
	}
	for range 3 {
		now = now.Add(11 * time.Minute)
		cycle(&Result{Err: layout.ErrNoHosts})
		if h := s.Health(); h.Failing {
			t.Errorf("a commit without hosts is not the process's fault: %+v", h)
		}
	}
	now = now.Add(22 * time.Minute)
	if h := s.Health(); !h.Failing || !strings.Contains(h.Reason, "no cycle has ended") {
		t.Errorf("without a cycle: %+v", h)
	}
	cycle(&Result{Err: errors.New("anything")})
	if h := s.Health(); h.Failing {
		t.Errorf("after a cycle that ended: %+v", h)
	}
}
