package main

import (
	"encoding/json"
	"errors"
	"io"
	"slices"
	"time"

	"github.com/gitsync/gitsync/container"
	"github.com/gitsync/gitsync/layout"
	"github.com/gitsync/gitsync/state"
	"github.com/gitsync/gitsync/sync"
)

// jsonPrinter prints one JSON document for programs. Fields are only ever added.
type jsonPrinter struct{ out io.Writer }

// planJSON is the output of gitsync plan --output json.
type planJSON struct {
	Type     string         `json:"type"`
	Commit   string         `json:"commit,omitempty"`
	Offline  bool           `json:"offline,omitempty"`
	Changes  bool           `json:"changes"`
	Hosts    []hostPlanJSON `json:"hosts"`
	Mistakes []mistakeJSON  `json:"mistakes,omitempty"`
	Invalid  []string       `json:"invalid,omitempty"`
	Gone     []string       `json:"gone,omitempty"`
	Rollout  *rolloutStage  `json:"rollout,omitempty"`
	// StateErrors are what is wrong with the state branch.
	StateErrors []stateErrorJSON `json:"stateErrors,omitempty"`
}

// rolloutStage says where a roll-out stands.
type rolloutStage struct {
	Done    []string   `json:"done"`
	Waiting []string   `json:"waiting"`
	Failed  []string   `json:"failed"`
	Until   *time.Time `json:"until,omitempty"`
	Stopped string     `json:"stopped,omitempty"`
}

func rolloutJSON(r *sync.Rollout) *rolloutStage {
	if r == nil {
		return nil
	}
	stage := &rolloutStage{Done: slices.Concat([]string{}, r.Done), Waiting: slices.Concat([]string{}, r.Waiting), Failed: slices.Concat([]string{}, r.Failed), Stopped: r.Stopped}
	if !r.Until.IsZero() {
		stage.Until = &r.Until
	}
	return stage
}

type hostPlanJSON struct {
	Host    string             `json:"host"`
	Error   string             `json:"error,omitempty"`
	Changes []container.Change `json:"changes"`
	Steps   []container.Step   `json:"steps"`
	// Drift is what differs without a commit, whether or not the steps put it right.
	Drift []driftedJSON `json:"drift,omitempty"`
	// Renewed are secrets that were encrypted anew with the same values.
	Renewed []string     `json:"renewed,omitempty"`
	Origins []originJSON `json:"origins,omitempty"`
}

// mistakeJSON is a line of gitsync validate --output json.
type mistakeJSON struct {
	File    string `json:"file"`
	Line    int    `json:"line,omitempty"`
	Column  int    `json:"column,omitempty"`
	Message string `json:"message"`
	Hint    string `json:"hint,omitempty"`
}

// statusJSON is the output of gitsync status --output json.
type statusJSON struct {
	Type       string          `json:"type"`
	Commit     string          `json:"commit,omitempty"`
	Converged  bool            `json:"converged"`
	Containers []statusRow     `json:"containers"`
	Hosts      []statusTrouble `json:"hosts"`
	Mistakes   []mistakeJSON   `json:"mistakes,omitempty"`
	Rollout    *rolloutStage   `json:"rollout,omitempty"`
	// StateErrors are what is wrong with the state branch.
	StateErrors []stateErrorJSON `json:"stateErrors,omitempty"`
}

// stateErrorJSON is something that is wrong with the state branch.
type stateErrorJSON struct {
	Error string `json:"error"`
	// Branch, Commit and File say where something cannot be read, and Host what it is about.
	Branch string `json:"branch,omitempty"`
	Commit string `json:"commit,omitempty"`
	File   string `json:"file,omitempty"`
	Host   string `json:"host,omitempty"`
	// Since says since when the branch cannot be written, and Deployments and Records how
	// much waits.
	Since       *time.Time `json:"since,omitempty"`
	Deployments int        `json:"deployments,omitempty"`
	Records     int        `json:"records,omitempty"`
}

func stateErrorsJSON(r *sync.Result) []stateErrorJSON {
	var out []stateErrorJSON
	for _, err := range r.StateErrs {
		one := stateErrorJSON{Error: err.Error()}
		var fault *state.Fault
		if errors.As(err, &fault) {
			one.Branch, one.Commit, one.File, one.Host = fault.Branch, string(fault.Commit), fault.Path, fault.Host
		}
		var backlog *sync.Backlog
		if errors.As(err, &backlog) {
			one.Branch, one.Deployments, one.Records = backlog.Branch, backlog.Commits, backlog.Records
			if !backlog.Since.IsZero() {
				one.Since = &backlog.Since
			}
		}
		out = append(out, one)
	}
	return out
}

type statusTrouble struct {
	Host       string     `json:"host"`
	Error      string     `json:"error,omitempty"`
	DeployedAt *time.Time `json:"deployedAt,omitempty"`
	// Failing is why the host as a whole could not be handled, and since when, as the
	// state branch has it.
	Failing *state.FailedUpdate `json:"failing,omitempty"`
	// Agent says that its own gitsync handles the host.
	Agent bool `json:"agent,omitempty"`
	// Suspended is set where the host as a whole is.
	Suspended *state.Suspension `json:"suspended,omitempty"`
	// Lease says which instance works on the host just now.
	Lease *container.LeaseHolder `json:"lease,omitempty"`
	// ToClean is set for a host that is no longer in the repo.
	ToClean *state.Clean `json:"toClean,omitempty"`
}

func (p *jsonPrinter) write(v any) error {
	enc := json.NewEncoder(escaped{p.out})
	enc.SetIndent("", "  ")
	enc.SetEscapeHTML(false)
	return wrapWrite(enc.Encode(v))
}

func (p *jsonPrinter) plan(r *sync.Result) error {
	doc := planJSON{
		Type: "plan", Offline: r.Offline, Changes: r.HasChanges(), Hosts: []hostPlanJSON{},
		Mistakes: mistakesJSON(r.Mistakes), Invalid: r.Invalid, Gone: gone(r), Rollout: rolloutJSON(r.Rollout), StateErrors: stateErrorsJSON(r),
	}
	if r.Commit != nil {
		doc.Commit = string(r.Commit.Hash)
	}
	for _, h := range r.Hosts {
		host := hostPlanJSON{Host: h.Name, Changes: []container.Change{}, Steps: []container.Step{}, Renewed: h.Renewed()}
		if h.Err != nil {
			host.Error = h.Err.Error()
		}
		for _, plan := range h.Plan.Hosts {
			host.Changes = append(host.Changes, plan.Changes...)
			host.Steps = append(host.Steps, plan.Steps()...)
		}
		host.Drift = driftedOf(h)
		host.Origins = originsJSON(h)
		doc.Hosts = append(doc.Hosts, host)
	}
	return p.write(doc)
}

// gone returns the hosts that are no longer in the repo.
func gone(r *sync.Result) []string {
	var names []string
	for _, h := range r.Hosts {
		if h.Gone {
			names = append(names, h.Name)
		}
	}
	return names
}

func mistakesJSON(mistakes layout.Mistakes) []mistakeJSON {
	out := []mistakeJSON{}
	for _, m := range mistakes {
		out = append(out, mistakeJSON{m.File, m.Line, m.Column, m.Message, m.Hint})
	}
	return out
}
