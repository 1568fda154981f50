package container

import (
	"fmt"
	"maps"
	"path"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/distribution/reference"

	"github.com/gitsync/gitsync/container/types"
)

// Cause says why a container is changed, in words that hold no value which could
// be a secret: environment variables, arguments and files appear by name only.
type Cause struct {
	// Field is the key in containers.yaml, such as image or env.TZ; empty when no
	// field is meant.
	Field string `json:"field,omitempty"`
	// Text is a phrase, such as "image nginx:1.26 → 1.27".
	Text string `json:"text"`
}

// String returns the text.
func (c Cause) String() string { return c.Text }

func cause(field, format string, args ...any) Cause {
	return Cause{Field: field, Text: fmt.Sprintf(format, args...)}
}

// differences says what changed from one spec to the other. It is empty when both
// have the same digest.
func differences(from, to *HostConfiguredContainer) []Cause {
	return differencesOf(from, to, canonical)
}

// differencesOf compares the configs in the form that the function gives them.
func differencesOf(from, to *HostConfiguredContainer, form func(types.ContainerConfig) types.ContainerConfig) []Cause {
	a, b := form(from.Container.Config), form(to.Container.Config)
	var causes []Cause
	if a.Image != b.Image {
		causes = append(causes, imageCause(from.Container.Config.Image, to.Container.Config.Image))
	}
	causes = append(causes, shownCauses(a, b)...)
	causes = append(causes, hiddenCauses(a, b)...)
	causes = append(causes, mapCauses("env", a.Env, b.Env)...)
	causes = append(causes, mapCauses("labels", a.Labels, b.Labels)...)
	causes = append(causes, fileCauses(from, to)...)
	causes = append(causes, secretCauses(from, to)...)
	if !sameDependants(from, to) {
		causes = append(causes, cause("dependsOn", "containers that depend on it change"))
	}
	return causes
}

// shownCauses compares the fields whose values may be printed.
func shownCauses(a, b types.ContainerConfig) []Cause {
	fields := []struct{ name, from, to string }{
		{"name", a.Name, b.Name},
		{"ports", list(a.Ports, portText), list(b.Ports, portText)},
		{"mounts", list(a.Mounts, mountText), list(b.Mounts, mountText)},
		{"capAdd", words(a.CapAdd), words(b.CapAdd)},
		{"capDrop", words(a.CapDrop), words(b.CapDrop)},
		{"extraHosts", words(a.ExtraHosts), words(b.ExtraHosts)},
		{"privileged", strconv.FormatBool(a.Privileged), strconv.FormatBool(b.Privileged)},
		{"networkMode", a.NetworkMode, b.NetworkMode},
		{"networkAliases", words(a.NetworkAliases), words(b.NetworkAliases)},
		{"pidMode", a.PidMode, b.PidMode},
		{"ipcMode", a.IpcMode, b.IpcMode},
		{"user", a.User, b.User},
		{"group", a.Group, b.Group},
		{"restart", a.Restart, b.Restart},
		{"workdir", a.Workdir, b.Workdir},
		{"hostname", a.Hostname, b.Hostname},
		{"memory", memoryText(a.Memory), memoryText(b.Memory)},
		{"cpus", number(a.CPUs), number(b.CPUs)},
		{"stopTimeout", durationText(a.StopTimeout), durationText(b.StopTimeout)},
	}
	var causes []Cause
	for _, f := range fields {
		if f.from != f.to {
			causes = append(causes, cause(f.name, "%s %s → %s", f.name, orDefault(f.from), orDefault(f.to)))
		}
	}
	return causes
}

// hiddenCauses compares the fields whose values may hold a secret, or are too
// long for a line.
func hiddenCauses(a, b types.ContainerConfig) []Cause {
	fields := []struct {
		name     string
		from, to any
	}{
		{"args", slices.Concat(a.Args), slices.Concat(b.Args)},
		{"entrypoint", slices.Concat(a.Entrypoint), slices.Concat(b.Entrypoint)},
		{"healthcheck", a.Healthcheck, b.Healthcheck},
	}
	var causes []Cause
	for _, f := range fields {
		if !reflect.DeepEqual(f.from, f.to) {
			causes = append(causes, cause(f.name, "%s changed", f.name))
		}
	}
	if !maps.Equal(a.Tmpfs, b.Tmpfs) {
		causes = append(causes, cause("tmpfs", "tmpfs changed"))
	}
	return causes
}

