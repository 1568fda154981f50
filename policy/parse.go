package policy

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/gitsync/gitsync/container"
	"github.com/gitsync/gitsync/internal/spelling"
)

// MaxBytes is the largest size of a policy file.
const MaxBytes = 1 << 20

// Parse reads a policy file, whose format is described in docs/policy.md. It extends the
// default profile unless it says extends: strict, or none. File is the name for mistakes and rules.
//
// The error is of the type [Mistakes].
func Parse(data []byte, file string) (*Policy, error) {
	blocks, extends, mistakes := parse(data, file)
	if len(mistakes) > 0 {
		return nil, mistakes
	}
	p, _, known := Profile(extends)
	if !known {
		return &Policy{blocks: blocks}, nil
	}
	p.blocks = append(p.blocks, blocks...)
	return p, nil
}

// parse returns what a file says, and the name of the profile that it is said beside.
func parse(data []byte, file string) (blocks []block, extends string, mistakes Mistakes) {
	r := &reader{file: file, extends: DefaultName}
	if len(data) > MaxBytes {
		r.badAt(1, 1, "", "the file has more than %d bytes", MaxBytes)
		return nil, "", r.mistakes
	}
	if root := r.root(data); root != nil {
		r.policy(root)
	}
	sortBlocks(r.blocks)
	slices.SortStableFunc(r.mistakes, func(a, b Mistake) int { return cmp.Or(a.Line-b.Line, a.Column-b.Column) })
	return r.blocks, r.extends, r.mistakes
}

// reader walks the nodes of a policy file and collects mistakes.
type reader struct {
	file     string
	mistakes Mistakes
	blocks   []block
	extends  string
}

func (r *reader) badAt(line, column int, hint, format string, args ...any) {
	r.mistakes = append(r.mistakes, Mistake{r.file, max(line, 1), max(column, 1), fmt.Sprintf(format, args...), hint})
}

func (r *reader) bad(n *yaml.Node, hint, format string, args ...any) {
	r.badAt(n.Line, n.Column, hint, format, args...)
}

var lineOfError = regexp.MustCompile(`^yaml: (?:line (\d+): )?`)

// root returns the mapping that the file is; nil when it is empty, or broken.
func (r *reader) root(data []byte) *yaml.Node {
	var document, second yaml.Node
	decoder := yaml.NewDecoder(bytes.NewReader(data))
	err := decoder.Decode(&document)
	if errors.Is(err, io.EOF) {
		return nil
	}
	if err == nil {
		if err = decoder.Decode(&second); err == nil {
			r.bad(&second, "keep one, without --- between", "the file holds more than one YAML document")
			return nil
		}
	}
	if !errors.Is(err, io.EOF) {
		line := 1
		if found := lineOfError.FindStringSubmatch(err.Error()); found != nil && found[1] != "" {
			line, _ = strconv.Atoi(found[1])
		}
		r.badAt(line, 1, "", "the YAML is broken: %s", lineOfError.ReplaceAllString(err.Error(), ""))
		return nil
	}
	root := document.Content[0]
	if isNull(root) {
		return nil
	}
	return root
}

func isNull(n *yaml.Node) bool { return n.Kind == yaml.ScalarNode && n.ShortTag() == "!!null" }

// fields returns the entries of a mapping. Aliases are refused: what a policy says must be
// read where it stands.
func (r *reader) fields(what string, n *yaml.Node) (fields [][2]*yaml.Node) {
	if n.Kind != yaml.MappingNode {
		r.bad(n, "write it as key: value", "%s must be a mapping, not %s", what, kind(n))
		return nil
	}
	seen := map[string]int{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		if key.Kind != yaml.ScalarNode || key.ShortTag() == "!!merge" {
			r.bad(key, "write it out", "a key of %s must be text, not %s", what, kind(key))
			continue
		}
		if line, twice := seen[key.Value]; twice {
			r.bad(key, "put both together", "key %s is already set in line %d", quoted(key.Value), line)
			continue
		}
		seen[key.Value] = key.Line
		fields = append(fields, [2]*yaml.Node{key, value})
	}
	return fields
}

func (r *reader) text(what string, n *yaml.Node) (string, bool) {
	if n.Kind == yaml.ScalarNode && !isNull(n) {
		return n.Value, true
	}
	r.bad(n, "", "%s must be text, not %s", what, kind(n))
	return "", false
}

