package state

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"strings"

	"github.com/gitsync/gitsync/gitrepo"
	"github.com/gitsync/gitsync/state/outbox"
	"github.com/gitsync/gitsync/trust"
)

const (
	// maxPush and maxPushBytes bound what is pushed at once of what waits.
	maxPush      = 50
	maxPushBytes = 8 << 20
	// maxLanded is how many commits are looked at for those that arrived already.
	maxLanded = 1000
)

// waits is an item of the outbox, as it is written to a branch.
type waits struct {
	seq   uint64
	item  outbox.Item
	entry Entry
}

// Flush writes what waits to the branches: a commit for each item, in order. It returns the
// entries that were written, also with an error. A branch that cannot be written to does
// not keep others from it.
//
// Errors: those of [Branch.Save]; [trust.ErrNotRemembered] when everything was written, and
// that is not remembered.
func (r *Records) Flush(ctx context.Context) (written []Entry, err error) {
	var errs []error
	failed, settled := map[string]bool{}, map[string]bool{}
	for r.waiting.box.Len() > len(failedItems(r.waiting.box, failed)) {
		branch, group, err := r.nextGroup(failed)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		entries, err := r.flush(ctx, branch, group, settled)
		written = append(written, entries...)
		if err != nil && !errors.Is(err, trust.ErrNotRemembered) {
			failed[branch] = true
		}
		errs = append(errs, err)
	}
	r.waiting.late = len(failed) > 0
	return written, errors.Join(errs...)
}

// failedItems are those that wait for a branch that failed.
func failedItems(box *outbox.Box, failed map[string]bool) []outbox.Waiting {
	var items []outbox.Waiting
	for _, w := range box.List() {
		if failed[w.Branch] {
			items = append(items, w)
		}
	}
	return items
}

// nextGroup reads the oldest items that wait for one branch. Those that cannot be read any
// more are dropped.
func (r *Records) nextGroup(failed map[string]bool) (branch string, group []waits, err error) {
	size := int64(0)
	for _, w := range r.waiting.box.List() {
		if failed[w.Branch] || branch != "" && w.Branch != branch {
			continue
		}
		if len(group) > 0 && (len(group) == maxPush || size+w.Size > maxPushBytes) {
			break
		}
		item, err := r.waiting.box.Get(w.Seq)
		one := waits{seq: w.Seq, item: item}
		if err == nil {
			err = json.Unmarshal(item.Entry, &one.entry)
		}
		if err != nil {
			return "", nil, errors.Join(err, r.done([]waits{{seq: w.Seq, item: outbox.Item{}}}))
		}
		if item.Dropped > 0 {
			one.entry.Details = append(one.entry.Details, fmt.Sprintf("%d earlier records were dropped: too many waited while the state branch could not be written", item.Dropped))
		}
		branch, group, size = w.Branch, append(group, one), size+w.Size
	}
	return branch, group, nil
}

// flush writes items to their branch. Where settled says so it has none of them yet.
func (r *Records) flush(ctx context.Context, name string, group []waits, settled map[string]bool) ([]Entry, error) {
	b, err := r.open(name)
	if err == nil && r.PerHost() {
		if err = b.Load(ctx, r.refs); isLasting(err) {
			err = nil
		}
	}
	if err == nil {
		err = b.writable()
	}
	if err != nil {
		return nil, err
	}
	var unremembered error
	if r.waiting.late && !settled[name] {
		landed, err := b.landed(ctx, group)
		if err != nil {
			return nil, err
		}
		there := map[string]string{}
		for _, one := range group[:landed] {
			maps.Copy(there, digestsOf(one))
		}
		unremembered = errors.Join(b.memory.Confirm(there), r.done(group[:landed]))
		group, settled[name] = group[landed:], landed < len(group)
	}
	digests := map[string]string{}
	if len(group) > 0 {
		err = b.untilWon(ctx, func() error { return b.pushAll(ctx, group, r.waiting, digests) })
	}
	if err != nil {
		return nil, err
	}
	r.refs = r.refs.With(b.name, b.tip)
	var entries []Entry
	for _, one := range group {
		entries = append(entries, one.entry)
	}
	// That the records are ours is remembered before they wait no longer.
	return entries, errors.Join(unremembered, b.memory.Confirm(digests), r.done(group))
}

