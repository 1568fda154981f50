package container

import (
	"fmt"
	"slices"
	"strings"
)

// Kind says what happens to a container as a whole.
type Kind string

// The kinds of changes.
const (
	Create  Kind = "create"
	Replace Kind = "replace"
	Start   Kind = "start"
	Restart Kind = "restart"
	Remove  Kind = "remove"
	// Rename gives a container its own name back.
	Rename Kind = "rename"
	// Forget drops the record of a container that is neither wanted nor there.
	Forget Kind = "forget"
	// Finish does what was left to do the last time: wait until the container is
	// ready, call its post-start hook.
	Finish Kind = "finish"
	// Reload writes config files and sends the container a signal.
	Reload Kind = "reload"
	// Configure writes config files and leaves the container alone.
	Configure Kind = "configure"
	// Recover puts back, tidies away, or goes on with, what an interrupted update left.
	Recover Kind = "recover"
	// Adjust puts limits, restart policy and networks right while the container runs.
	Adjust Kind = "adjust"
	// Unpause lets a container go on that somebody paused.
	Unpause Kind = "unpause"
	// Suspended means that a person told gitsync to leave the container alone.
	Suspended Kind = "suspended"
	// Move means that the container is kept here until it runs on the machine that it
	// moves to.
	Move Kind = "move"
	// Hold means that nothing is done now: an update failed, and waits for its next
	// try.
	Hold Kind = "hold"
	// Blocked means that nothing can be done until a person acts.
	Blocked Kind = "blocked"
)

// Change is what happens to one container, and why.
type Change struct {
	Container string  `json:"container"`
	Kind      Kind    `json:"kind"`
	Causes    []Cause `json:"causes"`
}

// Why returns the causes on one line.
func (c Change) Why() string {
	texts := make([]string, 0, len(c.Causes))
	for _, cause := range c.Causes {
		texts = append(texts, cause.Text)
	}
	return strings.Join(texts, "; ")
}

// Action is a call to the runtime.
type Action string

// The actions. Each is one call, besides ActionFiles, which is one call for each
// direction, and ActionWait, which looks again and again.
const (
	ActionPull      Action = "pull"
	ActionCreate    Action = "create"
	ActionStop      Action = "stop"
	ActionRename    Action = "rename"
	ActionStart     Action = "start"
	ActionRemove    Action = "remove"
	ActionFiles     Action = "write-files"
	ActionPostStart Action = "post-start"
	ActionForget    Action = "forget"
	ActionSignal    Action = "signal"
	ActionAdjust    Action = "adjust"
	ActionUnpause   Action = "unpause"
	// ActionWait waits until the container is ready.
	ActionWait Action = "wait"
)

// Instance tells the container that a step creates from the one that it found.
type Instance string

// The instances.
const (
	// Existing was there when the plan was made; its ID is in the step.
	Existing Instance = "existing"
	// Created is what this plan's create step makes.
	Created Instance = "created"
)

// Step is one call to the runtime.
type Step struct {
	Action Action `json:"action"`
	// Container is the key of the container that the step is for.
	Container string `json:"container"`
	// Cause is why, in one line: the causes of the container's change.
	Cause string `json:"cause,omitempty"`
	// Instance says which container the step works on.
	Instance Instance `json:"instance,omitempty"`
	// ID is set for an existing instance.
	ID string `json:"id,omitempty"`
	// Name is the container's name: the one that it has, or, in a create or rename
	// step, the one that it gets.
	Name string `json:"name,omitempty"`
	// From is the name before a rename.
	From string `json:"from,omitempty"`
	// Image is what a pull step fetches, unless it is present; in a create step it is set to
	// the new image where the container that is replaced has another one.
	Image string `json:"image,omitempty"`
	// Paths are the config files to write.
	Paths []string `json:"paths,omitempty"`
	// Recorded is set in a step that writes config files as they were deployed last,
	// instead of as they are desired.
	Recorded bool `json:"recorded,omitempty"`
	// Signal is what a signal step sends.
	Signal string `json:"signal,omitempty"`
	// Condition is what a wait step waits for; empty means until the container is
	// ready.
	Condition Condition `json:"condition,omitempty"`
	// Done is set in a step that an interrupted update did already: it is not done
	// again, and taken back with the others when the unit fails.
	Done bool `json:"done,omitempty"`
	// Replaces is set in a create step to the ID of the container whose place the new
	// one takes: its volumes without a name are mounted again.
	Replaces string `json:"replaces,omitempty"`
	// Optional is set in a step that a recovery tries: when it fails, that is told,
	// and the rest is done all the same.
	Optional bool `json:"optional,omitempty"`
	// Keep is set in a step that stays done when a later one fails: the container
	// replaces nothing, and the next try goes on from there.
	Keep bool `json:"keep,omitempty"`
	// Volumes is set in the step that removes what carried config files: its volumes without
	// a name, which an image made, go with it.
	Volumes bool `json:"volumes,omitempty"`
	// WasRunning is set in a stop step, so that undoing it starts the container
	// again only when it ran.
	WasRunning bool `json:"wasRunning,omitempty"`
	// WasPaused is set in a stop or signal step for a container that somebody has paused,
	// so that undoing it pauses it again.
	WasPaused bool `json:"wasPaused,omitempty"`
}

