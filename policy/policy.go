package policy

import (
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/gitsync/gitsync/container"
)

// Policy says what is allowed on which hosts. It does not change, and may be used
// concurrently.
type Policy struct {
	// blocks are in the order of their weight, the weightiest last.
	blocks []block
	// earlier is what the default profile of earlier versions denied for config files; nil
	// where the default profile is dropped, and in the strict one.
	earlier []block
}

// block is what is said about the hosts of one glob.
type block struct {
	// hosts is a glob of host names.
	hosts string
	// builtin says that it is of a built-in profile, whose name for people is profile.
	builtin bool
	profile string
	// entries are by the keys of topics.
	entries map[string][]entry
}

// entry allows or denies values.
type entry struct {
	// text is as written, and pattern what [topic.read] makes of it.
	text    string
	pattern pattern
	allow   bool
	// at is file:line:column.
	at string
}

// Check returns what is denied about the containers of a host, which are all that the
// repo, or the record, has there: sorted by container, then in the order of the topics.
// The key of a container is its name.
func (p *Policy) Check(host string, containers container.ContainersState) []Violation {
	blocks, earlier := of(p.blocks, host), of(p.earlier, host)
	own, writers := map[string]bool{}, writersOf(containers)
	for _, c := range containers {
		if c != nil {
			own[c.Container.Config.Name] = true
		}
	}
	var found []Violation
	for _, key := range sortedKeys(containers) {
		if containers[key] == nil {
			continue
		}
		s := subject{c: containers[key], own: own, writers: writers}
		for i := range topics {
			t := &topics[i]
			for _, v := range t.values(s) {
				if by, b := decide(blocks, t.key, v); by != nil && !by.entry.allow {
					denied := violation(host, key, t, v, by, b)
					denied.Former = t.former(earlier, v, by, b)
					found = append(found, denied)
				}
			}
		}
		found = append(found, never(host, key, s.c)...)
	}
	return found
}

// Names says whether the operator's own policy names where a host is: an entry of address
// allows it that is not the default profile's.
func (p *Policy) Names(name string, at container.Machine) bool {
	by, b := decide(of(p.blocks, name), "address", placeOf(at))
	return by != nil && by.entry.allow && !b.builtin
}

// Naming is what to put into the policy file so that [Policy.Names] is true, on one line.
func Naming(name string, at container.Machine) string {
	return fmt.Sprintf("hosts: {%s: {address: {allow: [%s]}}}", name, strconv.Quote(placeOf(at).allow))
}

func placeOf(at container.Machine) value {
	m := &container.HostConfiguredContainer{Container: container.Container{Runtime: at.Runtime}, Host: at.Host}
	return addressValues(subject{c: m})[0]
}

// of returns the blocks that are about a host, the weightiest first.
func of(all []block, host string) []*block {
	var blocks []*block
	for i := range all {
		// A glob that is broken was refused.
		if ok, _ := path.Match(all[i].hosts, host); ok {
			blocks = append(blocks, &all[i])
		}
	}
	slices.Reverse(blocks)
	return blocks
}

// match is how an entry applies to a value.
type match struct {
	entry *entry
	relation
	// weight is how much of the value the entry names.
	weight int
}

// decide returns the entry that decides about a value: the best of the weightiest block
// that has any. Nil allows.
func decide(blocks []*block, key string, v value) (*match, *block) {
	for _, b := range blocks {
		var best *match
		for i := range b.entries[key] {
			e := &b.entries[key][i]
			rel, weight := e.pattern.match(v)
			if rel == unrelated || rel == holds && e.allow {
				continue
			}
			m := &match{e, rel, weight}
			if best == nil || m.beats(best) {
				best = m
			}
		}
		if best != nil {
			return best, b
		}
	}
	return nil, nil
}

// beats says whether this match decides, and not the other one of the same block: what
// is denied inside of the value, then what names more of it, then a denial.
func (m *match) beats(other *match) bool {
	switch {
	case (m.relation == holds) != (other.relation == holds):
		return m.relation == holds
	case m.relation == holds:
		// All of them deny it: the shortest is told.
		return m.weight < other.weight
	case m.weight != other.weight:
		return m.weight > other.weight
	}
	return !m.entry.allow && other.entry.allow
}

// sortBlocks puts the blocks in the order of their weight: a name over a glob, a longer
// glob over a shorter one, a later one over an earlier one.
func sortBlocks(blocks []block) {
	weight := func(b block) int {
		if !strings.ContainsAny(b.hosts, `*?[\`) {
			return 1 << 20
		}
		return len(strings.Trim(b.hosts, "*?"))
	}
	slices.SortStableFunc(blocks, func(a, b block) int { return weight(a) - weight(b) })
}
