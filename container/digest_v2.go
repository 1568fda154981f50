package container

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/gitsync/gitsync/container/types"
)

// This file is how releases made digests whose labels begin with "v2:". Containers that
// they created are still there, and stay as they are as long as their digest can be made:
// what is here never changes, and testdata/digests_v2.jsonl proves it.

const digestV2 = "v2"

// specDigestV2 returns the digest that such a release put on the container.
func (m *HostConfiguredContainer) specDigestV2() string {
	type file struct {
		SHA256 string `json:"sha256"`
		Mode   int64  `json:"mode,omitempty"`
		User   string `json:"user,omitempty"`
		Group  string `json:"group,omitempty"`
	}
	spec := struct {
		Config     types.ContainerConfig `json:"config"`
		Files      map[string]file       `json:"files,omitempty"`
		Dependants string                `json:"dependants,omitempty"`
		Secrets    map[string]string     `json:"secrets,omitempty"`
	}{Config: canonicalV2(m.Container.Config), Files: map[string]file{}, Dependants: m.Dependants, Secrets: m.specSecrets()}
	for path, content := range m.ConfigFiles {
		if m.onChange(path) != OnChangeRecreate {
			continue
		}
		sum := sha256.Sum256([]byte(content))
		a := m.ConfigFileAttributes[path]
		spec.Files[path] = file{hex.EncodeToString(sum[:]), fileMode(a), a.User, a.Group}
	}
	sum := sha256.Sum256(canonicalJSON(spec))
	return digestV2 + ":" + hex.EncodeToString(sum[:])
}

// canonicalV2 fills in defaults and sorts what has no order, as far as it was known then.
func canonicalV2(c types.ContainerConfig) types.ContainerConfig {
	c.Image = CanonicalImage(c.Image)
	c.Ports = slices.Clone(c.Ports)
	for i := range c.Ports {
		c.Ports[i].HostPort = c.Ports[i].Published()
		c.Ports[i].Protocol = c.Ports[i].Proto()
	}
	slices.SortFunc(c.Ports, func(a, b types.PortMap) int { return strings.Compare(portTextV2(a), portTextV2(b)) })
	c.Mounts = slices.Clone(c.Mounts)
	for i := range c.Mounts {
		c.Mounts[i].Type = c.Mounts[i].Kind()
	}
	slices.SortFunc(c.Mounts, func(a, b types.Mount) int { return strings.Compare(a.Target, b.Target) })
	c.CapAdd, c.CapDrop = capabilitiesV2(c.CapAdd), capabilitiesV2(c.CapDrop)
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

func portTextV2(p types.PortMap) string {
	text := fmt.Sprintf("%d:%d", p.Published(), p.Port)
	if p.IP != "" {
		text = p.IP + ":" + text
	}
	if p.Proto() != "tcp" {
		text += "/" + p.Proto()
	}
	return text
}

func capabilitiesV2(in []string) []string {
	out := make([]string, 0, len(in))
	for _, c := range in {
		out = append(out, strings.TrimPrefix(strings.ToUpper(c), "CAP_"))
	}
	slices.Sort(out)
	return out
}
