package main

import (
	"context"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/gitsync/gitsync/container"
	"github.com/gitsync/gitsync/container/types"
	"github.com/gitsync/gitsync/state"
	"github.com/gitsync/gitsync/sync"
)

func newStatusCommand(s *settings) *cobra.Command {
	var output string
	cmd := &cobra.Command{
		Use:   "status --repo URL",
		Short: "Show what runs, beside what should",
		Long: `status prints a row for each container: the image that the repo wants, what the host
says, the commit that the container came from, and what is wrong: what run would change,
drift that it leaves, what is suspended, by whom and why, and which gitsync instance works
on a host just now. It touches nothing.

EXIT STATUS
  0  everything is as the repo says; containers may be suspended
  1  something is not, or could not be found out`,
		Example: `  gitsync status --repo git@example.com:acme/infra.git
  gitsync status --repo /srv/git/infra.git --host web1 --output json`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return runStatus(cmd.Context(), s, output, os.Stdout, os.Stderr)
		},
	}
	s.addRepoFlags(cmd.Flags())
	s.addReachFlags(cmd.Flags())
	addOutputFlag(cmd, &output)
	return cmd
}

func runStatus(ctx context.Context, s *settings, output string, stdout, stderr *os.File) error {
	p, err := newPrinter(output, stdout)
	if err != nil {
		return err
	}
	result, err := s.look(ctx, "", stderr)
	if err != nil {
		return err
	}
	if result.Err != nil {
		return result.Err
	}
	if err := p.status(result); err != nil {
		return err
	}
	agentsFail := slices.ContainsFunc(result.Agents, func(a sync.AgentHost) bool { return a.Record != nil && len(a.Record.Failures) > 0 })
	if !asTheRepoSays(result) || agentsFail {
		return exitStatus(exitError)
	}
	return nil
}

// asTheRepoSays says whether everything is; what is suspended may be, too.
func asTheRepoSays(r *sync.Result) bool {
	if !r.Converged() || r.HasChanges() || hasDrift(r) {
		return false
	}
	return !slices.ContainsFunc(r.Hosts, func(h *sync.HostResult) bool {
		return slices.ContainsFunc(h.Plan.Hosts, func(p container.HostPlan) bool { return slices.ContainsFunc(p.Changes, postponed) })
	})
}

// postponed says whether something is to be done when a suspension ends: that is its
// second cause.
func postponed(c container.Change) bool { return c.Kind == container.Suspended && len(c.Causes) > 1 }

// statusRow is one container in a status.
type statusRow struct {
	Host      string `json:"host"`
	Container string `json:"container"`
	// Desired is the image that the repo wants; empty when it wants none.
	Desired string `json:"desired,omitempty"`
	// Running is the container's status, or gone.
	Running string `json:"running"`
	// Since is the engine's own word for how long.
	Since string `json:"since,omitempty"`
	// Commit is the commit that the container came from.
	Commit string `json:"commit,omitempty"`
	// Problem is what is wrong; empty when nothing is.
	Problem string `json:"problem,omitempty"`
	// Failed is the update that could not be deployed, as the state branch has it.
	Failed *state.FailedUpdate `json:"failed,omitempty"`
	// Drift is what differs without a commit.
	Drift []driftJSON `json:"drift,omitempty"`
	// Suspended is set where the container is, by itself.
	Suspended *state.Suspension `json:"suspended,omitempty"`
}

