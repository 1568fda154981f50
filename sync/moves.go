package sync

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/gitsync/gitsync/container"
	"github.com/gitsync/gitsync/layout"
	"github.com/gitsync/gitsync/state"
)

// move is what becomes of a container whose entry went from one host to another.
type move struct {
	// from and to are hosts; this is one of them.
	from, to string
	// commit is what the host that it moves from followed last.
	commit string
	// arrived says that it runs on the new host.
	arrived bool
	// volumes are what stays behind.
	volumes []string
}

// String says it for a plan.
func (m move) String() string {
	stays := "nothing of it stays behind"
	if len(m.volumes) > 0 {
		stays = fmt.Sprintf("what it stored stays behind on %s: %s", m.from, strings.Join(m.volumes, ", "))
	}
	return stays
}

// findMoves finds containers that a commit takes from one host and gives to another. A
// container is kept where it was until it runs where it goes. On one and the same
// machine that is not possible, since both have one name: there it is a removal and a
// creation.
func (c *cycle) findMoves(ctx context.Context, repo *layout.Repo) error {
	records := map[string]*state.Record{}
	byName := map[string]*HostResult{}
	for _, h := range c.hosts {
		records[h.Name], byName[h.Name] = h.Record, h
	}
	recordOf := func(name string) (*state.Record, error) {
		if record, known := records[name]; known || c.state == nil {
			return record, nil
		}
		record, err := c.readRecord(ctx, name)
		records[name] = record
		return record, err
	}
	others, err := c.mayLeave(repo, byName, recordOf)
	if err != nil {
		return err
	}
	for _, h := range slices.Concat(c.hosts, others) {
		for _, key := range slices.Sorted(maps.Keys(h.kept())) {
			if h.Host.Containers[key] != nil {
				continue
			}
			to, err := c.targetOf(h, key, repo.Hosts, recordOf)
			if err != nil {
				return err
			}
			if to == nil {
				continue
			}
			there, err := recordOf(to.Name)
			if err != nil {
				return err
			}
			m := move{from: h.Name, to: to.Name, commit: h.Record.SourceCommit, arrived: runsThere(there, key) && (there.Confirmed || byName[to.Name] == nil), volumes: storage(h.kept()[key])}
			h.addMove(key, m)
			if target := byName[to.Name]; target != nil && !m.arrived {
				target.addMove(key, m)
			}
		}
	}
	return nil
}

// mayLeave returns hosts that others handle, when something new comes to one that this
// gitsync does: it may come from there. Where each host has a branch of its own that would
// cost a fetch for each, and is not asked.
func (c *cycle) mayLeave(repo *layout.Repo, mine map[string]*HostResult, recordOf func(string) (*state.Record, error)) ([]*HostResult, error) {
	if len(c.opts.Hosts)+len(c.result.Agents) == 0 || c.state == nil || c.state.PerHost() || !slices.ContainsFunc(c.hosts, (*HostResult).gains) {
		return nil, nil
	}
	recorded, err := c.recordedHosts()
	if err != nil {
		return nil, err
	}
	var others []*HostResult
	for _, name := range recorded {
		if mine[name] != nil {
			continue
		}
		record, err := recordOf(name)
		if err != nil {
			return nil, err
		}
		i := slices.IndexFunc(repo.Hosts, func(h layout.Host) bool { return h.Name == name })
		switch {
		case record == nil:
		case i >= 0:
			others = append(others, &HostResult{Name: name, Host: repo.Hosts[i], Record: record})
		case !slices.Contains(repo.Names, name):
			others = append(others, &HostResult{Name: name, Host: goneHost(name, record), Record: record})
		}
	}
	return others, nil
}

// mayCome says whether another host had a container that is new on one of those that this
// gitsync handles. It reads records only, which is cheap beside the whole repo.
func (c *cycle) mayCome(ctx context.Context) (bool, error) {
	if c.state == nil || c.state.PerHost() || !slices.ContainsFunc(c.hosts, (*HostResult).gains) {
		return false, nil
	}
	recorded, err := c.recordedHosts()
	if err != nil {
		return false, err
	}
	for _, name := range recorded {
		record, err := c.readRecord(ctx, name)
		if err != nil {
			return false, err
		}
		for _, h := range c.hosts {
			for key := range h.Host.Containers {
				if h.Name != name && h.kept()[key] == nil && record != nil && record.PreviousState[key] != nil {
					return true, nil
				}
			}
		}
	}
	return false, nil
}

// leaves says whether a container is no longer wanted on the host.
func (h *HostResult) leaves() bool {
	for key := range h.kept() {
		if h.Host.Containers[key] == nil {
			return true
		}
	}
	return false
}

// gains says whether a container is wanted on the host that it did not have.
func (h *HostResult) gains() bool {
	for key := range h.Host.Containers {
		if h.kept()[key] == nil {
			return true
		}
	}
	return false
}

