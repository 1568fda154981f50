package policy

import "strings"

// glob is a text in which * is any number of characters, ? is one, and \ takes the meaning
// from the one that follows. Where there is a separator, * and ? do not cross it, and **
// does.
type glob struct {
	tokens []token
	// literal is the number of characters that the glob names.
	literal int
	// run is the longest text without a wildcard: what lacks it does not match. Where it is
	// all that there is, exact is set.
	run   string
	exact bool
}

type token struct {
	r    rune
	kind tokenKind
}

type tokenKind int

const (
	oneRune tokenKind = iota
	anyRune
	anyRunes
	anyAtAll
)

func newGlob(text string) glob {
	var g glob
	var run []rune
	runes := []rune(text)
	for i := 0; i < len(runes); i++ {
		switch r := runes[i]; {
		case r == '*' && i+1 < len(runes) && runes[i+1] == '*':
			g.tokens = append(g.tokens, token{kind: anyAtAll})
			i++
		case r == '*':
			g.tokens = append(g.tokens, token{kind: anyRunes})
		case r == '?':
			g.tokens = append(g.tokens, token{kind: anyRune})
		case r == '\\' && i+1 < len(runes):
			i++
			r = runes[i]
			fallthrough
		default:
			g.tokens = append(g.tokens, token{r: r})
			g.literal++
			if run = append(run, r); len(string(run)) > len(g.run) {
				g.run = string(run)
			}
			continue
		}
		run = nil
	}
	g.exact = g.literal == len(g.tokens)
	return g
}

// escaped returns the glob that matches just this text.
func escaped(text string) string {
	return strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`).Replace(text)
}

// matches costs no more than the product of the lengths. A separator of 0 is none.
func (g glob) matches(text string, separator rune) bool {
	if g.exact {
		return text == g.run
	}
	if !strings.Contains(text, g.run) {
		return false
	}
	// at[i] says that the tokens before i match what was read.
	at := make([]bool, len(g.tokens)+1)
	at[0] = true
	g.skip(at)
	for _, r := range text {
		next := make([]bool, len(at))
		for i, t := range g.tokens {
			crosses := separator == 0 || r != separator
			switch {
			case !at[i]:
			case t.kind == oneRune && t.r == r, t.kind == anyRune && crosses:
				next[i+1] = true
			case t.kind == anyAtAll, t.kind == anyRunes && crosses:
				next[i] = true
			}
		}
		at = next
		g.skip(at)
	}
	return at[len(g.tokens)]
}

// skip lets those tokens match nothing that may.
func (g glob) skip(at []bool) {
	for i, t := range g.tokens {
		if at[i] && (t.kind == anyRunes || t.kind == anyAtAll) {
			at[i+1] = true
		}
	}
}
