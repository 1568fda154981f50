package layout

import (
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/gitsync/gitsync/container"
)

// Check judges all containers of a host, as they are when its groups are merged and its
// variables replaced. What it finds is remembered with the host: it must depend on nothing
// but its arguments, which it must not change.
type Check func(host string, containers container.ContainersState) []Objection

// Objection is what a [Check] has against a container.
type Objection struct {
	// Container is the container's name.
	Container string
	// Path is the key that is meant, below the container: privileged, mounts[1],
	// configFiles./etc/x. It is host.yaml when that file is.
	Path string
	// Message and Hint are those of the [Mistake].
	Message, Hint string
	// Former is the path of a config file that a host may keep where it is deployed already,
	// as [Options.Deployed] says: then the objection is a warning. Empty for all others.
	Former string
}

// former is an objection that is a mistake, or a warning where its file is deployed already.
type former struct {
	path    string
	mistake Mistake
}

// judged returns the mistakes of the host, with those about files that are not deployed
// yet, and its warnings, with those about files that are.
func (l *loaded) judged(deployed func(host, path string) bool) (mistakes, warnings Mistakes) {
	if len(l.former) == 0 {
		return l.mistakes, l.warnings
	}
	mistakes, warnings = slices.Clone(l.mistakes), slices.Clone(l.warnings)
	for _, f := range l.former {
		if deployed != nil && deployed(l.name, f.path) {
			f.mistake.Message += "; it is deployed already, and stays until it leaves the repo"
			warnings = append(warnings, f.mistake)
		} else {
			mistakes = append(mistakes, f.mistake)
		}
	}
	return mistakes.tidy(), warnings
}

// objections asks the checks, and finds the places of what they object to. What a host may
// keep is remembered for [loaded.judged]. Beside mistakes no more than what is written is told: what is missing may be there once they are
// corrected.
func (l *loaded) objections(checks []Check) Mistakes {
	defer l.forgetNodes()
	containers := container.ContainersState{}
	entries := map[string]*entry{}
	for _, e := range l.entries {
		if e.config.Name != "" && e.config.Image != "" {
			containers[e.config.Name], entries[e.config.Name] = l.container(e), e
		}
	}
	if len(containers) == 0 {
		return nil
	}
	var found Mistakes
	for _, check := range checks {
		for _, o := range check(l.name, containers) {
			e := entries[o.Container]
			if e == nil {
				continue
			}
			at, written := l.placeIn(e, o.Path)
			if !written && len(l.mistakes) > 0 {
				continue
			}
			file := path.Join(hostsDir, l.name, containersFile)
			if o.Path == hostFile {
				found = append(found, Mistake{File: path.Join(hostsDir, l.name, hostFile), Message: o.Message, Hint: o.Hint})
				continue
			}
			mistake := at.mistake(file, o.Hint, fmt.Sprintf("container %s: %s", quoted(o.Container), o.Message))
			if o.Former != "" {
				l.former = append(l.former, former{o.Former, mistake})
				continue
			}
			found = append(found, mistake)
		}
	}
	return found
}

// forgetNodes lets go of what only the search for places needs: the loader keeps the rest.
func (l *loaded) forgetNodes() {
	l.decoder = nil
	for _, e := range l.entries {
		e.node = nil
	}
}

// placeIn returns where a key of a container is written. Where it is not, that is the
// container's own place.
func (l *loaded) placeIn(e *entry, key string) (at position, written bool) {
	name, index := cutIndex(key)
	switch {
	case strings.HasPrefix(key, "configFiles."):
		for _, f := range e.files {
			if f.path == strings.TrimPrefix(key, "configFiles.") {
				return f.at, true
			}
		}
	case name == "mounts" && index >= 0 && index < len(e.mountsAt):
		return e.mountsAt[index], true
	case name == "ports" && index >= 0 && index < len(e.portsAt):
		return e.portsAt[index], true
	}
	name, below, _ := strings.Cut(name, ".")
	n := l.decoder.child(e.settings(l.decoder), name)
	if n == nil {
		return e.at, false
	}
	deeper := n
	if n.Kind == yaml.SequenceNode && index >= 0 && index < len(n.Content) {
		deeper = resolve(n.Content[index])
	} else if below != "" {
		deeper = l.decoder.child(n, below)
	}
	if deeper == nil {
		deeper = n
	}
	return l.decoder.at(deeper), true
}

// settings returns the mapping that has the keys of the container, in its short form or
// its long one.
func (e *entry) settings(d *decoder) *yaml.Node {
	n := resolve(e.node)
	if isLong(d.keysIn(n)) {
		n = d.child(d.child(n, "container"), "config")
	}
	return n
}

// child returns a value of a mapping; nil when there is none.
func (d *decoder) child(n *yaml.Node, key string) *yaml.Node {
	for _, p := range d.keysIn(n) {
		if p.key.Value == key {
			return resolve(p.value)
		}
	}
	return nil
}

// keysIn returns the entries of a mapping, and none of what is no mapping.
func (d *decoder) keysIn(n *yaml.Node) []pair {
	if n == nil || n.Kind != yaml.MappingNode {
		return nil
	}
	return d.keys(n)
}

// cutIndex cuts "mounts[1]" into the key and the index, which is -1 where there is none.
func cutIndex(key string) (name string, index int) {
	name, rest, ok := strings.Cut(key, "[")
	index, err := strconv.Atoi(strings.TrimSuffix(rest, "]"))
	if !ok || err != nil {
		return key, -1
	}
	return name, index
}
