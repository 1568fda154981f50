package state

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strings"
	"time"

	"sigs.k8s.io/yaml"

	"github.com/gitsync/gitsync/internal/yamlout"
	"github.com/gitsync/gitsync/trust"
)

// maxSuspended bounds the size of a file of suspensions.
const maxSuspended = 1 << 20

// Suspension says that a person told gitsync to leave a container, or a whole host, as it
// is.
type Suspension struct {
	// Reason is the person's own word; it may be empty.
	Reason string `json:"reason,omitempty"`
	// By is who it was, as far as the machine that it was said on knows.
	By string `json:"by,omitempty"`
	// Since is when it began.
	Since time.Time `json:"since"`
	// Until is when it ends by itself; zero means that it lasts until it is resumed.
	Until time.Time `json:"until,omitzero"`
}

// Holds says whether it is in force at a time.
func (s Suspension) Holds(now time.Time) bool { return s.Until.IsZero() || now.Before(s.Until) }

// Suspensions are those of one host, by the key of the container; the key "" is the whole
// host. They are in a file of their own beside the record, so that whoever deploys and
// writes the record cannot lose one.
type Suspensions map[string]Suspension

// In returns those that are in force at a time.
func (s Suspensions) In(now time.Time) Suspensions {
	in := maps.Clone(s)
	maps.DeleteFunc(in, func(_ string, one Suspension) bool { return !one.Holds(now) })
	return in
}

// suspendedPath returns where the suspensions of a host are in the branch.
func suspendedPath(host string) string { return "hosts/" + host + "/suspended.yaml" }

// Suspensions returns those of a host, also those that have ended; nil when there are
// none.
//
// Errors: [*Fault]; then those that can be read are returned beside it. One whose name can
// be read and nothing else holds without end.
func (b *Branch) Suspensions(host string) (Suspensions, error) {
	if b.tree == nil {
		return nil, nil
	}
	blob, err := b.tree.Hash(suspendedPath(host))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, b.faultAt(suspendedPath(host), host, err)
	}
	known, ok := b.suspended[host]
	if !ok || known.blob != blob {
		known = cachedSuspensions{blob: blob}
		data, err := b.tree.ReadFileLimit(suspendedPath(host), maxSuspended)
		if err == nil {
			known.suspensions, err = parseSuspensions(data)
		}
		known.err = err
		b.suspended[host] = known
	}
	if known.err != nil {
		return known.suspensions, b.faultAt(suspendedPath(host), host, known.err)
	}
	return known.suspensions, nil
}

// parseSuspensions reads a file of suspensions, and as much as it can of one that is
// damaged.
func parseSuspensions(data []byte) (Suspensions, error) {
	var file struct {
		Suspended Suspensions `json:"suspended"`
	}
	err := yaml.Unmarshal(data, &file)
	if err == nil {
		return file.Suspended, nil
	}
	var entries struct {
		Suspended map[string]json.RawMessage `json:"suspended"`
	}
	if yaml.Unmarshal(data, &entries) != nil {
		return nil, err
	}
	readable := Suspensions{}
	for key, entry := range entries.Suspended {
		readable[key] = parseSuspension(entry)
	}
	return readable, err
}

// parseSuspension reads what can be read of one suspension.
func parseSuspension(entry json.RawMessage) Suspension {
	var s Suspension
	if json.Unmarshal(entry, &s) == nil {
		return s
	}
	s = Suspension{}
	var fields map[string]json.RawMessage
	if json.Unmarshal(entry, &fields) == nil {
		for key, into := range map[string]any{"reason": &s.Reason, "by": &s.By, "since": &s.Since, "until": &s.Until} {
			// What cannot be read stays zero.
			_ = json.Unmarshal(fields[key], into)
		}
	}
	s.Reason = strings.TrimPrefix(s.Reason+"; ", "; ") + "part of it cannot be read in the state branch: gitsync resume ends it"
	return s
}

// Suspend changes the suspensions of hosts in a single commit, and pushes it. change is
// called with those that there are, which it must not change, and returns the new ones;
// after a lost race it is called again. The errors are those of [Branch.Save].
func (b *Branch) Suspend(ctx context.Context, hosts []string, change func(host string, now Suspensions) Suspensions, entry Entry) error {
	return b.save(ctx, entry, func() (map[string][]byte, error) {
		if b.lost() {
			return nil, fmt.Errorf("branch %s: %w, and would be lost: wait until gitsync run has mended it, which takes a poll", b.name, trust.ErrUnsealed)
		}
		changes := map[string][]byte{}
		for _, host := range hosts {
			// What cannot be read is replaced by what can.
			now, err := b.Suspensions(host)
			next := change(host, now)
			if len(next) == 0 && now == nil && err == nil {
				continue
			}
			changes[suspendedPath(host)] = nil
			if len(next) == 0 {
				continue
			}
			data, err := yamlout.Marshal(map[string]Suspensions{"suspended": next})
			if err != nil {
				return nil, fmt.Errorf("write the suspensions of host %s: %w", host, err)
			}
			changes[suspendedPath(host)] = data
		}
		return changes, nil
	})
}

// Suspensions returns those of a host; see [Branch.Suspensions].
func (r *Records) Suspensions(ctx context.Context, host string) (Suspensions, error) {
	b, fault, err := r.readable(ctx, host)
	if err != nil {
		return nil, err
	}
	suspensions, err := b.Suspensions(host)
	return suspensions, errors.Join(fault, err)
}

// Suspend changes the suspensions of hosts, in one commit for each branch; see
// [Branch.Suspend].
func (r *Records) Suspend(ctx context.Context, hosts []string, change func(host string, now Suspensions) Suspensions, entry Entry) error {
	if !r.PerHost() {
		entry.Hosts = slices.Sorted(slices.Values(hosts))
		return r.branches[r.name].Suspend(ctx, hosts, change, entry)
	}
	for _, host := range hosts {
		b, err := r.loaded(ctx, host)
		if err != nil {
			return err
		}
		entry.Hosts = []string{host}
		if err := b.Suspend(ctx, []string{host}, change, entry); err != nil {
			return err
		}
		r.refs = r.refs.With(b.name, b.tip)
	}
	return nil
}
