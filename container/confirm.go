package container

import (
	"maps"

	"github.com/gitsync/gitsync/container/types"
)

// withoutIDs is a state in which no container is known by its ID: labels alone say whose
// it is.
func withoutIDs(state ContainersState) ContainersState {
	stripped := ContainersState{}
	for key, m := range state {
		m = m.clone()
		m.Container.Status = nil
		stripped[key] = m
	}
	return stripped
}

// confirm keeps of an unconfirmed previous state what the look agrees with: a container
// whose label bears the digest of what is desired, or else of what was recorded. What was
// recorded and is gone is known as far as it is desired. The rest was never deployed, as
// far as anybody can tell.
func (m *machine) confirm() {
	for _, key := range sortedKeys(m.previous) {
		recorded, desired := m.previous[key], m.desired[key]
		row := m.current.Containers[key].any()
		var known *HostConfiguredContainer
		switch {
		case desired != nil && (row == nil && SameSpec(recorded, desired) || row != nil && desired.HasSpecDigest(row.Labels[LabelSpec])):
			known = desired.clone()
		case row != nil && recorded.HasSpecDigest(row.Labels[LabelSpec]):
			known = recorded.clone()
			// None of these is in the digest.
			known.Host, known.Container.Runtime = m.Host, m.Runtime
			known.Update, known.Drift, known.Hooks, known.PostStartPending = nil, nil, nil, false
			known.Protect = recorded.Protect || row.Labels[LabelProtect] != ""
		}
		if known == nil {
			delete(m.previous, key)
			delete(m.state, key)
			continue
		}
		known.ReadyPending = recorded.ReadyPending
		known.ConfigFiles = confirmedFiles(recorded, desired)
		known.Container.Status = nil
		if id := idOf(recorded); row != nil && row.ID == id {
			known.Container.Status = &types.ContainerStatus{ID: id, Status: row.Status}
		}
		m.previous[key], m.state[key] = known, known.clone()
	}
}

// confirmedFiles are the recorded config files that the digest covers, or that the repo
// has: these tell what changed.
func confirmedFiles(recorded, desired *HostConfiguredContainer) map[string]string {
	files := maps.Clone(recorded.ConfigFiles)
	maps.DeleteFunc(files, func(path, _ string) bool {
		return recorded.onChange(path) != OnChangeRecreate && (desired == nil || !has(desired.ConfigFiles, path))
	})
	return files
}

// agreedFiles keeps what a record, the repo and so this gitsync say of config files: what
// an unconfirmed record alone says must not become our word, nor what was found, which may
// be secret.
func (m *machine) agreedFiles(key string) map[string]string {
	files := map[string]string{}
	recorded, desired := m.previous[key], m.desired[key]
	if recorded == nil || desired == nil {
		return files
	}
	for path, content := range recorded.ConfigFiles {
		if wanted, wants := desired.ConfigFiles[path]; wants && wanted == content {
			files[path] = content
		}
	}
	return files
}
