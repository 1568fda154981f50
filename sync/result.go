package sync

import (
	"maps"
	"slices"
	"time"

	"github.com/gitsync/gitsync/container"
	"github.com/gitsync/gitsync/gitrepo"
	"github.com/gitsync/gitsync/layout"
	"github.com/gitsync/gitsync/state"
)

// Result is what a cycle, or a plan, came to.
type Result struct {
	// Commit is what was deployed; nil when nothing could be read, or a directory
	// was read instead of a commit.
	Commit *gitrepo.Commit
	// Path is the directory that was read instead of a commit.
	Path string
	// Offline says that no host was asked: what is recorded was taken for what is there.
	Offline bool
	// Moved says that the commit is not the one of the last cycle.
	Moved bool
	// Hosts are in the order of their names. A host that was slow in an earlier cycle
	// may be there twice.
	Hosts []*HostResult
	// Busy are hosts that are still at work, which the cycle did not wait for.
	Busy []string
	// Agents are the hosts that a gitsync on them handles, and this one does not.
	Agents []AgentHost
	// Invalid are the hosts that do not validate. They are left as they are.
	Invalid []string
	// Mistakes are those of the invalid hosts, and of groups that no host names.
	Mistakes layout.Mistakes
	// Unnamed are those of groups that no host names.
	Unnamed layout.Mistakes
	// Rollout says where a roll-out stands; nil when there is none under way.
	Rollout *Rollout
	// Superseded says that a newer commit was seen while this one was deployed, so
	// that the next cycle should come at once.
	Superseded bool
	// Again says that an update which an earlier process had begun was taken back, so
	// that the next cycle should try it anew, at once.
	Again bool
	// Recorded is the commit subject that was written to the state branch; empty
	// when nothing was to be recorded.
	Recorded string
	// GitErr is why Git could not be read, when the cycle went on with the commit
	// that it had.
	GitErr error
	// StateErrs are what is wrong with the state branch, where the cycle went on without it:
	// [*state.Fault] for what cannot be read in it, [*Backlog] for what cannot be written.
	StateErrs []error
	// Err is why the cycle as a whole failed: Git could not be read, the state
	// branch could not be written.
	Err error

	// mistakes are those of each invalid host.
	mistakes map[string]layout.Mistakes
	// waited says that another instance had to be waited for.
	waited bool
	// retry is when a host that could not be handled is tried again.
	retry time.Time
}

// HostResult is what a cycle came to on one host.
type HostResult struct {
	Name string
	// Host is what the repo says.
	Host layout.Host
	// Gone says that the host is no longer in the repo: its containers are removed.
	Gone bool
	// Record is what the state branch said before; nil when it had nothing.
	Record *state.Record
	// Suspended are the suspensions in force, by container; the key "" is the host.
	Suspended state.Suspensions
	// Quiet says that the host was not asked: its events are watched, there were none, and
	// there was nothing to do.
	Quiet bool
	// Checked says that the host answered, or was not to be asked.
	Checked bool
	// Current is what the look found: an outline of it, once the host's part in a cycle that
	// deploys is over.
	Current container.Current
	// Plan is what was, or would be, done.
	Plan container.Plan
	// Err is why the host did not converge.
	Err error
	// Waiting is when the host is tried again, after an error of an earlier cycle;
	// zero when it was tried now.
	Waiting time.Time

	*task

	deployment *container.Deployment
	memory     *memory
	// clean says since when a host is gone, and moves what becomes of containers that
	// move from it or to it.
	clean *state.Clean
	moves map[string]move
	// blocked says which containers must not be created here, and why.
	blocked map[string]string
	handovers
	// handled says that the host was begun in this cycle, and waitsForTurn that it is
	// only kept up as it is.
	handled, waitsForTurn bool
	// turn is its place in a roll-out, and seen says that the roll-out knows that it
	// answered, or that it will not.
	turn *turn
	seen bool
}

// Converged says whether everything is as the repo says.
func (r *Result) Converged() bool {
	return !r.Failed() && len(r.Busy) == 0 && r.Rollout == nil
}

// Failed says whether something went wrong, in a cycle or in a plan.
func (r *Result) Failed() bool {
	return r.Err != nil || r.GitErr != nil || len(r.StateErrs) > 0 || len(r.Mistakes) > 0 ||
		slices.ContainsFunc(r.Hosts, func(h *HostResult) bool { return h.Err != nil })
}

// MistakesOf returns the mistakes of an invalid host.
func (r *Result) MistakesOf(host string) layout.Mistakes { return r.mistakes[host] }

// HasChanges says whether any host's plan has something to do.
func (r *Result) HasChanges() bool {
	for _, h := range r.Hosts {
		if !h.Plan.Empty() {
			return true
		}
	}
	return false
}

// Clean says since when a host that is no longer in the repo is to be cleaned; nil for
// one that is there.
func (h *HostResult) Clean() *state.Clean { return h.clean }

// Keys returns the keys of all containers that are wanted, recorded or there, in
// order.
func (h *HostResult) Keys() []string {
	keys := slices.Collect(maps.Keys(h.Host.Containers))
	keys = slices.AppendSeq(keys, maps.Keys(h.Current.Containers))
	if h.Record != nil {
		keys = slices.AppendSeq(keys, maps.Keys(h.Record.PreviousState))
	}
	slices.Sort(keys)
	return slices.Compact(keys)
}
