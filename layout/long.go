package layout

import (
	"reflect"
	"slices"

	"go.yaml.in/yaml/v3"

	"github.com/gitsync/gitsync/host"
)

// longForm is what the long form of a container says beside its settings: a
// place that host.yaml must agree with.
type longForm struct {
	entry *entry
	reach reach
	// hostAt and runtimeAt are set where the keys are there and not empty.
	hostAt, runtimeAt *position
}

// isLong says whether a container is written as the library's YAML has it.
func isLong(fields []pair) bool { return hasKey(fields, "container") }

var longSchema = append(schema[longForm]{
	{key: "container", decode: decodeLongContainer},
	{key: "host", decode: decodeLongHost},
	{key: "configFiles", decode: func(d *decoder, what string, n *yaml.Node, l *longForm) {
		decodeConfigFiles(d, what, n, l.entry)
	}},
	{key: "secretFiles", decode: func(d *decoder, what string, n *yaml.Node, l *longForm) {
		decodeSecretFiles(d, what, n, l.entry)
	}},
}, besideContainer()...)

// besideContainer are the keys of a container's update, where the long form has
// them.
func besideContainer() schema[longForm] {
	var beside schema[longForm]
	for _, f := range updateKeys {
		beside = append(beside, field[longForm]{key: f.key, aka: f.aka, decode: func(d *decoder, what string, n *yaml.Node, l *longForm) {
			f.decode(d, what, n, l.entry)
		}})
	}
	return beside
}

var longContainerSchema = schema[longForm]{
	{key: "config", decode: decodeLongConfig},
	{key: "runtime", decode: decodeLongRuntime},
}

func decodeLong(d *decoder, fields []pair, e *entry) {
	e.long = &longForm{entry: e}
	longSchema.decodePairs(d, "", fields, e.long)
	if e.config.Image == "" && !d.partial {
		for _, p := range fields {
			if p.key.Value == "container" && !longHasImage(d, p.value) {
				d.bad(p.key, "write container: {config: {image: nginx:1.27}}", "the container has no image")
			}
		}
	}
}

func longHasImage(d *decoder, n *yaml.Node) bool {
	for _, p := range d.keys(n) {
		if p.key.Value == "config" {
			return hasKey(d.keys(p.value), "image")
		}
	}
	return false
}

func decodeLongContainer(d *decoder, what string, n *yaml.Node, l *longForm) {
	longContainerSchema.decode(d, what, n, l)
}

// decodeLongConfig reads the settings, which may repeat the container's name.
func decodeLongConfig(d *decoder, what string, n *yaml.Node, l *longForm) {
	var fields []pair
	for _, p := range d.pairs(what, n) {
		beside := slices.ContainsFunc(updateKeys, func(f field[entry]) bool { return f.key == p.key.Value })
		switch {
		case p.key.Value == "configFiles", p.key.Value == "secretFiles", beside:
			d.bad(p.key, "write it beside container", "unknown key %s", quoted(p.key.Value))
		case p.key.Value == "name":
			name, ok := d.scalar(what+".name", p.value)
			if ok && l.entry.config.Name != "" && name != l.entry.config.Name {
				d.bad(resolve(p.value), "leave it out", "name %s differs from the container's key %s", quoted(name), quoted(l.entry.config.Name))
			}
		default:
			fields = append(fields, p)
		}
	}
	containerSchema.decodePairs(d, "", fields, l.entry)
}

func decodeLongRuntime(d *decoder, what string, n *yaml.Node, l *longForm) {
	pairs := d.pairs(what, n)
	schema[longForm]{
		{key: "docker", decode: func(d *decoder, what string, n *yaml.Node, l *longForm) {
			decodeDocker(d, what, n, &l.reach)
		}},
	}.decodePairs(d, what, pairs, l)
	if l.reach.docker.Host != "" {
		at := d.at(resolve(n))
		l.runtimeAt = &at
	}
}

func decodeLongHost(d *decoder, what string, n *yaml.Node, l *longForm) {
	pairs := d.pairs(what, n)
	wayFields(func(h *host.Host) *host.Host { return h }).decodePairs(d, what, pairs, &l.reach.host)
	l.reach.checkOneWay(d, pairs)
	if l.reach.host.DirectConfig != nil || l.reach.host.SSHConfig != nil {
		at := d.at(resolve(n))
		l.hostAt = &at
	}
}

// compare reports where the long form disagrees with host.yaml.
func (l *longForm) compare(d *decoder, r reach) {
	if l == nil {
		return
	}
	const hint = "leave it out here, and write it into host.yaml"
	if l.hostAt != nil && !reflect.DeepEqual(l.reach.host, r.host) {
		d.badAt(*l.hostAt, hint, "the container is not where its host is: %s instead of %s", l.reach.host.Address(), r.host.Address())
	}
	if l.runtimeAt != nil && l.reach.docker.Host != r.docker.Host {
		d.badAt(*l.runtimeAt, hint, "the container's docker.host %s differs from the host's %s", quoted(l.reach.docker.Host), quoted(r.docker.Host))
	}
}
