package main

import (
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/rs/zerolog"

	"github.com/gitsync/gitsync/internal/lossy"
)

const (
	// maxLog is how much of the log waits in memory for whoever reads it.
	maxLog = 1 << 20
	// logFlushTimeout bounds how long a process that ends waits for that.
	logFlushTimeout = 3 * time.Second
)

// neverWait makes the log one that never waits for its reader, nor does what is printed at
// the end: nothing that is done to containers may depend on a pipe. A reader that is gone
// ends nothing either.
func (s *settings) neverWait(stderr io.Writer) {
	s.lines = lossy.New(stderr, maxLog, func(dropped int) []byte {
		text := fmt.Sprintf("%d log lines dropped: nobody read them in time", dropped)
		if s.textLog {
			return []byte(text + "\n")
		}
		return fmt.Appendf(nil, `{"level":"warn","time":%q,"message":%q}`+"\n", time.Now().Format(time.RFC3339), text)
	})
	// Go ends a process that writes to a broken pipe on stdout or stderr, unless somebody
	// wants to know; to ignore the signal would make git ignore it, too.
	signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE)
}

// terminal is where people are spoken to beside the log.
func (s *settings) terminal(stderr *os.File) *terminal {
	t := newTerminal(stderr)
	if s.lines != nil {
		t.out = inert{s.lines}
	}
	return t.without(s.redactor)
}

// flush waits for the reader of the log, for a while.
func (s *settings) flush() {
	if s.lines != nil {
		s.lines.Close(logFlushTimeout)
	}
}

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
	var out io.Writer = stderr
	if s.lines != nil {
		out = s.lines
	}
	switch s.logFormat {
	case "json":
		return zerolog.New(redacting{escaped{out}, s.redactor}).Level(level).With().Timestamp().Logger(), nil
	case "auto":
		if !t.tty {
			return zerolog.New(redacting{escaped{out}, s.redactor}).Level(level).With().Timestamp().Logger(), nil
		}
	case "text":
	default:
		return zerolog.Nop(), fmt.Errorf("--log-format %q: write text, json or auto", s.logFormat)
	}
	s.textLog = true
	console := zerolog.ConsoleWriter{
		Out: redacting{inert{out}, s.redactor}, NoColor: !t.color, TimeFormat: time.TimeOnly,
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
	if err != nil {
		message = fmt.Sprintf("%s: %v", message, err)
	}
	t := s.terminal(os.Stderr)
	// A message that cannot be printed changes nothing.
	_, _ = fmt.Fprintln(t.out, t.yellow("warning: ")+clean(message))
}
