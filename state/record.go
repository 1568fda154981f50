package state

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"time"

	"sigs.k8s.io/yaml"

	"github.com/gitsync/gitsync/container"
	"github.com/gitsync/gitsync/container/types"
	"github.com/gitsync/gitsync/internal/panics"
	"github.com/gitsync/gitsync/internal/yamlout"
)

// Record says what was deployed to one host. container.FromYaml reads it too.
type Record struct {
	// SourceCommit is the full hash of the commit that was deployed.
	SourceCommit string `json:"sourceCommit"`
	// Tree is the hash of the host's directory in that commit.
	Tree string `json:"tree,omitempty"`
	// Agent says that a gitsync on the host itself deployed it: nobody else knows a way
	// there.
	Agent bool `json:"agent,omitempty"`
	// DeployedAt is when the record last changed.
	DeployedAt time.Time `json:"deployedAt"`
	// Failures says, by container, why it could not be deployed, and when it is tried
	// again; the key "" stands for the host as a whole.
	Failures map[string]FailedUpdate `json:"failures,omitempty"`
	// Moving says, by key, to which host a container moves that is kept until it runs
	// there.
	Moving map[string]string `json:"moving,omitempty"`
	// MovedFrom says, by key, from which host a container came that may not have been
	// removed there yet.
	MovedFrom map[string]Origin `json:"movedFrom,omitempty"`
	// Clean is set when the host is no longer in the repo, and not clean yet.
	Clean *Clean `json:"clean,omitempty"`
	// HeldBack is what removals are counted against, while some are held back.
	HeldBack *HeldBack `json:"heldBack,omitempty"`
	// Drift is what differs from what was deployed, and is left as it is: without what a
	// container's own trouble makes come and go.
	Drift []Drift `json:"drift,omitempty"`
	// Repairs say, by key, how often drift of a container was repaired lately.
	Repairs map[string]Repairs `json:"repairs,omitempty"`
	// Secrets say, by name, what tells that a secret changed.
	Secrets map[string]Secret `json:"secrets,omitempty"`
	// PreviousState is what runs: each status has only the IDs of the container and its
	// image, since the record outlives the rest.
	PreviousState container.ContainersState `json:"previousState,omitempty"`

	// Confirmed says that this gitsync wrote the record, or found that what runs agrees with
	// it. One that is not is somebody's word: it explains, and decides nothing.
	Confirmed bool `json:"-"`
	// digest names the record as it is in the branch; empty for one that is not there.
	digest string
}

// AsConfirmed returns the same record as a confirmed one.
func (r *Record) AsConfirmed() *Record {
	confirmed := *r
	confirmed.Confirmed = true
	return &confirmed
}

