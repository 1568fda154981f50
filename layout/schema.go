package layout

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/gitsync/gitsync/container/types"
)

// decode reads a node into a T. What names the value for a person, such as
// "healthcheck.interval".
type decode[T any] func(d *decoder, what string, n *yaml.Node, into *T)

// field is a key that a mapping may have.
type field[T any] struct {
	key    string
	decode decode[T]
	// aka are names that the key has elsewhere, for suggestions.
	aka []string
}

// schema lists the keys of a mapping.
type schema[T any] []field[T]

// decode reads a mapping, whose keys must be in the schema.
func (s schema[T]) decode(d *decoder, what string, n *yaml.Node, into *T) {
	s.decodePairs(d, what, d.pairs(what, n), into)
}

// decodePairs reads the entries of a mapping. Where what is empty, its keys need
// no name before them.
func (s schema[T]) decodePairs(d *decoder, what string, pairs []pair, into *T) {
	for _, p := range pairs {
		i := slices.IndexFunc(s, func(f field[T]) bool { return f.key == p.key.Value })
		if i < 0 {
			if d.full() {
				return
			}
			g, otherwise := s.suggest(d, p.key.Value)
			d.unknown(d.at(p.key), g, otherwise, "unknown key %s", quoted(p.key.Value))
			continue
		}
		s[i].decode(d, below(what, s[i].key), p.value, into)
	}
}

// below names a key for a person: "healthcheck.test", or after a name in quotes
// "config file "/etc/x": mode".
func below(what, key string) string {
	switch {
	case what == "":
		return key
	case strings.HasSuffix(what, `"`):
		return what + ": " + key
	}
	return what + "." + key
}

// suggest returns the search for a key that is not in the schema, and the hint for the case
// that none is near: the keys when they are few, or where they are explained.
func (s schema[T]) suggest(d *decoder, key string) (g *guess, otherwise string) {
	const few = 8
	otherwise = "repo-layout.md lists what there is"
	if len(s) <= few {
		var keys []string
		for _, f := range s {
			keys = append(keys, f.key)
		}
		otherwise = "known are " + strings.Join(keys, ", ")
	}
	g = d.guess(key, nil, func(word string) string { return fmt.Sprintf("did you mean %q?", s.meant(word)) })
	g.known = s.words
	return g, otherwise
}

// words are the keys, and the names that they have elsewhere.
func (s schema[T]) words() []string {
	var words []string
	for _, f := range s {
		words = append(append(words, f.key), f.aka...)
	}
	return words
}

// meant returns the key that has a word among its names.
func (s schema[T]) meant(word string) string {
	for _, f := range s {
		if f.key == word || slices.Contains(f.aka, word) {
			return f.key
		}
	}
	return word
}

// check says what is wrong with a text, in words that follow it ("is empty"),
// and what to write instead. An empty problem means that it is fine.
type check func(text string) (problem, hint string)

// run reports what the check finds.
func (c check) run(d *decoder, what string, n *yaml.Node, text string) bool {
	if d.full() {
		return false
	}
	problem, hint := c(text)
	if problem != "" {
		d.bad(resolve(n), hint, "%s %s %s", what, quoted(text), problem)
	}
	return problem == ""
}

// text decodes a text that passes the check.
func text[T any](at func(*T) *string, c check) decode[T] {
	return func(d *decoder, what string, n *yaml.Node, into *T) {
		if s, ok := d.text(what, n); ok && c.run(d, what, n, s) {
			*at(into) = s
		}
	}
}

// scalar decodes any scalar as it is written, such as the uid 1000.
func scalar[T any](at func(*T) *string, c check) decode[T] {
	return func(d *decoder, what string, n *yaml.Node, into *T) {
		if s, ok := d.scalar(what, n); ok && c.run(d, what, n, s) {
			*at(into) = s
		}
	}
}

// scalars decodes a list of scalars, each of which passes the check.
func scalars[T any](at func(*T) *[]string, c check) decode[T] {
	return func(d *decoder, what string, n *yaml.Node, into *T) {
		for _, item := range d.list(what, n) {
			if s, ok := d.scalar("an item of "+what, item); ok && c.run(d, what, item, s) {
				*at(into) = append(*at(into), s)
			}
		}
	}
}

// boolean decodes true or false.
func boolean[T any](at func(*T) *bool) decode[T] {
	return func(d *decoder, what string, n *yaml.Node, into *T) {
		if b, ok := d.boolean(what, n); ok {
			*at(into) = b
		}
	}
}

// integer decodes a whole number from 0 to limit.
func integer[T any](at func(*T) *int, limit int) decode[T] {
	return func(d *decoder, what string, n *yaml.Node, into *T) {
		if i, ok := d.integer(what, n, limit); ok {
			*at(into) = i
		}
	}
}

// duration decodes "30s", or a number of seconds.
func duration[T any](at func(*T) *types.Duration) decode[T] {
	return func(d *decoder, what string, n *yaml.Node, into *T) {
		s, ok := d.scalar(what, n)
		if !ok {
			return
		}
		value, err := types.ParseDuration(s)
		switch {
		case err != nil:
			d.bad(resolve(n), "write for example 30s or 1m30s", "%s %s is no duration", what, quoted(s))
		case value > 0 && value < minDuration:
			d.bad(resolve(n), "write 1ms or more", "%s %s is too short", what, quoted(s))
		default:
			*at(into) = value
		}
	}
}

// minDuration is the shortest that Docker takes for a health check.
const minDuration = types.Duration(1_000_000)

// port decodes a port number.
func port[T any](at func(*T) *int) decode[T] {
	return func(d *decoder, what string, n *yaml.Node, into *T) {
		s, ok := d.scalar(what, n)
		if !ok {
			return
		}
		value, err := strconv.Atoi(strings.TrimSpace(s))
		if err != nil || value < 1 || value > 65535 {
			d.bad(resolve(n), "", "%s must be a port from 1 to 65535, not %s", what, quoted(s))
			return
		}
		*at(into) = value
	}
}
