package main

import (
	"fmt"
	"os"
	"time"

	"github.com/rs/zerolog"
)

// newLogger writes to stderr: for people on a terminal, as JSON lines otherwise.
func (s *settings) newLogger(stderr *os.File) (log zerolog.Logger, err error) {
	defer func() {
		if err == nil {
			s.log = &log
		}
	}()
	level, err := zerolog.ParseLevel(s.logLevel)
	if err != nil || level < zerolog.DebugLevel || level > zerolog.ErrorLevel {
		return zerolog.Nop(), fmt.Errorf("--log-level %q: write debug, info, warn or error", s.logLevel)
	}
	t := newTerminal(stderr)
	switch s.logFormat {
	case "json":
		return zerolog.New(redacting{escaped{stderr}, s.redactor}).Level(level).With().Timestamp().Logger(), nil
	case "auto":
		if !t.tty {
			return zerolog.New(redacting{escaped{stderr}, s.redactor}).Level(level).With().Timestamp().Logger(), nil
		}
	case "text":
	default:
		return zerolog.Nop(), fmt.Errorf("--log-format %q: write text, json or auto", s.logFormat)
	}
	console := zerolog.ConsoleWriter{
		Out: redacting{inert{stderr}, s.redactor}, NoColor: !t.color, TimeFormat: time.TimeOnly,
		// The library prints messages as they are.
		FormatMessage: func(message any) string {
			if message == nil {
				return ""
			}
			return clean(fmt.Sprint(message))
		},
	}
	return zerolog.New(console).Level(level).With().Timestamp().Logger(), nil
}

// warn says what is not as it should be, and stops nothing: in the log of a command that has
// one.
func (s *settings) warn(message string, err error) {
	if s.log != nil {
		s.log.Warn().Err(err).Msg(message)
		return
	}
	t := newTerminal(os.Stderr).without(s.redactor)
	// A message that cannot be printed changes nothing.
	_, _ = fmt.Fprintln(t.out, t.yellow("warning: ")+clean(fmt.Sprintf("%s: %v", message, err)))
}
