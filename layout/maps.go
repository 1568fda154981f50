package layout

import (
	"net/netip"
	"path"
	"regexp"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/gitsync/gitsync/container"
)

// item is an entry of what is written as a mapping or as a list of texts.
type item struct {
	name, value string
	// node is where the entry is.
	node *yaml.Node
}

// items reads a mapping, or a list whose texts are cut at the separator. In a
// list each name may occur once. Values are left out of all messages, since they
// may be secret.
func (d *decoder) items(what string, n *yaml.Node, separator string, needsValue bool) []item {
	var all []item
	if n = resolve(n); n.Kind != yaml.SequenceNode {
		for _, p := range d.pairs(what, n) {
			it := item{name: p.key.Value, node: p.key}
			if value := resolve(p.value); !needsValue && value.Kind == yaml.ScalarNode && value.ShortTag() == "!!null" {
				all = append(all, it)
			} else if text, ok := d.scalar(what+" "+quoted(it.name), p.value); ok {
				it.value = text
				all = append(all, it)
			}
		}
		return all
	}
	seen := map[string]int{}
	for _, line := range n.Content {
		text, ok := d.scalar("an item of "+what, line)
		if !ok {
			continue
		}
		name, value, cut := strings.Cut(text, separator)
		if needsValue && !cut {
			d.bad(resolve(line), "write name"+separator+"value", "%s %s has no value", what, quoted(name))
			continue
		}
		if earlier, twice := seen[name]; twice {
			d.bad(resolve(line), "remove one of them", "%s %s is already set in line %d", what, quoted(name), earlier)
			continue
		}
		seen[name] = resolve(line).Line
		all = append(all, item{name: name, value: value, node: resolve(line)})
	}
	return all
}

var envName = regexp.MustCompile(`^[a-zA-Z_][a-zA-Z0-9_.-]*$`)

func decodeEnv(d *decoder, what string, n *yaml.Node, e *entry) {
	for _, it := range d.items(what, n, "=", true) {
		if !envName.MatchString(it.name) {
			d.bad(it.node, "use a-z, A-Z, 0-9, _, . and -, not beginning with a digit", "%s is no name of an environment variable", quoted(it.name))
			continue
		}
		put(&e.config.Env, it.name, it.value)
	}
}

func decodeLabels(d *decoder, what string, n *yaml.Node, e *entry) {
	for _, it := range d.items(what, n, "=", false) {
		switch {
		case it.name == "":
			d.bad(it.node, "", "a label without a name")
		case strings.HasPrefix(it.name, container.LabelPrefix):
			d.bad(it.node, "choose another name", "label %s begins with %s, which is kept for gitsync's own labels", quoted(it.name), container.LabelPrefix)
		default:
			put(&e.config.Labels, it.name, it.value)
		}
	}
}

// decodeExtraHosts keeps a list's order, and sorts a mapping, which has none.
func decodeExtraHosts(d *decoder, what string, n *yaml.Node, e *entry) {
	for _, it := range d.items(what, n, ":", true) {
		if problem, hint := hostname(it.name); problem != "" {
			d.bad(it.node, hint, "%s %s %s", what, quoted(it.name), problem)
			continue
		}
		address := strings.TrimSuffix(strings.TrimPrefix(it.value, "["), "]")
		if _, err := netip.ParseAddr(address); err != nil && address != "host-gateway" {
			d.bad(it.node, "write an IP address, or host-gateway", "%s %s has no IP address: %s", what, quoted(it.name), quoted(it.value))
			continue
		}
		e.config.ExtraHosts = append(e.config.ExtraHosts, it.name+":"+address)
	}
	if resolve(n).Kind == yaml.MappingNode {
		slices.Sort(e.config.ExtraHosts)
	}
}

var tmpfsOptions = regexp.MustCompile(`^[a-zA-Z0-9_=,%.-]*$`)

func decodeTmpfs(d *decoder, what string, n *yaml.Node, e *entry) {
	for _, it := range d.items(what, n, ":", false) {
		target := path.Clean(it.name)
		if problem, hint := absolutePath(it.name); problem != "" {
			d.bad(it.node, hint, "%s %s %s", what, quoted(it.name), problem)
			continue
		}
		if !tmpfsOptions.MatchString(it.value) {
			d.bad(it.node, "write for example size=64m,mode=1777", "%s %s has broken options %s", what, quoted(it.name), quoted(it.value))
			continue
		}
		if _, twice := e.config.Tmpfs[target]; twice || target == "/" {
			d.bad(it.node, "", "%s %s is there twice, or is the root directory", what, quoted(it.name))
			continue
		}
		put(&e.config.Tmpfs, target, it.value)
	}
}

// put sets a key of a map that may be nil: what is left empty stays nil.
func put(m *map[string]string, key, value string) {
	if *m == nil {
		*m = map[string]string{}
	}
	(*m)[key] = value
}