// statusRows returns the rows of a host, by container.
func statusRows(h *sync.HostResult) []statusRow {
	problems, drift := map[string]string{}, map[string]container.Drifted{}
	for _, p := range h.Plan.Hosts {
		for _, c := range p.Changes {
			problems[c.Container] = problemOfChange(h, c)
		}
		for _, d := range p.Drift {
			drift[d.Container] = d
		}
		for _, d := range leftDrift(p) {
			problems[d.container] = strings.TrimPrefix(problems[d.container]+"; "+d.text, "; ")
		}
	}
	if h.Record != nil {
		for key, why := range h.Record.Failures {
			if problems[key] != "" {
				problems[key] = problemOf(why)
			}
		}
	}
	var rows []statusRow
	for _, key := range h.Keys() {
		row := statusRow{Host: h.Name, Container: key, Running: container.StatusMissing, Problem: problems[key], Drift: driftsJSON(drift[key])}
		if m := h.Host.Containers[key]; m != nil {
			row.Desired = m.Container.Config.Image
		}
		if h.Record != nil {
			if f, ok := h.Record.Failures[key]; ok {
				row.Failed = &f
			}
		}
		if suspended, ok := h.Suspended[key]; ok {
			row.Suspended = &suspended
		}
		if !h.Checked {
			row.Running = container.StatusUnknown
		} else if main := h.Current.Containers[key].Main; main != nil {
			row.Running, row.Since = main.Status, since(main)
			row.Commit = main.Labels[container.LabelCommit]
		}
		rows = append(rows, row)
	}
	return rows
}

// problemOfChange is what a change puts right. What is said about the whole host is not
// said again.
func problemOfChange(h *sync.HostResult, c container.Change) string {
	if _, itself := h.Suspended[c.Container]; c.Kind == container.Suspended && !itself && len(c.Causes) > 0 {
		c.Causes = c.Causes[1:]
	}
	return c.Why()
}

// hostLines say what is wrong with a host as a whole, as the state branch has it: since
// when it cannot be handled, and that it is to be cleaned; and which instance works there.
func hostLines(h *sync.HostResult) []string {
	var lines []string
	if h.Record != nil {
		if f, failing := h.Record.Failures[""]; failing {
			lines = append(lines, "cannot be handled: "+problemOf(f))
		}
	}
	for _, key := range slices.Sorted(maps.Keys(h.Suspended)) {
		if text := sync.SuspensionText(h.Suspended[key]); key == "" {
			lines = append(lines, text)
		} else if !slices.Contains(h.Keys(), key) {
			lines = append(lines, key+" is "+text)
		}
	}
	if lease := h.Lease(); lease != nil {
		lines = append(lines, fmt.Sprintf("%s, and holds the host until %s", lease, lease.Until.Format(time.RFC3339)))
	}
	if c := h.Clean(); c != nil {
		line := fmt.Sprintf("no longer in the repo since commit %s, seen %s; %s to be removed from it",
			shortHash(c.Commit), c.Since.Local().Format("2006-01-02 15:04"), plural(len(h.Record.PreviousState), "container"))
		if !c.Allowed {
			line += ", once a commit says prune: allow"
		}
		lines = append(lines, line+" (gitsync forget "+h.Name+" gives them up)")
	}
	return lines
}

// agentLine says what the state branch tells of a host that its own gitsync handles.
func agentLine(a sync.AgentHost) string {
	if a.Record == nil {
		return "handled by the gitsync on it, which has recorded nothing yet"
	}
	line := fmt.Sprintf("handled by the gitsync on it; commit %s, recorded %s", shortHash(a.Record.SourceCommit), a.Record.DeployedAt.Local().Format("2006-01-02 15:04"))
	for _, key := range slices.Sorted(maps.Keys(a.Record.Failures)) {
		line += "; " + strings.TrimPrefix(key+": ", ": ") + problemOf(a.Record.Failures[key])
	}
	return line
}

// problemOf says what failed, since when, and when it is tried again.
func problemOf(f state.FailedUpdate) string {
	text := f.Error
	if !f.Since.IsZero() {
		text += ", since " + f.Since.Local().Format("2006-01-02 15:04")
	}
	switch {
	case f.Paused:
		text += ", paused"
	case !f.NextAttempt.IsZero() && f.Attempts == 0:
		text += ", next at " + f.NextAttempt.Local().Format("15:04:05")
	case !f.NextAttempt.IsZero():
		text += fmt.Sprintf(", tried %d×, next at %s", f.Attempts, f.NextAttempt.Local().Format("15:04:05"))
	}
	return text
}