// targetOf returns the host that a container moves to: the one that is recorded, the one
// whose record says that it came from here, or the only other one that gets it now; nil
// when it does not move.
func (c *cycle) targetOf(h *HostResult, key string, hosts []layout.Host, recordOf func(string) (*state.Record, error)) (*layout.Host, error) {
	var found []*layout.Host
	for i := range hosts {
		to := &hosts[i]
		if to.Name == h.Name || to.Containers[key] == nil || machineOf(*to) == machineOf(h.Host) {
			continue
		}
		if h.Record.Moving[key] == to.Name {
			return to, nil
		}
		record, err := recordOf(to.Name)
		if err != nil {
			return nil, err
		}
		if record != nil && record.MovedFrom[key] == (state.Origin{Host: h.Name, Commit: h.Record.SourceCommit}) {
			return to, nil
		}
		if record == nil || record.PreviousState[key] == nil {
			found = append(found, to)
		}
	}
	if len(found) != 1 {
		return nil, nil
	}
	return found[0], nil
}

func (h *HostResult) addMove(key string, m move) {
	if h.moves == nil {
		h.moves = map[string]move{}
	}
	h.moves[key] = m
}

// runsThere says whether a container was deployed and became ready.
func runsThere(record *state.Record, key string) bool {
	if record == nil {
		return false
	}
	deployed, failed := record.PreviousState[key], false
	if _, ok := record.Failures[key]; ok {
		failed = true
	}
	return deployed != nil && deployed.Container.Status.Exists() && !deployed.ReadyPending && !failed
}

// storage names what a container may have stored on its host.
func storage(m *container.HostConfiguredContainer) []string {
	var names []string
	for _, mount := range m.Container.Config.Mounts {
		if !mount.ReadOnly && mount.Source != "" {
			names = append(names, mount.Source)
		}
	}
	slices.Sort(names)
	return names
}

// desired is what a host should have now: what the repo says, and what it keeps for a
// while.
func (h *HostResult) desired() container.ContainersState {
	if h.waitsForTurn {
		return h.kept()
	}
	desired := h.Host.Containers
	if !h.confirmed() {
		return desired
	}
	for key := range h.moving() {
		// What an earlier task removed meanwhile is not there to be kept.
		if kept := h.kept()[key]; desired[key] == nil && kept != nil {
			desired = maps.Clone(desired)
			if desired == nil {
				desired = container.ContainersState{}
			}
			desired[key] = kept
		}
	}
	return desired
}

// moving says which containers are kept until they run on another host, and on which.
func (h *HostResult) moving() map[string]string {
	var moving map[string]string
	for key, m := range h.moves {
		if m.from == h.Name && (!m.arrived || h.waitsForTurn) {
			if moving == nil {
				moving = map[string]string{}
			}
			moving[key] = m.to
		}
	}
	return moving
}

// movedFrom says which containers came from another host. That one may be away, and
// finds out from it when it returns; it holds until a commit is deployed there.
func (h *HostResult) movedFrom() map[string]state.Origin {
	from, runs := map[string]state.Origin{}, h.deployment.ToExported().PreviousState
	if h.confirmed() {
		maps.Copy(from, h.Record.MovedFrom)
	}
	for key, m := range h.moves {
		if m.to == h.Name {
			from[key] = state.Origin{Host: m.from, Commit: m.commit}
		}
	}
	maps.DeleteFunc(from, func(key string, _ state.Origin) bool { return runs[key] == nil })
	return from
}

// moveTexts says for a plan what moves, from where and to where.
func (h *HostResult) moveTexts() map[string]string {
	texts := map[string]string{}
	for key, m := range h.moves {
		switch {
		case m.to == h.Name:
			texts[key] = fmt.Sprintf("it moves here from %s; %s", m.from, m)
		case m.arrived:
			texts[key] = fmt.Sprintf("it has moved to %s; %s", m.to, m)
		default:
			texts[key] = fmt.Sprintf("it moves to %s, and is removed here once it runs there; %s", m.to, m)
		}
	}
	return texts
}

// again returns another task for a host.
func (c *cycle) again(h *HostResult) *HostResult {
	next := c.newResult(h.Host)
	next.Record, next.Gone, next.clean, next.blocked, next.Suspended = h.Record, h.Gone, h.clean, h.blocked, h.Suspended
	next.moves, next.handovers = maps.Clone(h.moves), h.handovers
	return next
}

// arrivals returns a task for each host that kept a container until it ran elsewhere,
// which it does now, and for each that handed one on.
func (c *cycle) arrivals() []*HostResult {
	var again []*HostResult
	for _, h := range c.hosts {
		var next *HostResult
		for key, m := range h.moves {
			if there, _ := c.freshRecord(m.to); m.from != h.Name || m.arrived || h.waitsForTurn || !runsThere(there, key) {
				continue
			}
			if next == nil {
				next = c.again(h)
			}
			m.arrived = true
			next.moves[key] = m
		}
		if next == nil && !h.waitsForTurn && h.handedOver() {
			next = c.again(h)
		}
		if next != nil {
			again = append(again, next)
		}
	}
	return again
}

// freshRecord returns the record that a task of this process wrote last, nil when it
// dropped it. It is not known when it is on the state branch already.
func (c *cycle) freshRecord(host string) (record *state.Record, known bool) {
	c.tasks.mu.Lock()
	defer c.tasks.mu.Unlock()
	record, known = c.tasks.fresh[host]
	return record, known
}
