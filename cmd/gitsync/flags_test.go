package main

import (
	"os"
	"regexp"
	"testing"

	"github.com/spf13/pflag"

	"github.com/gitsync/gitsync/secret"
)

// The arguments of a process are visible to all users of its machine.
func TestNoFlagTakesASecret(t *testing.T) {
	names := regexp.MustCompile(`token|password|passphrase|secret|key|credential|notify`)
	root := newRootCommand(os.Stdout, os.Stderr, &settings{redactor: &secret.Redactor{}})
	seen := 0
	for _, cmd := range append(root.Commands(), root) {
		check := func(f *pflag.Flag) {
			if !names.MatchString(f.Name) || f.Name == "sops-keys" { // kinds of keys, such as age
				return
			}
			seen++
			if what, _ := pflag.UnquoteUsage(f); what != "FILE" {
				t.Errorf("gitsync %s --%s takes %q: a secret must be in a file", cmd.Name(), f.Name, what)
			}
		}
		cmd.Flags().VisitAll(check)
		cmd.PersistentFlags().VisitAll(check)
	}
	if seen < 5 {
		t.Errorf("%d flags were looked at", seen)
	}
}
