// Package pack reads packs, which are what a Git server sends, within a budget.
//
// A pack is written by whoever pushed, or by a hostile server: a few bytes can stand for
// gigabytes. So nothing of it is believed and nothing large is held in memory: an object is
// unpacked as a stream, deltas are applied from and to the disk where they are large, and
// each byte and each step counts against a [Budget].
//
// [Unpack] puts a pack into a directory with its index, without any delta: what is read from
// it later costs what it is, not what it was made of. [Read] keeps objects of some kinds in
// memory, and passes over all others: a commit is verified before anything that it names is
// unpacked.
package pack