// since shortens the engine's sentence: "Up 3 hours (healthy)" to "3 hours
// (healthy)".
func since(row *types.ContainerSummary) string {
	if row.Detail == "" {
		return row.Created.UTC().Format("2006-01-02 15:04")
	}
	return strings.TrimPrefix(row.Detail, "Up ")
}

func (t *textPrinter) status(r *sync.Result) error {
	if r.Commit != nil {
		fmt.Fprintf(t.out, "Commit %s %q, %s\n\n", t.bold(r.Commit.Hash.Short()), clean(r.Commit.Subject),
			r.Commit.When.Local().Format("2006-01-02 15:04"))
	}
	w := tabwriter.NewWriter(t.out, 0, 8, 2, ' ', 0)
	fmt.Fprintln(w, "HOST\tCONTAINER\tDESIRED\tRUNNING\tSINCE\tCOMMIT\tPROBLEM")
	for _, h := range r.Hosts {
		for _, row := range statusRows(h) {
			fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%s\n", clean(row.Host), clean(row.Container), orDash(clean(row.Desired)),
				clean(row.Running), orDash(clean(row.Since)), orDash(shortHash(row.Commit)), orDash(clean(row.Problem)))
		}
	}
	err := w.Flush()
	for _, h := range r.Hosts {
		if h.Err != nil {
			t.error(h.Err)
		}
		for _, line := range hostLines(h) {
			fmt.Fprintf(t.out, "%s: %s\n", t.bold(clean(h.Name)), clean(line))
		}
	}
	for _, a := range r.Agents {
		fmt.Fprintf(t.out, "%s: %s\n", t.bold(clean(a.Name)), clean(agentLine(a)))
	}
	for _, err := range r.StateErrs {
		t.error(err)
	}
	for _, m := range r.Mistakes {
		t.error(m)
	}
	if r.Rollout != nil {
		fmt.Fprintf(t.out, "%s\n", clean(r.Rollout.String()))
	}
	return wrapWrite(err)
}

func (p *jsonPrinter) status(r *sync.Result) error {
	doc := statusJSON{Type: "status", Converged: asTheRepoSays(r), Containers: []statusRow{}, Hosts: []statusTrouble{}}
	if r.Commit != nil {
		doc.Commit = string(r.Commit.Hash)
	}
	for _, h := range r.Hosts {
		doc.Containers = append(doc.Containers, statusRows(h)...)
		host := statusTrouble{Host: h.Name}
		if h.Err != nil {
			host.Error = h.Err.Error()
		}
		if h.Record != nil {
			host.DeployedAt = &h.Record.DeployedAt
			if f, failing := h.Record.Failures[""]; failing {
				host.Failing = &f
			}
		}
		if suspended, ok := h.Suspended[""]; ok {
			host.Suspended = &suspended
		}
		host.Lease, host.ToClean = h.Lease(), h.Clean()
		doc.Hosts = append(doc.Hosts, host)
	}
	for _, a := range r.Agents {
		host := statusTrouble{Host: a.Name, Agent: true}
		if a.Record != nil {
			host.DeployedAt = &a.Record.DeployedAt
			if f, failing := a.Record.Failures[""]; failing {
				host.Failing = &f
			}
		}
		doc.Hosts = append(doc.Hosts, host)
	}
	doc.Rollout, doc.StateErrors = rolloutJSON(r.Rollout), stateErrorsJSON(r)
	for _, name := range r.Invalid {
		doc.Hosts = append(doc.Hosts, statusTrouble{Host: name, Error: "its directory does not validate"})
	}
	doc.Mistakes = mistakesJSON(r.Mistakes)
	return p.write(doc)
}

func orDash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

func shortHash(hash string) string {
	if len(hash) > 7 {
		return hash[:7]
	}
	return hash
}
