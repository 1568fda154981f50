package gitrepo_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/gitsync/gitsync/gitrepo"
)

// refsWith are references with these branches.
func refsWith(names ...string) gitrepo.Refs {
	refs := gitrepo.Refs{}
	for _, name := range names {
		refs = refs.With(name, "0123456789012345678901234567890123456789")
	}
	return refs
}

func TestABranchThatIsNotThereGetsAHint(t *testing.T) {
	many := []string{"zz-main-old"}
	for i := range 50 {
		many = append(many, fmt.Sprintf("feature/%02d", i))
	}
	for name, c := range map[string]struct {
		branch string
		names  []string
		want   string
	}{
		"the full name":            {"refs/heads/main", []string{"main", "other"}, "set --branch main (there are main, other)"},
		"half of it":               {"heads/main", []string{"main", "other"}, "set --branch main "},
		"a remote's name":          {"origin/main", []string{"main"}, "set --branch main "},
		"a typo":                   {"mian", []string{"develop", "main"}, "set --branch main (there are main, develop)"},
		"another default":          {"main", []string{"trunk-of-ours", "gitsync/state"}, "set --branch trunk-of-ours (there are trunk-of-ours, gitsync/state)"},
		"one of several":           {"main", []string{"a", "b", "master"}, "set --branch master (there are master, a, b)"},
		"no default that is known": {"main", []string{"a", "b"}, "no such branch (there are a, b)"},
		"a tag":                    {"v1.2.3", []string{"main"}, "gitsync follows a branch"},
		"the full name of a tag":   {"refs/tags/release", []string{"main"}, "a tag does not move"},
		"a commit":                 {"0123abc", []string{"main"}, "a commit does not move"},
		"none":                     {"main", nil, "there are none"},
		"many":                     {"main-old", many, "there are zz-main-old, feature/00"},
		"more than are listed":     {"main-old", many, "and 41 more"},
		"a letter of another kind": {"m\u0430in", []string{"main"}, `branch "m\u0430in": no such branch: set --branch main`},
		"a name that steers":       {"main", []string{"a\x1b[31mb", "c"}, "there are a [31mb, c"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := refsWith(c.names...).Branch(c.branch)
			if !errors.Is(err, gitrepo.ErrBranchNotFound) || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), "nothing is changed until it is there") {
				t.Errorf("got  %v\nwant %s", err, c.want)
			}
		})
	}
}
