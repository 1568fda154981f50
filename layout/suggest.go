package layout

import (
	"fmt"
	"strconv"

	"github.com/gitsync/gitsync/internal/spelling"
)

// nearest returns the known word that a typo turns into this one; it is empty when there
// is none. The words must be few: see [guess].
func nearest(word string, known []string) string { return spelling.Nearest(word, known) }

// guess is the search for the name that somebody meant. It is made when a mistake is
// recorded, and carried out when it is printed: there may be very many of both, names and
// mistakes.
type guess struct {
	word  string
	known func() []string
	// say returns the hint for the name that was found.
	say  func(best string) string
	work *work
	// found is the result, once it is known.
	found *string
}

// hint returns the hint, or the other one when no name is near, or there was no work left
// to look for it.
func (g *guess) hint(otherwise string) string {
	if g == nil {
		return otherwise
	}
	if g.found == nil {
		best, known := "", g.known()
		if g.work.compare(len(known)) {
			best = nearest(g.word, known)
		}
		g.found = &best
	}
	if *g.found == "" {
		return otherwise
	}
	hint := g.say(*g.found)
	if spelling.Alike(g.word, *g.found) {
		hint += fmt.Sprintf(" They look alike: %s is written, and there is %s", strconv.QuoteToASCII(g.word), strconv.QuoteToASCII(*g.found))
	}
	return hint
}

// guess returns the search for one of the names.
func (d *decoder) guess(word string, known []string, say func(best string) string) *guess {
	return &guess{word: word, known: func() []string { return known }, say: say, work: d.work}
}

// unknown records that a name is not known, with the name that was meant, or with another
// hint.
func (d *decoder) unknown(at position, g *guess, otherwise, format string, args ...any) {
	before := len(d.mistakes)
	d.badAt(at, otherwise, format, args...)
	if len(d.mistakes) > before {
		d.mistakes[before].guess = g
	}
}
