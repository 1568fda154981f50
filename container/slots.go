package container

import (
	stdsync "sync"
	"time"
)

const (
	// defaultParallel is how many units that disturb what runs a machine carries out at
	// once, each from its first step to its verdict.
	defaultParallel = 4
	// defaultCreations is how many others are at work at once. They take nothing away, and
	// wait for their containers without a slot. Docker's engine is at its fastest with 8 to
	// 20 creations at once ("make bench" shows it).
	defaultCreations = 16
	// politeWaits is how many containers may be waited for before each is looked at less
	// often, and pollMost how long the pause between two looks gets by that.
	politeWaits = 4
	pollMost    = 2 * time.Second
)

// slots bound how many units are at work at once. They are given to those that ask in
// their order.
type slots struct {
	mu    stdsync.Mutex
	free  int
	asked []chan struct{}
}

// ask returns what is closed when a slot is given.
func (s *slots) ask() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	given := make(chan struct{})
	s.asked = append(s.asked, given)
	s.give()
	return given
}

func (s *slots) giveBack() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.free++
	s.give()
}

func (s *slots) give() {
	for s.free > 0 && len(s.asked) > 0 {
		close(s.asked[0])
		s.asked = s.asked[1:]
		s.free--
	}
}

// slot is the place of one unit. It belongs to one goroutine at a time.
type slot struct {
	slots *slots
	// given is set from when the slot was asked for until it is given back.
	given <-chan struct{}
	// wholly says that the unit keeps its slot while it waits for a container, since
	// something that ran is down, or may be taken back, until the verdict.
	wholly bool
}

// slotFor returns the place that a unit needs. One that waits for no other unit asks for it
// at once, so that units begin in the order of the plan: when one fails again and again,
// it is the same one.
func (e *executor) slotFor(unit Unit) *slot {
	s := &slot{slots: e.creations}
	if unit.disturbs() {
		s = &slot{slots: e.slots, wholly: true}
	}
	if len(unit.Needs) == 0 {
		s.given = s.slots.ask()
	}
	return s
}

func (s *slot) take() {
	if s.given == nil {
		s.given = s.slots.ask()
	}
	<-s.given
}

func (s *slot) giveBack() {
	if s.given != nil {
		<-s.given
		s.slots.giveBack()
		s.given = nil
	}
}

// before takes the slot for a step, or gives it back for a wait that needs none.
func (s *slot) before(step Step) {
	if step.Action == ActionWait && !s.wholly {
		s.giveBack()
	} else {
		s.take()
	}
}

// disturbs says whether the unit replaces, restarts, signals or removes something that
// runs. What is stopped for good, or only removed, has a stop step.
func (u Unit) disturbs() bool {
	for _, s := range u.Steps {
		if s.Action == ActionStop || s.Action == ActionSignal {
			return true
		}
	}
	return false
}

// pace makes the pause between two looks at a container longer when many are waited for:
// so all of them together cost the engine no more than a few do.
func (e *executor) pace(pause time.Duration) time.Duration {
	waiting := time.Duration(e.waiting.Load())
	if waiting <= politeWaits {
		return pause
	}
	return max(pause, min(pause*waiting/politeWaits, pollMost))
}
