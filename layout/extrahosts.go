package layout

import (
	"net/netip"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// decodeExtraHosts keeps the order of a list, and of the addresses of one name. It sorts
// the names of a mapping, which have no order.
func decodeExtraHosts(d *decoder, what string, n *yaml.Node, e *entry) {
	lines := map[string]int{}
	add := func(name, address string, at *yaml.Node) {
		if problem, hint := lookupName(name); problem != "" {
			d.bad(at, hint, "%s %s %s", what, quoted(name), problem)
			return
		}
		if strings.HasPrefix(address, "[") && strings.HasSuffix(address, "]") {
			address = address[1 : len(address)-1]
		}
		if problem := hostAddress(address); problem != "" {
			d.bad(at, "write an IP address, or host-gateway", "%s %s has %s: %s", what, quoted(name), problem, quoted(address))
			return
		}
		line := name + ":" + address
		if earlier, twice := lines[line]; twice {
			d.bad(at, "remove one of them", "%s %s is already set in line %d", what, quoted(name), earlier)
			return
		}
		lines[line] = at.Line
		e.config.ExtraHosts = append(e.config.ExtraHosts, line)
	}
	if n = resolve(n); n.Kind == yaml.SequenceNode {
		for _, item := range n.Content {
			if text, ok := d.scalar("an item of "+what, item); ok {
				name, address, cut := strings.Cut(text, ":")
				if !cut {
					d.bad(resolve(item), "write name:value", "%s %s has no value", what, quoted(name))
					continue
				}
				add(name, address, resolve(item))
			}
		}
		return
	}
	for _, p := range d.pairs(what, n) {
		name, value := p.key.Value, resolve(p.value)
		if value.Kind != yaml.SequenceNode {
			if address, ok := d.scalar(what+" "+quoted(name), value); ok {
				add(name, address, p.key)
			}
			continue
		}
		if len(value.Content) == 0 {
			d.bad(p.key, "write an IP address, or leave the name out", "%s %s has no value", what, quoted(name))
		}
		for _, item := range value.Content {
			if address, ok := d.scalar(what+" "+quoted(name), item); ok {
				add(name, address, resolve(item))
			}
		}
	}
	slices.SortStableFunc(e.config.ExtraHosts, func(a, b string) int {
		nameA, _, _ := strings.Cut(a, ":")
		nameB, _, _ := strings.Cut(b, ":")
		return strings.Compare(nameA+":", nameB+":")
	})
}

// hostAddress says what is wrong with an address in a container's list of hosts.
func hostAddress(address string) (problem string) {
	ip, err := netip.ParseAddr(address)
	switch {
	case address == "host-gateway":
		return ""
	case err != nil:
		return "no IP address"
	case ip.Zone() != "":
		return "an address with a zone, which no engine takes"
	}
	return ""
}
