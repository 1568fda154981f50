package container

import (
	"strings"

	"github.com/gitsync/gitsync/container/types"
)

// Who gives something to whom is looked up by what is given: a name, a host port, a
// namespace. To compare all pairs of a thousand containers takes minutes.

// lot holds the decisions that have one thing, in the order in which they were added.
type lot struct {
	members []*decision
	// joined says that all of them are in one group already.
	joined bool
}

// other returns the first one that is not the given one; nil when there is none.
func (l *lot) other(than *decision) *decision {
	if l != nil {
		for _, d := range l.members {
			if d != than {
				return d
			}
		}
	}
	return nil
}

// lots are the lots of one kind of thing.
type lots map[string]*lot

func (l lots) add(thing string, d *decision) {
	if l[thing] == nil {
		l[thing] = &lot{}
	}
	l[thing].members = append(l[thing].members, d)
}

// portLots are the lots of one port of a protocol, by the address that it is bound to: the
// rule is that of [types.PortMap.Conflicts].
type portLots struct {
	all, v4, v6 lot
	byIP        lots
}

// portIndex finds who holds a port that conflicts with another one.
type portIndex map[portKey]*portLots

// portKey is what two ports that conflict have in common.
type portKey struct {
	port     int
	protocol string
}

func (x portIndex) add(p types.PortMap, d *decision) {
	key := portKey{p.Published(), p.Proto()}
	if x[key] == nil {
		x[key] = &portLots{byIP: lots{}}
	}
	at := x[key]
	at.all.members = append(at.all.members, d)
	at.byIP.add(p.IP, d)
	isV6 := strings.Contains(p.IP, ":")
	if !isV6 {
		at.v4.members = append(at.v4.members, d)
	}
	if isV6 || p.IP == "" {
		at.v6.members = append(at.v6.members, d)
	}
}

// conflicting returns the lots of those whose port cannot be published beside this one.
func (x portIndex) conflicting(p types.PortMap) []*lot {
	at := x[portKey{p.Published(), p.Proto()}]
	switch {
	case at == nil:
		return nil
	case p.IP == "":
		return []*lot{&at.all}
	case p.IP == "0.0.0.0":
		return []*lot{&at.v4}
	case p.IP == "::":
		return []*lot{&at.v6}
	case strings.Contains(p.IP, ":"):
		return []*lot{at.byIP[p.IP], at.byIP[""], at.byIP["::"]}
	}
	return []*lot{at.byIP[p.IP], at.byIP[""], at.byIP["0.0.0.0"]}
}

// givers holds the containers that stop for good, by what they have.
type givers struct {
	names lots
	ports portIndex
	// unknown are brought back first, and nobody knows with which ports.
	unknown lot
	// restarted are those that go on with another process, by their names.
	restarted lots
	// lookups counts the questions that were asked.
	lookups int
}

// giversOf sorts the decisions by what their containers give.
func giversOf(decisions []*decision) *givers {
	g := &givers{names: lots{}, ports: portIndex{}, restarted: lots{}}
	for _, d := range decisions {
		if d.kind == Restart {
			g.restarted.add(d.desired.Container.Config.Name, d)
		}
		out := d.outgoing()
		if out == nil {
			continue
		}
		g.names.add(baseName(out.Name), d)
		held, known := d.heldPorts(out)
		if !known {
			g.unknown.members = append(g.unknown.members, d)
		}
		for _, p := range held {
			g.ports.add(p, d)
		}
	}
	return g
}

// heldPorts are the ports of the container that goes, and whether all of them are known.
func (d *decision) heldPorts(out *types.ContainerSummary) (held []types.PortMap, known bool) {
	releases := d.releases()
	recorded := d.previous != nil && (releases && len(d.recovery) == 0 || d.previous.HasSpecDigest(out.Labels[LabelSpec]))
	held = out.Ports
	if recorded || d.previous != nil && releases {
		held = append(held[:len(held):len(held)], d.previous.Container.Config.Ports...)
	}
	return held, recorded || !releases || len(d.recovery) == 0
}

// to returns the lots of those whose name or host port a container wants that comes.
func (g *givers) to(taker *decision) []*lot {
	if !taker.incoming() {
		return nil
	}
	want := taker.desired.Container.Config
	found := []*lot{g.names[want.Name]}
	if len(want.Ports) > 0 {
		found = append(found, &g.unknown)
	}
	for _, p := range want.Ports {
		found = append(found, g.ports.conflicting(p)...)
	}
	g.lookups += len(found)
	return found
}

// owners returns the lots of those whose namespace a container shares, and whose process
// goes.
func (g *givers) owners(guest *decision) []*lot {
	var found []*lot
	for _, thing := range guest.sharedNames() {
		found = append(found, g.names[thing])
	}
	if guest.main != nil && (guest.kind == Restart || guest.kind == Replace) {
		for _, name := range guest.desired.owners() {
			found = append(found, g.restarted[name])
		}
	}
	g.lookups += len(found)
	return found
}

// sharedNames are the names of the containers whose namespaces it cannot be brought back
// without.
func (d *decision) sharedNames() []string {
	m := d.previous
	if m == nil {
		m = d.desired
	}
	if m == nil || d.main == nil || d.kind == Remove || d.outgoing() == nil && !d.bringsBackOld() {
		return nil
	}
	return m.owners()
}
