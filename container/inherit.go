package container

import (
	"context"
	"fmt"
	"slices"

	"github.com/gitsync/gitsync/container/types"
	"github.com/gitsync/gitsync/runtime"
)

// Inherited is a container that another host directory deployed to the same machine, and
// whose place this one takes: its directory was renamed, or its entry went here. Both have
// one name, so that it is not created beside the other but replaces it, as by an update:
// with its volumes, and back if that fails. Its labels cannot be changed, so it cannot just
// be kept.
type Inherited struct {
	// Host is the other host directory.
	Host string
	// Container is what was deployed there.
	Container *HostConfiguredContainer
}

// inherit takes over what other host directories of the machine hand on. Without an origin
// there are no labels to tell them by.
func (m *machine) inherit(inherited map[string]Inherited) {
	if m.origin == nil || len(inherited) == 0 {
		return
	}
	origin := *m.origin
	m.origin, m.inherited = &origin, inherited
	m.options.Inherits = map[string]string{}
	for _, key := range sortedKeys(inherited) {
		from := inherited[key]
		m.options.Inherits[key] = from.Host
		if own := m.previous[key]; own != nil && own.Container.Status.Exists() {
			continue
		}
		c := from.Container.clone()
		c.Host, c.Container.Runtime = m.Host, m.Runtime
		m.previous[key], m.state[key] = c, c.clone()
	}
	origin.inherits = m.options.Inherits
}

// inheritsFrom says whether labels name a host directory that hands this container on.
// Whose it is they must say besides.
func (o *Origin) inheritsFrom(labels map[string]string) bool {
	host := labels[LabelHost]
	return host != "" && o.inherits[labels[LabelContainer]] == host
}

// inheritedRows are those of the host directories whose containers this one inherits, and
// the leases there.
func (m *machine) inheritedRows(ctx context.Context, lister runtime.Lister) ([]types.ContainerSummary, error) {
	var hosts []string
	for _, from := range m.inherited {
		hosts = append(hosts, from.Host)
	}
	slices.Sort(hosts)
	var rows []types.ContainerSummary
	for _, host := range slices.Compact(hosts) {
		found, err := lister.List(ctx, map[string]string{LabelHost: host})
		if err != nil {
			return nil, err
		}
		for _, row := range credible(found, m.vouched()) {
			// Who works there for another address is heeded here too.
			if isLease(row) || row.Labels[LabelRole] == "" && m.origin.inheritsFrom(row.Labels) {
				rows = append(rows, row)
			}
		}
	}
	return rows, nil
}

// inheritedID says whether an ID is that of a container which is inherited, and not
// replaced.
func (m *machine) inheritedID(key, id string) bool {
	from, ok := m.inherited[key]
	if !ok {
		return false
	}
	if id == "" || id == idOf(from.Container) {
		return true
	}
	i := m.current.Containers[key]
	return slices.ContainsFunc([]*types.ContainerSummary{i.Main, i.New, i.Old}, func(row *types.ContainerSummary) bool {
		return row != nil && row.ID == id && row.Labels[LabelHost] == from.Host
	})
}

// inherits says whether the container is another host directory's, whose place this one
// takes.
func (d *decision) inherits() bool {
	from := d.opts.Inherits[d.key]
	return from != "" && d.main != nil && d.main.Labels[LabelHost] == from
}

// decideInheritance replaces what another host directory deployed. An update that was
// interrupted there is taken back first: its names are those that this one needs.
func (d *decision) decideInheritance() {
	if d.old != nil {
		d.takeBackUpdate()
	}
	d.kind = Replace
	d.files = sortedKeys(d.desired.ConfigFiles)
	d.causes = append(d.causes, cause("", "it comes from host %s, on the same machine, and its labels say so", d.opts.Inherits[d.key]))
	if d.previous != nil {
		d.causes = append(d.causes, differences(d.previous, d.desired)...)
	}
}

// yield leaves a container to the host directory that takes its place on this machine, and
// forgets it when that is done.
func (d *decision) yield(i Instances, text string) {
	switch {
	case i.any() != nil:
		d.main, d.moves = i.any(), text
	case d.previous != nil:
		d.kind = Forget
		d.causes = append(d.causes, Cause{Text: "it is no longer here: " + text})
	}
}

// isYielded says whether the container is left to another host directory.
func (d *decision) isYielded() bool { return d.opts.Yields[d.key] != "" && d.main != nil }

// explainInheritance says why what nobody wants any more is removed by another host
// directory than its own.
func (d *decision) explainInheritance() {
	if d.kind == Remove && d.inherits() {
		d.causes = []Cause{{Text: fmt.Sprintf("host %s, on the same machine, no longer wants it, and it has what a container needs here", d.opts.Inherits[d.key])}}
	}
}

// assumeInherited labels what is inherited, where no machine was asked.
func (m *machine) assumeInherited() {
	for key, from := range m.inherited {
		if main := m.current.Containers[key].Main; main != nil && main.ID == idOf(from.Container) {
			main.Labels[LabelHost] = from.Host
		}
	}
}
