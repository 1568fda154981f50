package main

// How we speak to people:
//
//   - An error is one line that begins with "error: ", lower case, and says what
//     failed, where and why. What to do about it is a line that begins with
//     "hint: ".
//   - Results go to stdout, and can be piped. All else goes to stderr.
//   - Colour marks what a glance should find, and carries no meaning alone. There
//     is none when NO_COLOR is set or the output is no terminal.
//   - Text from outside (names, commit messages, engines) passes clean, so that it
//     cannot move the cursor; all that we write passes inert, or escaped for JSON, in
//     case that something did not (inert.go).

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"golang.org/x/term"

	"github.com/gitsync/gitsync/secret"
)

type terminal struct {
	out   io.Writer
	color bool
	tty   bool
}

func newTerminal(f *os.File) *terminal {
	tty := term.IsTerminal(int(f.Fd()))
	return &terminal{out: inert{f}, tty: tty, color: tty && os.Getenv("NO_COLOR") == ""}
}

// without returns the terminal with secrets taken out of what is printed.
func (t *terminal) without(r *secret.Redactor) *terminal {
	t.out = redacting{t.out, r}
	return t
}

// redacting takes secrets out of texts that are written as a whole.
type redacting struct {
	out      io.Writer
	redactor *secret.Redactor
}

func (r redacting) Write(p []byte) (int, error) {
	if _, err := io.WriteString(r.out, r.redactor.Redact(string(p))); err != nil {
		return 0, err
	}
	return len(p), nil
}

// hinted is an error with a line that says what to do.
type hinted struct {
	error
	hint string
}

func (h hinted) Unwrap() error { return h.error }

func withHint(err error, hint string) error { return hinted{err, hint} }

// error prints an error, each of its lines with the prefix, and its hint.
func (t *terminal) error(err error) {
	for line := range strings.Lines(err.Error()) {
		line = clean(strings.TrimRight(line, "\n"))
		if strings.HasPrefix(line, "hint: ") {
			fmt.Fprintln(t.out, t.dim(line))
			continue
		}
		fmt.Fprintln(t.out, t.red("error: ")+line)
	}
	var h hinted
	if errors.As(err, &h) {
		fmt.Fprintln(t.out, t.dim("hint: "+clean(h.hint)))
	}
}

func (t *terminal) paint(code, s string) string {
	if !t.color || s == "" {
		return s
	}
	return "\x1b[" + code + "m" + s + "\x1b[0m"
}

func (t *terminal) red(s string) string    { return t.paint("31", s) }
func (t *terminal) green(s string) string  { return t.paint("32", s) }
func (t *terminal) yellow(s string) string { return t.paint("33", s) }
func (t *terminal) bold(s string) string   { return t.paint("1", s) }
func (t *terminal) dim(s string) string    { return t.paint("2", s) }
