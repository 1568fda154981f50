package registry

import (
	"errors"
	"strings"
	"unicode"
)

// maxErrorRunes bounds what is said of an error that a registry has written.
const maxErrorRunes = 1000

// CleanError makes an error that quotes a registry fit to be printed. A registry may
// answer with anything, even with what it was sent: what is secret in the credential is
// taken out, what could steer a terminal is replaced, and the length is bounded. What
// [errors.Is] finds in the error is kept; the error itself is not to be had any more,
// since it would print what was taken out.
func (c Credential) CleanError(err error) error {
	if err == nil {
		return nil
	}
	if text := printable(c.Redact(err.Error())); text != err.Error() {
		return cleanError{text, err}
	}
	return err
}

type cleanError struct {
	text  string
	cause error
}

func (e cleanError) Error() string { return e.text }

func (e cleanError) Is(target error) bool { return errors.Is(e.cause, target) }

// printable bounds a text, puts it on one line, and replaces what does not print.
func printable(text string) string {
	text = strings.Map(func(r rune) rune {
		switch {
		case r == '\n' || r == '\t':
			return ' '
		case !unicode.IsPrint(r):
			return '\ufffd'
		}
		return r
	}, text)
	if runes := []rune(text); len(runes) > maxErrorRunes {
		text = string(runes[:maxErrorRunes]) + "…"
	}
	return text
}
