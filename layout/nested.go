package layout

import (
	"fmt"
	"path"

	"github.com/gitsync/gitsync/container/types"
)

// NestedMount is a mount whose source a container of another host directory, on the same
// machine, may replace by a link, since it may write above it. Those of one host directory
// are judged by its [Check].
type NestedMount struct {
	// Host and Container have the mount, which is the one with this index.
	Host, Container string
	Index           int
	// Source is the path that is mounted.
	Source string
	// By says who may write what.
	By string
}

// sourceClaim is a mount of a path of a machine.
type sourceClaim struct {
	claim
	index  int
	source string
}

// sourceKey is a directory above what a host mounts.
type sourceKey struct{ host, dir string }

// sourcesOf returns the paths of the machine that an entry mounts.
func sourcesOf(who claim, e *entry) []sourceClaim {
	var sources []sourceClaim
	for i, m := range e.config.Mounts {
		if m.Kind() == types.MountBind && len(m.Source) <= maxPath {
			who.at = e.mountsAt[i]
			sources = append(sources, sourceClaim{who, i, types.HostPath(m.Source)})
		}
	}
	return sources
}

// parents returns the directories above a path, the nearest first.
func parents(p string) []string {
	var dirs []string
	for p != "/" && p != "." {
		p = path.Dir(p)
		dirs = append(dirs, p)
	}
	return dirs
}

// nestedClashes returns what is denied about mounts of this container below what those of
// other hosts may write, and the other way round.
func (c *claims) nestedClashes(who claim, e *entry, judge func(NestedMount) *Objection) Mistakes {
	var clashes Mistakes
	object := func(at position, has sourceClaim, m writableMount) bool {
		by := fmt.Sprintf("%s (writable by %s)", m.source, m.by(has.host))
		o := judge(NestedMount{Host: has.host, Container: has.container, Index: has.index, Source: has.source, By: by})
		if o != nil {
			clashes = append(clashes, at.mistake(who.file, o.Hint, fmt.Sprintf("host %s, container %s: %s", has.host, quoted(has.container), o.Message)))
		}
		return o != nil
	}
	for _, source := range sourcesOf(who, e) {
		key := sourceKey{who.host, source.source}
		if c.judged[key] {
			continue
		}
		c.judged[key] = true
		for _, dir := range parents(source.source) {
			if m, may := c.writable[dir]; may && object(source.at, source, m) {
				break
			}
		}
	}
	for _, m := range mountsOf(who, e) {
		for _, host := range c.hosts {
			if has, there := c.sources[sourceKey{host, m.source}]; there && object(m.at, has, m) {
				break
			}
		}
	}
	return clashes
}

// takeSources remembers one mount of the host for each directory above it.
func (c *claims) takeSources(who claim, e *entry) {
	for _, source := range sourcesOf(who, e) {
		at := sourceKey{who.host, source.source}
		if c.taken[at] {
			continue
		}
		c.taken[at] = true
		for _, dir := range parents(source.source) {
			if key := (sourceKey{who.host, dir}); c.sources[key].source == "" {
				c.sources[key] = source
			}
		}
	}
}
