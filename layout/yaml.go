package layout

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"
)

// parse returns the root of a YAML file, which is nil when the file is empty,
// and whether the nodes may be walked: then no alias leads in a circle, and a
// walk that follows aliases ends soon.
func (d *decoder) parse(data []byte) (root *yaml.Node, ok bool) {
	if at, what := firstOddCharacter(data); what != "" {
		d.badAt(at, "save the file as plain text in UTF-8", "%s in a YAML file", what)
		return nil, false
	}
	var document, second yaml.Node
	decoder := yaml.NewDecoder(bytes.NewReader(data))
	err := decoder.Decode(&document)
	if errors.Is(err, io.EOF) {
		return nil, true
	}
	if err == nil {
		if err = decoder.Decode(&second); err == nil {
			d.bad(&second, "keep one, without --- between", "the file holds more than one YAML document")
			return nil, false
		}
	}
	if !errors.Is(err, io.EOF) {
		d.syntaxError(data, err)
		return nil, false
	}
	m := measurement{decoder: d, sizes: map[*yaml.Node]int{}}
	if d.size = m.size(&document, 0); d.size > MaxYAMLNodes {
		d.bad(&document, "use fewer aliases", "the file holds more than %d values, aliases expanded", MaxYAMLNodes)
	}
	root = document.Content[0]
	if root.Kind == yaml.ScalarNode && root.ShortTag() == "!!null" {
		root = nil
	}
	return root, len(d.mistakes) == 0
}

// measurement counts the nodes that a walk would meet. The parser leaves aliases
// alone when it makes nodes, so it stops no alias bomb.
type measurement struct {
	*decoder
	// sizes holds the nodes that were counted; -1 for those that are being.
	sizes map[*yaml.Node]int
}

// size returns the number of nodes below and with n, at most MaxYAMLNodes+1. It
// also reports what no file of ours may have: cycles, tags, deep nesting.
func (m *measurement) size(n *yaml.Node, depth int) int {
	if n.Kind == yaml.AliasNode {
		size := m.sizes[n.Alias]
		if size < 0 {
			m.bad(n, "", "alias *%s contains itself", n.Value)
			return 1
		}
		return size
	}
	if depth > MaxYAMLDepth {
		m.bad(n, "", "the nesting is deeper than %d levels", MaxYAMLDepth)
		return 1
	}
	if n.Style&yaml.TaggedStyle != 0 {
		m.bad(n, "leave it out; put quotes around what is text", "the tag %s is not supported", quoted(n.Tag))
	}
	if n.Anchor != "" {
		m.sizes[n] = -1
	}
	// A long text that aliases repeat is read as often.
	total := 1 + len(n.Value)/valueBytes
	for _, child := range n.Content {
		total = min(total+m.size(child, depth+1), MaxYAMLNodes+1)
	}
	if n.Anchor != "" {
		m.sizes[n] = total
	}
	return total
}

// firstOddCharacter finds what makes the file something else than UTF-8 text.
func firstOddCharacter(data []byte) (at position, what string) {
	at = position{line: 1, column: 1}
	data = bytes.TrimPrefix(data, []byte("\ufeff"))
	for len(data) > 0 {
		r, size := utf8.DecodeRune(data)
		switch {
		case r == utf8.RuneError && size == 1:
			return at, "bytes that are not UTF-8"
		case r < ' ' && r != '\t' && r != '\n' && r != '\r', r == 0x7f:
			return at, "a control character"
		case r == '\n':
			at = position{line: at.line + 1}
		}
		at.column++
		data = data[size:]
	}
	return at, ""
}

var lineOfError = regexp.MustCompile(`^yaml: (line \d+: )?`)

// variableInFlow finds a variable in a text without quotes inside brackets.
var variableInFlow = regexp.MustCompile(`[\[{,][^"'#]*\$\{(vars|host|secret)\.`)

// syntaxError records what the parser says. Its line is often that of the
// construct that the wrong line is in, or missing, so it is looked for here.
func (d *decoder) syntaxError(data []byte, err error) {
	problem := lineOfError.ReplaceAllString(err.Error(), "")
	at, line := wrongLine(data, err.Error())
	if variableInFlow.MatchString(line) {
		d.badAt(at, `put the text with ${…} in quotes: inside [ ] and { } its braces have a meaning of their own`, "${…} without quotes in a list or mapping that is written with [ ] or { }")
		return
	}
	if strings.HasPrefix(strings.TrimLeft(line, " "), "\t") && strings.TrimSpace(line) != "" {
		d.badAt(at, "indent with spaces", "a tab indents the line: YAML forbids that")
		return
	}
	for _, known := range syntaxProblems {
		if strings.HasPrefix(problem, known.problem) {
			d.badAt(at, known.hint, "%s", known.message)
			return
		}
	}
	d.badAt(at, "", "the YAML is broken: %s", problem)
}

var syntaxProblems = []struct{ problem, message, hint string }{
	{"did not find expected key", "the line does not fit the ones before it", "entries that belong together begin in one column; close every quote"},
	{"mapping values are not allowed", "a key in a place where none can be", `indent by the same number of spaces; put text with ": " in it in quotes`},
	{"did not find expected '-'", "the line does not fit the list before it", "entries that belong together begin in one column"},
	{"did not find expected ',' or ']'", "a list that begins with [ is not closed", "write [a, b]"},
	{"did not find expected ',' or '}'", "a mapping that begins with { is not closed", "write {a: 1, b: 2}"},
	{"found character that cannot start", "the text begins with a character that YAML keeps for itself", "put it in quotes"},
	{"unknown anchor", "the alias has no anchor before it", "write &name before the value that *name repeats"},
	{"did not find expected node content", "a list or mapping that begins with [ or { is not closed", "write [a, b] or {a: 1, b: 2}"},
	{"found unexpected end of stream", "a quote is not closed", "close it"},
}

// lineInError returns the line that the parser names; 0 when it names none.
func lineInError(err string) int {
	line := 0
	if _, scanErr := fmt.Sscanf(err, "yaml: line %d:", &line); scanErr != nil {
		return 0
	}
	return line
}

// wrongLine returns the first line, and its text, at which the parser reports
// the error: with that line the error is there, without it it is another or
// none.
func wrongLine(data []byte, err string) (position, string) {
	lines := bytes.SplitAfter(data, []byte("\n"))
	parsed := 0
	fails := func(count int) bool {
		for _, line := range lines[:count] {
			parsed += len(line)
		}
		decoder := yaml.NewDecoder(bytes.NewReader(bytes.Join(lines[:count], nil)))
		for {
			var n yaml.Node
			if e := decoder.Decode(&n); e != nil {
				return e.Error() == err
			}
		}
	}
	low, high := 0, len(lines)
	for high-low > 1 {
		if parsed > maxBisected {
			// The parser's own line has to do: this one was found by parsing again and again.
			if line := lineInError(err); line > low && line <= high {
				high = line
			}
			break
		}
		if middle := (low + high) / 2; fails(middle) {
			high = middle
		} else {
			low = middle
		}
	}
	text := strings.TrimRight(string(lines[high-1]), "\r\n")
	indent := len(text) - len(strings.TrimLeft(text, " "))
	if high > 1 && strings.TrimSpace(text) == "" {
		return position{line: high, column: 1}, ""
	}
	return position{line: high, column: indent + 1}, text
}
