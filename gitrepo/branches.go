package gitrepo

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/gitsync/gitsync/internal/spelling"
)

const (
	// maxBranchesShown bounds how many branches an error lists, and maxBranchesCompared with
	// how many the missing one is compared.
	maxBranchesShown    = 10
	maxBranchesCompared = 10_000
)

var (
	looksLikeHash = regexp.MustCompile(`^[0-9a-fA-F]{7,64}$`)
	looksLikeTag  = regexp.MustCompile(`^v?[0-9]+(\.[0-9]+)+`)
)

// commonBranches are what hosts of repos call the default branch, most common first.
var commonBranches = []string{"main", "master", "trunk", "default", "develop"}

// notFound is the error for a branch that is none of those that there are.
func notFound(name string, names []string) error {
	meant := meantBranch(name, names)
	hint := ""
	switch {
	case meant != "":
		hint = ": set --branch " + shownBranch(meant)
	case strings.HasPrefix(name, "refs/tags/"), looksLikeTag.MatchString(name):
		hint = ": a tag does not move, and gitsync follows a branch: set --branch to the name of one"
	case looksLikeHash.MatchString(name):
		hint = ": a commit does not move, and gitsync follows a branch: set --branch to the name of one"
	}
	return fmt.Errorf("branch %s: %w%s (%s); nothing is changed until it is there", shownBranch(name), ErrBranchNotFound, hint, listBranches(name, meant, names))
}

// meantBranch returns the branch that is most likely meant; empty when none is.
func meantBranch(name string, names []string) string {
	short := strings.TrimPrefix(strings.TrimPrefix(strings.TrimPrefix(name, "refs/"), "heads/"), "remotes/origin/")
	short = strings.TrimPrefix(short, "origin/")
	if short != name && slices.Contains(names, short) {
		return short
	}
	var others []string
	for _, n := range names {
		if !strings.HasPrefix(n, "gitsync/") {
			others = append(others, n)
		}
	}
	if near := spelling.Nearest(short, others[:min(len(others), maxBranchesCompared)]); near != "" {
		return near
	}
	if !slices.Contains(commonBranches, name) {
		return ""
	}
	// The default branch has another name here.
	if len(others) == 1 {
		return others[0]
	}
	for _, common := range commonBranches {
		if slices.Contains(others, common) {
			return common
		}
	}
	return ""
}

// listBranches names those that there are, the ones that are most like the missing one first.
func listBranches(name, meant string, names []string) string {
	if len(names) == 0 {
		return "there are none"
	}
	rank := func(n string) int {
		switch {
		case n == meant:
			return 0
		case strings.Contains(n, name) || strings.Contains(name, n):
			return 1
		case slices.Contains(commonBranches, n):
			return 2
		}
		return 3
	}
	names = slices.Clone(names)
	slices.SortStableFunc(names, func(a, b string) int { return rank(a) - rank(b) })
	var shown []string
	for _, n := range names[:min(len(names), maxBranchesShown)] {
		shown = append(shown, shownBranch(n))
	}
	if more := len(names) - len(shown); more > 0 {
		shown = append(shown, fmt.Sprintf("and %d more", more))
	}
	return "there are " + strings.Join(shown, ", ")
}

// shownBranch is a name on one line, escaped where it does not look like what it is.
func shownBranch(name string) string {
	if spelling.Deceives(name) {
		return strconv.QuoteToASCII(name)
	}
	return printable(name)
}
