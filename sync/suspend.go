package sync

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/rs/zerolog"

	"github.com/gitsync/gitsync/layout"
	"github.com/gitsync/gitsync/state"
)

// ErrNotSuspended means that nothing of what was named is suspended.
var ErrNotSuspended = errors.New("nothing is suspended")

// ErrUnknownTarget means that neither the repo nor the state branch has what was named.
var ErrUnknownTarget = errors.New("no such host or container")

// Target names a host, or one container of it.
type Target struct {
	Host string
	// Container is empty for the whole host.
	Container string
}

// ParseTarget reads "web1" or "web1/db".
func ParseTarget(s string) (Target, error) {
	host, container, slash := strings.Cut(s, "/")
	if host == "" || slash && container == "" || strings.Contains(container, "/") {
		return Target{}, fmt.Errorf("%q: write HOST or HOST/CONTAINER", s)
	}
	return Target{host, container}, nil
}

// String returns the form that ParseTarget reads.
func (t Target) String() string { return strings.TrimSuffix(t.Host+"/"+t.Container, "/") }

// Suspend makes every gitsync leave these as they are, whatever the repo or the host say,
// until they are resumed or the suspension ends by itself. It is a commit on the state
// branch.
//
// Errors: [ErrUnknownTarget].
func (s *Syncer) Suspend(ctx context.Context, targets []Target, suspension state.Suspension) error {
	defer s.lock()()
	c := s.newCycle()
	if err := c.fetch(ctx); err != nil {
		return err
	}
	if err := c.checkTargets(ctx, targets); err != nil {
		return err
	}
	now := s.opts.Now()
	change := func(host string, known state.Suspensions) state.Suspensions {
		next := known.In(now)
		if next == nil {
			next = state.Suspensions{}
		}
		for _, t := range targets {
			if t.Host == host {
				next[t.Container] = suspension
			}
		}
		return next
	}
	why := ""
	if suspension.Reason != "" {
		why = ": " + suspension.Reason
	}
	return c.saveSuspensions(ctx, targets, change, "Suspend "+targetList(targets)+why)
}

// Resume ends suspensions. It returns what is followed again; without targets it is all
// that there is.
//
// Errors: [ErrNotSuspended].
func (s *Syncer) Resume(ctx context.Context, targets []Target) ([]Target, error) {
	defer s.lock()()
	c := s.newCycle()
	if err := c.fetch(ctx); err != nil {
		return nil, err
	}
	hosts, err := c.recordedHosts()
	if err != nil {
		return nil, err
	}
	var resumed []Target
	for _, host := range hosts {
		known, err := s.state.Suspensions(ctx, host)
		if errors.Is(err, state.ErrUnreadable) && isNamed(targets, host) {
			// To write what is left repairs the file.
			resumed = append(resumed, Target{Host: host})
		}
		if err := c.noteFault(err); err != nil {
			return nil, err
		}
		for _, key := range slices.Sorted(maps.Keys(known.In(s.opts.Now()))) {
			if t := (Target{host, key}); len(targets) == 0 || slices.Contains(targets, t) || slices.Contains(targets, Target{host, ""}) {
				resumed = append(resumed, t)
			}
		}
	}
	slices.SortFunc(resumed, func(a, b Target) int { return strings.Compare(a.String(), b.String()) })
	resumed = slices.Compact(resumed)
	if len(resumed) == 0 {
		var names []string
		for _, t := range targets {
			names = append(names, t.String())
		}
		return nil, fmt.Errorf("%w%s", ErrNotSuspended, ofTargets(names))
	}
	change := func(host string, known state.Suspensions) state.Suspensions {
		next := known.In(s.opts.Now())
		for _, t := range resumed {
			if t.Host == host {
				delete(next, t.Container)
			}
		}
		return next
	}
	return resumed, c.saveSuspensions(ctx, resumed, change, "Resume "+targetList(resumed))
}

// isNamed says whether the targets are about a host; none are about all.
func isNamed(targets []Target, host string) bool {
	return len(targets) == 0 || slices.ContainsFunc(targets, func(t Target) bool { return t.Host == host })
}

