package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/gitsync/gitsync/internal/spelling"
)

// unknownKeys is the error for keys of a config file that no flag has.
func unknownKeys(file string, unknown []string, known map[string]bool) error {
	slices.Sort(unknown)
	var names []string
	for name := range known {
		names = append(names, name)
	}
	slices.Sort(names)
	var lines []string
	for _, key := range unknown {
		line := fmt.Sprintf("%s: unknown key %q", file, key)
		if near := nearest(key, names); near != "" {
			line += fmt.Sprintf(": did you mean %q?", near)
		}
		lines = append(lines, line)
	}
	return fmt.Errorf("%s\nhint: keys are the names of flags, such as %s", strings.Join(lines, "\n"), strings.Join(names[:min(4, len(names))], ", "))
}

// unknownFlag adds to the error for a flag that a command does not have the one that was
// meant, or the command that has it.
func unknownFlag(cmd *cobra.Command, err error) error {
	var unknown *pflag.NotExistError
	if !errors.As(err, &unknown) {
		return err
	}
	name := unknown.GetSpecifiedName()
	var names, others []string
	cmd.Flags().VisitAll(func(f *pflag.Flag) { names = append(names, f.Name) })
	for _, other := range cmd.Root().Commands() {
		if other.Flags().Lookup(name) != nil {
			others = append(others, "gitsync "+other.Name())
		}
	}
	slices.Sort(names)
	switch near := nearest(name, names); {
	case len(name) < 2:
		// A short flag is like all others.
	case len(others) > 0:
		return withHint(err, fmt.Sprintf("--%s is a flag of %s", name, strings.Join(others, ", ")))
	case near != "":
		return withHint(err, fmt.Sprintf("did you mean --%s?", near))
	}
	return withHint(err, cmd.CommandPath()+" --help lists the flags")
}

// otherVariables are those of the environment that count, and belong to no flag.
var otherVariables = []string{"GITSYNC_GIT_TOKEN", "GITSYNC_FORGE_TOKEN", "GITSYNC_WEBHOOK_SECRET", "GITSYNC_NOTIFY_URLS"}

// misspelled returns, of the names of variables that do not count, those that are most likely
// meant to, each with the right one. Others may be for somebody else, such as a secret that
// --secrets names.
func misspelled(environment []string, root *cobra.Command) []string {
	known := slices.Clone(otherVariables)
	for _, c := range append(root.Commands(), root) {
		add := func(f *pflag.Flag) { known = append(known, envName(f.Name)) }
		c.Flags().VisitAll(add)
		c.PersistentFlags().VisitAll(add)
	}
	var found []string
	for _, variable := range environment {
		name, value, _ := strings.Cut(variable, "=")
		rest, ours := strings.CutPrefix(name, "GITSYNC_")
		if !ours || value == "" || slices.Contains(known, name) {
			continue
		}
		candidates := make([]string, 0, len(known))
		for _, k := range known {
			candidates = append(candidates, strings.TrimPrefix(k, "GITSYNC_"))
		}
		if near := spelling.Nearest(rest, candidates); near != "" {
			found = append(found, fmt.Sprintf("$%s counts nothing: did you mean $GITSYNC_%s?", name, near))
		}
	}
	slices.Sort(found)
	return found
}

// nearest returns the name that a slip of the hand turns into the key, or else the one that
// shares the longest beginning and end with it, if that is most of it.
func nearest(key string, names []string) string {
	if near := spelling.Nearest(key, names); near != "" {
		return near
	}
	best, bestShared := "", 0
	key = strings.ReplaceAll(strings.ToLower(key), "_", "-")
	for _, name := range names {
		shared := sharedPrefix(key, name) + sharedPrefix(reversed(key), reversed(name))
		if shared > bestShared {
			best, bestShared = name, shared
		}
	}
	if bestShared*3 < len(key)*2 {
		return ""
	}
	return best
}

func sharedPrefix(a, b string) int {
	n := 0
	for n < len(a) && n < len(b) && a[n] == b[n] {
		n++
	}
	return n
}

func reversed(s string) string {
	b := []byte(s)
	slices.Reverse(b)
	return string(b)
}
