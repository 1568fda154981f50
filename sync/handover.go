package sync

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/gitsync/gitsync/container"
	"github.com/gitsync/gitsync/container/types"
	"github.com/gitsync/gitsync/layout"
	"github.com/gitsync/gitsync/state"
)

// handovers are what two host directories of one machine hand on to each other: one was
// renamed, say. There a container cannot be started beside the other, since both have one
// name. So the host that it goes to replaces it, as by an update, and the one that it comes
// from leaves it alone until it is gone, and forgets it then.
type handovers struct {
	// inherits are the containers that come from other hosts, by key.
	inherits map[string]container.Inherited
	// unconfirmed says that the record of such a host is somebody's word.
	unconfirmed bool
	// yields are the hosts that containers go to, by key.
	yields map[string]*HostResult
	// stay says, by key, why a container is not removed, and left why one is left as it is.
	stay, left map[string]string
}

// handsOver says whether something is handed on from or to the host.
func (o *handovers) handsOver() bool {
	return len(o.inherits)+len(o.yields)+len(o.stay)+len(o.left) > 0
}

// findTransfers finds what goes from one host to another one, be it on another machine or
// on the same.
func (c *cycle) findTransfers(ctx context.Context, repo *layout.Repo) error {
	if err := c.findMoves(ctx, repo); err != nil {
		return err
	}
	if err := c.findHandovers(ctx, repo); err != nil {
		return err
	}
	c.guardMoves()
	return nil
}

// findHandovers finds what goes from one host to another one on the same machine. That is
// a removal, and guarded as one: what is held back stays, and is not replaced.
func (c *cycle) findHandovers(ctx context.Context, repo *layout.Repo) error {
	strangers, err := c.strangers(ctx, repo)
	if err != nil {
		return err
	}
	for _, h := range c.hosts {
		leaving := h.leaving()
		held := c.heldRemovals(h, leaving)
		for _, key := range leaving {
			if why := strangers.want(h, key); why != "" {
				if held != "" {
					why = "its removal is held back, since " + held
				}
				put(&h.stay, key, why)
			} else if to, taker := c.successor(h, key); to != nil {
				h.handOver(key, to, taker, held)
			}
		}
	}
	return nil
}

// handOver hands a container on, unless that is held back or suspended. The taker is the
// key of the one that takes its place, or what it has.
func (h *HostResult) handOver(key string, to *HostResult, taker, held string) {
	suspended, is := h.Suspended[key]
	if !is {
		suspended, is = h.Suspended[""]
	}
	switch {
	case held != "":
		put(&h.stay, key, "its removal is held back, since "+held)
		put(&to.blocked, taker, fmt.Sprintf("host %s, on the same machine, has %s, and its removal there is held back, since %s", h.Name, key, held))
	case is:
		put(&to.left, taker, fmt.Sprintf("host %s, on the same machine, has %s, which is %s", h.Name, key, SuspensionText(suspended)))
	default:
		put(&h.yields, key, to)
		put(&to.inherits, key, container.Inherited{Host: h.Name, Container: h.kept()[key]})
		to.unconfirmed = to.unconfirmed || !h.confirmed()
	}
}

func put[V any](m *map[string]V, key string, value V) {
	if *m == nil {
		*m = map[string]V{}
	}
	(*m)[key] = value
}

// leaving returns what was deployed to a host and is wanted there no more, besides what
// moves to another machine, and what is protected.
func (h *HostResult) leaving() []string {
	var leaving []string
	for _, key := range slices.Sorted(maps.Keys(h.kept())) {
		m := h.kept()[key]
		if _, moves := h.moves[key]; !moves && m.Container.Status.Exists() && h.Host.Containers[key] == nil && !m.Protect {
			leaving = append(leaving, key)
		}
	}
	return leaving
}

