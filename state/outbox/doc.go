// Package outbox keeps what could not be written to a state branch yet: items in an order,
// each a file of its own in a directory, so that a new process goes on where a killed one
// was.
//
// An item is there as a whole or not at all, also after a kill or a power cut: it is written
// beside, flushed to the disk, and renamed. A file that is damaged, or that nobody here
// wrote, is put aside and is never an error. The number and size of items is bounded; beyond
// that only the newest record of each host is kept.
//
// May import: nothing of ours.
package outbox