// Origin is where a container was before it moved.
type Origin struct {
	// Host is its host, and Commit the one that was deployed there last.
	Host   string `json:"host"`
	Commit string `json:"commit"`
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

// HeldBack says that a commit's removals are held back, since they are too many.
type HeldBack struct {
	// Commit is the first one that was held back, and Since when.
	Commit string    `json:"commit"`
	Since  time.Time `json:"since"`
	// Deployed are the keys of what was deployed before it.
	Deployed []string `json:"deployed"`
}

// FailedUpdate is why a container could not be deployed. It holds as long as the host's
// directory does not change.
type FailedUpdate struct {
	// Error is the reason, without anything that the container printed.
	Error string `json:"error"`
	// Since is when it failed first.
	Since time.Time `json:"since,omitzero"`
	// Attempts is how often it was tried; 0 where trying again costs nothing, or where it
	// was not tried since its new image failed in another container.
	Attempts int `json:"attempts,omitempty"`
	// NextAttempt is when it is tried again; zero for the next cycle.
	NextAttempt time.Time `json:"nextAttempt,omitzero"`
	// With is the key of the container that failed, where this one is updated together with
	// it, and tried again only with it.
	With string `json:"with,omitempty"`
	// Paused says that it is tried again only when a person says so.
	Paused bool `json:"paused,omitempty"`
}

// Together returns the keys of the failures that are tried again only together with the
// given one, and itself.
func (r *Record) Together(key string) []string {
	first := func(key string) string {
		if with := r.Failures[key].With; with != "" {
			return with
		}
		return key
	}
	var keys []string
	for other := range r.Failures {
		if first(other) == first(key) {
			keys = append(keys, other)
		}
	}
	slices.Sort(keys)
	return keys
}

// Drift is a difference that is not repaired.
type Drift struct {
	Container string `json:"container"`
	Field     string `json:"field"`
	// Wanted and Found hold nothing secret.
	Wanted string `json:"wanted"`
	Found  string `json:"found"`
	// Since is when it was found first.
	Since time.Time `json:"since"`
}

// Secret tells whether a secret is what it was. Nothing in it leads to the value.
type Secret struct {
	// Version is what the containers' records and labels have.
	Version string `json:"version"`
	// Ciphertext is the digest of the ciphertext; empty for one that is not in the repo.
	Ciphertext string `json:"ciphertext,omitempty"`
	// MAC is a digest of the value that only the agent can make which recorded it.
	MAC string `json:"mac,omitempty"`
}

// Repairs are those of one container that followed each other closely.
type Repairs struct {
	Count int       `json:"count"`
	Since time.Time `json:"since"`
	Last  time.Time `json:"last"`
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
func Parse(data []byte) (_ *Record, err error) {
	defer panics.Into(&err)
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
	data, err := yamlout.Marshal(r.plain())
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
			stored.Container.Status = &types.ContainerStatus{ID: m.Container.Status.ID, ImageID: m.Container.Status.ImageID}
		}
		plain.PreviousState[key] = &stored
	}
	return &plain
}

// Same says whether both record the same, whenever that was written. The words of
// a failure do not count, only which containers failed, nor where containers were.
func (r *Record) Same(other *Record) bool {
	if r == nil || other == nil {
		return r == other
	}
	// JSON is what the YAML is made of, and much faster.
	one, two := r.comparable().plain(), other.comparable().plain()
	forgetImages(one, two)
	a, errA := json.Marshal(one)
	b, errB := json.Marshal(two)
	return errA == nil && errB == nil && bytes.Equal(a, b)
}

// forgetImages drops which images were deployed where one of the records does not say: to
// learn that is no news.
func forgetImages(a, b *Record) {
	for key, m := range a.PreviousState {
		n := b.PreviousState[key]
		if n == nil || m.Container.Status == nil || n.Container.Status == nil {
			continue
		}
		if m.Container.Status.ImageID == "" || n.Container.Status.ImageID == "" {
			m.Container.Status.ImageID, n.Container.Status.ImageID = "", ""
		}
	}
}

func (r *Record) comparable() *Record {
	c := *r
	c.DeployedAt, c.MovedFrom = time.Time{}, nil
	c.Failures = map[string]FailedUpdate{}
	for key, f := range r.Failures {
		f.Error, f.Since = "failed", time.Time{}
		c.Failures[key] = f
	}
	c.Drift = slices.Clone(r.Drift)
	for i := range c.Drift {
		c.Drift[i].Since = time.Time{}
	}
	slices.SortFunc(c.Drift, func(a, b Drift) int {
		return cmp.Or(cmp.Compare(a.Container, b.Container), cmp.Compare(a.Field, b.Field), cmp.Compare(a.Found, b.Found))
	})
	// By which key a secret was known is no news, only that it is.
	c.Secrets = maps.Clone(r.Secrets)
	for name, s := range c.Secrets {
		if s.MAC != "" {
			s.MAC = "known"
		}
		c.Secrets[name] = s
	}
	// They change with a repair, which is recorded anyway.
	c.Repairs = nil
	return &c
}

// path returns where the record of a host is in the branch.
func path(host string) string { return "hosts/" + host + "/state.yaml" }
