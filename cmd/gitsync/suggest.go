package main

import (
	"fmt"
	"slices"
	"strings"
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

// nearest returns the name that shares the longest beginning and end with the
// key, if that is most of it.
func nearest(key string, names []string) string {
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
