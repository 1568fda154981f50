package outbox

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"time"
)

// total returns how many records wait, and how large they are.
func (b *Box) total() (records int, bytes int64) {
	for _, e := range b.waiting {
		records += len(e.hosts)
		bytes += e.size
	}
	return records, bytes
}

// shrink keeps only the newest record of each host when too much waits.
func (b *Box) shrink() error {
	records, bytes := b.total()
	if records <= b.limits.Records && bytes <= b.limits.Bytes {
		return nil
	}
	type target struct{ branch, host string }
	seen := map[target]bool{}
	drop := map[uint64][]string{}
	for _, e := range slices.Backward(b.waiting) {
		for _, host := range e.hosts {
			if t := (target{e.branch, host}); seen[t] {
				drop[e.seq] = append(drop[e.seq], host)
			} else {
				seen[t] = true
			}
		}
	}
	dropped := 0
	var gone []uint64
	var errs []error
	for _, e := range b.waiting {
		if len(drop[e.seq]) == len(e.hosts) {
			item, err := b.Get(e.seq)
			if err == nil {
				dropped += item.Dropped
			}
			dropped += len(e.hosts)
			gone = append(gone, e.seq)
			continue
		}
		if len(drop[e.seq])+dropped == 0 {
			continue
		}
		dropped += len(drop[e.seq])
		errs = append(errs, b.without(e, drop[e.seq], dropped))
		dropped = 0
	}
	return errors.Join(append(errs, b.Remove(gone...))...)
}

// without writes an item again that has fewer records than before.
func (b *Box) without(e *entry, hosts []string, dropped int) error {
	item, err := b.Get(e.seq)
	if err != nil {
		return err
	}
	for _, host := range hosts {
		delete(item.Records, host)
	}
	item.Dropped += dropped
	if e.item == nil {
		err = b.write(e.seq, item)
	} else {
		e.item = &item
	}
	e.hosts = slices.DeleteFunc(slices.Clone(e.hosts), func(host string) bool { return slices.Contains(hosts, host) })
	e.size = item.size()
	return err
}

// Status says how much waits.
type Status struct {
	// Since and Why say since when items cannot be written to the branch, and why; zero
	// where that was not tried yet.
	Why
	// Commits and Records count what waits.
	Commits, Records int
	// Kept says that it survives this process.
	Kept bool
}

// Status says how much waits, since when, and why.
func (b *Box) Status() Status {
	s := Status{Why: b.why, Commits: len(b.waiting), Kept: b.dir != ""}
	for _, e := range b.waiting {
		s.Records += len(e.hosts)
		s.Kept = s.Kept && e.item == nil
	}
	return s
}

// Failed remembers since when, and why, items cannot be written to the branch. It says
// whether that is news: what this process was told before is not.
func (b *Box) Failed(when time.Time, why string) (news bool, err error) {
	news, b.told = !b.told, true
	if b.why.Error == why {
		return news, nil
	}
	if b.why.Since.IsZero() {
		b.why.Since = when.UTC().Truncate(time.Second)
	}
	b.why.Error = why
	if b.dir == "" || b.readOnly {
		return news, nil
	}
	data, err := json.Marshal(b.why)
	if err != nil {
		return news, err
	}
	return news, replace(b.dir, whyFile, data)
}

// Worked remembers that items could be written to the branch. It says whether that is news.
func (b *Box) Worked() (news bool) {
	if b.why == (Why{}) {
		return false
	}
	b.told = false
	b.why = Why{}
	if b.dir != "" && !b.readOnly {
		_ = os.Remove(filepath.Join(b.dir, whyFile))
	}
	return true
}

// readWhy reads why items waited in an earlier process. A damaged file says nothing.
func (b *Box) readWhy() {
	const enough = 64 << 10
	path := filepath.Join(b.dir, whyFile)
	if info, err := os.Lstat(path); err != nil || !info.Mode().IsRegular() || info.Size() > enough {
		return
	}
	data, err := os.ReadFile(path)
	if err != nil || json.Unmarshal(data, &b.why) != nil || len(b.waiting) == 0 {
		b.why = Why{}
	}
}
