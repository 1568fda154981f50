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
		inTheWay := standing(group)
		for _, d := range group {
			if d.fresh() && running(d.main) && inTheWay(d) {
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

// standing returns whether a container that runs has what an old one of the group needs.
func standing(group []*decision) (inTheWay func(*decision) bool) {
	var back []*decision
	things := lots{}
	for _, d := range group {
		if d.kind != Remove && !d.bringsBackOld() {
			continue
		}
		back = append(back, d)
		if d.previous != nil {
			for _, thing := range d.previous.things() {
				things.add(thing, d)
			}
		}
	}
	givers := giversOf(back)
	return func(d *decision) bool {
		other := func(l *lot) bool { return l.other(d) != nil }
		return slices.ContainsFunc(givers.to(d), other) ||
			slices.ContainsFunc(d.desired.things(), func(thing string) bool { return other(things[thing]) })
	}
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
	if !slices.ContainsFunc(decisions, func(d *decision) bool { return len(d.recovery) > 0 }) {
		return nil
	}
	groupOf := map[*decision][]*decision{}
	for _, group := range handOvers(decisions) {
		for _, d := range group {
			groupOf[d] = group
		}
	}
	for _, d := range decisions {
		if done[d] || len(d.recovery) == 0 {
			continue
		}
		group := dependantsLast(slices.DeleteFunc(slices.Clone(groupOf[d]), func(d *decision) bool { return len(d.recovery) == 0 }))
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
	ordered := slices.Clone(group)
	sortBy(ordered, oldNeeds(group))
	return ordered
}

// oldNeeds returns, by key, the keys of those in the group that what was deployed of a
// container depends on, or whose namespace it shares.
func oldNeeds(group []*decision) map[string][]string {
	owners, byKey := lots{}, index(group)
	for _, d := range group {
		if d.main != nil {
			owners.add(baseName(d.main.Name), d)
		}
	}
	needs := map[string][]string{}
	for _, d := range group {
		m := d.previous
		if m == nil {
			m = d.desired
		}
		if m == nil {
			continue
		}
		var keys []string
		for key := range m.DependsOn {
			if other := byKey[key]; other != nil && other != d && other.main != nil {
				keys = append(keys, key)
			}
		}
		for _, name := range m.owners() {
			if l := owners[name]; l != nil {
				for _, other := range l.members {
					if other != d {
						keys = append(keys, other.key)
					}
				}
			}
		}
		if len(keys) > 0 {
			needs[d.key] = set(keys)
		}
	}
	return needs
}
