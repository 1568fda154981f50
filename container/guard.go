package container

import (
	"fmt"
	"slices"
)

// guard blocks what must not be created or removed, and removals that look like a mistake.
// It returns the keys of what was deployed before the first commit whose removals are held
// back, as long as some are; nil when none is.
func (o PlanOptions) guard(decisions []*decision) []string {
	for _, d := range decisions {
		why, held := o.Held[d.key]
		switch {
		case d.kind == Suspended:
		case held:
			d.hold(why)
		case (d.kind == Create || d.kind == Blocked && d.main == nil) && o.Blocked[d.key] != "":
			d.block(o.Blocked[d.key])
		case d.kind == Remove && o.Kept[d.key] != "":
			d.block(o.Kept[d.key])
		case d.kind == Remove && d.protected():
			d.block("it is protected: a commit must first say protect: false, and be deployed, before another one removes it")
		}
	}
	return o.guardRemovals(decisions)
}

// guardRemovals holds removals back that are too many at once. What they are counted
// against must not depend on what the same commit adds: that would be there at the next
// check, and the removals would be few. So it is what was deployed before the first commit
// that was held back. That is kept until its removals are done, or no longer wanted.
func (o PlanOptions) guardRemovals(decisions []*decision) []string {
	byKey := index(decisions)
	first := o.heldBefore(byKey)
	deployed := o.deployedBefore(decisions)
	var removals []*decision
	leaving := 0
	for _, d := range decisions {
		if !d.leaves() || d.inherits() || o.Moves[d.key] != "" {
			continue
		}
		leaving++
		if d.kind == Remove {
			removals = append(removals, d)
		}
	}
	lost := countLost(first, byKey)
	why, kept := "", []string(nil)
	switch {
	case TooManyRemovals(o.PruneLimit, lost, len(first)):
		why, kept = RemovalsText(lost, len(first)), first
	case TooManyRemovals(o.PruneLimit, leaving, len(deployed)):
		why, kept = RemovalsText(leaving, len(deployed)), o.withoutMoves(deployed)
		// The others were judged already, against what was deployed before they were held back.
		// A record that others may have written says nothing of that.
		if !o.Unconfirmed {
			judged := map[string]bool{}
			for _, key := range first {
				judged[key] = true
			}
			removals = slices.DeleteFunc(removals, func(d *decision) bool { return judged[d.key] })
		}
	}
	if why != "" {
		for _, d := range removals {
			d.block("its removal is held back, since " + why)
		}
	}
	undone := func(key string) bool { return byKey[key] != nil && byKey[key].leaves() && byKey[key].kind != Remove }
	if kept == nil && slices.ContainsFunc(first, undone) {
		kept = first
	}
	return kept
}

// TooManyRemovals says whether removals look like a mistake: with any limit, which is a
// fraction of what was deployed, not all of it may go at once. A limit of 0 is none.
func TooManyRemovals(limit float64, removed, deployed int) bool {
	return limit != 0 && removed > 0 && (removed >= deployed || float64(removed) > limit*float64(deployed))
}

// RemovalsText says why removals are held back, and what allows them.
func RemovalsText(removed, deployed int) string {
	what := fmt.Sprintf("the repo removes %d of the %d containers that were deployed", removed, deployed)
	if deployed == 1 {
		what = "the repo removes the only container that was deployed"
	}
	return what + `: if that is meant, use --allow-prune, or write "prune: allow" on a line of the commit's message`
}

// heldBefore returns what was deployed before the first commit that was held back, less
// what moves: nothing once all of it is wanted again, or gone.
func (o PlanOptions) heldBefore(byKey map[string]*decision) []string {
	first := o.withoutMoves(o.HeldBack)
	if !slices.ContainsFunc(first, func(key string) bool { return byKey[key] != nil && byKey[key].leaves() }) {
		return nil
	}
	return first
}

// countLost counts what of it is not wanted any more, whether or not it is there still:
// what somebody removed by hand is a part of the removal.
func countLost(first []string, byKey map[string]*decision) int {
	lost := 0
	for _, key := range first {
		if d := byKey[key]; d == nil || d.desired == nil && (d.main == nil || d.leaves()) {
			lost++
		}
	}
	return lost
}

// deployedBefore returns the keys of what is there and was before this commit: what is
// wanted and not recorded, where there is a record, was created by an earlier try at it,
// which did not come to record that.
func (o PlanOptions) deployedBefore(decisions []*decision) []string {
	recorded := slices.ContainsFunc(decisions, func(d *decision) bool { return d.previous != nil })
	var keys []string
	for _, d := range decisions {
		if d.main != nil && !d.inherits() && (d.previous != nil || d.desired == nil || !recorded) {
			keys = append(keys, d.key)
		}
	}
	return keys
}

func (o PlanOptions) withoutMoves(keys []string) []string {
	return slices.DeleteFunc(slices.Clone(keys), func(key string) bool { return o.Moves[key] != "" })
}

// leaves says whether a container is there and to be removed, now or later.
func (d *decision) leaves() bool {
	return d.desired == nil && d.main != nil && (d.isYielded() || d.kept() || slices.Contains([]Kind{Remove, Suspended, Hold}, d.kind))
}

// kept says whether the container stays although it is no longer desired.
func (d *decision) kept() bool {
	return d.kind == Blocked && d.opts.Kept[d.key] != ""
}

// protected says whether the container was deployed with its protection on. Where
// there is no record its label says so.
func (d *decision) protected() bool {
	if d.previous != nil {
		return d.previous.Protect
	}
	return d.main != nil && d.main.Labels[LabelProtect] != ""
}
