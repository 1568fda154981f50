package state

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/gitsync/gitsync/container"
	"github.com/gitsync/gitsync/gitrepo"
	"github.com/gitsync/gitsync/trust"
)

// HostInName stands for the name of a host in the name of a state branch: then each
// host has a branch of its own.
const HostInName = "{host}"

// Records are the records of all hosts: in one branch, or in one branch for each host.
// They are not safe for concurrent use.
type Records struct {
	dir    string
	remote *gitrepo.Remote
	name   string
	author gitrepo.Signature
	refs   gitrepo.Refs
	// memory knows which records are confirmed; nil for none. trustAll believes all.
	memory   *trust.Memory
	trustAll bool
	// seal says which tips count; nil for all. refused is told of those that do not.
	seal    *trust.Seal
	refused Refused
	// desired are the containers of hosts that records share their memory with.
	desired map[string]container.ContainersState
	// branches are those that were read so far, by name.
	branches map[string]*Branch
	// gaveUp are the branches that could not be fetched since Load: they are asked once.
	gaveUp map[string]*Fault
	// waiting are records that are not in the branches yet.
	waiting queue
	// encoders are those of the hosts whose records were written, for all branches.
	encoders map[string]*encoder
}

// OpenRecords returns the records in the branches of this name, which may hold
// [HostInName]. dir is where their objects are kept; empty keeps them in memory.
// Nothing is read from the remote yet.
//
// Errors: a name that holds it twice, and those of [Open].
func OpenRecords(dir string, remote *gitrepo.Remote, name string, author gitrepo.Signature) (*Records, error) {
	if strings.Count(name, HostInName) > 1 {
		return nil, fmt.Errorf("the state branch %s: write %s once", name, HostInName)
	}
	r := &Records{dir: dir, remote: remote, name: name, author: author, branches: map[string]*Branch{}, waiting: newQueue(), encoders: map[string]*encoder{}}
	if r.PerHost() {
		return r, nil
	}
	_, err := r.open(name)
	return r, err
}

// PerHost says whether each host has a branch of its own.
func (r *Records) PerHost() bool { return strings.Contains(r.name, HostInName) }

// Branches is what [gitrepo.Remote.Refs] is asked for: the branch, or the beginning of the
// names of all with a * behind it.
func (r *Records) Branches() string {
	before, _, perHost := strings.Cut(r.name, HostInName)
	if perHost {
		return before + "*"
	}
	return before
}

// BranchOf returns the name of the branch that a host's record is in.
func (r *Records) BranchOf(host string) string {
	return strings.ReplaceAll(r.name, HostInName, host)
}

// open returns a branch, which is not read yet when it is new.
func (r *Records) open(name string) (*Branch, error) {
	if b := r.branches[name]; b != nil {
		return b, nil
	}
	dir := r.dir
	if dir != "" && r.PerHost() {
		dir = filepath.Join(dir, strings.ReplaceAll(name, "/", "~"))
	}
	b, err := Open(dir, r.remote, name, r.author)
	if err != nil {
		return nil, err
	}
	r.branches[name] = b
	r.confide(b)
	return b, nil
}

// Use takes a memory for which records are confirmed, instead of that of this process
// alone. With all, each record counts as confirmed.
func (r *Records) Use(memory *trust.Memory, all bool) {
	r.memory, r.trustAll = memory, all
	for _, b := range r.branches {
		r.confide(b)
	}
}

func (r *Records) confide(b *Branch) {
	b.seal, b.refused, b.desired, b.encoders = r.seal, r.refused, r.desired, r.encoders
	// What is signed is confirmed by that.
	if b.trustAll = r.trustAll || r.seal != nil; r.memory != nil {
		b.memory = r.memory
	}
}

// Share says which containers the hosts' records are likely to hold, by host. What is equal in
// records that are read from now on takes no memory of its own. Nobody may change it.
func (r *Records) Share(desired map[string]container.ContainersState) {
	r.desired = desired
	for _, b := range r.branches {
		b.desired = desired
	}
}

// Confirm remembers that records are right as they are in the branch, by host.
func (r *Records) Confirm(records map[string]*Record) error {
	digests := map[string]string{}
	for host, record := range records {
		digests[host] = record.digest
	}
	if r.memory == nil || len(digests) == 0 {
		return nil
	}
	return r.memory.Confirm(digests)
}

// Load takes over what the references say. A branch for each host is read when its
// record is asked for.
func (r *Records) Load(ctx context.Context, refs gitrepo.Refs) error {
	r.refs, r.gaveUp = refs, map[string]*Fault{}
	if r.PerHost() {
		return nil
	}
	return r.branches[r.name].Load(ctx, refs)
}