func (r *reader) unknown(key *yaml.Node, known []string) {
	hint := "known are " + strings.Join(known, ", ")
	if best := spelling.Nearest(key.Value, known); best != "" {
		hint = fmt.Sprintf("did you mean %q?", best)
	}
	r.bad(key, hint, "unknown key %s", quoted(key.Value))
}

func (r *reader) policy(root *yaml.Node) {
	for _, f := range r.fields("the file", root) {
		switch key, value := f[0], f[1]; key.Value {
		case "extends":
			profile, ok := r.text("extends", value)
			if _, _, known := Profile(profile); ok && !known && profile != noProfile {
				r.bad(value, "write default, strict or none", "extends %s is no profile", quoted(profile))
			}
			r.extends = profile
		case "hosts":
			for _, h := range r.fields("hosts", value) {
				r.host(h[0], h[1])
			}
		default:
			r.unknown(key, []string{"extends", "hosts"})
		}
	}
}

// host reads what is said about the hosts of one glob.
func (r *reader) host(key, value *yaml.Node) {
	if _, err := path.Match(key.Value, ""); err != nil || key.Value == "" || strings.Contains(key.Value, "/") {
		r.bad(key, `write web1, web-* or "*"`, "%s is no name and no glob of hosts", quoted(key.Value))
	}
	b := block{hosts: key.Value, entries: map[string][]entry{}}
	var known []string
	for _, t := range topics {
		known = append(known, t.key)
	}
	for _, f := range r.fields("host "+quoted(key.Value), value) {
		i := slices.IndexFunc(topics, func(t topic) bool { return t.key == f[0].Value })
		if i < 0 {
			r.unknown(f[0], known)
			continue
		}
		b.entries[topics[i].key] = r.topic(&topics[i], f[1])
	}
	r.blocks = append(r.blocks, b)
}

func (r *reader) topic(t *topic, n *yaml.Node) []entry {
	switch t.form {
	case verdict:
		return r.decision(t.key, n, "allow", "deny")
	case requirement:
		return r.decision(t.key, n, "false", "true")
	case check:
		return r.decision(t.key, n, string(container.NestedAllowed), string(container.NestedDenied), string(container.NestedChecked))
	}
	var entries []entry
	first := map[string]int{}
	for _, f := range r.fields(t.key, n) {
		if f[0].Value != "allow" && f[0].Value != "deny" {
			r.unknown(f[0], []string{"allow", "deny"})
			continue
		}
		what := t.key + "." + f[0].Value
		if f[1].Kind != yaml.SequenceNode {
			r.bad(f[1], "write a list, such as [a, b]", "%s must be a list, not %s", what, kind(f[1]))
			continue
		}
		for _, item := range f[1].Content {
			text, ok := r.text("an item of "+what, item)
			if !ok {
				continue
			}
			p, problem, hint := t.read(text)
			if text == "" {
				problem, hint = "is empty", ""
			}
			if problem != "" {
				r.bad(item, hint, "%s %s %s", what, quoted(text), problem)
				continue
			}
			if line, twice := first[text]; twice {
				r.bad(item, "keep one of them", "%s %s is there already, in line %d", what, quoted(text), line)
				continue
			}
			first[text] = item.Line
			entries = append(entries, entry{text: text, pattern: p, allow: f[0].Value == "allow", at: r.at(item)})
		}
	}
	return entries
}

// decision reads one of some words, of which one denies.
func (r *reader) decision(key string, n *yaml.Node, allow, deny string, more ...string) []entry {
	words := append([]string{allow, deny}, more...)
	if n.Kind != yaml.ScalarNode || !slices.Contains(words, n.Value) {
		found := kind(n)
		if n.Kind == yaml.ScalarNode {
			found = quoted(n.Value)
		}
		problem := "which is neither"
		if len(words) > 2 {
			problem = "which is none of them"
		}
		r.bad(n, "write "+strings.Join(words[:len(words)-1], ", ")+" or "+words[len(words)-1], "%s is %s, %s", key, found, problem)
		return nil
	}
	return []entry{{text: n.Value, pattern: anything{}, allow: n.Value != deny, at: r.at(n)}}
}

func (r *reader) at(n *yaml.Node) string { return fmt.Sprintf("%s:%d:%d", r.file, n.Line, n.Column) }

// kind names what a node is, in a person's words.
func kind(n *yaml.Node) string {
	switch {
	case n.Kind == yaml.MappingNode:
		return "a mapping"
	case n.Kind == yaml.SequenceNode:
		return "a list"
	case n.Kind == yaml.AliasNode:
		return "an alias"
	case isNull(n):
		return "nothing"
	}
	return "the text " + quoted(n.Value)
}
