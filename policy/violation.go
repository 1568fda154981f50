package policy

import (
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/gitsync/gitsync/container"
	"github.com/gitsync/gitsync/container/types"
)

// Violation is something that a container must not have on its host.
type Violation struct {
	// Host and Container are who.
	Host, Container string
	// Rule is the key of the policy file that denies it, such as mounts.deny.
	Rule string
	// Path is the key in containers.yaml, below the container: privileged, mounts[1],
	// configFiles./etc/x. It is [HostFile] for what host.yaml says.
	Path string
	// Found is the value that is denied.
	Found string
	// Message says what is denied, by what, on one line.
	Message string
	// Allow is what to put into the policy file so that just this is allowed: YAML, on
	// one line. It is empty for what cannot be allowed that way.
	Allow string
	// Hint says what to do, with Allow in it. It may be empty.
	Hint string
	// Former is the path of a config file that the default profile of earlier versions
	// allowed: a host that has it already, by a record that is confirmed, may keep it. It is
	// empty for all else, and in the strict profile.
	Former string
}

// HostFile is the path of what host.yaml says.
const HostFile = "host.yaml"

// Error returns the message and the hint on one line.
func (v Violation) Error() string {
	text := fmt.Sprintf("container %s: %s", strconv.Quote(v.Container), v.Message)
	if v.Hint != "" {
		text += " (" + v.Hint + ")"
	}
	return text
}

// maxSnippet bounds what a hint quotes.
const maxSnippet = 400

func violation(host, name string, t *topic, v value, by *match, b *block) Violation {
	rule := t.key
	if t.form == list {
		rule += ".deny"
	}
	who := b.profile
	if !b.builtin {
		who = "the policy at " + by.entry.at
	}
	out := Violation{
		Host: host, Container: name, Rule: rule, Path: v.path, Found: v.found,
		Message: fmt.Sprintf("%s by %s (rule %s)", t.says(v, by, b), who, rule),
		Allow:   fmt.Sprintf("hosts: {%s: {%s: %s}}", host, t.key, t.allowing(v)),
	}
	if len(out.Allow) > maxSnippet || !utf8.ValidString(v.allow) {
		out.Allow = ""
		out.Hint = "to allow it, put " + t.key + " for the host into the agent's policy.yaml"
		return out
	}
	out.Hint = "to allow it, put into the agent's policy.yaml: " + out.Allow
	if t.form == check {
		out.Hint = "mount a path that no container may write above, or make the mount above it read-only, or, " + out.Hint
	}
	if t.key == configFiles {
		out.Hint = "write it below /srv, or, " + out.Hint
	}
	if !b.builtin {
		out.Hint = "change that rule in the agent's policy"
		if b.hosts != host {
			out.Hint = "to allow it on this host alone, put into the agent's policy.yaml: " + out.Allow
		} else {
			out.Allow = ""
		}
	}
	return out
}

// allowing is what a topic's key needs to say to allow a value.
func (t *topic) allowing(v value) string {
	switch t.form {
	case verdict, check:
		return "allow"
	case requirement:
		return "false"
	}
	return fmt.Sprintf("{allow: [%s]}", strconv.Quote(v.allow))
}

// former returns the path of [Violation.Former].
func (t *topic) former(earlier []*block, v value, by *match, b *block) string {
	if t.key != configFiles || !b.builtin || by.entry.text != "/" || len(earlier) == 0 {
		return ""
	}
	if denied, _ := decide(earlier, t.key, v); denied != nil {
		return ""
	}
	return v.found
}

// maxPlaces bounds how many places a message names.
const maxPlaces = 8

// places names what a block allows of a topic whose other values it denies; empty where
// that is nothing, or too much for a line.
func (b *block) places(key string) string {
	var allowed []string
	for _, e := range b.entries[key] {
		if e.allow {
			allowed = append(allowed, plain(e.text))
		}
	}
	if len(allowed) == 0 || len(allowed) > maxPlaces {
		return ""
	}
	return strings.Join(allowed, ", ")
}

// says tells what is denied about a value.
func (t *topic) says(v value, by *match, b *block) string {
	switch {
	case t.form == check:
		return fmt.Sprintf("mounts %s: it is below %s, and could be replaced by a link to another place, which is not allowed", quoted(v.found), v.below)
	case t.form == verdict:
		return t.key + " is not allowed"
	case t.form == requirement:
		return fmt.Sprintf("image %s has no digest, which is not allowed", quoted(v.found))
	case by.relation == holds:
		return fmt.Sprintf("%s %s: it holds %s, which is not allowed", t.what, quoted(v.found), plain(by.entry.text))
	case by.entry.text == "/" && t.paths && b.places(t.key) != "":
		return fmt.Sprintf("%s %s: only what is below %s is allowed", t.what, quoted(v.found), b.places(t.key))
	case by.relation == below && t.paths:
		return fmt.Sprintf("%s %s: what is below %s is not allowed", t.what, quoted(v.found), plain(by.entry.text))
	}
	return fmt.Sprintf("%s %s is not allowed", t.what, quoted(v.found))
}

// never returns what no policy allows. The layout lets none of it pass, so that it can
// only come from a record that somebody wrote by hand.
func never(host, name string, c *container.HostConfiguredContainer) []Violation {
	var found []Violation
	bad := func(rule, path, value, message string) {
		found = append(found, Violation{Host: host, Container: name, Rule: rule, Path: path, Found: value, Message: message + ", and no policy allows that"})
	}
	for i, m := range c.Container.Config.Mounts {
		path := fmt.Sprintf("mounts[%d]", i)
		if kind := m.Kind(); kind != types.MountBind && kind != types.MountVolume {
			bad("mounts.type", path, kind, fmt.Sprintf("mounts %s: a mount of type %s", quoted(m.Source), quoted(kind)))
		} else if kind == types.MountBind && !strings.HasPrefix(m.Source, "/") {
			bad("mounts.source", path, m.Source, fmt.Sprintf("mounts %s: the path is not absolute", quoted(m.Source)))
		}
	}
	for _, path := range sortedKeys(c.ConfigFileAttributes) {
		if mode := c.ConfigFileAttributes[path].Mode; mode&^0o777 != 0 {
			bad("configFiles.mode", "configFiles."+path, fmt.Sprintf("%#o", mode), fmt.Sprintf("configFiles %s: the mode %#o is more than permissions", quoted(path), mode))
		}
	}
	return found
}

// plain returns a text as it is, or quoted when it would not be shown so.
func plain(s string) string {
	if q := quoted(s); q != `"`+s+`"` {
		return q
	}
	return s
}

// quoted returns a text on one line, without control characters, and not too long.
func quoted(s string) string {
	const limit = 120
	if utf8.RuneCountInString(s) > limit {
		s = string([]rune(s)[:limit]) + "…"
	}
	return strconv.Quote(s)
}
