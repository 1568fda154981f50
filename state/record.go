package state

import (
	"bytes"
	"encoding/json"
	"fmt"
	"time"

	"sigs.k8s.io/yaml"

	"github.com/gitsync/gitsync/container"
	"github.com/gitsync/gitsync/container/types"
)

// Record says what was deployed to one host. container.FromYaml reads it too.
type Record struct {
	// SourceCommit is the full hash of the commit that was deployed.
	SourceCommit string `json:"sourceCommit"`
	// Tree is the hash of the host's directory in that commit.
	Tree string `json:"tree,omitempty"`
	// DeployedAt is when the record last changed.
	DeployedAt time.Time `json:"deployedAt"`
	// Failures says, by container, why it could not be deployed, and when it is tried
	// again; the key "" stands for the host as a whole.
	Failures map[string]FailedUpdate `json:"failures,omitempty"`
	// Moving says, by key, to which host a container moves that is kept until it runs
	// there.
	Moving map[string]string `json:"moving,omitempty"`
	// Clean is set when the host is no longer in the repo, and not clean yet.
	Clean *Clean `json:"clean,omitempty"`
	// PreviousState is what runs: each status has an ID only, since the record
	// outlives the rest.
	PreviousState container.ContainersState `json:"previousState,omitempty"`
}

// Clean says that a host's containers are to be removed, since its directory is gone.
type Clean struct {
	// Since is when that was found, with the commit.
	Since  time.Time `json:"since"`
	Commit string    `json:"commit"`
	// Allowed says that the removal was allowed, by that commit or a later one, or by an
	// operator: it holds until the host is clean.
	Allowed bool `json:"allowed,omitempty"`
}

// FailedUpdate is why a container could not be deployed. It holds as long as the host's
// directory does not change.
type FailedUpdate struct {
	// Error is the reason, without anything that the container printed.
	Error string `json:"error"`
	// Since is when it failed first.
	Since time.Time `json:"since,omitzero"`
	// Attempts is how often it was tried; 0 where trying again costs nothing.
	Attempts int `json:"attempts,omitempty"`
	// NextAttempt is when it is tried again; zero for the next cycle.
	NextAttempt time.Time `json:"nextAttempt,omitzero"`
	// Paused says that it is tried again only when a person says so.
	Paused bool `json:"paused,omitempty"`
}

// Waits says whether the next try is still to come at the given time.
func (f FailedUpdate) Waits(now time.Time) bool { return f.Paused || now.Before(f.NextAttempt) }

// UnmarshalJSON implements [json.Unmarshaler]. Before there was a back-off, a failure
// was its reason alone.
func (f *FailedUpdate) UnmarshalJSON(data []byte) error {
	if len(data) > 0 && data[0] == '"' {
		return json.Unmarshal(data, &f.Error)
	}
	type plain FailedUpdate
	return json.Unmarshal(data, (*plain)(f))
}

// Parse reads a record. What it does not know is passed over, so that an older
// gitsync reads what a newer one wrote.
func Parse(data []byte) (*Record, error) {
	r := &Record{}
	if err := yaml.Unmarshal(data, r); err != nil {
		return nil, fmt.Errorf("parse state record: %w", err)
	}
	for key, m := range r.PreviousState {
		if m == nil {
			return nil, fmt.Errorf("parse state record: container %q is null", key)
		}
	}
	if len(r.PreviousState) > 0 {
		if err := r.PreviousState.Validate(); err != nil {
			return nil, fmt.Errorf("parse state record: %w", err)
		}
	}
	return r, nil
}

// YAML returns the form that Parse reads. Same records have the same bytes.
func (r *Record) YAML() ([]byte, error) {
	data, err := yaml.Marshal(r.plain())
	if err != nil {
		return nil, fmt.Errorf("write state record: %w", err)
	}
	return data, nil
}

// plain returns what of a record is written.
func (r *Record) plain() *Record {
	plain := *r
	plain.DeployedAt = r.DeployedAt.UTC().Truncate(time.Second)
	plain.PreviousState = container.ContainersState{}
	for key, m := range r.PreviousState {
		stored := *m
		stored.Container.Status = nil
		if m.Container.Status.Exists() {
			stored.Container.Status = &types.ContainerStatus{ID: m.Container.Status.ID}
		}
		plain.PreviousState[key] = &stored
	}
	return &plain
}

// Same says whether both record the same, whenever that was written. The words of
// a failure do not count, only which containers failed.
func (r *Record) Same(other *Record) bool {
	if r == nil || other == nil {
		return r == other
	}
	// JSON is what the YAML is made of, and much faster.
	a, errA := json.Marshal(r.comparable().plain())
	b, errB := json.Marshal(other.comparable().plain())
	return errA == nil && errB == nil && bytes.Equal(a, b)
}

func (r *Record) comparable() *Record {
	c := *r
	c.DeployedAt = time.Time{}
	c.Failures = map[string]FailedUpdate{}
	for key, f := range r.Failures {
		f.Error, f.Since = "failed", time.Time{}
		c.Failures[key] = f
	}
	return &c
}

// path returns where the record of a host is in the branch.
func path(host string) string { return "hosts/" + host + "/state.yaml" }
