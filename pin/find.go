package pin

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"
)

// Image is an image as a file has it.
type Image struct {
	// Containers are those that have it, by name: several where they share it by an alias.
	Containers []string
	// Line and Column are where it is written; both begin at 1.
	Line, Column int
	// Text is the reference, with variables in it as they are written.
	Text string

	// start and end are where the text is in the file, without quotes.
	start, end int
	// Err says why it cannot be edited; nil when it can.
	Err error
}

var errForm = errors.New("it is not written as one text on one line, without escapes: write it like that")

// Find returns the images of a containers.yaml, in the order of the file.
//
// Errors: what the file is no YAML for. What a containers.yaml must not hold is no error.
func Find(data []byte) ([]Image, error) {
	root, err := parse(data)
	if err != nil || root == nil {
		return nil, err
	}
	f := &finder{lines: lineStarts(data), data: data, byNode: map[*yaml.Node]*Image{}}
	containers := mapping(value(root, "containers"))
	for i := 0; containers != nil && i+1 < len(containers.Content); i += 2 {
		f.container(containers.Content[i].Value, containers.Content[i+1])
	}
	images := make([]Image, 0, len(f.found))
	for _, image := range f.found {
		images = append(images, *image)
	}
	slices.SortFunc(images, func(a, b Image) int { return a.start - b.start })
	return images, nil
}

func parse(data []byte) (*yaml.Node, error) {
	var document yaml.Node
	decoder := yaml.NewDecoder(bytes.NewReader(data))
	if err := decoder.Decode(&document); err != nil && !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("it is no YAML: %w", err)
	}
	var second yaml.Node
	if err := decoder.Decode(&second); !errors.Is(err, io.EOF) {
		return nil, errors.New("it is not one YAML document")
	}
	if len(document.Content) == 0 {
		return nil, nil
	}
	return document.Content[0], nil
}

type finder struct {
	data   []byte
	lines  []int
	found  []*Image
	byNode map[*yaml.Node]*Image
	// line, column and at are the place that was found last: a long line is not counted
	// from its begin each time.
	line, column, at int
}

// container adds the image of an entry, in the short form or the library's.
func (f *finder) container(name string, entry *yaml.Node) {
	image := value(entry, "image")
	if image == nil {
		image = value(value(value(entry, "container"), "config"), "image")
	}
	if image == nil || image.Kind != yaml.ScalarNode || image.ShortTag() == "!!null" {
		return
	}
	if known := f.byNode[image]; known != nil {
		known.Containers = append(known.Containers, name)
		return
	}
	found := &Image{Containers: []string{name}, Line: image.Line, Column: image.Column, Text: image.Value}
	found.start, found.end, found.Err = f.place(image)
	f.byNode[image] = found
	f.found = append(f.found, found)
}

// place returns where the text of a scalar is.
func (f *finder) place(n *yaml.Node) (start, end int, err error) {
	at, ok := f.offset(n.Line, n.Column)
	if !ok {
		return 0, 0, errForm
	}
	rest := f.data[at:]
	if n.Anchor != "" {
		anchor := "&" + n.Anchor
		if !bytes.HasPrefix(rest, []byte(anchor)) {
			return at, at, errForm
		}
		rest = bytes.TrimLeft(rest[len(anchor):], " ")
	}
	text, quote := n.Value, ""
	switch n.Style &^ yaml.TaggedStyle {
	case yaml.SingleQuotedStyle:
		quote = "'"
	case yaml.DoubleQuotedStyle:
		quote = `"`
	}
	if !bytes.HasPrefix(rest, []byte(quote+text+quote)) || text == "" || strings.ContainsAny(text, "\\'\"\r\n") {
		return at, at, errForm
	}
	start = len(f.data) - len(rest) + len(quote)
	return start, start + len(text), nil
}

// offset turns a line and a column, in characters, into a place in the bytes.
func (f *finder) offset(line, column int) (int, bool) {
	if line < 1 || line > len(f.lines) {
		return 0, false
	}
	at, from := f.lines[line-1], 1
	if line == f.line && column >= f.column {
		at, from = f.at, f.column
	}
	for range column - from {
		if at >= len(f.data) {
			return 0, false
		}
		_, size := utf8.DecodeRune(f.data[at:])
		at += size
	}
	f.line, f.column, f.at = line, column, at
	return at, at <= len(f.data)
}

// lineStarts returns where lines begin, by what YAML takes for their ends.
func lineStarts(data []byte) []int {
	begin := 0
	if bytes.HasPrefix(data, []byte("\ufeff")) {
		begin = len("\ufeff")
	}
	starts := []int{begin}
	for at := begin; at < len(data); {
		r, size := utf8.DecodeRune(data[at:])
		at += size
		if r == '\r' && at < len(data) && data[at] == '\n' {
			at++
		}
		if r == '\n' || r == '\r' || r == '\u0085' || r == '\u2028' || r == '\u2029' {
			starts = append(starts, at)
		}
	}
	return starts
}

// value returns the value of a key, also of one that a merge key brings in; nil when there
// is none.
func value(n *yaml.Node, key string) *yaml.Node {
	return search(n, key, map[*yaml.Node]bool{})
}

// search is value without the mappings that were searched before: they may be merged into
// each other again and again.
func search(n *yaml.Node, key string, searched map[*yaml.Node]bool) *yaml.Node {
	if n = mapping(n); n == nil || searched[n] {
		return nil
	}
	searched[n] = true
	var merged *yaml.Node
	for i := 0; i+1 < len(n.Content); i += 2 {
		switch k := n.Content[i]; {
		case k.Kind == yaml.ScalarNode && k.Value == key:
			return resolve(n.Content[i+1])
		case k.Kind == yaml.ScalarNode && k.ShortTag() == "!!merge":
			merged = resolve(n.Content[i+1])
		}
	}
	if merged == nil || searched[merged] {
		return nil
	}
	if merged.Kind != yaml.SequenceNode {
		return search(merged, key, searched)
	}
	searched[merged] = true
	for _, item := range merged.Content {
		if found := search(item, key, searched); found != nil {
			return found
		}
	}
	return nil
}

// mapping returns the mapping that a node is, or refers to; nil when it is none.
func mapping(n *yaml.Node) *yaml.Node {
	if n = resolve(n); n == nil || n.Kind != yaml.MappingNode {
		return nil
	}
	return n
}

func resolve(n *yaml.Node) *yaml.Node {
	if n != nil && n.Kind == yaml.AliasNode {
		return n.Alias
	}
	return n
}