// heldRemovals says why the removals of a host are held back, as its record has it: nothing
// when they are not. What is handed on must be decided before the machine is asked, and in
// the same way for both hosts.
func (c *cycle) heldRemovals(h *HostResult, leaving []string) string {
	first := slices.DeleteFunc(slices.Clone(h.heldBefore()), func(key string) bool { _, moves := h.moves[key]; return moves })
	if !slices.ContainsFunc(first, func(key string) bool { return slices.Contains(leaving, key) }) {
		first = nil
	}
	lost, deployed := 0, 0
	for _, key := range first {
		if h.Host.Containers[key] == nil {
			lost++
		}
	}
	for _, m := range h.kept() {
		if m.Container.Status.Exists() {
			deployed++
		}
	}
	switch limit := c.pruneLimitOf(h); {
	case container.TooManyRemovals(limit, lost, len(first)):
		return container.RemovalsText(lost, len(first))
	case container.TooManyRemovals(limit, len(leaving), deployed):
		return container.RemovalsText(len(leaving), deployed)
	}
	return ""
}

// successor returns the host on the same machine that wants a container which leaves, or a
// host port of it, and under which key; nil when there is none.
func (c *cycle) successor(h *HostResult, key string) (to *HostResult, taker string) {
	var others []*HostResult
	for _, other := range c.hosts {
		if other != h && !other.Gone && machineOf(other.Host) == machineOf(h.Host) {
			others = append(others, other)
		}
	}
	for _, other := range others {
		if other.Host.Containers[key] != nil {
			return other, key
		}
	}
	ports := h.kept()[key].Container.Config.Ports
	for _, other := range others {
		if other.kept()[key] != nil {
			continue
		}
		for _, taker := range slices.Sorted(maps.Keys(other.Host.Containers)) {
			wants := func(p types.PortMap) bool { return slices.ContainsFunc(ports, p.Conflicts) }
			if slices.ContainsFunc(other.Host.Containers[taker].Container.Config.Ports, wants) {
				return other, taker
			}
		}
	}
	return nil, ""
}

// strangers are hosts that do not validate, with their records: nobody knows what they will
// have.
type strangers []stranger

type stranger struct {
	layout.InvalidHost
	record *state.Record
}

func (c *cycle) strangers(ctx context.Context, repo *layout.Repo) (strangers, error) {
	var all strangers
	for _, invalid := range repo.Invalid {
		record, err := c.readRecord(ctx, invalid.Name)
		if err != nil {
			return nil, err
		}
		all = append(all, stranger{invalid, record})
	}
	return all, nil
}

// want says why a container stays for now: a host that does not validate has its entry, or
// may be its own host under another name. Removed now it would be down until somebody
// corrects a mistake.
func (s strangers) want(h *HostResult, key string) string {
	for _, other := range s {
		switch {
		case slices.Contains(other.Containers, key) && (other.record == nil || other.record.PreviousState[key] == nil):
			return fmt.Sprintf("it goes to host %s, which does not validate: it is removed here when that is corrected", other.Name)
		case h.Gone && other.record == nil:
			return fmt.Sprintf("host %s is new and does not validate, and may be %s under another name: it is removed when that is corrected", other.Name, h.Name)
		}
	}
	return ""
}

// handOn says in a deployment what is handed on.
func (h *HostResult) handOn(containers *container.Containers) {
	for key, to := range h.yields {
		put(&containers.Yields, key, fmt.Sprintf("it goes to host %s on the same machine, which replaces it", to.Name))
	}
	containers.Kept = h.stay
	if !h.waitsForTurn && len(h.inherits) > 0 {
		containers.Inherited = h.inherits
		containers.Unconfirmed = containers.Unconfirmed || h.unconfirmed
	}
}

// handedOver says whether a host that something goes to has worked on that in this cycle.
func (h *HostResult) handedOver() bool {
	for key, to := range h.yields {
		if !to.handled || !to.ended() {
			continue
		}
		for _, p := range to.Plan.Hosts {
			if slices.ContainsFunc(p.Steps(), func(s container.Step) bool { return s.Container == key }) {
				return true
			}
		}
	}
	return false
}