// Hosts returns the names of the hosts that have a record, in order: those too whose record
// waits to be written.
//
// Errors: [*Fault].
func (r *Records) Hosts() ([]string, error) {
	hosts, err := r.hosts()
	for host, newest := range r.waiting.newest {
		if newest.record != nil && !slices.Contains(hosts, host) {
			hosts = append(hosts, host)
		}
	}
	slices.Sort(hosts)
	return slices.DeleteFunc(hosts, func(host string) bool {
		newest, waits := r.waiting.newest[host]
		return waits && newest.record == nil
	}), err
}

func (r *Records) hosts() ([]string, error) {
	if !r.PerHost() {
		return r.branches[r.name].Hosts()
	}
	before, after, _ := strings.Cut(r.name, HostInName)
	pattern := regexp.MustCompile("^" + regexp.QuoteMeta(before) + "([^/]+)" + regexp.QuoteMeta(after) + "$")
	var hosts []string
	for _, name := range r.refs.Names() {
		if found := pattern.FindStringSubmatch(name); found != nil {
			hosts = append(hosts, found[1])
		}
	}
	return hosts, nil
}

// Record returns a host's record, and nil when there is none. The caller must not
// change it.
//
// Errors: [*Fault], beside what can be read all the same.
func (r *Records) Record(ctx context.Context, host string) (*Record, error) {
	b, fault, err := r.readable(ctx, host)
	if err != nil {
		return nil, err
	}
	record, err := b.Record(host)
	if newest, waits := r.waiting.newest[host]; waits && !newest.olderThan(record, r.waiting.now()) {
		record = newest.record
	}
	return record, errors.Join(fault, err)
}

// readable returns the branch of a host to read what is there, and what is wrong with it as
// a whole. The branch of all hosts was read before.
func (r *Records) readable(ctx context.Context, host string) (b *Branch, fault, err error) {
	b, err = r.open(r.BranchOf(host))
	if err != nil || !r.PerHost() {
		return b, nil, err
	}
	if known := r.gaveUp[b.name]; known != nil {
		return b, known, nil
	}
	err = b.Load(ctx, r.refs)
	switch {
	case err == nil, errors.Is(err, ErrUnreadable):
		return b, err, nil
	case ctx.Err() != nil:
		return nil, nil, err
	}
	given := b.GiveUp(ctx, r.refs, err)
	if r.gaveUp != nil {
		r.gaveUp[b.name] = given
	}
	return b, given, nil
}

// loaded returns the branch of a host to write to it.
func (r *Records) loaded(ctx context.Context, host string) (*Branch, error) {
	b, err := r.open(r.BranchOf(host))
	if err != nil || !r.PerHost() {
		return b, err
	}
	if err = b.Load(ctx, r.refs); isLasting(err) {
		err = nil
	}
	return b, err
}

// Save commits the given records (nil removes one): in a single commit, or in one for
// each host where each has a branch. See [Branch.Save].
func (r *Records) Save(ctx context.Context, records map[string]*Record, entry Entry) error {
	if _, err := r.Flush(ctx); err != nil {
		return err
	}
	if !r.PerHost() {
		return r.branches[r.name].Save(ctx, records, entry)
	}
	var errs []error
	for _, host := range slices.Sorted(maps.Keys(records)) {
		b, err := r.loaded(ctx, host)
		if err == nil {
			own := entry
			own.Hosts = []string{host}
			err = b.Save(ctx, map[string]*Record{host: records[host]}, own)
		}
		if err == nil {
			r.refs = r.refs.With(b.name, b.tip)
		}
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// History returns the newest entries, newest first. Branches that do not exist have
// none.
func (r *Records) History(ctx context.Context, limit int) ([]Entry, error) {
	if !r.PerHost() {
		return r.branches[r.name].History(ctx, limit)
	}
	refs, err := r.remote.Refs(ctx, r.Branches())
	if err != nil {
		return nil, err
	}
	r.refs = refs
	hosts, err := r.Hosts()
	if err != nil {
		return nil, err
	}
	var all []Entry
	for _, host := range hosts {
		b, err := r.open(r.BranchOf(host))
		if err != nil {
			return nil, err
		}
		entries, err := b.History(ctx, limit)
		if err != nil {
			return nil, err
		}
		all = append(all, entries...)
	}
	slices.SortStableFunc(all, func(a, b Entry) int { return cmp.Or(b.When.Compare(a.When), strings.Compare(a.Commit, b.Commit)) })
	if limit > 0 {
		all = all[:min(len(all), limit)]
	}
	return all, nil
}

// Close lets go of the stores.
func (r *Records) Close() error {
	var errs []error
	for _, b := range r.branches {
		errs = append(errs, b.Close())
	}
	return errors.Join(errs...)
}
