package container

import (
	"fmt"
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
	// Finish runs the post-start hook that failed the last time.
	Finish Kind = "finish"
	// Recover puts back, or tidies away, what an interrupted update left.
	Recover Kind = "recover"
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
// direction.
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
	// Image is what a pull step fetches, unless it is present.
	Image string `json:"image,omitempty"`
	// Paths are the config files to write.
	Paths []string `json:"paths,omitempty"`
	// Keep is set in a create step whose container stays when a later step fails:
	// it replaces nothing, and the next try starts it.
	Keep bool `json:"keep,omitempty"`
	// WasRunning is set in a stop step, so that undoing it starts the container
	// again only when it ran.
	WasRunning bool `json:"wasRunning,omitempty"`
}

// String returns the step as a phrase, such as "pull nginx:1.27".
func (s Step) String() string {
	switch s.Action {
	case ActionPull:
		return "pull " + s.Image + " unless present"
	case ActionRename:
		return fmt.Sprintf("rename %s to %s", s.From, s.Name)
	case ActionFiles:
		return "write " + strings.Join(s.Paths, ", ")
	case ActionPostStart:
		return "run the post-start hook of " + s.Container
	case ActionForget:
		return "forget " + s.Container
	}
	return string(s.Action) + " " + s.Name
}

// Unit is a list of steps that succeed together or are undone together.
type Unit struct {
	Steps []Step `json:"steps"`
}

// HostPlan is what happens on one machine.
type HostPlan struct {
	// Host is the name of the host directory, or the machine's address where the
	// library is used without one.
	Host string `json:"host"`
	// Changes are in the order of the containers' keys.
	Changes []Change `json:"changes,omitempty"`
	// Recovery comes first: it puts back what an interrupted update took away.
	Recovery []Unit `json:"recovery,omitempty"`
	// Pulls come before anything is stopped; one that fails fails the units that
	// create containers of its image.
	Pulls []Step `json:"pulls,omitempty"`
	// Units are carried out one after the other; one that fails is undone, and
	// the others go on.
	Units []Unit `json:"units,omitempty"`
}

// Empty says whether there is nothing to do and nothing to complain about.
func (p HostPlan) Empty() bool { return len(p.Changes) == 0 }

// Steps returns all steps in the order of their execution.
func (p HostPlan) Steps() []Step {
	var steps []Step
	for _, u := range p.Recovery {
		steps = append(steps, u.Steps...)
	}
	steps = append(steps, p.Pulls...)
	for _, u := range p.Units {
		steps = append(steps, u.Steps...)
	}
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
// their causes, then its steps.
func (p Plan) String() string {
	var b strings.Builder
	for _, h := range p.Hosts {
		if h.Empty() {
			continue
		}
		fmt.Fprintf(&b, "%s:\n", h.Host)
		for _, c := range h.Changes {
			fmt.Fprintf(&b, "  %s %s: %s\n", c.Kind, c.Container, c.Why())
		}
		for i, s := range h.Steps() {
			fmt.Fprintf(&b, "    %d. %s\n", i+1, s)
		}
	}
	return b.String()
}
