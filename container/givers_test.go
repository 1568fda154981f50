package container

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/gitsync/gitsync/container/types"
)

// allPairs says by comparing two decisions what [handOvers] finds without that.
func allPairs(taker, giver *decision, decisions []*decision) bool {
	return taker != giver && (takesFrom(taker, giver) || movesTo(taker, giver, decisions) || sharesChange(taker, giver))
}

func takesFrom(taker, giver *decision) bool {
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
		return len(want.Ports) > 0
	}
	return slices.ContainsFunc(want.Ports, func(p types.PortMap) bool { return slices.ContainsFunc(held, p.Conflicts) })
}

func movesTo(taker, giver *decision, decisions []*decision) bool {
	stays := slices.Contains([]Kind{Restart, Reload, Configure}, giver.kind)
	if giver.previous == nil || giver.outgoing() == nil && !stays || !taker.incoming() {
		return false
	}
	onlyUser := func(thing string, of func(*decision) *HostConfiguredContainer, user *decision) bool {
		for _, d := range decisions {
			if has := of(d) != nil && slices.Contains(of(d).things(), thing); has != (d == user) {
				return false
			}
		}
		return true
	}
	return slices.ContainsFunc(giver.previous.things(), func(thing string) bool {
		return onlyUser(thing, func(d *decision) *HostConfiguredContainer { return d.previous }, giver) &&
			onlyUser(thing, func(d *decision) *HostConfiguredContainer { return d.desired }, taker)
	})
}

// anyDecisions are some that have much in common.
func anyDecisions(r *rand.Rand) []*decision {
	pick := func(from ...string) string { return from[r.IntN(len(from))] }
	spec := func() *HostConfiguredContainer {
		m := &HostConfiguredContainer{}
		c := &m.Container.Config
		c.Name, c.Image = pick("a", "b", "c", "d", "e", "f"), "i:1"
		for range r.IntN(3) {
			c.Ports = append(c.Ports, types.PortMap{
				IP: pick("", "", "0.0.0.0", "::", "10.0.0.1", "10.0.0.2", "fd00::1", "fd00::2"), Port: 1 + r.IntN(12), Protocol: pick("", "tcp", "udp"),
			})
		}
		switch r.IntN(4) {
		case 0:
			c.NetworkMode = "container:" + pick("a", "b", "c", "d", "e", "f")
		case 1:
			c.NetworkMode, c.NetworkAliases = "front", []string{pick("x", "y", "z")}
		case 2:
			c.Mounts = []types.Mount{{Source: pick("v1", "v2", "/srv/v", "/srv/v/"), Target: "/data"}}
		}
		return m
	}
	var all []*decision
	for i := range 2 + r.IntN(7) {
		d := &decision{key: fmt.Sprint("k", i)}
		d.kind = Kind(pick("", "create", "replace", "start", "restart", "remove", "reload", "configure", "recover", "hold", "blocked", "finish"))
		if d.kind != Remove {
			d.desired = spec()
		}
		if r.IntN(3) > 0 || d.kind == Finish {
			d.previous = spec()
		}
		if d.kind != Create && (d.kind != Blocked && d.kind != Hold || r.IntN(2) == 0) {
			d.main = &types.ContainerSummary{ID: fmt.Sprint("id", i), Name: pick("a", "b", "c", "d", "e", "f"), Labels: map[string]string{LabelSpec: "v3:other"}}
			if d.previous != nil && r.IntN(2) == 0 {
				d.main.Labels[LabelSpec] = d.previous.SpecDigest()
			}
			d.main.Ports = spec().Container.Config.Ports
		}
		if d.kind == Recover && d.main != nil && r.IntN(2) == 0 {
			d.old = &types.ContainerSummary{Name: pick("a", "b", "c") + suffixOld, Labels: map[string]string{}, Ports: spec().Container.Config.Ports}
		}
		if d.main != nil && r.IntN(4) == 0 {
			d.recovery = []Step{startStep(d.key, d.main.ID, d.main.Name)}
		}
		all = append(all, d)
	}
	return all
}

// keysOf returns the groups as text.
func keysOf(groups [][]*decision) string {
	var text [][]string
	for _, group := range groups {
		var keys []string
		for _, d := range group {
			keys = append(keys, d.key)
		}
		text = append(text, keys)
	}
	return fmt.Sprint(text)
}

