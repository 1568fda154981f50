// Package sync runs the cycle that makes hosts follow a Git repo.
//
// A cycle is a list of steps, each a function in a file of its own name:
//
//	fetch   one reference advertisement; objects only when a branch moved
//	load    the commit's tree → desired state, the state branch → previous state
//	check   what runs on the host now: one list, config files when they are due
//	plan    compare the three: a pure function
//	deploy  carry the plan out
//	record  write what changed to the state branch, in one commit
//	report  say what happened
//
// Check, plan and deploy are a task for each host, hosts in parallel: an error, or a slow
// host, is that host's alone. A running [Syncer] begins its next cycle beside the tasks
// that are slow; a host has one task at a time, and the newest commit comes next. A host
// whose directory does not validate is left as it is. From one that is no longer in the
// repo, what was deployed is removed, under the guards of any removal.
//
// With a roll-out in gitsync.yaml the hosts that a commit changes take turns. It has no
// state of its own: which hosts follow is in their records.
//
// When Git cannot be reached, a running [Syncer] goes on with the commit that it
// has, so that a container that stops is still started again.
//
// Not guaranteed: that a poll sees every commit; the newest one counts.
package sync
