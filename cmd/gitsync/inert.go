package main

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"

	"golang.org/x/term"
)

// steers says whether a character could steer a terminal, or make text look other than
// it is: control characters, the escape sequences that they begin, marks that turn the
// direction of text, and those that cannot be seen. Joiners stay: scripts need them.
func steers(r rune) bool {
	switch r {
	case '\t', '\u200c', '\u200d':
		return false
	case '\u2028', '\u2029':
		return true
	}
	return unicode.IsControl(r) || unicode.Is(unicode.Cf, r)
}

// clean replaces what could steer a terminal.
func clean(s string) string {
	return strings.Map(func(r rune) rune {
		if steers(r) {
			return '\ufffd'
		}
		return r
	}, s)
}

// ours are the sequences that we write ourselves: colours, and the line of the progress
// that is written over.
var ours = regexp.MustCompile("\x1b\\[(?:[0-9;]*m|2K)|[\r\n]")

// inert is a terminal, or what may be shown on one later, that foreign text cannot steer.
type inert struct{ out io.Writer }

// Write implements io.Writer.
func (i inert) Write(p []byte) (int, error) {
	var b strings.Builder
	rest := string(p)
	for rest != "" {
		at := ours.FindStringIndex(rest)
		if at == nil {
			at = []int{len(rest), len(rest)}
		}
		b.WriteString(clean(rest[:at[0]]))
		b.WriteString(rest[at[0]:at[1]])
		rest = rest[at[1]:]
	}
	if _, err := io.WriteString(i.out, b.String()); err != nil {
		return 0, err
	}
	return len(p), nil
}

// escaped is where JSON is written to. What could steer a terminal is in texts only, and
// written as JSON's escapes: the encoders leave much of it as it is.
type escaped struct{ out io.Writer }

// Write implements io.Writer.
func (e escaped) Write(p []byte) (int, error) {
	var b bytes.Buffer
	for rest := p; len(rest) > 0; {
		r, size := utf8.DecodeRune(rest)
		switch {
		case r < 0x7f || !steers(r):
			b.Write(rest[:size])
		case r > 0xffff:
			high, low := utf16.EncodeRune(r)
			fmt.Fprintf(&b, `\u%04x\u%04x`, high, low)
		default:
			fmt.Fprintf(&b, `\u%04x`, r)
		}
		rest = rest[size:]
	}
	if _, err := e.out.Write(b.Bytes()); err != nil {
		return 0, err
	}
	return len(p), nil
}

// exact is where output goes that is the content of a file: as it is in a pipe, but not on a
// terminal.
func exact(f *os.File) io.Writer {
	if term.IsTerminal(int(f.Fd())) {
		return inert{f}
	}
	return f
}
