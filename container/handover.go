package container

import (
	"slices"
	"strings"

	"github.com/gitsync/gitsync/container/types"
)

// handOvers groups the decisions in which one container gets something that another one,
// which stops, still has: a group succeeds or is taken back as a whole. Everyone else is
// alone.
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
	moved := soleUsers(decisions)
	for _, taker := range decisions {
		for _, giver := range decisions {
			if taker != giver && (takesOver(taker, giver) || moved.between(taker, giver) || sharesChange(taker, giver)) {
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

// takesOver says whether the taker wants the name or a host port of the giver.
func takesOver(taker, giver *decision) bool {
	out := giver.outgoing()
	if out == nil || !taker.incoming() {
		return false
	}
	want := taker.desired.Container.Config
	if want.Name == baseName(out.Name) {
		return true
	}
	held := out.Ports
	known := giver.previous != nil && giver.previous.HasSpecDigest(out.Labels[LabelSpec])
	if giver.previous != nil && (known || giver.releases()) {
		held = slices.Concat(held, giver.previous.Container.Config.Ports)
	}
	if giver.releases() && len(giver.recovery) > 0 && !known {
		// It is brought back first, and nobody knows with which ports.
		return len(want.Ports) > 0
	}
	return slices.ContainsFunc(want.Ports, func(p types.PortMap) bool { return slices.ContainsFunc(held, p.Conflicts) })
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

// moves holds what exactly one container has by the record, or by the repo, with that
// container's key.
type moves struct{ before, after map[string]string }

// soleUsers finds what only one container uses: where that goes from one to another, the
// two must neither run at the same time, nor one go without the other. What several share
// is handed on by nobody.
func soleUsers(decisions []*decision) moves {
	sole := moves{map[string]string{}, map[string]string{}}
	note := func(users map[string]string, key string, m *HostConfiguredContainer) {
		if m == nil {
			return
		}
		for _, thing := range m.things() {
			if user, used := users[thing]; used && user != key {
				users[thing] = ""
			} else {
				users[thing] = key
			}
		}
	}
	for _, d := range decisions {
		note(sole.before, d.key, d.previous)
		note(sole.after, d.key, d.desired)
	}
	return sole
}

// keepPredecessors holds the removal of a container back as long as the new one that gets
// what it has cannot be created.
func keepPredecessors(decisions []*decision) {
	moved := soleUsers(decisions)
	for _, giver := range decisions {
		if giver.kind != Remove {
			continue
		}
		for _, d := range decisions {
			taker := *d
			taker.kind = Create
			waits := (d.kind == Hold || d.kind == Blocked) && d.main == nil && d.desired != nil
			if waits && (takesOver(&taker, giver) || moved.between(&taker, giver)) {
				giver.kind, giver.recovery = Hold, nil
				giver.causes = append(giver.causes, cause("", "it is kept until %s, which gets what it has, can be created", d.key))
				break
			}
		}
	}
}

// between says whether something goes from the giver to the taker. A container that goes on
// to exist hands on nothing but config files.
func (s moves) between(taker, giver *decision) bool {
	stays := slices.Contains([]Kind{Restart, Reload, Configure}, giver.kind)
	if giver.previous == nil || giver.outgoing() == nil && !stays || !taker.incoming() {
		return false
	}
	return slices.ContainsFunc(giver.previous.things(), func(thing string) bool {
		return s.before[thing] == giver.key && s.after[thing] == taker.key
	})
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
