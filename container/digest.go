package container

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"reflect"
	"slices"
	"strings"

	"github.com/distribution/reference"

	"github.com/gitsync/gitsync/container/types"
)

// digestVersion names the way in which a digest is made. It changes only when
// the same spec would get another digest; see [sameSpec] for what happens then.
const digestVersion = "v2"

// SpecDigest returns a digest of what the user wrote that a container cannot change
// while it exists: its settings, and the config files that re-create it. Other
// config files are compared with what the host has. What the runtime or gitsync
// adds is not in it, nor is how the host is reached or the container updated. Two
// ways to write the same thing have one digest. A secret is in it by its version.
//
// Its form is "v2:" and 64 hexadecimal digits.
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
	}{Config: canonical(m.Container.Config), Files: map[string]file{}, Dependants: m.Dependants, Secrets: m.specSecrets()}
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

// onChange returns what a change of the config file means for the container.
func (m *HostConfiguredContainer) onChange(path string) string {
	if a := m.ConfigFileAttributes[path].OnChange; a != "" {
		return a
	}
	return OnChangeRestart
}

// sameSpec compares the digest on a container with the desired one. A digest of
// another version cannot be compared: then what was recorded decides, and where
// nothing was, the container is taken to be right, since an upgrade must not
// re-create anything.
func sameSpec(label string, desired, previous *HostConfiguredContainer) bool {
	if strings.HasPrefix(label, digestVersion+":") {
		return label == desired.SpecDigest()
	}
	return previous == nil || previous.SpecDigest() == desired.SpecDigest()
}

// canonical fills in defaults and sorts what has no order.
func canonical(c types.ContainerConfig) types.ContainerConfig {
	c.Image = CanonicalImage(c.Image)
	c.Ports = slices.Clone(c.Ports)
	for i := range c.Ports {
		c.Ports[i].HostPort = c.Ports[i].Published()
		c.Ports[i].Protocol = c.Ports[i].Proto()
	}
	slices.SortFunc(c.Ports, func(a, b types.PortMap) int { return strings.Compare(portText(a), portText(b)) })
	c.Mounts = slices.Clone(c.Mounts)
	for i := range c.Mounts {
		c.Mounts[i].Type = c.Mounts[i].Kind()
	}
	slices.SortFunc(c.Mounts, func(a, b types.Mount) int { return strings.Compare(a.Target, b.Target) })
	c.CapAdd, c.CapDrop = capabilities(c.CapAdd), capabilities(c.CapDrop)
	if c.Healthcheck != nil && reflect.ValueOf(*c.Healthcheck).IsZero() {
		c.Healthcheck = nil
	}
	if c.Restart == "unless-stopped" {
		c.Restart = ""
	}
	if c.StopTimeout == types.Duration(types.DefaultStopTimeout) {
		c.StopTimeout = 0
	}
	return c
}

// CanonicalImage returns the reference with registry, path and tag spelled out.
// What is no reference is returned as it is.
func CanonicalImage(image string) string {
	named, err := reference.ParseNormalizedNamed(image)
	if err != nil {
		return image
	}
	return reference.TagNameOnly(named).String()
}

func capabilities(in []string) []string {
	out := make([]string, 0, len(in))
	for _, c := range in {
		out = append(out, strings.TrimPrefix(strings.ToUpper(c), "CAP_"))
	}
	slices.Sort(out)
	return out
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
