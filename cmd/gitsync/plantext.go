package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/gitsync/gitsync/container"
	"github.com/gitsync/gitsync/sync"
)

// textPrinter prints for people.
type textPrinter struct{ *terminal }

// signs are what a glance at a plan should find.
var signs = map[container.Kind]string{
	container.Create: "+", container.Replace: "~", container.Start: ">", container.Restart: ">",
	container.Rename: "~", container.Remove: "-", container.Forget: "-", container.Finish: ">", container.Recover: "~",
	container.Reload: ">", container.Configure: ">", container.Hold: "=", container.Move: ">", container.Blocked: "!",
	container.Adjust: "~", container.Unpause: ">", container.Suspended: "=",
}

func (t *textPrinter) plan(r *sync.Result) error {
	var b strings.Builder
	if r.Commit != nil {
		fmt.Fprintf(&b, "Plan for commit %s %q\n", t.bold(r.Commit.Hash.Short()), clean(r.Commit.Subject))
	}
	if r.Path != "" {
		fmt.Fprintf(&b, "Plan for directory %s\n", t.bold(clean(r.Path)))
	}
	if r.Offline {
		fmt.Fprintf(&b, "%s\n", t.yellow(offlineText))
	}
	for _, h := range r.Hosts {
		t.hostPlan(&b, h)
	}
	for _, name := range r.Invalid {
		fmt.Fprintf(&b, "\n%s\n  left as it is, since its directory does not validate:\n", t.bold(clean(name)))
		for _, m := range r.MistakesOf(name) {
			fmt.Fprintf(&b, "  %s%s\n", t.red("error: "), clean(m.Error()))
		}
	}
	if len(r.Unnamed) > 0 {
		fmt.Fprintf(&b, "\nIn groups that no host names:\n")
		for _, m := range r.Unnamed {
			fmt.Fprintf(&b, "  %s%s\n", t.red("error: "), clean(m.Error()))
		}
	}
	for i, err := range r.StateErrs {
		if i == 0 {
			fmt.Fprintln(&b)
		}
		fmt.Fprintf(&b, "%s%s\n", t.red("error: "), clean(err.Error()))
	}
	if r.Rollout != nil {
		fmt.Fprintf(&b, "\n%s\n", clean(r.Rollout.String()))
	}
	fmt.Fprintf(&b, "\n%s\n", t.total(r))
	_, err := fmt.Fprint(t.out, b.String())
	return wrapWrite(err)
}

func (t *textPrinter) hostPlan(b *strings.Builder, h *sync.HostResult) {
	fmt.Fprintf(b, "\n%s%s\n", t.bold(clean(h.Name)), goneText(h))
	if h.Err != nil {
		for line := range strings.Lines(h.Err.Error()) {
			fmt.Fprintf(b, "  %s%s\n", t.red("error: "), clean(strings.TrimSpace(line)))
		}
		return
	}
	if h.Plan.Empty() {
		fmt.Fprintf(b, "  %s\n", t.dim("no changes"))
	}
	for _, p := range h.Plan.Hosts {
		t.changes(b, p)
		for i, s := range p.Steps() {
			fmt.Fprintf(b, "  %s\n", t.dim(fmt.Sprintf("%4d. %s", i+1, clean(s.String()))))
		}
	}
	for _, name := range h.Renewed() {
		fmt.Fprintf(b, "  %s\n", t.dim("secret "+clean(name)+" was encrypted anew, and its value is the same: nothing is to be done for it"))
	}
	t.origins(b, h)
}

// changes are a host's, and then the drift that is left there.
func (t *textPrinter) changes(b *strings.Builder, p container.HostPlan) {
	left := leftDrift(p)
	width := 0
	for _, c := range p.Changes {
		width = max(width, len(c.Container))
	}
	for _, d := range left {
		width = max(width, len(d.container))
	}
	line := func(sign, kind, name string) string {
		return fmt.Sprintf("%s %-9s  %-*s", sign, kind, width, clean(name))
	}
	for _, c := range p.Changes {
		head := line(signs[c.Kind], string(c.Kind), c.Container)
		for i, text := range causeTexts(c) {
			if i > 0 {
				head = strings.Repeat(" ", 13+width)
			}
			fmt.Fprintf(b, "  %s  %s\n", t.kindColor(c.Kind, head), clean(text))
		}
	}
	for _, d := range left {
		fmt.Fprintf(b, "  %s  %s\n", t.yellow(line(driftSign, "drift", d.container)), clean(d.text))
	}
}

// causeTexts are a change's causes, without what its kind says already.
func causeTexts(c container.Change) []string {
	var texts []string
	for _, cause := range c.Causes {
		text := cause.Text
		if c.Kind == container.Suspended {
			text = strings.TrimPrefix(text, "suspended ")
		}
		texts = append(texts, text)
	}
	return texts
}

// offlineText heads a plan for which no host was asked.
const offlineText = "No host was asked: what the state branch says is taken for what runs."

// goneText says so after the name of a host that is no longer in the repo.
func goneText(h *sync.HostResult) string {
	if !h.Gone {
		return ""
	}
	return ": no longer in the repo, so that what was deployed to it is removed"
}

func (t *textPrinter) kindColor(k container.Kind, s string) string {
	switch k {
	case container.Create:
		return t.green(s)
	case container.Remove, container.Blocked:
		return t.red(s)
	case container.Suspended:
		return t.dim(s)
	}
	return t.yellow(s)
}

// counted are the kinds of changes in the order in which they are counted.
var counted = []container.Kind{
	container.Create, container.Replace, container.Restart, container.Reload, container.Configure, container.Start, container.Adjust,
	container.Unpause, container.Rename, container.Move, container.Remove, container.Recover, container.Finish, container.Forget,
}

// total is the last line of a plan.
func (t *textPrinter) total(r *sync.Result) string {
	counts := map[container.Kind]int{}
	failed, drifted := len(r.Invalid), 0
	for _, h := range r.Hosts {
		if h.Err != nil {
			failed++
		}
		for _, p := range h.Plan.Hosts {
			for _, c := range p.Changes {
				counts[c.Kind]++
			}
			drifted += driftedContainers(p)
		}
	}
	var parts []string
	for _, kind := range counted {
		if counts[kind] > 0 {
			parts = append(parts, fmt.Sprintf("%d to %s", counts[kind], kind))
		}
	}
	if counts[container.Blocked] > 0 {
		parts = append(parts, fmt.Sprintf("%d blocked", counts[container.Blocked]))
	}
	if counts[container.Hold] > 0 {
		parts = append(parts, fmt.Sprintf("%d held back", counts[container.Hold]))
	}
	text := plural(len(r.Hosts)+len(r.Invalid), "host") + ": "
	if len(parts) == 0 && failed < len(r.Hosts)+len(r.Invalid) {
		parts = append(parts, "no changes")
	}
	if counts[container.Suspended] > 0 {
		parts = append(parts, fmt.Sprintf("%d suspended", counts[container.Suspended]))
	}
	if drifted > 0 {
		parts = append(parts, fmt.Sprintf("drift left in %s", plural(drifted, "container")))
	}
	if failed > 0 {
		parts = append(parts, t.red(fmt.Sprintf("%d cannot be planned", failed)))
	}
	return text + strings.Join(parts, ", ") + "."
}

func plural(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

// blocked says whether a person must act before the plan can be carried out.
func blocked(r *sync.Result) bool {
	for _, h := range r.Hosts {
		for _, p := range h.Plan.Hosts {
			if slices.ContainsFunc(p.Changes, func(c container.Change) bool { return c.Kind == container.Blocked }) {
				return true
			}
		}
	}
	return false
}
