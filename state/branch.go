package state

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"math/rand/v2"
	"regexp"
	"slices"
	"time"

	"github.com/gitsync/gitsync/container"
	"github.com/gitsync/gitsync/gitrepo"
	"github.com/gitsync/gitsync/trust"
)

const (
	// maxRecord bounds the size of a record that is read.
	maxRecord = 64 << 20
	// maxValues bounds the values of a record that others may have written.
	maxValues = 1_000_000
	// maxHosts bounds the hosts of one branch.
	maxHosts = 50_000
	// pauseRatio is how many times longer than the lost try the longest pause after it is,
	// within the two bounds: where hundreds of agents push at once a try is slow, and the
	// slower it is, the fewer may try. A bound below a few minutes lets a slow server do
	// nothing but refuse.
	pauseRatio = 20
	firstPause = 500 * time.Millisecond
	maxPause   = 10 * time.Minute
	// chaseTimeout bounds the reading of a branch that others move all the time, and
	// chasePause the pauses meanwhile.
	chaseTimeout = time.Minute
	chasePause   = 5 * time.Second
)

const readme = `# gitsync's state

gitsync writes this branch: what it deployed to each host, and when. Its log is
the deployment history (` + "`git log`, or `gitsync history`" + `). Do not edit it.
It may be deleted: nothing restarts, and gitsync writes it anew.
`

// Branch is one state branch of a repo. It is not safe for concurrent use.
type Branch struct {
	store  *gitrepo.Store
	remote *gitrepo.Remote
	name   string
	author gitrepo.Signature
	tip    gitrepo.Hash
	tree   *gitrepo.Tree
	cache  map[string]cached
	// desired are containers that records share their memory with, by host.
	desired map[string]container.ContainersState
	// encoders are those of the hosts whose records were written.
	encoders map[string]*encoder
	// memory knows which records are confirmed; trustAll believes all.
	memory   *trust.Memory
	trustAll bool
	// suspended are the suspensions that were read, by host.
	suspended map[string]cachedSuspensions
	// notBefore is the end of the pause after a lost race: it outlasts a Save that gave up.
	notBefore time.Time
	// seal, when set, says which tips count, and refused is told of others. read says that
	// the branch was read, and mend that tree is not what a signed tip holds.
	seal       *trust.Seal
	refused    Refused
	read, mend bool
	mended     time.Time
	// fault is why the tip cannot be read; nil when it can. failed counts how often it
	// could not.
	fault  *Fault
	failed failedTip
}

type cached struct {
	blob   gitrepo.Hash
	record *Record
	// err is why the record cannot be read.
	err error
}

type cachedSuspensions struct {
	blob        gitrepo.Hash
	suspensions Suspensions
	err         error
}

// Open returns the branch. dir is where its objects are kept; it belongs to this
// branch alone. Nothing is read from the remote yet.
func Open(dir string, remote *gitrepo.Remote, name string, author gitrepo.Signature) (*Branch, error) {
	store, err := gitrepo.OpenStore(dir, remote, name)
	if err != nil {
		return nil, fmt.Errorf("open the store of branch %s: %w", name, err)
	}
	memory, err := trust.OpenMemory("", false)
	return &Branch{
		remote: remote, store: store, name: name, author: author, encoders: map[string]*encoder{}, cache: map[string]cached{}, suspended: map[string]cachedSuspensions{}, memory: memory,
	}, err
}

// Close lets go of the store.
func (b *Branch) Close() error { return b.store.Close() }

// Load reads the branch as the references say it is, or as it is by now when others have
// moved it since and the remote gives no other commit. A branch that does not exist has no
// records.
//
// Errors: [*Fault] when what the branch holds cannot be read: then what can be read of it,
// or what was read last, counts; those of [gitrepo.Store.Fetch].
func (b *Branch) Load(ctx context.Context, refs gitrepo.Refs) error {
	err := b.load(ctx, refs)
	if errors.Is(err, gitrepo.ErrRaceLost) {
		return b.chase(ctx)
	}
	return err
}

func (b *Branch) load(ctx context.Context, refs gitrepo.Refs) error {
	tip, err := refs.Branch(b.name)
	if errors.Is(err, gitrepo.ErrBranchNotFound) || errors.Is(err, gitrepo.ErrEmptyRemote) {
		b.fault = nil
		if b.seal != nil {
			return b.loadSealed(ctx, "")
		}
		b.tip, b.tree = "", nil
		return nil
	}
	if err != nil {
		return err
	}
	if b.fault != nil && isForever(b.fault.Err) && b.fault.Commit == tip {
		return b.fault
	}
	if b.seal != nil {
		err = b.loadSealed(ctx, tip)
	} else {
		err = b.fetch(ctx, tip)
	}
	return b.judge(ctx, tip, err)
}

// fetch reads a tip of a branch that is not signed.
func (b *Branch) fetch(ctx context.Context, tip gitrepo.Hash) error {
	if tip == b.tip && b.fault == nil && !b.store.Damaged() {
		return nil
	}
	commit, err := b.store.Fetch(ctx, tip)
	if err == nil {
		err = shape(commit.Tree())
	}
	if err != nil {
		return fmt.Errorf("fetch branch %s: %w", b.name, err)
	}
	b.tip, b.tree = tip, commit.Tree()
	return nil
}

