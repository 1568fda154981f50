package report

import (
	"github.com/gitsync/gitsync/report/forge"
)

// record is a deployment record that may be told.
type record struct {
	forge.Deployment
	// follows says that it is told only where the forge has a record of the commit at
	// the host: the commit does not touch the host, or the host could not be looked at.
	follows bool
}

// records are what a forge is told of a fleet as deployments: one for each host, which
// is the environment.
func records(f Fleet, branch, targetURL string) []record {
	var list []record
	for _, h := range f.Hosts {
		if f.Commit == "" {
			break
		}
		if h.Unseen {
			continue
		}
		r := record{Deployment: forge.Deployment{
			Commit: f.Commit, Branch: branch, Environment: h.Name, TargetURL: targetURL,
		}}
		var text string
		r.State, text = deployed(Fleet{Hosts: []Host{h}})
		r.Description = fit(text, room)
		r.follows = h.Phase == Away || h.Phase == Deployed && h.Deployed != f.Commit
		list = append(list, r)
	}
	return list
}

// superseded ends what was said to be pending of a commit that another took the place
// of, so that no commit is pending for ever.
func superseded(m memory, commit string) (statuses []forge.Status, deployments []forge.Deployment) {
	if commit == "" {
		return nil, nil
	}
	by := "superseded by " + short(commit) + " while "
	for _, s := range m.Pending {
		if s.Commit != commit {
			s.State, s.Description = forge.Error, fit(by+s.Description, room)
			statuses = append(statuses, s)
		}
	}
	for _, d := range m.Deploying {
		if d.Commit != commit {
			d.State, d.Description = forge.Error, fit(by+d.Description, room)
			deployments = append(deployments, d)
		}
	}
	return statuses, deployments
}
