// Package state keeps what was deployed in a branch of Git: the state branch.
//
// The branch has no common history with the source. Each host has one file,
// hosts/<host>/state.yaml, a [Record]; each cycle that changed something is one
// commit, whose log is the deployment history ([Branch.History]).
//
// [Branch.Save] pushes with compare-and-swap: when somebody else pushed in the
// meantime it fetches, puts our hosts' files on top, and pushes again. It never
// overwrites another's work. [Records.Put] and [Records.Flush] do so for records that wait
// where that does not work, in the order in which they came.
//
// What of a branch cannot be read is a [*Fault], and counts as not recorded; the next
// commit puts back what can be. Not guaranteed: that a record exists. Lost records
// are brought back from the labels on the containers.
package state
