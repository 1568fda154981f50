package layout

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Merged is how the containers of a host were made: of its own file, those of its
// groups, and variables.
type Merged struct {
	*merger
	// root is the mapping of the containers.
	root *yaml.Node
	vars map[string]variable
	// entries are the containers as they were decoded, with their config files.
	entries []*entry
}

// Place is a place in a file of the repo.
type Place struct {
	// File is the path in the repo.
	File string `json:"file"`
	// Line and Column begin at 1.
	Line   int `json:"line"`
	Column int `json:"column"`
}

// String returns file:line:column.
func (p Place) String() string { return fmt.Sprintf("%s:%d:%d", p.File, p.Line, p.Column) }

func placeOf(at position) Place { return Place{at.file, at.line, at.column} }

// Origin says where one value of a host's containers comes from.
type Origin struct {
	// Path are the keys that lead to the value, beginning with the container's name.
	Path []string
	// Value is the value on one line, as YAML. It may be a secret. It is empty for what
	// was removed.
	Value string
	// Place is where the value is written.
	Place Place
	// Removed says that null removed what earlier places gave.
	Removed bool
	// Overrides are the places whose values this one replaced, the latest last.
	Overrides []Place
	// Vars are the variables that the value was made with, and where they are defined;
	// host.name has no place.
	Vars []VarOrigin
}

// VarOrigin is a variable that a value was made with.
type VarOrigin struct {
	Name  string
	Place Place
}

// Origins returns where each value comes from, container by container, by name, and
// within one in the order of the files.
func (m *Merged) Origins() []Origin {
	var all []Origin
	byName := map[string][]Origin{}
	for _, p := range m.keys(m.root) {
		var of []Origin
		m.walk([]string{"containers", p.key.Value}, resolve(p.value), &of)
		byName[p.key.Value] = of
	}
	for _, key := range slices.Sorted(maps.Keys(m.removed)) {
		path := strings.Split(key, "\x00")[1:]
		byName[path[0]] = append(byName[path[0]], Origin{
			Path: path, Removed: true, Place: placeOf(m.removed[key]), Overrides: m.places(key),
		})
	}
	for _, name := range slices.Sorted(maps.Keys(byName)) {
		all = append(all, byName[name]...)
	}
	return all
}

func (m *Merged) walk(path []string, n *yaml.Node, into *[]Origin) {
	pairs := m.keysOf(n)
	for _, p := range pairs {
		m.walk(append(slices.Clone(path), p.key.Value), resolve(p.value), into)
	}
	if len(pairs) > 0 {
		return
	}
	*into = append(*into, Origin{
		Path: path[1:], Value: oneLine(n), Place: placeOf(m.at(n)), Overrides: m.places(pathKey(path)), Vars: m.varsOf(n),
	})
}

// keysOf returns the entries of a mapping, and none for other nodes.
func (m *Merged) keysOf(n *yaml.Node) []pair {
	if n.Kind != yaml.MappingNode {
		return nil
	}
	return m.keys(n)
}

func (m *Merged) places(key string) []Place {
	var places []Place
	for _, at := range m.overridden[key] {
		places = append(places, placeOf(at))
	}
	return places
}

// varsOf returns the variables below and with n.
func (m *Merged) varsOf(n *yaml.Node) []VarOrigin {
	var found []VarOrigin
	for _, name := range m.used[n] {
		v := VarOrigin{Name: name}
		if of, ok := m.vars[strings.TrimPrefix(name, "vars.")]; ok {
			v.Place = placeOf(of.at)
		}
		found = append(found, v)
	}
	for _, child := range n.Content {
		for _, v := range m.varsOf(resolve(child)) {
			if !slices.Contains(found, v) {
				found = append(found, v)
			}
		}
	}
	return found
}

// oneLine returns a value as YAML on one line.
func oneLine(n *yaml.Node) string {
	text, err := yaml.Marshal(flowCopy(n))
	if err != nil {
		return n.Value
	}
	return strings.ReplaceAll(strings.TrimSpace(string(text)), "\n", " ")
}

// flowCopy returns a copy without aliases that is written on one line.
func flowCopy(n *yaml.Node) *yaml.Node {
	n = resolve(n)
	c := &yaml.Node{Kind: n.Kind, Tag: n.Tag, Value: n.Value, Style: yaml.FlowStyle}
	if n.Kind == yaml.ScalarNode {
		c.Tag, c.Style = n.ShortTag(), 0
		if strings.ContainsAny(n.Value, "\n\r") || n.Style&(yaml.DoubleQuotedStyle|yaml.SingleQuotedStyle) != 0 {
			c.Style = yaml.DoubleQuotedStyle
		}
	}
	for _, child := range n.Content {
		c.Content = append(c.Content, flowCopy(child))
	}
	return c
}