// chase reads a branch that others move while it is read.
func (b *Branch) chase(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, chaseTimeout)
	defer cancel()
	for longest := firstPause; ; longest = min(3*longest, chasePause) {
		err := b.loadTip(ctx)
		if !errors.Is(err, gitrepo.ErrRaceLost) {
			return err
		}
		if pause(ctx, rand.N(longest)) != nil {
			return err
		}
	}
}

// hostName is the name of a host as layout accepts it: other directories are nobody's.
var hostName = regexp.MustCompile(`^[a-zA-Z0-9][a-zA-Z0-9_.-]{0,127}$`)

// faultAt says that a file or a directory of the branch cannot be read.
func (b *Branch) faultAt(path, host string, err error) *Fault {
	return &Fault{Branch: b.name, Commit: b.tip, Path: path, Host: host, Err: err}
}

// Hosts returns the names of the hosts that have a record, in order.
//
// Errors: [*Fault].
func (b *Branch) Hosts() ([]string, error) {
	if b.tree == nil {
		return nil, nil
	}
	entries, err := fs.ReadDir(b.tree, "hosts")
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, b.faultAt("hosts", "", err)
	}
	var hosts []string
	for _, e := range entries {
		if e.IsDir() && hostName.MatchString(e.Name()) {
			hosts = append(hosts, e.Name())
		}
	}
	hosts = slices.Compact(hosts)
	if len(hosts) > maxHosts {
		return nil, b.faultAt("hosts", "", fmt.Errorf("%d hosts are %w: the limit is %d", len(hosts), gitrepo.ErrTooLarge, maxHosts))
	}
	return hosts, nil
}

// Record returns a host's record, and nil when there is none. The caller must not
// change it.
//
// Errors: [*Fault]; the records of other hosts can be read all the same.
func (b *Branch) Record(host string) (*Record, error) {
	if b.tree == nil {
		return nil, nil
	}
	blob, err := b.tree.Hash(path(host))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, b.faultAt(path(host), host, err)
	}
	if c, ok := b.cache[host]; ok && c.blob == blob {
		if c.err != nil {
			return nil, b.faultAt(path(host), host, c.err)
		}
		return b.confirmed(host, c.record), nil
	}
	record, err := b.parse(host)
	if err != nil {
		b.cache[host] = cached{blob: blob, err: err}
		return nil, b.faultAt(path(host), host, err)
	}
	b.cache[host] = cached{blob: blob, record: record}
	return b.confirmed(host, record), nil
}

// parse reads a record. One that this gitsync wrote may be large.
func (b *Branch) parse(host string) (*Record, error) {
	data, err := b.tree.ReadFileLimit(path(host), maxRecord)
	if err != nil {
		return nil, err
	}
	digest := trust.Digest(data)
	if !b.trustAll && !b.memory.Confirmed(host, digest) {
		if err := checkSize(data); err != nil {
			return nil, err
		}
	}
	record, err := Parse(data)
	if err != nil {
		return nil, err
	}
	record.digest = digest
	record.PreviousState.ShareWith(b.desired[host])
	return record, nil
}

// checkSize refuses a record of somebody else that would take far more memory than it has
// bytes: YAML makes a value of each of these.
func checkSize(data []byte) error {
	values := 0
	for _, c := range data {
		switch c {
		case '\n', ',', '[', '{', ':':
			values++
		}
	}
	if values > maxValues {
		return fmt.Errorf("%d values are %w: the limit is %d for a record that is not known to be gitsync's own", values, gitrepo.ErrTooLarge, maxValues)
	}
	return nil
}

// confirmed says of a record whether it is confirmed by now.
func (b *Branch) confirmed(host string, record *Record) *Record {
	if is := b.trustAll || b.memory.Confirmed(host, record.digest); is != record.Confirmed {
		changed := *record
		changed.Confirmed = is
		record = &changed
		b.cache[host] = cached{blob: b.cache[host].blob, record: record}
	}
	return record
}

// Save commits the given records (nil removes one) in a single commit, and pushes
// it. The branch is created when it does not exist.
//
// Errors: those of [gitrepo.Store.Push]; a lost race is run again until the context is
// done, which is [gitrepo.ErrRaceLost] then.
func (b *Branch) Save(ctx context.Context, records map[string]*Record, entry Entry) error {
	digests := map[string]string{}
	err := b.save(ctx, entry, func() (map[string][]byte, error) {
		files, err := b.files(records)
		for host, record := range records {
			if digests[host] = ""; record != nil && record.Confirmed {
				digests[host] = trust.Digest(files[path(host)])
			}
		}
		return files, err
	})
	if err != nil {
		return err
	}
	return b.memory.Confirm(digests)
}

// save commits and pushes changed files, which are asked for again after a lost race.
func (b *Branch) save(ctx context.Context, entry Entry, changed func() (map[string][]byte, error)) error {
	return b.untilWon(ctx, func() error {
		changes, err := changed()
		if err != nil || len(changes) == 0 {
			return err
		}
		return b.push(ctx, changes, entry)
	})
}

