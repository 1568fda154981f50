package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/gitsync/gitsync/container"
	"github.com/gitsync/gitsync/sync"
)

func newDriftCommand(s *settings) *cobra.Command {
	var output string
	cmd := &cobra.Command{
		Use:   "drift --repo URL",
		Short: "Show what differs from what was deployed, without a commit",
		Long: `drift looks at the hosts completely: which containers are there and run, how they are
set up, and their config files. It prints each difference from what was deployed that no
commit explains, and what becomes of it: run puts it right, or it is left, by the drift
policy or since it is suspended. What a commit is about to change is no drift; plan shows
that. It touches nothing. What may be secret is not printed. Of what could not be checked,
a host that does not answer, say, nothing is known: it is listed as "not checked", with the
reason.

EXIT STATUS
  0  everything was checked, and there is no drift
  1  something was not checked
  2  there is drift`,
		Example: `  gitsync drift --repo git@example.com:acme/infra.git
  gitsync drift --repo /srv/git/infra.git --host 'web-*' --output json`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return runDrift(cmd.Context(), s, output, os.Stdout, os.Stderr)
		},
	}
	s.addRepoFlags(cmd.Flags())
	s.addReachFlags(cmd.Flags())
	addOutputFlag(cmd, &output)
	return cmd
}

func runDrift(ctx context.Context, s *settings, output string, stdout, stderr *os.File) error {
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
	if err := p.drift(result); err != nil {
		return err
	}
	unread := unread(result)
	if output == "text" {
		for _, err := range unread {
			newTerminal(stderr).error(err)
		}
	}
	switch {
	case len(unread) > 0 || len(notChecked(result)) > 0:
		return exitStatus(exitError)
	case hasDrift(result):
		return exitStatus(exitChanges)
	}
	return nil
}

// notChecked says where drift was not looked for, and why.
func notChecked(r *sync.Result) []string {
	var texts []string
	for _, h := range r.Hosts {
		if h.Err != nil {
			texts = append(texts, h.Name+": "+strings.TrimPrefix(h.Err.Error(), "host "+h.Name+": "))
		}
		for _, u := range uncheckedOf(h) {
			if u.Failed {
				texts = append(texts, fmt.Sprintf("%s/%s: %s: %s", h.Name, u.Container, u.Depth, u.Why))
			}
		}
	}
	for _, name := range r.Invalid {
		texts = append(texts, name+": its directory does not validate: gitsync validate says why")
	}
	return texts
}

// uncheckedOf is what of a host that answered was not compared.
func uncheckedOf(h *sync.HostResult) []container.Unchecked {
	var all []container.Unchecked
	for _, p := range h.Plan.Hosts {
		all = append(all, p.Unchecked...)
	}
	return all
}

// unread says what of the repo could not be read.
func unread(r *sync.Result) []error {
	var errs []error
	if r.GitErr != nil {
		errs = append(errs, r.GitErr)
	}
	errs = append(errs, r.StateErrs...)
	if len(r.Unnamed) > 0 {
		errs = append(errs, errors.New("groups that no host names do not validate: gitsync validate says why"))
	}
	return errs
}

func (t *textPrinter) drift(r *sync.Result) error {
	w := tabwriter.NewWriter(t.out, 0, 8, 2, ' ', 0)
	differences, containers, hosts, looked := 0, 0, 0, 0
	for _, h := range r.Hosts {
		if h.Err == nil {
			looked++
		}
		found := drifted(h)
		if len(found) > 0 && hosts == 0 {
			fmt.Fprintln(w, "HOST\tCONTAINER\tFIELD\tWANTED\tFOUND\tDEPTH\tFATE")
		}
		if len(found) > 0 {
			hosts++
		}
		for _, d := range found {
			containers++
			for _, drift := range d.Drift {
				differences++
				fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%s\n", clean(h.Name), clean(d.Container), clean(drift.Field),
					orDash(clean(drift.Wanted)), orDash(clean(drift.Found)), drift.Depth, clean(fate(d, drift)))
			}
		}
	}
	err := w.Flush()
	if differences > 0 {
		fmt.Fprintf(t.out, "\n%s in %s on %s of %d.\n", plural(differences, "difference"), plural(containers, "container"), plural(hosts, "host"), looked)
	} else if looked > 0 || len(notChecked(r)) == 0 {
		fmt.Fprintf(t.out, "no drift on %s\n", plural(looked, "host"))
	}
	for _, text := range notChecked(r) {
		fmt.Fprintf(t.out, "not checked: %s\n", clean(text))
	}
	return wrapWrite(err)
}

// fate is what becomes of a difference while gitsync runs.
func fate(d container.Drifted, drift container.Drift) string {
	text := d.Fate(drift)
	if drift.Repair {
		text += " at the next look"
	}
	return text
}

// driftDocument is the output of gitsync drift --output json.
type driftDocument struct {
	Type     string          `json:"type"`
	Commit   string          `json:"commit,omitempty"`
	Drift    bool            `json:"drift"`
	Hosts    []hostDriftJSON `json:"hosts"`
	Mistakes []mistakeJSON   `json:"mistakes,omitempty"`
	Invalid  []string        `json:"invalid,omitempty"`
}

type hostDriftJSON struct {
	Host       string        `json:"host"`
	Error      string        `json:"error,omitempty"`
	Containers []driftedJSON `json:"containers"`
	// Checked says that the host answered; Unchecked is what of it was not compared all the
	// same.
	Checked   bool                  `json:"checked"`
	Unchecked []container.Unchecked `json:"unchecked,omitempty"`
}

// driftedJSON is a container that differs.
type driftedJSON struct {
	Container string      `json:"container"`
	Policy    string      `json:"policy"`
	Left      string      `json:"left,omitempty"`
	Drift     []driftJSON `json:"drift"`
}

// driftJSON is one difference.
type driftJSON struct {
	container.Drift
	// Fate is what becomes of it, in words.
	Fate string `json:"fate"`
}

func driftsJSON(d container.Drifted) []driftJSON {
	var out []driftJSON
	for _, drift := range d.Drift {
		out = append(out, driftJSON{drift, fate(d, drift)})
	}
	return out
}

func driftedOf(h *sync.HostResult) []driftedJSON {
	var out []driftedJSON
	for _, d := range drifted(h) {
		out = append(out, driftedJSON{d.Container, d.Policy, d.Left, driftsJSON(d)})
	}
	return out
}

func (p *jsonPrinter) drift(r *sync.Result) error {
	doc := driftDocument{Type: "drift", Drift: hasDrift(r), Hosts: []hostDriftJSON{}, Mistakes: mistakesJSON(r.Mistakes), Invalid: r.Invalid}
	if r.Commit != nil {
		doc.Commit = string(r.Commit.Hash)
	}
	for _, h := range r.Hosts {
		host := hostDriftJSON{Host: h.Name, Containers: driftedOf(h), Checked: h.Err == nil, Unchecked: uncheckedOf(h)}
		if host.Containers == nil {
			host.Containers = []driftedJSON{}
		}
		if h.Err != nil {
			host.Error = h.Err.Error()
		}
		doc.Hosts = append(doc.Hosts, host)
	}
	return p.write(doc)
}
