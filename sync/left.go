package sync

import (
	"slices"

	"github.com/gitsync/gitsync/container"
)

// deployed is the state to record after a task: what the look and the deployment came to;
// but what differs without a commit, and is left so, stays recorded as it was deployed.
// Otherwise it would be taken for something new at the next look, and be put right against
// the policy.
func (h *HostResult) deployed() container.ContainersState {
	exported := h.deployment.ToExported()
	state := exported.PreviousState
	if h.Record == nil {
		return state
	}
	// One that somebody made anew is told from the recorded one by its ID, as long as it is
	// left.
	madeAnew := map[string]bool{}
	for _, p := range h.Plan.Hosts {
		for _, u := range p.Unchecked {
			// What was not compared may differ.
			madeAnew[u.Container] = madeAnew[u.Container] || u.Depth == container.Configuration
		}
	}
	for _, d := range h.drifted() {
		madeAnew[d.Container] = madeAnew[d.Container] || slices.ContainsFunc(d.Drift, func(drift container.Drift) bool { return drift.Depth == container.Configuration })
	}
	touched, written := map[string]bool{}, map[string][]string{}
	for _, p := range h.Plan.Hosts {
		for _, s := range p.Steps() {
			touched[s.Container] = true
			written[s.Container] = append(written[s.Container], s.Paths...)
		}
	}
	for key, is := range state {
		was, wanted := h.Record.PreviousState[key], exported.DesiredState[key]
		if was == nil {
			continue
		}
		if h.confirmed() && !touched[key] && was.Container.Status.Exists() && (!is.Container.Status.Exists() || madeAnew[key]) {
			is.Container.Status = was.Container.Status
		}
		for path, content := range was.ConfigFiles {
			if wanted == nil || slices.Contains(written[key], path) {
				continue
			}
			if desired, wants := wanted.ConfigFiles[path]; wants && desired == content {
				is.ConfigFiles[path] = content
			}
		}
	}
	return state
}
