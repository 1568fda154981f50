package report

import (
	"slices"
	"strings"
	"time"

	"github.com/gitsync/gitsync/report/forge"
)

// Most entries that wait, and least number of contexts of commits whose last word is
// remembered.
const (
	outboxSize = 1000
	toldSize   = 200
)

// outbox is what is to be told, in order, and what was told last. It is a value in a
// file; see [Reporter] for who reads and writes it.
type outbox struct {
	Version int `json:"version"`
	// Target is which repo at which forge the statuses are for.
	Target string  `json:"target,omitempty"`
	Memory memory  `json:"memory"`
	Queue  []entry `json:"queue,omitempty"`
	// Told are the last words that a forge has taken, the newest last.
	Told []lastWord `json:"told,omitempty"`
	// Until is how long the forge wants to be left alone.
	Until time.Time `json:"until,omitzero"`

	// seq numbers the entries of this process.
	seq int
	// size is how many last words are kept.
	size int
	// written is what the file has.
	written []byte
}

// entry is one thing to be told; one of the pointers is set.
type entry struct {
	Status     *forge.Status     `json:"status,omitempty"`
	Deployment *forge.Deployment `json:"deployment,omitempty"`
	Message    *Message          `json:"message,omitempty"`
	Queued     time.Time         `json:"queued"`
	// Tries is how often it could not be told.
	Tries int `json:"tries,omitempty"`

	// seq tells it from another that took its place while it was on its way.
	seq int
}

// lastWord is what was told last about a key.
type lastWord struct {
	Key  string `json:"key"`
	Word string `json:"word"`
}

// key is what the entry is about: of entries about the same, only the newest counts.
// Messages are each about something of their own.
func (e entry) key() string {
	switch {
	case e.Status != nil:
		return "status " + e.Status.Commit + " " + e.Status.Context
	case e.Deployment != nil:
		return "deployment " + e.Deployment.Commit + " " + e.Deployment.Environment
	}
	return ""
}

// word is what the entry says about its key. A deployment is told when its state
// changes.
func (e entry) word() string {
	switch {
	case e.Status != nil:
		return strings.Join([]string{string(e.Status.State), forge.Steady(e.Status.Description), e.Status.TargetURL}, "\n")
	case e.Deployment != nil:
		return string(e.Deployment.State)
	}
	return ""
}

// subject is what entries of different commits have in common: an entry is superseded
// when a later one has the same.
func (e entry) subject() string {
	switch {
	case e.Status != nil:
		return "status " + e.Status.Context
	case e.Deployment != nil:
		return "deployment " + e.Deployment.Environment
	}
	return "message"
}

// put adds an entry, unless it says what the forge knows already. It takes the place of
// an earlier one about the same.
func (o *outbox) put(e entry) {
	o.seq++
	e.seq = o.seq
	key := e.key()
	if key == "" {
		o.Queue = append(o.Queue, e)
		return
	}
	known := o.told(key) == e.word()
	waits := slices.IndexFunc(o.Queue, func(q entry) bool { return q.key() == key })
	switch {
	case waits < 0 && !known:
		o.Queue = append(o.Queue, e)
	case waits >= 0 && known:
		// The forge was not yet told of the change that is taken back.
		o.Queue = slices.Delete(o.Queue, waits, waits+1)
	case waits >= 0 && o.Queue[waits].word() != e.word():
		o.Queue[waits] = e
	}
}

// about says whether something was told, or waits to be told, about a key.
func (o *outbox) about(key string) bool {
	return o.told(key) != "" || slices.ContainsFunc(o.Queue, func(q entry) bool { return q.key() == key })
}

// told is the last word about a key; empty when there was none, or it is not known
// whether the forge took it.
func (o *outbox) told(key string) string {
	if i := o.toldAt(key); i >= 0 {
		return o.Told[i].Word
	}
	return ""
}

func (o *outbox) toldAt(key string) int {
	return slices.IndexFunc(o.Told, func(w lastWord) bool { return w.Key == key })
}

// forget drops the last word about a key: another is on its way, and when no answer
// comes nobody knows which one the forge has. It says whether there was one.
func (o *outbox) forget(key string) bool {
	i := o.toldAt(key)
	if i < 0 {
		return false
	}
	o.Told = slices.Delete(o.Told, i, i+1)
	return true
}

// delivered remembers what was told, and drops it from the queue unless another took its
// place meanwhile.
func (o *outbox) delivered(e entry) {
	o.drop(e)
	key := e.key()
	if key == "" {
		return
	}
	o.forget(key)
	o.Told = append(o.Told, lastWord{Key: key, Word: e.word()})
	if over := len(o.Told) - max(toldSize, o.size); over > 0 {
		o.Told = slices.Delete(o.Told, 0, over)
	}
}

// drop takes an entry out of the queue; not one that took its place.
func (o *outbox) drop(e entry) {
	o.Queue = slices.DeleteFunc(o.Queue, func(q entry) bool { return q.seq == e.seq })
}

// failed counts a try.
func (o *outbox) failed(e entry) {
	for i := range o.Queue {
		if o.Queue[i].seq == e.seq {
			o.Queue[i].Tries++
		}
	}
}

// shrink keeps the queue within its bound. First goes what is superseded, the oldest
// first; then messages, which are old news by then; then the oldest of all. It says how
// many went.
func (o *outbox) shrink() int {
	over := len(o.Queue) - outboxSize
	if over <= 0 {
		return 0
	}
	latest := map[string]int{}
	for i, e := range o.Queue {
		latest[e.subject()] = i
	}
	rank := func(i int) int {
		switch e := o.Queue[i]; {
		case e.Message == nil && latest[e.subject()] != i:
			return 0
		case e.Message != nil:
			return 1
		}
		return 2
	}
	order := make([]int, len(o.Queue))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return rank(a) - rank(b) })
	gone := map[int]bool{}
	for _, i := range order[:over] {
		gone[i] = true
	}
	kept := o.Queue[:0]
	for i, e := range o.Queue {
		if !gone[i] {
			kept = append(kept, e)
		}
	}
	o.Queue = kept
	return over
}
