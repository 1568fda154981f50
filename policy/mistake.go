package policy

import (
	"fmt"
	"strings"
)

// Mistake is one thing in a policy file that a person has to correct.
type Mistake struct {
	// File is the name that [Parse] was given.
	File string
	// Line and Column begin at 1; the column counts characters.
	Line, Column int
	// Message says what is wrong, and Hint, which may be empty, what to write instead.
	Message, Hint string
}

// Error returns "file:line:column: message (hint)", on one line.
func (m Mistake) Error() string {
	text := fmt.Sprintf("%s:%d:%d: %s", m.File, m.Line, m.Column, m.Message)
	if m.Hint != "" {
		text += " (" + m.Hint + ")"
	}
	return text
}

// Mistakes is an error that holds all mistakes of a policy file, in its order.
type Mistakes []Mistake

// Error returns one mistake a line.
func (m Mistakes) Error() string {
	lines := make([]string, 0, len(m))
	for _, mistake := range m {
		lines = append(lines, mistake.Error())
	}
	return strings.Join(lines, "\n")
}
