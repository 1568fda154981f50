package layout

import (
	"cmp"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"

	"github.com/gitsync/gitsync/internal/spelling"
)

// decoder walks the nodes of one YAML file and collects mistakes. Its accessors
// say whether they succeeded; a caller goes on in any case, so that all mistakes
// are found.
type decoder struct {
	file string
	// host is whose containers these are; empty for a group alone.
	host     string
	mistakes Mistakes
	// warnings are no mistakes: the host is deployed.
	warnings Mistakes
	// work is what the load may do; nil is without bounds.
	work *work
	// ports counts the ports that were published so far.
	ports int
	// files holds the file of each node that is not in the decoder's own.
	files map[*yaml.Node]string
	// size is the number of values in the file, aliases expanded.
	size int
	// partial says that a container may lack what only the host's own file gives it.
	partial bool
	// references are texts beside the containers that refer to secrets.
	references []referenceAt
	// broken holds the places of values that are not known, because of a mistake that
	// is recorded.
	broken map[position]bool
	// used holds the variables that the text of a node was made with.
	used map[*yaml.Node][]string
}

// pair is an entry of a mapping.
type pair struct {
	key   *yaml.Node
	value *yaml.Node
}

// bad records a mistake at a node.
func (d *decoder) bad(n *yaml.Node, hint, format string, args ...any) {
	d.badAt(d.at(n), hint, format, args...)
}

func (d *decoder) badAt(at position, hint, format string, args ...any) {
	if d.broken[at] || d.full() {
		return
	}
	d.mistakes = append(d.mistakes, at.mistake(d.file, hint, fmt.Sprintf(format, args...)))
}

// warn records what is no mistake, and may not be what was meant.
func (d *decoder) warn(n *yaml.Node, hint, format string, args ...any) {
	d.warnings = append(d.warnings, d.at(n).mistake(d.file, hint, fmt.Sprintf(format, args...)))
}

// position is a place in a YAML file.
type position struct {
	line, column int
	// file is empty for the file that is being decoded.
	file string
}

// at returns where a node is written.
func (d *decoder) at(n *yaml.Node) position {
	return position{max(n.Line, 1), max(n.Column, 1), cmp.Or(d.files[n], d.file)}
}

// mistake returns a mistake at this place, which is in the given file when the
// place itself names none.
func (p position) mistake(file, hint, message string) Mistake {
	return Mistake{File: cmp.Or(p.file, file), Line: p.line, Column: p.column, Message: message, Hint: hint}
}

// String returns the place as a person finds it: with the file's name.
func (p position) String() string { return p.mistake("", "", "").Position() }

// resolve follows an alias.
func resolve(n *yaml.Node) *yaml.Node {
	if n.Kind == yaml.AliasNode {
		return n.Alias
	}
	return n
}

// scalar returns the text of a scalar as it is written: YAML's idea that 1.10 is
// 1.1 plays no role. Null is a mistake.
func (d *decoder) scalar(what string, n *yaml.Node) (string, bool) {
	n = resolve(n)
	switch {
	case n.Kind != yaml.ScalarNode:
		d.bad(n, "", "%s must be text, not %s", what, kind(n))
	case n.ShortTag() == "!!null":
		d.bad(n, `write a value; "" is empty text`, "%s has no value", what)
	case strings.ContainsRune(n.Value, 0):
		d.bad(n, "", "%s holds a zero byte", what)
	default:
		return n.Value, true
	}
	return "", false
}

// text returns the text of a scalar that is no number, and not true or false.
func (d *decoder) text(what string, n *yaml.Node) (string, bool) {
	n = resolve(n)
	switch {
	case n.Kind != yaml.ScalarNode:
	case n.ShortTag() == "!!int", n.ShortTag() == "!!float", n.ShortTag() == "!!bool":
		d.bad(n, fmt.Sprintf("put it in quotes: %q", n.Value), "%s must be text, not %s", what, kind(n))
		return "", false
	}
	return d.scalar(what, n)
}

// boolean returns true or false.
func (d *decoder) boolean(what string, n *yaml.Node) (value, ok bool) {
	n = resolve(n)
	if n.Kind == yaml.ScalarNode && n.ShortTag() == "!!bool" {
		return strings.EqualFold(n.Value, "true"), true
	}
	d.bad(n, "write true or false, without quotes", "%s must be true or false, not %s", what, kind(n))
	return false, false
}

