package main

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/gitsync/gitsync/container"
	"github.com/gitsync/gitsync/layout"
	"github.com/gitsync/gitsync/sync"
)

const (
	// maxMarkdown bounds a plan, in bytes. GitHub takes comments of 65,536 characters.
	maxMarkdown = 60_000
	// maxNote is what the note on what was cut takes of it at most, and maxCauses bounds
	// the causes of one change.
	maxNote   = 300
	maxCauses = 10
)

// markdownPrinter prints a plan as a comment on a pull request.
type markdownPrinter struct{ out io.Writer }

// section is what a plan says about one host, or about something else.
type section struct {
	title string
	// lines come below the title, and say what is wrong. rows are those of a table of
	// changes.
	lines, rows []string
	steps       []string
	// urgent sections come first, and are cut last.
	urgent bool
}

func (m *markdownPrinter) plan(r *sync.Result) error {
	head := "### gitsync plan: " + strings.TrimSuffix((&textPrinter{&terminal{}}).total(r), ".") + "\n\n"
	switch {
	case r.Commit != nil:
		head += fmt.Sprintf("Commit %s: %s\n\n", span(r.Commit.Hash.Short()), span(r.Commit.Subject))
	case r.Path != "":
		head += fmt.Sprintf("Directory %s\n\n", span(r.Path))
	}
	if r.Offline {
		head += offlineText + "\n\n"
	}
	foot := ""
	if same := unchanged(r); len(same) > 0 {
		foot += fmt.Sprintf("No changes on %s: %s\n\n", plural(len(same), "host"), spans(same))
	}
	if r.Rollout != nil {
		foot += span(r.Rollout.String()) + "\n\n"
	}
	return m.write(fit(head, sectionsOf(r), foot))
}

// failed prints why there is no plan.
func (m *markdownPrinter) failed(err error) error {
	return m.write(fit("### gitsync plan: there is none\n\n", []section{{lines: bullets(err.Error())}}, ""))
}

func (m *markdownPrinter) write(text string) error {
	_, err := io.WriteString(m.out, strings.TrimRight(text, "\n")+"\n")
	return wrapWrite(err)
}

// sectionsOf returns what a person must see to first, then the rest.
func sectionsOf(r *sync.Result) []section {
	var sections []section
	for _, name := range r.Invalid {
		sections = append(sections, mistakesSection(span(name)+": left as it is, since its directory does not validate", r.MistakesOf(name)))
	}
	if len(r.Unnamed) > 0 {
		sections = append(sections, mistakesSection("In groups that no host names", r.Unnamed))
	}
	for _, h := range r.Hosts {
		if h.Err != nil || !bare(h) {
			sections = append(sections, hostSection(h))
		}
	}
	slices.SortStableFunc(sections, func(a, b section) int {
		switch {
		case a.urgent == b.urgent:
			return 0
		case a.urgent:
			return -1
		}
		return 1
	})
	return sections
}

func mistakesSection(title string, mistakes layout.Mistakes) section {
	s := section{title: title, urgent: true}
	for _, mistake := range mistakes {
		s.lines = append(s.lines, "- "+span(mistake.Error()))
	}
	return s
}

func hostSection(h *sync.HostResult) section {
	s := section{title: span(h.Name) + goneText(h)}
	if h.Err != nil {
		s.title, s.lines, s.urgent = s.title+": cannot be planned", bullets(h.Err.Error()), true
		return s
	}
	for _, p := range h.Plan.Hosts {
		for _, c := range p.Changes {
			s.urgent = s.urgent || c.Kind == container.Blocked
			s.rows = append(s.rows, row(c))
		}
		for _, d := range leftDrift(p) {
			s.rows = append(s.rows, fmt.Sprintf("| `%s` | drift | %s | %s |", driftSign, span(d.container), span(d.text)))
		}
		for _, step := range p.Steps() {
			s.steps = append(s.steps, fmt.Sprintf("%d. %s", len(s.steps)+1, literal(step.String())))
		}
	}
	return s
}

// row is a change in a table.
func row(c container.Change) string {
	var causes []string
	for i, text := range causeTexts(c) {
		if i == maxCauses {
			causes = append(causes, fmt.Sprintf("and %d more", len(c.Causes)-i))
			break
		}
		causes = append(causes, span(text))
	}
	kind := string(c.Kind)
	if c.Kind == container.Blocked || c.Kind == container.Move {
		kind = "**" + kind + "**"
	}
	return fmt.Sprintf("| `%s` | %s | %s | %s |", signs[c.Kind], kind, span(c.Container), strings.Join(causes, "<br>"))
}

// unchanged are the hosts without changes, where nothing is suspended and no drift is left.
func unchanged(r *sync.Result) []string {
	var names []string
	for _, h := range r.Hosts {
		if h.Err == nil && bare(h) {
			names = append(names, h.Name)
		}
	}
	return names
}

// bare says whether there is nothing to say about a host.
func bare(h *sync.HostResult) bool {
	return !slices.ContainsFunc(h.Plan.Hosts, func(p container.HostPlan) bool {
		return len(p.Changes) > 0 || driftedContainers(p) > 0
	})
}

// fit puts a plan together, without its steps when they do not fit, and with as much of
// the rest as does. What was cut is said at the top.
func fit(head string, sections []section, foot string) string {
	text := ""
	for _, s := range sections {
		body, _ := s.render(maxMarkdown)
		if text += body + s.details(); len(text) > maxMarkdown {
			break
		}
	}
	if len(head)+len(text)+len(foot) <= maxMarkdown {
		return head + text + foot
	}
	text = ""
	left, hosts := 0, 0
	room := maxMarkdown - maxNote - len(head) - len(foot)
	for _, s := range sections {
		body, cut := s.render(room - len(text))
		text += body
		if cut > 0 {
			left += cut
			hosts++
		}
	}
	note := "**This is not all of it**, since a comment may not be longer: the steps are left out"
	if left > 0 {
		note += fmt.Sprintf(", and %s below %s", plural(left, "line"), plural(hosts, "heading"))
	}
	return head + note + ". `gitsync plan` prints the rest.\n\n" + text + foot
}

// render returns the section with as many of its lines as there is room for, in bytes, and
// how many it left out. Without room for any, it is empty.
func (s section) render(room int) (text string, cut int) {
	const table = "| | change | container | why |\n| --- | --- | --- | --- |\n"
	all := len(s.lines) + len(s.rows)
	if s.title != "" {
		text = "#### " + s.title + "\n\n"
	}
	written := 0
	add := func(lines []string, before string) {
		for i, line := range lines {
			if i == 0 {
				line = before + line
			}
			if len(text)+len(line)+2 > room {
				return
			}
			text += line + "\n"
			written++
		}
	}
	add(s.lines, "")
	if written == len(s.lines) {
		add(s.rows, table)
	}
	if written == 0 {
		return "", all
	}
	return text + "\n", all - written
}

// details are the steps, folded.
func (s section) details() string {
	if len(s.steps) == 0 {
		return ""
	}
	return fmt.Sprintf("<details><summary>%s</summary>\n\n```text\n%s\n```\n\n</details>\n\n", plural(len(s.steps), "step"), strings.Join(s.steps, "\n"))
}