func TestHandOversAreThoseThatAComparisonOfAllPairsFinds(t *testing.T) {
	r := rand.New(rand.NewPCG(15, 20))
	for range 4000 {
		decisions := anyDecisions(r)
		p := partition{parent: map[*decision]*decision{}}
		for _, taker := range decisions {
			for _, giver := range decisions {
				if allPairs(taker, giver, decisions) {
					p.join(taker, giver)
				}
			}
		}
		if got, want := keysOf(handOvers(decisions)), keysOf(p.groups(decisions)); got != want {
			for _, d := range decisions {
				t.Logf("%s %s desired %+v previous %+v main %+v old %+v", d.key, d.kind, d.desired, d.previous, d.main, d.old)
			}
			t.Fatalf("got the groups %s, want %s", got, want)
		}
	}
}

func TestTheOneThatARemovalWaitsForIsTheFirstOfAllPairs(t *testing.T) {
	r := rand.New(rand.NewPCG(15, 21))
	for range 4000 {
		decisions := anyDecisions(r)
		var want []string
		for _, giver := range decisions {
			for _, d := range decisions {
				taker := *d
				taker.kind = Create
				others := slices.Clone(decisions)
				others[slices.Index(others, d)] = &taker
				if giver.kind == Remove && (d.kind == Hold || d.kind == Blocked) && d.main == nil && d.desired != nil &&
					(takesFrom(&taker, giver) || movesTo(&taker, giver, others)) {
					want = append(want, giver.key+" waits for "+d.key)
					break
				}
			}
		}
		keepPredecessors(decisions)
		var got []string
		for _, d := range decisions {
			if n := len(d.causes); n > 0 {
				for _, other := range decisions {
					if d.causes[n-1] == cause("", "it is kept until %s, which gets what it has, can be created", other.key) {
						got = append(got, d.key+" waits for "+other.key)
					}
				}
			}
		}
		if !slices.Equal(got, want) {
			t.Fatalf("got %v, want %v", got, want)
		}
	}
}

// changedMachine is a machine of which a commit changes every container. Each has so many
// ports, and shares what the function makes it share.
func changedMachine(n, ports int, share func(i int, m *HostConfiguredContainer)) []*decision {
	var all []*decision
	for i := range n {
		m := &HostConfiguredContainer{}
		m.Container.Config.Name = fmt.Sprint("app", i)
		for p := range ports {
			m.Container.Config.Ports = append(m.Container.Config.Ports, types.PortMap{Port: i*ports + p + 1})
		}
		share(i, m)
		row := &types.ContainerSummary{ID: fmt.Sprint("id", i), Name: m.Container.Config.Name, Ports: m.Container.Config.Ports}
		all = append(all, &decision{key: fmt.Sprintf("app%05d", i), kind: Replace, desired: m, previous: m, main: row})
	}
	return all
}

func TestTheWorkOfFindingHandOversGrowsWithTheContainersAndNotWithTheirSquare(t *testing.T) {
	for name, share := range map[string]func(int, *HostConfiguredContainer){
		"nothing shared": func(int, *HostConfiguredContainer) {},
		"one port on an address of each": func(i int, m *HostConfiguredContainer) {
			m.Container.Config.Ports = append(m.Container.Config.Ports, types.PortMap{IP: fmt.Sprintf("10.%d.%d.1", i/250, i%250), Port: 65000})
		},
		"one port of all": func(_ int, m *HostConfiguredContainer) {
			m.Container.Config.Ports = append(m.Container.Config.Ports, types.PortMap{Port: 65000})
		},
		"a port of the neighbour": func(i int, m *HostConfiguredContainer) {
			m.Container.Config.Ports = append(m.Container.Config.Ports, types.PortMap{Port: 40000 + i/2})
		},
		"one namespace": func(_ int, m *HostConfiguredContainer) { m.Container.Config.NetworkMode = "container:app0" },
		"the neighbour's namespace": func(i int, m *HostConfiguredContainer) {
			m.Container.Config.PidMode = fmt.Sprint("container:app", i+1)
		},
	} {
		t.Run(name, func(t *testing.T) {
			work := map[int]int{}
			for _, n := range []int{500, 1000, 2000} {
				_, work[n] = handOversWithWork(changedMachine(n, 20, share))
			}
			for _, n := range []int{500, 1000} {
				// Twice the containers, twice the comparisons, and some for the deeper tree.
				if double := work[2*n]; double > 2*work[n]+work[n]/2 {
					t.Errorf("%d containers take %d comparisons, and %d take %d", n, work[n], 2*n, double)
				}
			}
			if limit := 2000 * 20 * 12; work[2000] > limit {
				t.Errorf("2000 containers with 20 ports take %d comparisons, want at most %d", work[2000], limit)
			}
		})
	}
}
