package report

import (
	"maps"
	"time"

	"github.com/gitsync/gitsync/report/forge"
)

// memory is what is remembered of the fleets that were told of: what is wrong and since
// when, so that people are told of it once, and of its end.
type memory struct {
	// Pending and Deploying are what was said of a commit as pending: it needs an end
	// when another commit takes its place.
	Pending   []forge.Status     `json:"pending,omitempty"`
	Deploying []forge.Deployment `json:"deploying,omitempty"`
	// Err is why the newest cycle failed as a whole.
	Err   string                `json:"err,omitempty"`
	ErrAt time.Time             `json:"errAt,omitzero"`
	Hosts map[string]hostMemory `json:"hosts,omitempty"`
}

// hostMemory is what is remembered of a host.
type hostMemory struct {
	// Open are the problems, by what they are of.
	Open map[string]openProblem `json:"open,omitempty"`
	// Drift are the differences that were there at the last look, by container and
	// field: left, fought or repaired.
	Drift map[string]string `json:"drift,omitempty"`
}

// openProblem is a problem that people know of.
type openProblem struct {
	Phase     Phase     `json:"phase"`
	Container string    `json:"container,omitempty"`
	Text      string    `json:"text"`
	Commit    string    `json:"commit,omitempty"`
	Since     time.Time `json:"since,omitzero"`
}

// The ways that a difference is remembered.
const (
	driftLeft     = "left"
	driftFought   = "fought"
	driftRepaired = "repaired"
)

// next is the memory after one more fleet. What a look did not reach stays as it was
// known: a host that is at work or away, and all that a failed cycle did not get to.
func (m memory) next(f Fleet) memory {
	next := memory{
		Pending: m.Pending, Deploying: m.Deploying,
		Err: f.Err, Hosts: map[string]hostMemory{},
	}
	if f.Err != "" {
		next.ErrAt = m.ErrAt
		if m.Err == "" {
			next.ErrAt = f.When
		}
		maps.Copy(next.Hosts, m.Hosts)
	}
	for _, h := range f.Hosts {
		before := m.Hosts[h.Name]
		after := hostMemory{Open: nextProblems(before.Open, f, h), Drift: before.Drift}
		if h.looked() {
			after.Drift = nextDrift(h)
		}
		if len(after.Open) == 0 && len(after.Drift) == 0 {
			delete(next.Hosts, h.Name)
			continue
		}
		next.Hosts[h.Name] = after
	}
	return next
}

// looked says whether the host's containers were looked at to the end.
func (h Host) looked() bool { return h.Phase != Working && h.Phase != Away && !h.Unseen }

// nextProblems are the problems that a host has now, with the time since when, and the
// words that people were told.
func nextProblems(before map[string]openProblem, f Fleet, h Host) map[string]openProblem {
	if h.Unseen {
		return before
	}
	after := map[string]openProblem{}
	for key, known := range before {
		if stays(known, h.Phase) {
			after[key] = known
		}
	}
	if h.Phase == Working || h.Phase == Deployed {
		return after
	}
	list := h.Problems
	if len(list) == 0 {
		list = []Problem{{Text: "no reason given"}}
	}
	seen := map[string]bool{}
	for _, p := range list {
		key := string(h.Phase) + "/" + p.Container
		if seen[key] {
			continue // a second problem of the same container
		}
		seen[key] = true
		now := openProblem{Phase: h.Phase, Container: p.Container, Text: p.Text, Commit: f.Commit, Since: h.Since}
		if now.Since.IsZero() {
			now.Since = f.When
		}
		if known, there := before[key]; there {
			now.Since = known.Since
			if !news(known, now) {
				now = known
			}
		}
		after[key] = now
	}
	return after
}

// stays says whether a problem is still taken to be there, whatever a look in a phase
// found: one that the look could not see.
func stays(known openProblem, phase Phase) bool {
	switch phase {
	case Working:
		return true
	case Away:
		return known.Phase != Away
	case Invalid:
		return known.Phase == Failed
	}
	return false
}

// news says whether a problem that people know of is worth another message: when another
// commit was tried and it fails otherwise. Words alone may have a number in them that
// changes with each try, and a commit alone may be about something else.
func news(known, now openProblem) bool {
	return forge.Steady(known.Text) != forge.Steady(now.Text) && known.Commit != now.Commit
}

func nextDrift(h Host) map[string]string {
	drift := map[string]string{}
	for _, d := range h.Drift {
		how := driftLeft
		switch {
		case d.Fought:
			how = driftFought
		case d.Repaired:
			how = driftRepaired
		}
		drift[driftKey(d)] = how
	}
	return drift
}

// driftKey tells the differences of a host apart.
func driftKey(d Drift) string { return d.Container + "\n" + d.Field }
