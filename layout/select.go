package layout

import (
	"fmt"
	"path"
	"slices"
	"strings"
)

// Selects says whether a host is meant by one of the patterns, which are names or globs
// as [path.Match] has them. Without patterns every host is meant. A broken glob means
// nothing but itself.
func Selects(patterns []string, name string) bool {
	return len(patterns) == 0 || slices.ContainsFunc(patterns, func(pattern string) bool {
		matched, err := path.Match(pattern, name)
		return err == nil && matched || pattern == name
	})
}

// Unmatched returns the names and globs of [Options] that no host in the tree has.
func (r *Repo) Unmatched() []string {
	var unmatched []string
	for _, pattern := range r.asked {
		if !slices.ContainsFunc(r.Names, func(name string) bool { return Selects([]string{pattern}, name) }) {
			unmatched = append(unmatched, pattern)
		}
	}
	return unmatched
}

// CheckMatched returns an error that wraps [ErrUnknownHost] and lists the hosts that
// there are, when a name or glob of [Options] means none of them, and also says no; nil
// stands for a function that always does.
func (r *Repo) CheckMatched(also func(pattern string) bool) error {
	var unknown, known []string
	for _, pattern := range r.Unmatched() {
		if also == nil || !also(pattern) {
			unknown = append(unknown, quoted(pattern))
		}
	}
	if len(unknown) == 0 {
		return nil
	}
	for _, name := range r.Names {
		known = append(known, printable(name))
	}
	const most = 20
	if more := len(known) - most; more > 0 {
		known = append(known[:most], fmt.Sprintf("and %d more", more))
	}
	return fmt.Errorf("%w %s: the repo has %s", ErrUnknownHost, strings.Join(unknown, ", "), strings.Join(known, ", "))
}
