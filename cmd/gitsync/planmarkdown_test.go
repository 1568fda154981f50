package main

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/gitsync/gitsync/container"
	"github.com/gitsync/gitsync/gitrepo"
	"github.com/gitsync/gitsync/sync"
)

// markdown prints a result.
func markdown(t *testing.T, r *sync.Result) string {
	t.Helper()
	file, err := os.Create(filepath.Join(t.TempDir(), "plan.md"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = file.Close() }()
	if err := (&markdownPrinter{file}).plan(r); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(file.Name())
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// fleet is a result with so many hosts and changes, the last one of which is blocked.
func fleet(hosts, changes, causes int) *sync.Result {
	r := &sync.Result{Commit: &gitrepo.Commit{Hash: "1234567890123456789012345678901234567890", Subject: "All of it"}}
	for i := range hosts {
		plan := container.HostPlan{Host: "x"}
		for j := range changes {
			c := container.Change{Container: fmt.Sprintf("c%d", j), Kind: container.Create}
			for k := range causes {
				c.Causes = append(c.Causes, container.Cause{Text: fmt.Sprintf("cause %d", k)})
			}
			plan.Changes = append(plan.Changes, c)
			plan.Pulls = append(plan.Pulls, container.Step{Action: container.ActionPull, Image: "example.com/acme/web:" + strings.Repeat("1", 50)})
		}
		r.Hosts = append(r.Hosts, &sync.HostResult{Name: fmt.Sprintf("web%d", i), Plan: container.Plan{Hosts: []container.HostPlan{plan}}})
	}
	last := r.Hosts[hosts-1].Plan.Hosts
	last[0].Changes[0] = container.Change{Container: "stuck", Kind: container.Blocked, Causes: []container.Cause{{Text: "a person must act"}}}
	return r
}

func TestMarkdownFitsIntoAComment(t *testing.T) {
	for _, tt := range []struct {
		hosts, changes, causes int
		says, saysNot          string
	}{
		{3, 3, 2, "<summary>3 steps</summary>", "This is not all of it"},
		{100, 10, 1, "the steps are left out. `gitsync plan`", "<details>"},
		{100, 100, 2, "the steps are left out, and 8", "<details>"},
		{1, 5000, 1, " lines below 1 heading.", "<details>"},
		{1000, 1, 1000, "and 990 more", "<details>"},
	} {
		t.Run(fmt.Sprintf("%d hosts with %d changes", tt.hosts, tt.changes), func(t *testing.T) {
			text := markdown(t, fleet(tt.hosts, tt.changes, tt.causes))
			if len(text) > maxMarkdown {
				t.Errorf("it has %d bytes, want at most %d", len(text), maxMarkdown)
			}
			for _, want := range []string{tt.says, "1 blocked", "`a person must act`", "### gitsync plan: "} {
				if !strings.Contains(text, want) {
					t.Errorf("it does not say %q:\n%.600s", want, text)
				}
			}
			if strings.Contains(text, tt.saysNot) {
				t.Errorf("it says %q", tt.saysNot)
			}
		})
	}
}

func TestHostsWithoutChangesAreOneLine(t *testing.T) {
	r := &sync.Result{Path: "."}
	for i := range 60 {
		r.Hosts = append(r.Hosts, &sync.HostResult{Name: fmt.Sprintf("web%d", i)})
	}
	lines := strings.Split(strings.TrimSpace(markdown(t, r)), "\n")
	if last := lines[len(lines)-1]; !strings.HasPrefix(last, "No changes on 60 hosts: `web0`, `web1`, ") || !strings.HasSuffix(last, "`web49` and 10 more") {
		t.Errorf("the last line is %q", last)
	}
}

func TestNoTextLeavesItsCode(t *testing.T) {
	// A fuzz target does not go with testscript's main: nasty pieces in random order.
	pieces := []string{
		"", " ", "a", "`", "```", "~~~", "|", `\`, `\|`, "\n", "\r\n", "\t", "\x00", "\x1b[31m", "\x7f", "\xff", "\u0085", "\u2028", "\u2029", "\u202e",
		"<!-- ", " -->", "<details>", "@all", "![x](y)", "https://example.com", "$", "–", strings.Repeat("ä", 300),
	}
	code := regexp.MustCompile("^(`[^`|\\x00-\\x1f\\x7f-\\x9f\\x{2028}\\x{2029}\\x{202e}]+`|–)$")
	random := rand.New(rand.NewPCG(5, 5))
	for range 3_000 {
		text := ""
		for range random.IntN(6) {
			text += pieces[random.IntN(len(pieces))]
		}
		got := span(text)
		if !code.MatchString(got) || strings.HasPrefix(got, "` ") || strings.HasSuffix(got, " `") {
			t.Fatalf("%q becomes %q", text, got)
		}
		if !utf8.ValidString(got) || utf8.RuneCountInString(got) > maxSpan+3 {
			t.Fatalf("%q becomes %q", text, got)
		}
	}
}
