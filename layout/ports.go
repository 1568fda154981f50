package layout

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/gitsync/gitsync/container/types"
)

const portForms = `write "8080:80" (host:container), "127.0.0.1:8080:80/udp", "80" or "8000-8002:8000-8002"`

// longPort is a port as a mapping.
var longPort = schema[types.PortMap]{
	{key: "ip", decode: hostIP, aka: []string{"host_ip"}},
	{key: "port", decode: port(func(p *types.PortMap) *int { return &p.Port }), aka: []string{"target", "containerPort"}},
	{key: "hostPort", decode: port(func(p *types.PortMap) *int { return &p.HostPort }), aka: []string{"published"}},
	{key: "protocol", decode: text(func(p *types.PortMap) *string { return &p.Protocol }, protocol)},
}

func decodePorts(d *decoder, what string, n *yaml.Node, e *entry) {
	for _, item := range d.list(what, n) {
		var published portSpan
		switch item = resolve(item); item.Kind {
		case yaml.MappingNode:
			before := len(d.mistakes)
			p := types.PortMap{}
			longPort.decode(d, what, item, &p)
			if p.Port == 0 && len(d.mistakes) == before {
				d.bad(item, "write for example {port: 80, hostPort: 8080}", "a port without the key port")
			}
			if len(d.mistakes) == before {
				published = portSpan{p, 1}
			}
		default:
			published = decodeShortPort(d, item)
		}
		// They are counted before they are written out one by one, and not any more once
		// there are too many: a range of all ports is a few letters.
		if d.ports > MaxPorts {
			return
		}
		if d.ports += published.count; d.ports > MaxPorts {
			d.bad(item, "publish fewer, or use networkMode: host", "the host publishes more than %d ports", MaxPorts)
			return
		}
		if !d.spend(d.at(item), published.count) {
			return
		}
		for i := range published.count {
			e.config.Ports = append(e.config.Ports, published.port(i))
			e.portsAt = append(e.portsAt, d.at(item))
		}
	}
}

// portSpan is so many ports in a row, beginning with the first one.
type portSpan struct {
	first types.PortMap
	count int
}

// port returns one of them, counted from 0.
func (s portSpan) port(i int) types.PortMap {
	p := s.first
	p.Port += i
	if p.HostPort != 0 {
		p.HostPort += i
	}
	return p
}

func decodeShortPort(d *decoder, n *yaml.Node) portSpan {
	s, ok := d.scalar("a port", n)
	if !ok || d.full() {
		return portSpan{}
	}
	ports, err := parsePort(s)
	if err != nil {
		d.bad(n, portForms, "port %s: %v", quoted(s), err)
	}
	return ports
}

// parsePort reads [[ip:]host:]container[/protocol], where host and container may
// be ranges of the same length.
func parsePort(s string) (portSpan, error) {
	none := portSpan{}
	rest, proto, given := strings.Cut(s, "/")
	if problem, _ := protocol(proto); given && problem != "" {
		return none, fmt.Errorf("protocol %q %s", proto, problem)
	}
	rest, inside, hasHost := cutLast(rest)
	first, last, err := portRange(inside)
	if err != nil {
		return none, err
	}
	ip, hostFirst, hostLast := "", first, last
	if hasHost {
		address, outside, hasIP := cutLast(rest)
		if hostFirst, hostLast, err = portRange(outside); err != nil {
			return none, err
		}
		if ip, err = parseIP(address); hasIP && err != nil {
			return none, err
		}
	}
	if hostLast-hostFirst != last-first {
		return none, errors.New("the ranges differ in length")
	}
	return portSpan{types.PortMap{IP: ip, Port: first, HostPort: hostFirst, Protocol: proto}, last - first + 1}, nil
}

// cutLast cuts at the last colon that is not inside brackets.
func cutLast(s string) (before, after string, found bool) {
	i := strings.LastIndexByte(s, ':')
	if i < 0 || strings.LastIndexByte(s, ']') > i {
		return "", s, false
	}
	return s[:i], s[i+1:], true
}

func portRange(s string) (first, last int, err error) {
	from, to, isRange := strings.Cut(s, "-")
	if first, err = portNumber(from); err != nil || !isRange {
		return first, first, err
	}
	if last, err = portNumber(to); err == nil && last < first {
		err = fmt.Errorf("the range %s ends before it begins", s)
	}
	return first, last, err
}

func portNumber(s string) (int, error) {
	port, err := strconv.ParseUint(s, 10, 16)
	if err != nil || port == 0 {
		return 0, fmt.Errorf("%q is no port from 1 to 65535", s)
	}
	return int(port), nil
}

func parseIP(s string) (string, error) {
	text := s
	if strings.HasPrefix(s, "[") && strings.HasSuffix(s, "]") {
		text = s[1 : len(s)-1]
	}
	ip, err := netip.ParseAddr(text)
	if err != nil || ip.Zone() != "" {
		return "", fmt.Errorf("%q is no IP address", s)
	}
	if ip.Is6() && text == s {
		return "", fmt.Errorf("put the IPv6 address in brackets: [%s]", s)
	}
	return ip.Unmap().String(), nil
}

func hostIP(d *decoder, what string, n *yaml.Node, into *types.PortMap) {
	s, ok := d.text(what, n)
	if !ok {
		return
	}
	ip, err := netip.ParseAddr(s)
	if err != nil || ip.Zone() != "" {
		d.bad(resolve(n), "write for example 127.0.0.1 or ::1", "%s %s is no IP address", what, quoted(s))
		return
	}
	into.IP = ip.Unmap().String()
}

func protocol(s string) (problem, hint string) {
	if s != "tcp" && s != "udp" && s != "sctp" {
		return "is not one of tcp, udp, sctp", ""
	}
	return "", ""
}

// checkNetworkMode finds settings that the engine refuses, or silently ignores,
// beside the network mode.
func checkNetworkMode(d *decoder, what string, e *entry) {
	mode := e.config.NetworkMode
	shared := strings.HasPrefix(mode, "container:")
	if len(e.config.Ports) > 0 && (shared || mode == "host" || mode == "none") {
		d.badAt(e.portsAt[0], "leave ports or networkMode out", "%s publishes ports, which networkMode %s does not allow", what, mode)
	}
	if len(e.config.NetworkAliases) > 0 && (shared || slices.Contains([]string{"", "default", "bridge", "host", "none"}, mode)) {
		d.badAt(e.at, "write networkMode: and the name of a network that you made", "%s has networkAliases, which only a network of your own knows", what)
	}
	if shared && e.config.Hostname != "" {
		d.badAt(e.at, "leave hostname out", "%s has a hostname, which networkMode %s does not allow", what, mode)
	}
	if shared && len(e.config.ExtraHosts) > 0 {
		d.badAt(e.at, "leave extraHosts out", "%s has extraHosts, which networkMode %s does not allow", what, mode)
	}
}