// integer returns a whole number from 0 to limit. Text is taken as well.
func (d *decoder) integer(what string, n *yaml.Node, limit int) (int, bool) {
	n = resolve(n)
	if n.Kind == yaml.ScalarNode {
		if value, err := strconv.Atoi(n.Value); err == nil && value >= 0 && value <= limit {
			return value, true
		}
		d.bad(n, "", "%s must be a whole number from 0 to %d, not %s", what, limit, quoted(n.Value))
		return 0, false
	}
	d.bad(n, "", "%s must be a whole number, not %s", what, kind(n))
	return 0, false
}

// list returns the items of a list.
func (d *decoder) list(what string, n *yaml.Node) []*yaml.Node {
	n = resolve(n)
	if n.Kind != yaml.SequenceNode {
		hint := "write a list, such as [a, b]"
		if n.Kind == yaml.ScalarNode && n.Value != "" {
			hint = fmt.Sprintf("write %s: %s", lastPart(what), listOf(n.Value))
		}
		d.bad(n, hint, "%s must be a list, not %s", what, kind(n))
		return nil
	}
	if !d.spend(d.at(n), len(n.Content)) {
		return nil
	}
	return n.Content
}

// pairs returns the entries of a mapping, those of merge keys (<<) included.
func (d *decoder) pairs(what string, n *yaml.Node) []pair {
	n = resolve(n)
	if n.Kind != yaml.MappingNode {
		hint := "write it as key: value"
		if n.ShortTag() == "!!null" {
			hint = "write {} for none"
		}
		d.bad(n, hint, "%s must be a mapping, not %s", what, kind(n))
		return nil
	}
	if !d.spend(d.at(n), len(n.Content)) {
		return nil
	}
	var own, merged []pair
	first := map[string]*yaml.Node{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		if key.ShortTag() == "!!merge" && key.Kind == yaml.ScalarNode {
			merged = append(merged, d.merge(what, value)...)
			continue
		}
		name, ok := d.scalar("a key of "+what, key)
		if !ok {
			continue
		}
		if earlier, twice := first[name]; twice {
			d.bad(key, "remove one of them", "key %s is already set in line %d", quoted(name), earlier.Line)
			continue
		}
		first[name] = key
		own = append(own, pair{resolve(key), value})
	}
	return overlay(own, merged, first)
}

// merge returns the entries that a merge key brings in.
func (d *decoder) merge(what string, n *yaml.Node) []pair {
	n = resolve(n)
	if n.Kind != yaml.SequenceNode {
		return d.pairs("<< in "+what, n)
	}
	var all []pair
	for _, item := range n.Content {
		all = append(all, d.pairs("<< in "+what, item)...)
	}
	return all
}

// overlay adds the merged entries whose keys are not there yet: a mapping's own
// keys win over merged ones, and earlier merged ones over later.
func overlay(own, merged []pair, seen map[string]*yaml.Node) []pair {
	for _, p := range merged {
		if _, there := seen[p.key.Value]; !there {
			seen[p.key.Value] = p.key
			own = append(own, p)
		}
	}
	return own
}

// kind names what a node is, in a person's words.
func kind(n *yaml.Node) string {
	switch n.Kind {
	case yaml.MappingNode:
		return "a mapping"
	case yaml.SequenceNode:
		return "a list"
	}
	switch n.ShortTag() {
	case "!!null":
		return "nothing"
	case "!!bool":
		return "true or false"
	case "!!int", "!!float":
		return "the number " + quoted(n.Value)
	}
	return "the text " + quoted(n.Value)
}

var userInURL = regexp.MustCompile(`://[^/\s]*@`)

// openURL is a URL that is cut off where its user may be.
var openURL = regexp.MustCompile(`://[^/\s]*$`)

// quoted returns the text in quotes, on one line, without control characters or
// a URL's password, and no longer than a line of a log can hold.
func quoted(s string) string {
	const limit = 80
	// A text may be a megabyte long, and quoted very often.
	const enough = 4 << 10
	if len(s) > enough {
		s = strings.ToValidUTF8(s[:enough], "")
		s = openURL.ReplaceAllString(s, "://***")
	}
	s = userInURL.ReplaceAllString(s, "://***@")
	if utf8.RuneCountInString(s) > limit {
		s = string([]rune(s)[:limit]) + "…"
	}
	if spelling.Deceives(s) {
		return strconv.QuoteToASCII(s)
	}
	return strconv.Quote(s)
}

// listOf shows how text would be written as a list.
func listOf(s string) string {
	var items []string
	for _, word := range strings.Fields(s) {
		items = append(items, strconv.Quote(word))
	}
	list := "[" + strings.Join(items, ", ") + "]"
	if utf8.RuneCountInString(list) > 80 {
		return "[…]"
	}
	return list
}

func lastPart(what string) string { return what[strings.LastIndexByte(what, '.')+1:] }
