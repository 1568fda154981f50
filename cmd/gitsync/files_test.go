package main

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/gitsync/gitsync/secret"
)

// notRead are flags with a file or directory in which gitsync only writes, or reads what a
// person gives to one command.
var notRead = map[string]string{
	"data-dir": "what gitsync itself keeps",
	"path":     "the repo itself",
}

func TestTheDocumentationSaysOfEachFileWhenItIsReadAgain(t *testing.T) {
	data, err := os.ReadFile("../../docs/access.md")
	if err != nil {
		t.Fatal(err)
	}
	_, table, found := strings.Cut(string(data), "## Files that gitsync reads")
	if !found {
		t.Fatal("docs/access.md has no section about files")
	}
	documented := map[string]bool{}
	for line := range strings.Lines(table) {
		cells := strings.Split(line, "|")
		if len(cells) < 4 {
			continue
		}
		for _, m := range regexp.MustCompile("`--([a-z-]+)`").FindAllStringSubmatch(cells[1], -1) {
			documented[m[1]] = true
		}
	}
	flags := map[string]bool{}
	root := newRootCommand(os.Stdout, os.Stderr, &settings{redactor: &secret.Redactor{}})
	visit := func(f *pflag.Flag) {
		name, usage := pflag.UnquoteUsage(f)
		isFile := name == "FILE" || name == "DIR" || strings.Contains(usage, "`FILE`") || strings.Contains(f.Usage, "`DIR`")
		if isFile && notRead[f.Name] == "" {
			flags[f.Name] = true
		}
	}
	for _, c := range append([]*cobra.Command{root}, root.Commands()...) {
		c.Flags().VisitAll(visit)
		c.PersistentFlags().VisitAll(visit)
	}
	for name := range flags {
		if !documented[name] {
			t.Errorf("docs/access.md does not say when the file of --%s is read again", name)
		}
	}
	for name := range documented {
		if !flags[name] {
			t.Errorf("docs/access.md has --%s, which is no flag with a file", name)
		}
	}
	if len(flags) < 20 {
		t.Errorf("found only %d flags with files", len(flags))
	}
}
