package layout

import (
	"regexp"
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
	for _, line := range d.list(what, n) {
		if d.full() {
			break
		}
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

// envName is what engines take, less what is most likely a slip: spaces, and digits first.
var envName = regexp.MustCompile(`^[^=\s\pC0-9][^=\s\pC]*$`)

func decodeEnv(d *decoder, what string, n *yaml.Node, e *entry) {
	for _, it := range d.items(what, n, "=", true) {
		if d.full() {
			return
		}
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

// put sets a key of a map that may be nil: what is left empty stays nil.
func put(m *map[string]string, key, value string) {
	if *m == nil {
		*m = map[string]string{}
	}
	(*m)[key] = value
}
