package container

import (
	"slices"
	"strings"

	"github.com/gitsync/gitsync/container/types"
)

// handOvers groups the decisions in which one container gets something that another one,
// which stops, still has: a group succeeds or is taken back as a whole. Everyone else is
// alone. The work grows with what the containers have, not with its square.
func handOvers(decisions []*decision) [][]*decision {
	groups, _ := handOversWithWork(decisions)
	return groups
}

// handOversWithWork returns also how many comparisons that took.
func handOversWithWork(decisions []*decision) (groups [][]*decision, work int) {
	p := partition{parent: map[*decision]*decision{}}
	g := giversOf(decisions)
	for _, taker := range decisions {
		for _, l := range g.to(taker) {
			p.joinAll(taker, l)
		}
		for _, l := range g.owners(taker) {
			p.joinAll(taker, l)
		}
	}
	moved := soleUsers(decisions)
	for _, giver := range decisions {
		for _, taker := range moved.from(giver) {
			if taker != giver && taker.incoming() {
				p.join(taker, giver)
			}
		}
	}
	return p.groups(decisions), p.steps + g.lookups
}

// partition is which decisions belong together.
type partition struct {
	parent map[*decision]*decision
	// steps counts the comparisons.
	steps int
}

func (p *partition) find(d *decision) *decision {
	for p.parent[d] != nil {
		if up := p.parent[p.parent[d]]; up != nil {
			p.parent[d] = up
		}
		d, p.steps = p.parent[d], p.steps+1
	}
	return d
}

func (p *partition) join(a, b *decision) {
	p.steps++
	if a, b = p.find(a), p.find(b); a != b {
		p.parent[a] = b
	}
}

// joinAll joins a decision with all of a lot. Those are joined with each other once.
func (p *partition) joinAll(d *decision, l *lot) {
	if l == nil || len(l.members) == 0 {
		return
	}
	if !l.joined {
		for _, member := range l.members {
			p.join(member, l.members[0])
		}
		l.joined = true
	}
	p.join(d, l.members[0])
}

// groups returns the decisions that belong together, in the order of the first of each.
func (p *partition) groups(decisions []*decision) [][]*decision {
	at := map[*decision]int{}
	var out [][]*decision
	for _, d := range decisions {
		root := p.find(d)
		i, known := at[root]
		if !known {
			i = len(out)
			at[root], out = i, append(out, nil)
		}
		out[i] = append(out[i], d)
	}
	return out
}

// outgoing returns the container that stops for good; nil when there is none.
func (d *decision) outgoing() *types.ContainerSummary {
	switch {
	case d.releases():
		return d.main
	case d.kind == Recover:
		return d.old
	}
	return nil
}

// incoming says whether a container comes that was not there, or not running, before.
func (d *decision) incoming() bool {
	return d.starts() || d.kind == Recover && d.old != nil || d.fresh()
}

// fresh says whether the container was created by somebody who did not come to record it.
func (d *decision) fresh() bool {
	return d.desired != nil && d.main != nil && d.old == nil && d.previous == nil && !d.opts.Unconfirmed &&
		slices.Contains([]Kind{"", Start, Restart, Reload, Configure, Adjust}, d.kind)
}

// sharesChange says whether a container shares a namespace with another one whose process
// goes. The engine ties it to the process of the owner's container: what had joined the old
// one cannot be brought back without it.
func sharesChange(guest, owner *decision) bool {
	joins := func(m *HostConfiguredContainer, name string) bool {
		return m != nil && slices.Contains(m.owners(), name)
	}
	out := owner.outgoing()
	switch {
	case guest.main == nil || guest.kind == Remove:
		return false
	case owner.kind == Restart:
		return (guest.kind == Restart || guest.kind == Replace) && joins(guest.desired, owner.desired.Container.Config.Name)
	case out == nil || guest.outgoing() == nil && !guest.bringsBackOld():
		return false
	case guest.previous != nil:
		return joins(guest.previous, baseName(out.Name))
	}
	return joins(guest.desired, baseName(out.Name))
}

// owners returns the names of the containers whose namespaces it shares.
func (m *HostConfiguredContainer) owners() []string {
	c := m.Container.Config
	var names []string
	for _, mode := range []string{c.NetworkMode, c.PidMode, c.IpcMode} {
		if name, shares := strings.CutPrefix(mode, "container:"); shares {
			names = append(names, name)
		}
	}
	return names
}

// moves holds what exactly one container has by the record, or by the repo.
type moves struct {
	before, after map[string]*decision
}

// soleUsers finds what only one container uses: where that goes from one to another, the
// two must neither run at the same time, nor one go without the other. What several share
// is handed on by nobody.
func soleUsers(decisions []*decision) moves {
	sole := moves{map[string]*decision{}, map[string]*decision{}}
	note := func(users map[string]*decision, d *decision, m *HostConfiguredContainer) {
		if m == nil {
			return
		}
		for _, thing := range m.things() {
			if user, used := users[thing]; used && user != d {
				users[thing] = nil
			} else {
				users[thing] = d
			}
		}
	}
	for _, d := range decisions {
		note(sole.before, d, d.previous)
		note(sole.after, d, d.desired)
	}
	return sole
}

// from returns those to whom something goes from the giver. A container that goes on to
// exist hands on nothing but config files.
func (s moves) from(giver *decision) []*decision {
	stays := slices.Contains([]Kind{Restart, Reload, Configure}, giver.kind)
	if giver.previous == nil || giver.outgoing() == nil && !stays {
		return nil
	}
	var takers []*decision
	for _, thing := range giver.previous.things() {
		if taker := s.after[thing]; taker != nil && s.before[thing] == giver {
			takers = append(takers, taker)
		}
	}
	return takers
}

// things are what a container has on its host beside its ports: names on a network,
// volumes and directories that it writes to, and config files.
func (m *HostConfiguredContainer) things() []string {
	c := m.Container.Config
	var out []string
	if m.onOwnNetwork() {
		for _, alias := range append([]string{c.Name}, c.NetworkAliases...) {
			out = append(out, "network "+c.NetworkMode+": "+strings.ToLower(alias))
		}
	}
	for _, mount := range c.Mounts {
		if mount.Source != "" && !mount.ReadOnly {
			out = append(out, string(mount.Kind())+" "+strings.TrimRight(mount.Source, "/"))
		}
	}
	for _, path := range sortedKeys(m.ConfigFiles) {
		out = append(out, "file "+path)
	}
	slices.Sort(out)
	return slices.Compact(out)
}