// done takes items out that are written.
func (r *Records) done(group []waits) error {
	var seqs []uint64
	for _, one := range group {
		seqs = append(seqs, one.seq)
		maps.DeleteFunc(r.waiting.newest, func(_ string, p pending) bool { return p.seq == one.seq })
	}
	if err := r.waiting.box.Remove(seqs...); err != nil {
		// A new process finds out that they are in the branch.
		return fmt.Errorf("%w: %w", trust.ErrNotRemembered, err)
	}
	return nil
}

// pushAll commits items on top of the tip, one commit each, and pushes them together. What
// others recorded later, of a host that they deploy to as well, stays.
func (b *Branch) pushAll(ctx context.Context, group []waits, q queue, digests map[string]string) error {
	clear(digests) // of an earlier try
	parent := b.tip
	ours := map[string]bool{}
	for i, one := range group {
		changes := b.changesOf(one, q, ours)
		for host, digest := range digestsOf(one) {
			if _, written := changes[path(host)]; written {
				digests[host] = digest
			}
		}
		author := b.author
		author.When = one.entry.When
		opts := gitrepo.CommitOptions{Parent: parent, Changes: changes, Message: one.entry.message(), Author: author}
		switch {
		case i == 0:
			b.first(&opts)
		case b.seal != nil:
			opts.Message, opts.Sign = b.seal.Mark(opts.Message, b.name), b.seal.Sign
		}
		var err error
		if parent, err = b.store.Commit(ctx, opts); err != nil {
			return fmt.Errorf("commit to branch %s: %w", b.name, err)
		}
	}
	return b.move(ctx, parent)
}

// changesOf returns what an item changes in the branch.
func (b *Branch) changesOf(one waits, q queue, ours map[string]bool) map[string][]byte {
	changes := map[string][]byte{}
	for host, text := range one.item.Records {
		if q.late && !ours[host] {
			mine, err := recordIn(one.item, host, text)
			if err != nil {
				// Whoever put it in wrote what nobody can read.
				continue
			}
			theirs, _ := b.Record(host)
			if (pending{record: mine, when: one.item.When}).olderThan(theirs, q.now()) {
				continue
			}
		}
		ours[host] = true
		changes[path(host)] = nil
		if text != nil {
			changes[path(host)] = []byte(*text)
		} else if suspended, err := b.Suspensions(host); err == nil && suspended != nil {
			changes[suspendedPath(host)] = nil
		}
	}
	return changes
}

// digestsOf returns the digests of an item's records that are known to be right.
func digestsOf(one waits) map[string]string {
	digests := map[string]string{}
	for host, text := range one.item.Records {
		digests[host] = ""
		for _, confirmed := range one.item.Confirmed {
			if confirmed == host && text != nil {
				digests[host] = trust.Digest([]byte(*text))
			}
		}
	}
	return digests
}

// landed says how many items are in the branch already: they were pushed, and nobody was
// told.
func (b *Branch) landed(ctx context.Context, group []waits) (int, error) {
	if err := b.loadTip(ctx); err != nil && !isLasting(err) {
		return 0, err
	}
	base := gitrepo.Hash(group[0].item.Base)
	if b.tip == "" || b.tip == base {
		return 0, nil
	}
	lineage, err := b.store.Inspect(ctx, b.tip, gitrepo.InspectOptions{Known: base, Depth: maxLanded})
	if err != nil {
		if isTransient(ctx, err) {
			return 0, fmt.Errorf("look for what was recorded in branch %s: %w", b.name, err)
		}
		// What cannot be read has nothing of ours on top.
		return 0, nil
	}
	there := map[string]int{}
	c := lineage.Tip
	for n := 0; n < maxLanded && c != nil && c.Hash != base; n++ {
		message, _, _ := strings.Cut(c.Message, "\n"+trust.TrailerBranch)
		there[fingerprint(strings.TrimRight(message, "\n"), c.Commit.When.Unix())]++
		if len(c.Parents) == 0 {
			break
		}
		if c, err = lineage.Commit(c.Parents[0]); err != nil {
			break
		}
	}
	for i, one := range group {
		key := fingerprint(strings.TrimRight(one.entry.message(), "\n"), one.entry.When.Unix())
		if there[key] == 0 {
			return i, nil
		}
		there[key]--
	}
	return len(group), nil
}

// fingerprint tells commits of gitsync apart: by message and time.
func fingerprint(message string, when int64) string { return fmt.Sprint(when, "\n", message) }
