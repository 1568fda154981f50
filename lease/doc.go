// Package lease keeps instances of gitsync that manage the same containers from working
// on a machine at the same time.
//
// A lease is a container that is never started, of an image without content. Its name is
// the lock: an engine gives a name once. Its labels say who holds it, and until when, by
// the engine's own clock; the clocks of holder and waiter are never compared. Labels
// cannot be changed, so each renewal creates a container with the next number in its name,
// and removes the one before by its ID. Whoever finds another valid lease after that gives
// way.
//
// A holder that was stalled finds at its next renewal that its lease is gone, and before
// that, by its own monotonic clock, that it must have run out: the context of its work
// ends. A lease that a crash left behind runs out; an instance that has taken over the
// data directory of the crashed one takes over its lease at once.
//
// It guarantees nothing against somebody who removes lease containers by hand: then the
// work that it was for ends, and begins again.
package lease
