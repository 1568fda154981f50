package policy

import (
	"fmt"
	"strings"

	"github.com/gitsync/gitsync/container"
	"github.com/gitsync/gitsync/container/types"
)

// nestedMounts is the key of the topic about mounts whose sources a container may replace.
const nestedMounts = "nestedMounts"

// writersOf returns, by path of the host, a container that may write there.
func writersOf(containers container.ContainersState) map[string]string {
	writers := map[string]string{}
	for _, key := range sortedKeys(containers) {
		if containers[key] == nil {
			continue
		}
		c := containers[key].Container.Config
		for _, m := range c.Mounts {
			if source := types.HostPath(m.Source); m.Kind() == types.MountBind && !m.ReadOnly && writers[source] == "" {
				writers[source] = c.Name
			}
		}
	}
	return writers
}

// nestedValues are the mounts whose sources are below what a container of the host may
// write: it may replace them by links to other places.
func nestedValues(s subject) []value {
	var all []value
	for i, m := range s.c.Container.Config.Mounts {
		if m.Kind() != types.MountBind || !strings.HasPrefix(m.Source, "/") {
			continue
		}
		source := types.HostPath(m.Source)
		for dir := source; dir != "/"; {
			dir = dir[:max(strings.LastIndexByte(dir, '/'), 0)]
			if dir == "" {
				dir = "/"
			}
			if by := s.writers[dir]; by != "" {
				all = append(all, value{path: fmt.Sprintf("mounts[%d]", i), found: m.Source, below: fmt.Sprintf("%s (writable by container %s)", plain(dir), quoted(by))})
				break
			}
		}
	}
	return all
}

// NestedMounts says what becomes of nested mounts on a host.
func (p *Policy) NestedMounts(host string) container.NestedMounts {
	by, _ := decide(of(p.blocks, host), nestedMounts, value{})
	if by == nil {
		return container.NestedAllowed
	}
	return container.NestedMounts(by.entry.text)
}

// Nested returns what is denied about a mount whose source a container of another host, on
// the same machine, may replace; false where that is allowed. It is the container's mount
// with this index; by says who may write what.
func (p *Policy) Nested(host, name string, index int, source, by string) (Violation, bool) {
	v := value{path: fmt.Sprintf("mounts[%d]", index), found: source, below: by}
	decided, b := decide(of(p.blocks, host), nestedMounts, v)
	if decided == nil || decided.entry.allow {
		return Violation{}, false
	}
	return violation(host, name, topicOf(nestedMounts), v, decided, b), true
}

func topicOf(key string) *topic {
	for i := range topics {
		if topics[i].key == key {
			return &topics[i]
		}
	}
	return nil
}