// String returns the step as a phrase, such as "pull nginx:1.27".
func (s Step) String() string {
	switch s.Action {
	case ActionPull:
		return "pull " + s.Image + " unless present"
	case ActionRename:
		return fmt.Sprintf("rename %s to %s", s.From, s.Name)
	case ActionFiles:
		if s.Recorded {
			return "put back " + strings.Join(s.Paths, ", ")
		}
		return "write " + strings.Join(s.Paths, ", ")
	case ActionPostStart:
		return "run the post-start hook of " + s.Container
	case ActionForget:
		return "forget " + s.Container
	case ActionAdjust:
		return "adjust limits, restart policy and networks of " + s.Name
	case ActionSignal:
		return "send " + s.Signal + " to " + s.Name
	case ActionWait:
		if s.Condition == Completed {
			return "wait until " + s.Name + " has ended with 0"
		}
		return "wait until " + s.Name + " is ready"
	}
	return string(s.Action) + " " + s.Name
}

// Unit is a list of steps that succeed together or are undone together.
type Unit struct {
	Steps []Step `json:"steps"`
	// Needs are the containers of earlier units that must have come so far before
	// this unit begins. Units that need nothing of each other are carried out at the
	// same time.
	Needs []Need `json:"needs,omitempty"`
}

// Need is what a unit waits for in an earlier one.
type Need struct {
	// Container is a key that the earlier unit has steps for.
	Container string `json:"container"`
	// Condition is [Started] when its start is enough; else the earlier unit must
	// have ended well.
	Condition Condition `json:"condition"`
}

// HostPlan is what happens on one machine.
type HostPlan struct {
	// Host is the name of the host directory, or the machine's address where the
	// library is used without one.
	Host string `json:"host"`
	// Changes are in the order of the containers' keys.
	Changes []Change `json:"changes,omitempty"`
	// Drift is what differs from what was deployed without a commit, in the order of the
	// containers' keys. What the plan puts right is among the changes too.
	Drift []Drifted `json:"drift,omitempty"`
	// HeldBack are the keys of what was deployed before the first commit whose removals are
	// held back: it belongs into the next plan's options.
	HeldBack []string `json:"-"`
	// Unchecked is what the check did not compare: of that nothing is known.
	Unchecked []Unchecked `json:"unchecked,omitempty"`
	// Recovery comes first: it puts back what an interrupted update took away.
	Recovery []Unit `json:"recovery,omitempty"`
	// Pulls come before anything is stopped; one that fails fails the units that
	// create containers of its image.
	Pulls []Step `json:"pulls,omitempty"`
	// Removals are the units that only remove. They end before the others begin.
	Removals []Unit `json:"removals,omitempty"`
	// Units are the others. One that fails is undone, and those that do not need it
	// go on.
	Units []Unit `json:"units,omitempty"`
}

// Empty says whether there is nothing to do and nothing to complain about. What is
// suspended, and drift that is only reported, do not count.
func (p HostPlan) Empty() bool {
	return !slices.ContainsFunc(p.Changes, func(c Change) bool { return c.Kind != Suspended })
}

// Steps returns all steps that are to be done, in the order of their execution as
// far as it has one.
func (p HostPlan) Steps() []Step {
	var steps []Step
	add := func(units []Unit) {
		for _, u := range units {
			for _, s := range u.Steps {
				if !s.Done {
					steps = append(steps, s)
				}
			}
		}
	}
	add(p.Recovery)
	steps = append(steps, p.Pulls...)
	add(p.Removals)
	add(p.Units)
	return steps
}

// Plan is what a deploy would do, machine by machine. It is a value, and can be
// printed and compared.
type Plan struct {
	Hosts []HostPlan `json:"hosts"`
}

// Empty says whether there is nothing to do on any machine.
func (p Plan) Empty() bool {
	for _, h := range p.Hosts {
		if !h.Empty() {
			return false
		}
	}
	return true
}

// String returns the plan as text, for tests and logs: each host's changes with
// their causes, drift that is left, then the steps.
func (p Plan) String() string {
	var b strings.Builder
	for _, h := range p.Hosts {
		if len(h.Changes) == 0 && len(h.Drift) == 0 {
			continue
		}
		fmt.Fprintf(&b, "%s:\n", h.Host)
		for _, c := range h.Changes {
			fmt.Fprintf(&b, "  %s %s: %s\n", c.Kind, c.Container, c.Why())
		}
		for _, d := range h.Drift {
			for _, drift := range d.Drift {
				if drift.Repair {
					continue
				}
				fmt.Fprintf(&b, "  drift %s: %s (%s)\n", d.Container, drift, d.Fate(drift))
			}
		}
		for i, s := range h.Steps() {
			fmt.Fprintf(&b, "    %d. %s\n", i+1, s)
		}
	}
	return b.String()
}
