package container

import (
	"slices"
	"strings"
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
	return topological(removals, dependants(removals, previous)), others
}

// dependants returns, by key, which of the groups' containers need it by the record.
func dependants(groups [][]*decision, previous ContainersState) map[string][]string {
	names, after := previous.names(), map[string][]string{}
	for _, group := range groups {
		for _, d := range group {
			for other := range previous.needs(d.key, names) {
				after[other] = append(after[other], d.key)
			}
		}
	}
	return after
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
