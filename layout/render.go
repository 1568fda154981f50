package layout

import (
	"bytes"
	"fmt"
	"path"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"
)

// YAML returns a containers.yaml that gives the host the same containers without any
// group or variable: merged, aliases expanded, comments left out. Text files of groups
// are inline; those of the host's own directory are referred to as before. It may hold
// secrets, as the repo may.
func (m *Merged) YAML() ([]byte, error) {
	containers := &yaml.Node{Kind: yaml.MappingNode}
	for _, p := range m.keys(m.root) {
		containers.Content = append(containers.Content, m.plain(p.key), m.container(p.key.Value, resolve(p.value)))
	}
	if len(containers.Content) == 0 {
		containers.Style = yaml.FlowStyle
	}
	document := &yaml.Node{Kind: yaml.MappingNode, Content: []*yaml.Node{
		{Kind: yaml.ScalarNode, Value: "containers"}, containers,
	}}
	var text bytes.Buffer
	encoder := yaml.NewEncoder(&text)
	encoder.SetIndent(2)
	if err := encoder.Encode(document); err != nil {
		return nil, fmt.Errorf("write the merged YAML: %w", err)
	}
	if err := encoder.Close(); err != nil {
		return nil, fmt.Errorf("write the merged YAML: %w", err)
	}
	return text.Bytes(), nil
}

// container returns a container as it is rendered.
func (m *Merged) container(name string, n *yaml.Node) *yaml.Node {
	rendered := &yaml.Node{Kind: yaml.MappingNode}
	for _, p := range m.keys(n) {
		value := m.plain(p.value)
		if p.key.Value == "configFiles" {
			value = m.configFiles(name, resolve(p.value))
		}
		rendered.Content = append(rendered.Content, m.plain(p.key), value)
	}
	return rendered
}

// configFiles returns the config files of a container as they are rendered.
func (m *Merged) configFiles(container string, n *yaml.Node) *yaml.Node {
	rendered := &yaml.Node{Kind: yaml.MappingNode}
	for _, p := range m.keys(n) {
		value := m.plain(p.value)
		if f := m.groupFile(container, p.key.Value); f != nil && value.Kind == yaml.MappingNode {
			inline(value, f)
		}
		rendered.Content = append(rendered.Content, m.plain(p.key), value)
	}
	if len(rendered.Content) == 0 {
		rendered.Style = yaml.FlowStyle
	}
	return rendered
}

// groupFile returns a config file whose content is in a group's directory; nil for
// others.
func (m *Merged) groupFile(container, hostPath string) *configFile {
	for _, e := range m.entries {
		for i := range e.files {
			f := &e.files[i]
			if e.config.Name == container && f.path == hostPath && f.source != "" && f.sourceAt.file != m.file {
				return f
			}
		}
	}
	return nil
}

// inline puts the content of a config file in the place of the file's name.
func inline(n *yaml.Node, f *configFile) {
	for i := 0; i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value != "file" {
			continue
		}
		if f.isSealed {
			n.Content[i+1].LineComment = "# in " + path.Dir(f.sourceAt.file) + "; it is encrypted"
			return
		}
		if !utf8.ValidString(f.content) || strings.ContainsRune(f.content, 0) {
			n.Content[i+1].LineComment = "# in " + path.Dir(f.sourceAt.file) + "; it is not text, so it cannot be inline"
			return
		}
		n.Content[i] = &yaml.Node{Kind: yaml.ScalarNode, Value: "content"}
		n.Content[i+1] = scalarOf(escapeVariables(f.content))
	}
}

// plain returns a copy without aliases, merge keys, comments and variables, in one
// style.
func (m *Merged) plain(n *yaml.Node) *yaml.Node {
	n = resolve(n)
	switch n.Kind {
	case yaml.ScalarNode:
		if n.ShortTag() == "!!str" {
			return scalarOf(escapeVariables(n.Value))
		}
		return &yaml.Node{Kind: yaml.ScalarNode, Value: n.Value}
	case yaml.MappingNode:
		c := &yaml.Node{Kind: yaml.MappingNode}
		for _, p := range m.keys(n) {
			c.Content = append(c.Content, m.plain(p.key), m.plain(p.value))
		}
		return flowWhenEmpty(c)
	default:
		c := &yaml.Node{Kind: yaml.SequenceNode}
		for _, child := range n.Content {
			c.Content = append(c.Content, m.plain(child))
		}
		return flowWhenEmpty(c)
	}
}

func flowWhenEmpty(n *yaml.Node) *yaml.Node {
	if len(n.Content) == 0 {
		n.Style = yaml.FlowStyle
	}
	return n
}

// scalarOf returns a text: as a block when it has several lines that a block keeps as
// they are, in quotes when it would be read as something else.
func scalarOf(text string) *yaml.Node {
	n := &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: text}
	if !strings.ContainsAny(text, "\n\r\u0085\u2028\u2029") {
		return n
	}
	n.Style = yaml.LiteralStyle
	odd := func(r rune) bool {
		return r < ' ' && r != '\t' && r != '\n' || r >= 0x7f && r < 0xa0 || r == '\u2028' || r == '\u2029' || r == '\ufeff' || r > 0xffff
	}
	first, trailing := text[0], strings.Contains(text, " \n") || strings.Contains(text, "\t\n")
	if first == ' ' || first == '\t' || first == '\n' || trailing || strings.HasSuffix(text, "\n\n") || strings.ContainsFunc(text, odd) {
		n.Style = yaml.DoubleQuotedStyle
	}
	return n
}
