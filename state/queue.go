package state

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/gitsync/gitsync/state/outbox"
)

// queue are records that are not in the state branch yet, in order.
type queue struct {
	box *outbox.Box
	// newest are the newest records of the hosts that wait.
	newest map[string]pending
	// late says that they could not be written at once: some may be in the branch all the
	// same, and others may have recorded something newer since.
	late bool
	// now is the clock.
	now func() time.Time
}

// pending is a record that waits; a nil one removes that of the host.
type pending struct {
	seq    uint64
	record *Record
	when   time.Time
}

func newQueue() queue {
	box, _, _ := outbox.Open("", false, outbox.Limits{})
	return queue{box: box, newest: map[string]pending{}, now: time.Now}
}

// maxSkew is how far the clocks of machines may be apart.
const maxSkew = 5 * time.Minute

// olderThan says whether somebody else recorded the host later. A record of the future is no
// reason to drop one.
func (p pending) olderThan(theirs *Record, now time.Time) bool {
	ours := p.when
	if p.record != nil {
		ours = p.record.DeployedAt
	}
	return theirs != nil && theirs.DeployedAt.After(ours.Truncate(time.Second)) && !theirs.DeployedAt.After(now.Add(maxSkew))
}

// Keep makes records that cannot be written to the branches wait in the box, instead of in
// memory alone, and takes over those that wait there. It must be called before anything is
// put in; now is the clock.
func (r *Records) Keep(box *outbox.Box, now func() time.Time) (problems []error) {
	r.waiting = queue{box: box, newest: map[string]pending{}, late: box.Len() > 0, now: now}
	for _, w := range slices.Backward(box.List()) {
		if !slices.ContainsFunc(w.Hosts, func(host string) bool { _, known := r.waiting.newest[host]; return !known }) {
			continue
		}
		item, err := box.Get(w.Seq)
		if err != nil {
			problems = append(problems, err)
			continue
		}
		for host, text := range item.Records {
			if _, known := r.waiting.newest[host]; known {
				continue
			}
			record, err := recordIn(item, host, text)
			if err != nil {
				problems = append(problems, fmt.Errorf("read the outbox: host %s: %w", host, err))
				continue
			}
			r.waiting.newest[host] = pending{w.Seq, record, item.When}
		}
	}
	return problems
}

// recordIn reads a record of an item; nil for one that removes it.
func recordIn(item outbox.Item, host string, text *string) (*Record, error) {
	if text == nil {
		return nil, nil
	}
	record, err := Parse([]byte(*text))
	if err != nil {
		return nil, err
	}
	record.Confirmed = slices.Contains(item.Confirmed, host)
	return record, nil
}

// Put makes the given records (nil removes one) wait for [Records.Flush]: in a single commit,
// or in one for each host where each has a branch. From now on they are what [Records.Record]
// returns.
//
// Errors: the records could not be written to the disk; they wait in memory then.
func (r *Records) Put(records map[string]*Record, entry Entry) error {
	if !r.PerHost() {
		return r.put(r.name, records, entry)
	}
	var errs []error
	for _, host := range slices.Sorted(maps.Keys(records)) {
		own := entry
		own.Hosts = []string{host}
		errs = append(errs, r.put(r.BranchOf(host), map[string]*Record{host: records[host]}, own))
	}
	return errors.Join(errs...)
}

func (r *Records) put(branch string, records map[string]*Record, entry Entry) error {
	item := outbox.Item{Branch: branch, When: entry.When.UTC(), Records: map[string]*string{}}
	if b := r.branches[branch]; b != nil {
		item.Base = string(b.tip)
	}
	var err error
	if item.Entry, err = json.Marshal(entry); err != nil {
		return fmt.Errorf("write a record: %w", err)
	}
	for host, record := range records {
		item.Records[host] = nil
		if record == nil {
			delete(r.encoders, host)
			continue
		}
		data, err := encoderOf(r.encoders, host).yaml(record)
		if err != nil {
			return err
		}
		text := string(data)
		item.Records[host] = &text
		if record.Confirmed {
			item.Confirmed = append(item.Confirmed, host)
		}
	}
	slices.Sort(item.Confirmed)
	seq, err := r.waiting.box.Add(item)
	for host, record := range records {
		r.waiting.newest[host] = pending{seq, record, item.When}
	}
	return err
}

// Waiting says how much waits, since when, and why.
func (r *Records) Waiting() outbox.Status { return r.waiting.box.Status() }

// Failed remembers why what waits could not be written, and Worked that it could. They say
// whether that is news for this process.
func (r *Records) Failed(why error) (news bool, err error) {
	return r.waiting.box.Failed(r.waiting.now(), why.Error())
}

// Worked is the opposite of [Records.Failed].
func (r *Records) Worked() (news bool) { return r.waiting.box.Worked() }