// untilWon runs what commits and pushes, again after each race that it lost.
func (b *Branch) untilWon(ctx context.Context, try func() error) error {
	if err := b.writable(); err != nil {
		return err
	}
	if b.fault != nil && !isForever(b.fault.Err) {
		// Whoever has lost some of the branch may have it again: it is not replaced then.
		if err := b.loadTip(ctx); err != nil && !errors.Is(err, gitrepo.ErrRaceLost) && !isLasting(err) {
			return err
		}
	}
	var lost error
	for {
		begun := time.Now()
		if wait := b.notBefore.Sub(begun); wait > 0 {
			if err := pause(ctx, wait); err != nil {
				return fmt.Errorf("%w: %w", cmp.Or(lost, gitrepo.ErrRaceLost), err)
			}
			begun = time.Now()
			if err := b.loadTip(ctx); err != nil && !errors.Is(err, gitrepo.ErrRaceLost) && !isLasting(err) {
				return err
			}
		}
		lost = try()
		if !errors.Is(lost, gitrepo.ErrRaceLost) {
			return lost
		}
		longest := min(max(pauseRatio*time.Since(begun), firstPause), maxPause)
		b.notBefore = time.Now().Add(rand.N(longest))
	}
}

// loadTip reads the branch as it is now.
func (b *Branch) loadTip(ctx context.Context) error {
	if b.seal == nil && b.fault == nil {
		commit, err := b.store.FetchTip(ctx)
		switch {
		case errors.Is(err, gitrepo.ErrBranchNotFound), errors.Is(err, gitrepo.ErrEmptyRemote):
			b.tip, b.tree = "", nil
			return nil
		case err == nil && shape(commit.Tree()) == nil:
			b.tip, b.tree = commit.Hash, commit.Tree()
			return nil
		case err != nil && isTransient(ctx, err):
			return fmt.Errorf("fetch branch %s: %w", b.name, err)
		}
	}
	refs, err := b.remote.Refs(ctx, b.name)
	if err != nil && !errors.Is(err, gitrepo.ErrEmptyRemote) {
		return err
	}
	return b.load(ctx, refs)
}

// files returns what records are in the branch. With the record of a host its suspensions
// go.
func (b *Branch) files(records map[string]*Record) (map[string][]byte, error) {
	changes := map[string][]byte{}
	for host, record := range records {
		changes[path(host)] = nil
		if record == nil {
			if suspended, err := b.Suspensions(host); err == nil && suspended != nil {
				changes[suspendedPath(host)] = nil
			}
			delete(b.encoders, host)
			continue
		}
		data, err := encoderOf(b.encoders, host).yaml(record)
		if err != nil {
			return nil, err
		}
		changes[path(host)] = data
	}
	return changes, nil
}

func (b *Branch) push(ctx context.Context, changes map[string][]byte, entry Entry) error {
	author := b.author
	author.When = entry.When
	opts := gitrepo.CommitOptions{Parent: b.tip, Changes: changes, Message: entry.message(), Author: author}
	b.first(&opts)
	tip, err := b.store.Commit(ctx, opts)
	if err != nil {
		return fmt.Errorf("commit to branch %s: %w", b.name, err)
	}
	return b.move(ctx, tip)
}

// move pushes a commit that was made on the tip.
func (b *Branch) move(ctx context.Context, tip gitrepo.Hash) error {
	if err := b.store.Push(ctx, tip, b.tip); err != nil {
		return fmt.Errorf("push branch %s: %w", b.name, err)
	}
	if b.seal != nil {
		return b.pushed(ctx, tip)
	}
	return b.Load(ctx, gitrepo.Refs{}.With(b.name, tip))
}

// first prepares a commit that is made on the tip.
func (b *Branch) first(opts *gitrepo.CommitOptions) {
	if b.tree == nil {
		opts.Changes["README.md"] = []byte(readme)
	}
	switch {
	case b.seal != nil:
		b.seals(opts)
	case b.fault != nil && b.fault.lasting:
		b.replaces(opts)
	}
}

// replaces builds a commit from what can be read alone.
func (b *Branch) replaces(opts *gitrepo.CommitOptions) {
	files := map[string][]byte{}
	if b.tree != nil {
		files = b.salvage()
	}
	maps.Copy(files, opts.Changes)
	opts.Replace, opts.Changes = true, files
}

// History returns the newest entries, newest first. A branch that does not exist
// has none.
func (b *Branch) History(ctx context.Context, limit int) ([]Entry, error) {
	commits, err := b.remote.Log(ctx, b.name, limit)
	if errors.Is(err, gitrepo.ErrBranchNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read the log of branch %s: %w", b.name, err)
	}
	entries := make([]Entry, 0, len(commits))
	for _, c := range commits {
		entries = append(entries, parseEntry(c))
	}
	return entries, nil
}

// pause waits, unless the context would be done before the end: then it says so at once.
func pause(ctx context.Context, d time.Duration) error {
	if deadline, ok := ctx.Deadline(); ok && time.Until(deadline) < d {
		return context.DeadlineExceeded
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}