func mapCauses(field string, a, b map[string]string) []Cause {
	var causes []Cause
	for _, key := range sortedKeys(a, b) {
		from, before := a[key]
		to, after := b[key]
		name := field + "." + key
		switch {
		case !after:
			causes = append(causes, cause(name, "%s %s removed", field, key))
		case !before:
			causes = append(causes, cause(name, "%s %s added", field, key))
		case from != to:
			causes = append(causes, cause(name, "%s %s changed", field, key))
		}
	}
	return causes
}

func fileCauses(from, to *HostConfiguredContainer) []Cause {
	var causes []Cause
	for _, p := range sortedKeys(from.ConfigFiles, to.ConfigFiles) {
		a, before := from.ConfigFiles[p]
		b, after := to.ConfigFiles[p]
		if after && from.onChange(p) != OnChangeRecreate && to.onChange(p) != OnChangeRecreate {
			continue
		}
		field := "configFiles." + p
		switch {
		case !after:
			causes = append(causes, cause(field, "config file %s is no longer in the repo (it stays on the host)", p))
		case !before:
			causes = append(causes, cause(field, "config file %s added", p))
		case a != b:
			causes = append(causes, cause(field, "config file %s changed", p))
		case from.onChange(p) != to.onChange(p):
			causes = append(causes, cause(field, "config file %s: onChange %s → %s", p, from.onChange(p), to.onChange(p)))
		case attributesText(from, p) != attributesText(to, p):
			causes = append(causes, cause(field, "config file %s: mode or owner %s → %s", p,
				attributesText(from, p), attributesText(to, p)))
		}
	}
	return causes
}

// imageCause shortens the new image to what differs: its tag or digest.
func imageCause(from, to string) Cause {
	a, errA := reference.ParseNormalizedNamed(from)
	b, errB := reference.ParseNormalizedNamed(to)
	short := to
	if errA == nil && errB == nil && a.Name() == b.Name() {
		familiar := reference.FamiliarString(reference.TagNameOnly(b))
		short = strings.TrimPrefix(familiar, reference.FamiliarName(b))
		short = strings.TrimLeft(short, ":")
	}
	return cause("image", "image %s → %s", from, short)
}

func list[T any](items []T, text func(T) string) string {
	var out []string
	for _, item := range items {
		out = append(out, text(item))
	}
	return words(out)
}

func words(items []string) string {
	if len(items) == 0 {
		return "(none)"
	}
	return strings.Join(items, " ")
}

// portText is the short form that Docker users know.
func portText(p types.PortMap) string {
	text := fmt.Sprintf("%d:%d", p.Published(), p.Port)
	if p.IP != "" {
		text = p.IP + ":" + text
	}
	if p.Proto() != "tcp" {
		text += "/" + p.Proto()
	}
	return text
}

// mountText is the short form that Docker users know.
func mountText(m types.Mount) string {
	text := m.Source + ":" + m.Target
	var options []string
	if m.ReadOnly {
		options = append(options, "ro")
	}
	if m.Propagation != "" {
		options = append(options, m.Propagation)
	}
	if len(options) > 0 {
		text += ":" + strings.Join(options, ",")
	}
	return text
}

// attributesText leaves out what happens on a change, which nobody sees on the file.
func attributesText(m *HostConfiguredContainer, p string) string {
	a := m.ConfigFileAttributes[p]
	return fmt.Sprintf("%04o %s:%s", fileMode(a), orDefault(a.User), orDefault(a.Group))
}

func memoryText(b types.Bytes) string {
	if b == 0 {
		return "(unlimited)"
	}
	return b.String()
}

func durationText(d types.Duration) string {
	if d == 0 {
		return ""
	}
	return d.String()
}

func number(f float64) string {
	if f == 0 {
		return "(unlimited)"
	}
	return strconv.FormatFloat(f, 'g', -1, 64)
}

func orDefault(s string) string {
	if s == "" {
		return "(default)"
	}
	return s
}

// sortedKeys returns the keys of all maps, each once.
func sortedKeys[V any](ms ...map[string]V) []string {
	var keys []string
	for _, m := range ms {
		keys = slices.AppendSeq(keys, maps.Keys(m))
	}
	slices.Sort(keys)
	return slices.Compact(keys)
}

// hostPath returns where the helper container sees a path of the host.
func hostPath(p string) string { return path.Join(ConfigMountpoint, p) }
