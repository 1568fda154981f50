package main

import (
	"fmt"
	"slices"

	"github.com/gitsync/gitsync/container"
	"github.com/gitsync/gitsync/sync"
)

// driftSign marks drift in a plan that is left as it is.
const driftSign = "≠"

// driftLine is a difference that a plan leaves as it is.
type driftLine struct{ container, text string }

// leftDrift is what a plan leaves, in the order of the containers' keys.
func leftDrift(p container.HostPlan) []driftLine {
	var lines []driftLine
	for _, d := range p.Drift {
		for _, drift := range d.Drift {
			if drift.Repair {
				continue
			}
			fate := d.Fate(drift)
			if kindOf(p, d.Container) == container.Suspended {
				// The line above says why, by whom and since when.
				fate = "left: suspended"
			}
			lines = append(lines, driftLine{d.Container, fmt.Sprintf("%s (%s)", drift, fate)})
		}
	}
	return lines
}

// kindOf is what a plan does to a container.
func kindOf(p container.HostPlan, key string) container.Kind {
	for _, c := range p.Changes {
		if c.Container == key {
			return c.Kind
		}
	}
	return ""
}

// driftedContainers counts those in which a plan leaves something.
func driftedContainers(p container.HostPlan) int {
	n := 0
	for _, d := range p.Drift {
		if !d.Repaired() {
			n++
		}
	}
	return n
}

// drifted returns what of a host differs from what was deployed.
func drifted(h *sync.HostResult) []container.Drifted {
	var all []container.Drifted
	for _, p := range h.Plan.Hosts {
		all = append(all, p.Drift...)
	}
	return all
}

// hasDrift says whether anything differs on any host from what was deployed.
func hasDrift(r *sync.Result) bool {
	return slices.ContainsFunc(r.Hosts, func(h *sync.HostResult) bool { return len(drifted(h)) > 0 })
}
