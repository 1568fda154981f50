package container

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"strings"

	"github.com/gitsync/gitsync/container/types"
)

// digestVersion names the way in which a digest is made. It changes only when
// the same spec would get another digest: then the way of before stays, so that what runs
// is not re-created, and [HostConfiguredContainer.HasSpecDigest] knows it.
const digestVersion = "v3"

// SpecDigest returns a digest of what the user wrote that a container cannot change
// while it exists: its settings, and the config files that re-create it. Other
// config files are compared with what the host has. What the runtime or gitsync
// adds is not in it, nor is how the host is reached or the container updated. Two
// ways to write the same thing have one digest. A secret is in it by its version.
//
// Its form is "v3:" and 64 hexadecimal digits. Containers may have one of an earlier form:
// compare with [HostConfiguredContainer.HasSpecDigest] and [SameSpec].
func (m *HostConfiguredContainer) SpecDigest() string {
	type file struct {
		SHA256 string `json:"sha256"`
		Mode   int64  `json:"mode,omitempty"`
		User   string `json:"user,omitempty"`
		Group  string `json:"group,omitempty"`
	}
	spec := struct {
		Config types.ContainerConfig `json:"config"`
		Files  map[string]file       `json:"files,omitempty"`
		// Dependants of a job that runs before they are deployed.
		Dependants string            `json:"dependants,omitempty"`
		Secrets    map[string]string `json:"secrets,omitempty"`
	}{Config: canonical(m.Container.Config), Files: map[string]file{}, Secrets: m.specSecrets()}
	// Records of earlier releases have only the other one.
	spec.Dependants = cmp.Or(m.DependantSpecs, m.Dependants)
	if spec.Config.IpcMode == "private" {
		// It is the default of engines. One that has another default shows as drift.
		spec.Config.IpcMode = ""
	}
	for path, content := range m.ConfigFiles {
		if m.onChange(path) != OnChangeRecreate {
			continue
		}
		sum := sha256.Sum256([]byte(content))
		a := m.ConfigFileAttributes[path]
		spec.Files[path] = file{hex.EncodeToString(sum[:]), fileMode(a), a.User, a.Group}
	}
	sum := sha256.Sum256(canonicalJSON(spec))
	return digestVersion + ":" + hex.EncodeToString(sum[:])
}

// HasSpecDigest says whether a digest, as labels have it, is that of the container's spec:
// as it is made now, or as releases made it whose labels begin with "v2:".
func (m *HostConfiguredContainer) HasSpecDigest(digest string) bool {
	switch version, _, _ := strings.Cut(digest, ":"); version {
	case digestVersion:
		return digest == m.SpecDigest()
	case digestV2:
		return digest == m.specDigestV2()
	}
	return false
}

// SameSpec says whether a container of the one is as the other says. Other releases may
// have recorded either.
func SameSpec(a, b *HostConfiguredContainer) bool {
	return a.SpecDigest() == b.SpecDigest() || a.specDigestV2() == b.specDigestV2()
}

// sameDependants compares what is in the digests beside the container's own settings.
func sameDependants(a, b *HostConfiguredContainer) bool {
	return a.Dependants == b.Dependants || a.DependantSpecs == b.DependantSpecs && a.DependantSpecs != ""
}

// comparableDigest says whether a label's digest is one that can be made of a spec.
func comparableDigest(label string) bool {
	version, _, _ := strings.Cut(label, ":")
	return version == digestVersion || version == digestV2
}

// onChange returns what a change of the config file means for the container.
func (m *HostConfiguredContainer) onChange(path string) string {
	if a := m.ConfigFileAttributes[path].OnChange; a != "" {
		return a
	}
	return OnChangeRestart
}

// sameSpec compares the digest on a container with the desired one. A digest of
// a version that is not known cannot be compared: then what was recorded decides, and
// where nothing was, the container is taken to be right, since an upgrade must not
// re-create anything.
func sameSpec(label string, desired, previous *HostConfiguredContainer) bool {
	if comparableDigest(label) {
		return desired.HasSpecDigest(label)
	}
	return previous == nil || SameSpec(previous, desired)
}

// canonicalJSON has sorted keys at every level, so that moving a field in a Go
// struct changes no digest.
func canonicalJSON(v any) []byte {
	raw, err := json.Marshal(v)
	if err != nil {
		panic("container: a spec is always JSON: " + err.Error())
	}
	var generic any
	if err := json.Unmarshal(raw, &generic); err != nil {
		panic("container: JSON that was just made is valid: " + err.Error())
	}
	out, err := json.Marshal(generic)
	if err != nil {
		panic("container: generic JSON marshals: " + err.Error())
	}
	return out
}
