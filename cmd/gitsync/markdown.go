package main

// How we write Markdown:
//
//   - Text from outside (names, causes, subjects, errors) is in code: in a span, or in a
//     fenced block. There no forge looks for links, images, HTML or people to notify.
//   - It cannot leave the code again, since it holds neither a backtick nor the end of a
//     line; nor the cell of a table, since it holds no bar.

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

const (
	// maxSpan and maxNames bound what one text, or one list of names, takes.
	maxSpan  = 500
	maxNames = 50
)

// literal is text as it may stand in code.
func literal(s string) string {
	s = strings.Map(func(r rune) rune {
		switch r {
		case '`':
			return '\''
		case '|':
			return '¦'
		case '\t', '\n', '\r', '\u0085', '\u2028', '\u2029':
			return ' '
		}
		return r
	}, strings.ToValidUTF8(s, "\ufffd"))
	s = strings.TrimSpace(clean(s))
	if utf8.RuneCountInString(s) > maxSpan {
		s = string([]rune(s)[:maxSpan]) + "…"
	}
	return s
}

// span is text in a code span.
func span(s string) string {
	if s = literal(s); s == "" {
		return "–"
	}
	return "`" + s + "`"
}

// spans are names in code spans, not too many of them.
func spans(names []string) string {
	var out []string
	for i, name := range names {
		if i == maxNames {
			return strings.Join(out, ", ") + fmt.Sprintf(" and %d more", len(names)-i)
		}
		out = append(out, span(name))
	}
	return strings.Join(out, ", ")
}

// bullets is a list with an item for each line of a text.
func bullets(text string) []string {
	var items []string
	for line := range strings.Lines(text) {
		if strings.TrimSpace(line) != "" {
			items = append(items, "- "+span(line))
		}
	}
	return items
}
