package container

import "github.com/gitsync/gitsync/container/types"

// Assume takes what is recorded for what is there, and running, without asking any
// machine: for plans where none can be reached. It stands in for Check. A container
// without a recorded ID does not exist, config files are on the host as they were written
// last, and no name is taken by others.
//
// Such a plan cannot be deployed: Deploy returns [ErrNotChecked] until a Check.
func (d *Deployment) Assume() {
	d.assumed = true
	for _, m := range d.machines {
		m.current = assumed(m.desired, m.previous)
		m.assumeInherited()
		m.checked = true
	}
}

// assumed is what a look would find if nothing had happened to the machine since it was
// recorded.
func assumed(desired, previous ContainersState) Current {
	current := Current{
		Containers: map[string]Instances{}, Taken: map[string]types.ContainerSummary{},
		Files: map[string]*types.File{}, FileErrors: map[string]string{},
	}
	for key, m := range previous {
		if !m.Container.Status.Exists() {
			continue
		}
		config, labels := m.Container.Config, (*Origin)(nil).labels(key, m)
		if want := desired[key]; want != nil && SameSpec(m, want) {
			// Whichever release recorded it.
			labels[LabelSpec] = want.SpecDigest()
		}
		current.Containers[key] = Instances{Main: &types.ContainerSummary{
			ID: m.Container.Status.ID, Name: config.Name, Image: config.Image, Status: types.StatusRunning,
			Labels: labels,
		}}
		for path := range m.ConfigFiles {
			current.Files[path] = m.desiredFile(path)
		}
	}
	for key, m := range desired {
		if current.Containers[key].Main == nil {
			// All its files are written anyway.
			continue
		}
		for path := range m.ConfigFiles {
			if current.Files[path] == nil {
				// It was looked for, and is not there.
				current.Files[path] = nil
			}
		}
	}
	return current
}
