package container

import (
	"slices"
	"strings"

	"github.com/gitsync/gitsync/container/types"
)

// ordered puts decisions that need each other's ports or names into groups, and
// the groups in order: those that only remove, dependants first; and the others so
// that what is needed comes before those that need it.
func ordered(decisions []*decision, previous ContainersState) (removals, others [][]*decision) {
	for _, group := range handOvers(decisions) {
		if slices.ContainsFunc(group, func(d *decision) bool { return d.kind != Remove && d.kind != Forget }) {
			others = append(others, group)
		} else {
			removals = append(removals, group)
		}
	}
	before := map[string][]string{}
	for _, d := range decisions {
		before[d.key] = sortedKeys(d.needs)
	}
	for _, group := range others {
		sortBy(group, before)
	}
	others = topological(others, before)
	after := map[string][]string{}
	for _, group := range removals {
		for _, d := range group {
			for other := range previous.needs(d.key) {
				after[other] = append(after[other], d.key)
			}
		}
	}
	return topological(removals, after), others
}

// sortBy orders the decisions of one group by what they need of each other.
func sortBy(group []*decision, before map[string][]string) {
	alone := make([][]*decision, 0, len(group))
	for _, d := range group {
		alone = append(alone, []*decision{d})
	}
	for i, d := range topological(alone, before) {
		group[i] = d[0]
	}
}

// topological orders groups by their keys, and so that each comes after those with
// the keys that must be before it. What waits for itself, directly or not, is not
// moved: the layout refuses that, and for others the engine has the last word.
func topological(groups [][]*decision, before map[string][]string) [][]*decision {
	slices.SortFunc(groups, func(a, b []*decision) int { return strings.Compare(first(a), first(b)) })
	groupOf := map[string]int{}
	for i, group := range groups {
		for _, d := range group {
			groupOf[d.key] = i
		}
	}
	out := make([][]*decision, 0, len(groups))
	visited := make([]bool, len(groups))
	var visit func(i int)
	visit = func(i int) {
		if visited[i] {
			return
		}
		visited[i] = true
		for _, d := range groups[i] {
			for _, key := range before[d.key] {
				if other, ok := groupOf[key]; ok {
					visit(other)
				}
			}
		}
		out = append(out, groups[i])
	}
	for i := range groups {
		visit(i)
	}
	return out
}

// first returns the key that comes first by name.
func first(group []*decision) string {
	least := group[0].key
	for _, d := range group {
		least = min(least, d.key)
	}
	return least
}

// handOvers groups the decisions in which one container starts with a port or a
// name that another one, which stops, still has. Everyone else is alone.
func handOvers(decisions []*decision) [][]*decision {
	group := map[*decision]*decision{}
	find := func(d *decision) *decision {
		for group[d] != d {
			d = group[d]
		}
		return d
	}
	for _, d := range decisions {
		group[d] = d
	}
	for _, taker := range decisions {
		for _, giver := range decisions {
			if taker != giver && taker.starts() && giver.releases() && takesOver(taker, giver) {
				group[find(taker)] = find(giver)
			}
		}
	}
	members := map[*decision][]*decision{}
	var roots []*decision
	for _, d := range decisions {
		root := find(d)
		if members[root] == nil {
			roots = append(roots, root)
		}
		members[root] = append(members[root], d)
	}
	var out [][]*decision
	for _, root := range roots {
		out = append(out, members[root])
	}
	return out
}

// takesOver says whether the taker wants the name or a host port of the giver.
func takesOver(taker, giver *decision) bool {
	want := taker.desired.Container.Config
	if want.Name == giver.main.Name {
		return true
	}
	held := giver.main.Ports
	if giver.previous != nil {
		held = slices.Concat(held, giver.previous.Container.Config.Ports)
	}
	if len(giver.recovery) > 0 && (giver.previous == nil || !giver.previous.HasSpecDigest(giver.main.Labels[LabelSpec])) {
		// It is brought back first, and nobody knows with which ports.
		return len(want.Ports) > 0
	}
	return slices.ContainsFunc(want.Ports, func(p types.PortMap) bool { return slices.ContainsFunc(held, p.Conflicts) })
}
