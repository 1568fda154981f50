package layout

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Mistake is one thing in the repo that a person has to correct.
type Mistake struct {
	// File is the path in the repo, such as hosts/web1/containers.yaml. It may
	// be a directory.
	File string `json:"file"`
	// Line and Column begin at 1; the column counts characters. Both are 0 when
	// the file as a whole is meant.
	Line   int `json:"line,omitempty"`
	Column int `json:"column,omitempty"`
	// Message says what is wrong.
	Message string `json:"message"`
	// Hint says what to write instead. It may be empty.
	Hint string `json:"hint,omitempty"`
	// guess finds a better hint, when the mistake is printed.
	guess *guess
}

// Position returns "file:line:column", or the file alone when it is meant as a
// whole.
func (m Mistake) Position() string {
	if m.Line == 0 {
		return m.File
	}
	return fmt.Sprintf("%s:%d:%d", m.File, m.Line, m.Column)
}

// Error returns "file:line:column: message (hint)", on one line.
func (m Mistake) Error() string {
	text := m.Position() + ": " + m.Message
	if m.Hint != "" {
		text += " (" + m.Hint + ")"
	}
	return text
}

// Mistakes is an error that holds all mistakes of a host, or of a repo, sorted
// by file, line and column. An empty one is not an error: see [Mistakes.Err].
type Mistakes []Mistake

// Error returns one mistake a line.
func (m Mistakes) Error() string {
	lines := make([]string, 0, len(m))
	for _, mistake := range m {
		lines = append(lines, mistake.Error())
	}
	return strings.Join(lines, "\n")
}

// Err returns m as an error, or nil when there is no mistake.
func (m Mistakes) Err() error {
	if len(m) == 0 {
		return nil
	}
	return m
}

// tidy sorts the mistakes, drops those that say the same twice (an alias may
// lead to one place many times), and cuts the list at maxMistakes. What is left gets its
// hints.
func (m Mistakes) tidy() Mistakes {
	slices.SortStableFunc(m, func(a, b Mistake) int {
		return cmp.Or(cmp.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column),
			strings.Compare(a.Message, b.Message))
	})
	m = slices.CompactFunc(m, func(a, b Mistake) bool {
		a.guess, b.guess = nil, nil
		return a == b
	})
	if len(m) > maxMistakes {
		last := m[maxMistakes]
		last.Message = fmt.Sprintf("there are %d more mistakes from here on", len(m)-maxMistakes)
		last.Hint = "correct the ones above first"
		last.guess = nil
		m = append(m[:maxMistakes:maxMistakes], last)
	}
	for i := range m {
		m[i].Hint, m[i].guess = m[i].guess.hint(m[i].Hint), nil
	}
	return m
}
