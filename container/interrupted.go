package container

import (
	"slices"

	"github.com/gitsync/gitsync/container/types"
)

// An update that hands something on, and that was interrupted, is taken back as a whole and
// begun again: going on with a part of it would leave nothing to go back to when another
// part fails.

// takeBackTogether takes interrupted updates back that belong together.
func takeBackTogether(decisions []*decision) {
	for _, group := range handOvers(decisions) {
		if len(group) == 1 {
			continue
		}
		for _, d := range group {
			if d.kind == Recover && d.old != nil {
				d.takeBackUpdate()
			}
		}
		for _, d := range group {
			if d.fresh() && running(d.main) && slices.ContainsFunc(group, func(giver *decision) bool {
				return giver != d && (giver.kind == Remove || giver.bringsBackOld()) && giver.stands(d)
			}) {
				d.stopAgain()
			}
		}
	}
}

// takeBackUpdate brings an old container back whose new one runs, and is not known to be
// ready.
func (d *decision) takeBackUpdate() {
	main, old := d.main, d.old
	d.old, d.kind, d.causes = nil, Replace, nil
	d.takeBack(Instances{Main: main, Old: old})
	d.causes = append(d.causes, replaceCauses(d.main, d.desired, d.previous)...)
	d.files = sortedKeys(d.desired.ConfigFiles)
}

// bringsBackOld says whether the recovery starts an old container again.
func (d *decision) bringsBackOld() bool {
	return d.main != nil && lastIndex(d.recovery, ActionStart) >= 0
}

// stands says whether a container that runs has what the old one needs.
func (d *decision) stands(inTheWay *decision) bool {
	return takesOver(inTheWay, d) || d.previous != nil && slices.ContainsFunc(d.previous.things(), func(thing string) bool {
		return slices.Contains(inTheWay.desired.things(), thing)
	})
}

// stopAgain stops a container that the interrupted update created and started: it is
// started again with what belongs to it.
func (d *decision) stopAgain() {
	d.recovery = append(d.recovery, stopStep(d.key, d.main))
	stopped := *d.main
	stopped.Status = types.StatusExited
	d.main, d.kind = &stopped, Start
	d.causes = append(d.causes, cause("", "an interrupted update started it"))
}

// recoveryUnits are one for each container, and one for those that belong together: what
// is in the way stops first, and owners of namespaces start before those that share them.
func recoveryUnits(decisions []*decision) []Unit {
	var units []Unit
	done := map[*decision]bool{}
	groups := handOvers(decisions)
	for _, d := range decisions {
		if done[d] || len(d.recovery) == 0 {
			continue
		}
		i := slices.IndexFunc(groups, func(group []*decision) bool { return slices.Contains(group, d) })
		group := dependantsLast(slices.DeleteFunc(slices.Clone(groups[i]), func(d *decision) bool { return len(d.recovery) == 0 }))
		var first, starts []Step
		for _, member := range group {
			done[member] = true
			at := slices.IndexFunc(member.recovery, func(s Step) bool { return s.Action == ActionFiles || s.Action == ActionStart })
			if at < 0 || len(group) == 1 {
				at = len(member.recovery)
			}
			first, starts = append(first, member.recovery[:at]...), append(starts, member.recovery[at:]...)
		}
		units = append(units, Unit{Steps: append(first, starts...)})
	}
	return units
}

// dependantsLast orders the decisions of a group by what their old containers need.
func dependantsLast(group []*decision) []*decision {
	before := map[string][]string{}
	for _, d := range group {
		for _, other := range group {
			if other != d && d.oldNeeds(other) {
				before[d.key] = append(before[d.key], other.key)
			}
		}
	}
	ordered := slices.Clone(group)
	sortBy(ordered, before)
	return ordered
}

// oldNeeds says whether what was deployed of one container depends on the other, or shares
// its namespace.
func (d *decision) oldNeeds(other *decision) bool {
	m := d.previous
	if m == nil {
		m = d.desired
	}
	if m == nil || other.main == nil {
		return false
	}
	_, depends := m.DependsOn[other.key]
	return depends || slices.Contains(m.owners(), baseName(other.main.Name))
}
