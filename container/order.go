package container

import (
	"cmp"
	"slices"
	"strings"

	"github.com/gitsync/gitsync/container/types"
)

// ordered puts decisions that need each other's ports or names into groups, and
// the groups in order: first those that only remove, then the others so that the
// owner of a namespace comes before those that share it.
func ordered(decisions []*decision) [][]*decision {
	groups := handOvers(decisions)
	slices.SortStableFunc(groups, func(a, b []*decision) int {
		return cmp.Or(rank(a)-rank(b), strings.Compare(a[0].key, b[0].key))
	})
	var out [][]*decision
	for len(groups) > 0 {
		next := slices.IndexFunc(groups, func(g []*decision) bool { return !waits(g, groups) })
		// A cycle of namespaces cannot be started by anyone; the engine says so.
		next = max(next, 0)
		out = append(out, groups[next])
		groups = slices.Delete(groups, next, next+1)
	}
	return out
}

func rank(group []*decision) int {
	if slices.ContainsFunc(group, func(d *decision) bool { return d.kind != Remove && d.kind != Forget }) {
		return 1
	}
	return 0
}

// waits says whether a group shares a namespace with a container of another group
// that is still to come.
func waits(group []*decision, groups [][]*decision) bool {
	for _, other := range groups {
		if other[0] == group[0] {
			continue
		}
		for _, owner := range other {
			for _, d := range group {
				if d.starts() && owner.starts() && sharesNamespace(d.desired, owner.desired) {
					return true
				}
			}
		}
	}
	return false
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
	return slices.ContainsFunc(want.Ports, func(p types.PortMap) bool { return slices.ContainsFunc(held, p.Conflicts) })
}