func (c *cycle) saveSuspensions(ctx context.Context, targets []Target, change func(string, state.Suspensions) state.Suspensions, subject string) error {
	var hosts []string
	for _, t := range targets {
		hosts = append(hosts, t.Host)
	}
	slices.Sort(hosts)
	entry := state.Entry{When: c.opts.Now(), Source: string(c.commit.Hash), Result: state.Success, Subject: cut(subject)}
	if err := c.state.Suspend(ctx, slices.Compact(hosts), change, entry); err != nil {
		return fmt.Errorf("record the request in branch %s: %w", c.opts.StateBranch, err)
	}
	return nil
}

func targetList(targets []Target) string {
	var names []string
	for _, t := range targets {
		names = append(names, t.String())
	}
	return strings.Join(names, ", ")
}

// checkTargets makes sure that a slip of the hand does not suspend nothing.
func (c *cycle) checkTargets(ctx context.Context, targets []Target) error {
	repo, err := c.loader.Load(ctx, c.tree, c.layoutOptions(ctx, nil, false))
	if err != nil {
		return fmt.Errorf("load %s: %w", c.where(), err)
	}
	var unknown []error
	for _, t := range targets {
		known, err := c.knows(ctx, repo, t)
		if err != nil {
			return err
		}
		if !known {
			unknown = append(unknown, fmt.Errorf("%s: %w: gitsync status lists them", t, ErrUnknownTarget))
		}
	}
	return errors.Join(unknown...)
}

// knows says whether the repo or the state branch has a target. Of a host that does not
// validate any container may be there.
func (c *cycle) knows(ctx context.Context, repo *layout.Repo, t Target) (bool, error) {
	record, err := c.state.Record(ctx, t.Host)
	if err := c.noteFault(err); err != nil {
		return false, err
	}
	if t.Container == "" {
		return record != nil || c.faultOf(t.Host) || slices.Contains(repo.Names, t.Host), nil
	}
	if record != nil && record.PreviousState[t.Container] != nil {
		return true, nil
	}
	for _, h := range repo.Hosts {
		if h.Name == t.Host {
			return h.Containers[t.Container] != nil, nil
		}
	}
	return slices.Contains(repo.Names, t.Host), nil
}

// loadSuspensions reads what is suspended on a host. Of what cannot be read the names that
// can be are left alone: a repair must not run into somebody's work.
func (c *cycle) loadSuspensions(ctx context.Context, h *HostResult) {
	if c.state == nil {
		return
	}
	known, err := c.state.Suspensions(ctx, h.Name)
	if err := c.noteFault(err); err != nil {
		zerolog.Ctx(ctx).Error().Err(err).Str("host", h.Name).Msg("state: going on without what is suspended on the host")
	}
	if h.Suspended = known.In(c.opts.Now()); len(h.Suspended) == 0 {
		h.Suspended = nil
	}
}

// suspensions says of what is suspended why, for plans.
func (h *HostResult) suspensions() map[string]string {
	why := map[string]string{}
	for key, s := range h.Suspended {
		why[key] = SuspensionText(s)
	}
	return why
}

// SuspensionText says why something is suspended, by whom, since when and until when.
func SuspensionText(s state.Suspension) string {
	text := "suspended"
	if !s.Since.IsZero() {
		text += " since " + s.Since.UTC().Format("2006-01-02 15:04 MST")
	}
	if s.By != "" {
		text += " by " + s.By
	}
	if !s.Until.IsZero() {
		text += " until " + s.Until.UTC().Format("2006-01-02 15:04 MST")
	}
	if s.Reason != "" {
		text += ": " + s.Reason
	}
	return text
}

// nextSuspensionEnd is when the first suspension of the host ends by itself; zero when
// none does.
func (h *HostResult) nextSuspensionEnd() time.Time {
	var first time.Time
	for _, s := range h.Suspended {
		if !s.Until.IsZero() && (first.IsZero() || s.Until.Before(first)) {
			first = s.Until
		}
	}
	return first
}
