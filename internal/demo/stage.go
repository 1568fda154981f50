package demo

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
)

// stage is where the tour is told: narration, commands, and what they print.
type stage struct {
	out   io.Writer
	color bool
	step  int
}

// chapter begins a part of the tour.
func (s *stage) chapter(title string) {
	s.step++
	fmt.Fprintf(s.out, "\n%s\n", s.paint("1;36", fmt.Sprintf("%d. %s", s.step, title)))
}

// say explains what comes.
func (s *stage) say(format string, args ...any) {
	fmt.Fprintf(s.out, "%s\n", fmt.Sprintf(format, args...))
}

func (s *stage) paint(code, text string) string {
	if !s.color {
		return text
	}
	return "\x1b[" + code + "m" + text + "\x1b[0m"
}

// show prints a command as it would be typed.
func (s *stage) show(name string, args ...string) {
	words := []string{name}
	for _, a := range args {
		if strings.ContainsAny(a, " '\"*") {
			a = "'" + a + "'"
		}
		words = append(words, a)
	}
	fmt.Fprintf(s.out, "%s\n", s.paint("1", "$ "+strings.Join(words, " ")))
}

// print prints what a command printed, set off by indentation.
func (s *stage) print(output []byte) {
	lines := bufio.NewScanner(bytes.NewReader(output))
	for lines.Scan() {
		fmt.Fprintf(s.out, "    %s\n", lines.Text())
	}
}

// run runs a command and returns what it printed. An exit status that is not in
// allowed is an error that holds the output.
func run(ctx context.Context, dir string, env []string, name string, args ...string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), env...)
	output, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	switch {
	case errors.Is(err, exec.ErrNotFound):
		return output, fmt.Errorf("the demo needs %s: install it and try again", name)
	case errors.As(err, &exit):
		return output, fmt.Errorf("%s %s: %w\n%s", name, strings.Join(args, " "), err, output)
	}
	return output, err
}
