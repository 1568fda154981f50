package layout

import (
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// merger lays the containers of groups and of the host over each other.
type merger struct {
	*decoder
	// overridden holds, by the path of a value, the places whose value it replaces,
	// the latest last.
	overridden map[string][]position
	// removed holds the places where null removes what an earlier one gave.
	removed map[string]position
}

func newMerger(d *decoder) *merger {
	return &merger{decoder: d, overridden: map[string][]position{}, removed: map[string]position{}}
}

// pathKey is a path as the key of a map.
func pathKey(path []string) string { return strings.Join(path, "\x00") }

// merge returns what remains of two values: mappings are merged key by key, null
// removes, and whatever else the upper one has stands in for the lower one.
func (m *merger) merge(path []string, lower, upper *yaml.Node) *yaml.Node {
	lower, upper = resolve(lower), resolve(upper)
	if lower.Kind != yaml.MappingNode || upper.Kind != yaml.MappingNode {
		if isCollection(lower) && isCollection(upper) && lower.Kind != upper.Kind {
			m.bad(upper, "write both as a mapping, so that they are merged key by key", "%s is %s here, and %s in %s",
				lastKey(path), kind(upper), kind(lower), m.at(lower))
		}
		m.override(path, lower)
		return upper
	}
	lowers, uppers := m.pairs(lastKey(path), lower), m.pairs(lastKey(path), upper)
	if replaces(path, uppers) {
		m.override(path, lower)
		return upper
	}
	// A path is as long as the keys in it, and made for each entry.
	steps := (len(lowers) + len(uppers)) * (1 + len(pathKey(path))/valueBytes)
	if !m.spend(m.at(upper), steps) {
		return upper
	}
	lowers = m.exclude(path, lowers, uppers)
	merged := &yaml.Node{Kind: yaml.MappingNode, Tag: "!!map", Line: upper.Line, Column: upper.Column}
	m.place(merged, m.files[upper])
	above, below := places(uppers), places(lowers)
	for _, l := range lowers {
		at := append(slices.Clone(path), l.key.Value)
		i, there := above[l.key.Value]
		switch {
		case !there:
			merged.Content = append(merged.Content, l.key, l.value)
		case isNull(uppers[i].value):
			m.override(at, resolve(l.value))
			m.removed[pathKey(at)] = m.at(resolve(uppers[i].value))
		default:
			delete(m.removed, pathKey(at))
			value := resolve(uppers[i].value)
			if m.haveOneForm(at, l, uppers[i]) {
				value = m.merge(at, l.value, value)
			}
			merged.Content = append(merged.Content, uppers[i].key, value)
		}
	}
	for _, u := range uppers {
		if _, there := below[u.key.Value]; !there {
			merged.Content = append(merged.Content, u.key, u.value)
		}
	}
	return merged
}

// places are the indexes of entries by their keys, which are there once.
func places(entries []pair) map[string]int {
	at := make(map[string]int, len(entries))
	for i, e := range entries {
		at[e.key.Value] = i
	}
	return at
}

// place keeps in which file a node is, when it is not the decoder's own.
func (m *merger) place(n *yaml.Node, file string) {
	if file == "" {
		return
	}
	if m.files == nil {
		m.files = map[*yaml.Node]string{}
	}
	m.files[n] = file
}

func (m *merger) override(path []string, lower *yaml.Node) {
	key := pathKey(path)
	m.overridden[key] = append(m.overridden[key], m.at(lower))
}

// haveOneForm is false, and reports it, for a container that one file has in the short form and another in
// the long one: they have no keys in common.
func (m *merger) haveOneForm(path []string, lower, upper pair) bool {
	if len(path) != 2 || !isMapping(lower.value) || !isMapping(upper.value) {
		return true
	}
	forms := map[bool]string{true: "long", false: "short"}
	l, u := isLong(m.keys(lower.value)), isLong(m.keys(upper.value))
	if l == u || len(m.keys(upper.value)) == 0 || len(m.keys(lower.value)) == 0 {
		return true
	}
	m.bad(upper.key, "write it in the same form", "container %s is in the %s form here, and in the %s form in %s",
		quoted(upper.key.Value), forms[u], forms[l], m.at(lower.key))
	return false
}

// replaces says whether an upper mapping stands in for a lower one as a whole.
func replaces(path []string, uppers []pair) bool {
	return path[len(path)-1] == "healthcheck" && hasKey(uppers, "disable")
}

// exclude drops from the lower entries those that an upper one contradicts: a config
// file has either content or a file, and a health check that is disabled has no more.
func (m *merger) exclude(path []string, lowers, uppers []pair) []pair {
	contradicted := func(key string) bool { return false }
	switch {
	case len(path) > 1 && (path[len(path)-2] == "configFiles" || path[len(path)-2] == "secretFiles"):
		contradicted = func(key string) bool {
			return key == "file" && hasKey(uppers, "content") || key == "content" && hasKey(uppers, "file")
		}
	case path[len(path)-1] == "healthcheck":
		contradicted = func(key string) bool { return key == "disable" }
	}
	return slices.DeleteFunc(slices.Clone(lowers), func(l pair) bool {
		if contradicted(l.key.Value) && !hasKey(uppers, l.key.Value) {
			m.override(path, resolve(l.value))
			return true
		}
		return false
	})
}

func isCollection(n *yaml.Node) bool {
	return n.Kind == yaml.MappingNode || n.Kind == yaml.SequenceNode
}

func isMapping(n *yaml.Node) bool { return resolve(n).Kind == yaml.MappingNode }

func isNull(n *yaml.Node) bool {
	n = resolve(n)
	return n.Kind == yaml.ScalarNode && n.ShortTag() == "!!null"
}

func lastKey(path []string) string { return path[len(path)-1] }

// copyOf returns a copy of all nodes below and with n, each of which is in the given
// file. An alias leads to the copy of what it led to.
func (m *merger) copyOf(n *yaml.Node, file string, copies map[*yaml.Node]*yaml.Node) *yaml.Node {
	c := *n
	copies[n] = &c
	m.place(&c, file)
	if n.Kind == yaml.AliasNode {
		c.Alias = copies[n.Alias] // its anchor is before it in the file
		return &c
	}
	c.Content = make([]*yaml.Node, 0, len(n.Content))
	for _, child := range n.Content {
		c.Content = append(c.Content, m.copyOf(child, file, copies))
	}
	return &c
}

// lay puts the containers of an upper file over those of the lower ones. Either may
// be nil.
func (m *merger) lay(lower, upper *yaml.Node) *yaml.Node {
	switch {
	case upper == nil:
		return lower
	case lower == nil:
		return upper
	}
	return m.merge([]string{"containers"}, lower, upper)
}
