package layout

import (
	"fmt"
	"path"
	"strings"

	"github.com/gitsync/gitsync/container/types"
)

// writableMount is a directory of a machine that a container may write, and so replace what
// is in it by links.
type writableMount struct {
	claim
	source, target string
}

// readOnly is the mount as it would do no harm.
func (m writableMount) readOnly() string { return m.source + ":" + m.target + ":ro" }

// wayOut says what to do about a config file that is too deep in a mount.
func (m writableMount) wayOut(file string) string {
	if reserved(file) {
		return fmt.Sprintf("make the mount read-only: %s", quoted(m.readOnly()))
	}
	return fmt.Sprintf("move the file to %s itself or out of it, or make the mount read-only: %s", m.source, quoted(m.readOnly()))
}

// mountsOf returns the mounts of an entry through which it may write, with their places.
func mountsOf(who claim, e *entry) []writableMount {
	var mounts []writableMount
	for i, m := range e.config.Mounts {
		if m.Kind() == types.MountBind && !m.ReadOnly && len(m.Source) <= maxPath {
			who.at = e.mountsAt[i]
			mounts = append(mounts, writableMount{who, types.HostPath(m.Source), m.Target})
		}
	}
	return mounts
}

// mountClash returns what is wrong with a mount that lets its container replace the
// directory of somebody's config file.
func (c *claims) mountClash(m writableMount) (problem, hint string) {
	file, there := c.below[m.source]
	if !there {
		return "", ""
	}
	return fmt.Sprintf("may be written, and the directory of config file %s of %s be replaced by a link to another place", quoted(file.file.path), file.by(m.host)),
		m.wayOut(file.file.path)
}

// placeClash returns what is wrong with a config file whose directory a container may
// replace: one that is directly in what the container may write is at worst itself replaced.
func (c *claims) placeClash(host string, f configFile) (problem, hint string) {
	if _, known := c.files[f.path]; known || len(c.writable) == 0 {
		// Whoever has it was checked, and so is each mount that comes later.
		return "", ""
	}
	for _, dir := range f.above() {
		if m, may := c.writable[dir]; may {
			return fmt.Sprintf("is below %s, which %s may write: it could replace the directory %s by a link to another place", m.source, m.by(host), path.Dir(f.path)),
				m.wayOut(f.path)
		}
	}
	return "", ""
}

// above returns the directories above the one that the file is in, the nearest first.
func (f configFile) above() []string {
	if len(f.path) > maxPath || strings.Count(f.path, "/") > MaxPathDepth {
		return nil
	}
	return parents(path.Dir(types.HostPath(f.path)))
}

// takeMount remembers the first one of a directory.
func (c *claims) takeMount(m writableMount) {
	if _, taken := c.writable[m.source]; !taken {
		c.writable[m.source] = m
	}
}
