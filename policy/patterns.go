package policy

import (
	"fmt"
	"net/netip"
	"path"
	"strconv"
	"strings"

	"github.com/gitsync/gitsync/container/types"
)

// relation is how a value lies to a pattern.
type relation int

const (
	unrelated relation = iota
	// equal is a value that the pattern is about.
	equal
	// below is a part of what the pattern is about.
	below
	// holds is a value of which the pattern is a part.
	holds
)

// pattern is what an entry is about.
type pattern interface {
	// match returns how a value lies to the pattern, and how much of it the pattern names.
	match(v value) (relation, int)
}

// anything matches all values, by a switch.
type anything struct{}

func (anything) match(value) (relation, int) { return equal, 0 }

// textPattern is a glob of a text.
type textPattern struct{ glob }

func (p textPattern) match(v value) (relation, int) {
	if p.matches(v.text, 0) {
		return equal, p.literal
	}
	return unrelated, 0
}

// wordPattern is one of the policy's own words for values.
type wordPattern string

func (p wordPattern) match(v value) (relation, int) {
	if v.word != string(p) {
		return unrelated, 0
	}
	return equal, 1
}

// capPattern is a glob of a capability's name. ALL holds every one.
type capPattern struct{ textPattern }

func (p capPattern) match(v value) (relation, int) {
	rel, weight := p.textPattern.match(v)
	if rel == unrelated && v.text == "ALL" {
		return holds, 0
	}
	return rel, weight
}

// imagePattern is a glob of an image's name, or of its name and tag.
type imagePattern struct {
	glob
	// tagged says that it names the tag too.
	tagged bool
}

func (p imagePattern) match(v value) (relation, int) {
	text := v.text
	if p.tagged {
		text = v.tagged
	}
	if p.matches(text, '/') {
		return equal, p.literal
	}
	return unrelated, 0
}

// pathPattern is a path on the host, whose parts are globs.
type pathPattern struct {
	parts []glob
	// deep are the parts that are any number of directories.
	deep []bool
	// readOnly limits it to mounts that are.
	readOnly bool
	weight   int
}

func newPathPattern(text string) pathPattern {
	var p pathPattern
	if strings.HasSuffix(text, ":ro") && !strings.HasSuffix(text, `\:ro`) {
		p.readOnly, text = true, strings.TrimSuffix(text, ":ro")
	}
	for _, part := range pathParts(text) {
		g := newGlob(part)
		p.parts, p.deep = append(p.parts, g), append(p.deep, part == "**")
		// A directory that is named counts, whatever its name.
		if p.weight += 2 * g.literal; part != "**" {
			p.weight += 2
		}
	}
	if p.readOnly {
		// It says more than the path alone.
		p.weight++
	}
	return p
}

// pathParts returns the names that a path is made of, as the kernel would read it without
// links. On every Linux that has systemd /var/run leads to /run, and /var/lock to /run/lock.
func pathParts(text string) []string {
	clean := path.Clean("/" + text)
	for _, link := range [][2]string{{"/var/run", "/run"}, {"/var/lock", "/run/lock"}} {
		if below, ok := strings.CutPrefix(clean, link[0]); ok && (below == "" || below[0] == '/') {
			clean = link[1] + below
		}
	}
	if clean == "/" {
		return nil
	}
	return strings.Split(clean[1:], "/")
}

func (p pathPattern) match(v value) (relation, int) {
	if p.readOnly && !v.readOnly {
		return unrelated, 0
	}
	parts := v.parts
	if rest, ok := p.covers(0, parts); ok {
		if rest > 0 {
			return below, p.weight
		}
		return equal, p.weight
	}
	if p.isBelow(parts) {
		return holds, p.weight
	}
	return unrelated, 0
}

// covers says whether the pattern from i on is the beginning of a path, and how much of the
// path is left then, at the least.
func (p pathPattern) covers(i int, parts []string) (rest int, ok bool) {
	switch {
	case i == len(p.parts):
		return len(parts), true
	case p.deep[i]:
		best := -1
		for skip := range len(parts) + 1 {
			if rest, ok := p.covers(i+1, parts[skip:]); ok && (best < 0 || rest < best) {
				best = rest
			}
		}
		return best, best >= 0
	case len(parts) == 0 || !p.parts[i].matches(parts[0], 0):
		return 0, false
	}
	return p.covers(i+1, parts[1:])
}

// isBelow says whether what the pattern is about may be below a path. Of a pattern that
// begins with any number of directories that is not asked: it may be anywhere.
func (p pathPattern) isBelow(parts []string) bool {
	for i := range p.parts {
		switch {
		case p.deep[i]:
			return i > 0
		case i == len(parts):
			return true
		case !p.parts[i].matches(parts[i], 0):
			return false
		}
	}
	return false
}

// portPattern is a range of ports, on an address, of a protocol.
type portPattern struct {
	// ip is empty for whatever address, and every for a port that is published on all.
	ip, protocol string
	first, last  int
}

const every = "0.0.0.0"

func (p portPattern) match(v value) (relation, int) {
	if v.port < p.first || v.port > p.last || p.protocol != "" && p.protocol != v.protocol {
		return unrelated, 0
	}
	weight := 1<<16 - (p.last - p.first)
	if p.protocol != "" {
		weight++
	}
	switch {
	case p.ip == "":
		return equal, weight
	case p.ip == v.ip:
		return equal, weight + 1<<17
	case v.ip == every:
		return holds, weight
	}
	return unrelated, 0
}

// readPort reads [address:]port[-port][/protocol], where address and ports may be *.
func readPort(text string) (portPattern, error) {
	rest, protocol, _ := strings.Cut(text, "/")
	p := portPattern{protocol: protocol, first: 1, last: 1<<16 - 1}
	if protocol != "" && protocol != "tcp" && protocol != "udp" && protocol != "sctp" {
		return p, fmt.Errorf("%q is no protocol", protocol)
	}
	ports := rest
	if i := strings.LastIndexByte(rest, ':'); i >= 0 {
		ports = rest[i+1:]
		address := strings.TrimSuffix(strings.TrimPrefix(rest[:i], "["), "]")
		if address != "*" {
			ip, err := netip.ParseAddr(address)
			if err != nil {
				return p, fmt.Errorf("%q is no IP address", address)
			}
			p.ip = plainIP(ip.String())
		}
	}
	if ports == "*" {
		return p, nil
	}
	first, last, isRange := strings.Cut(ports, "-")
	if !isRange {
		last = first
	}
	low, err1 := strconv.ParseUint(first, 10, 16)
	high, err2 := strconv.ParseUint(last, 10, 16)
	if err1 != nil || err2 != nil || low == 0 || high < low {
		return p, fmt.Errorf("%q is no port and no range of ports", ports)
	}
	p.first, p.last = int(low), int(high)
	return p, nil
}

// plainIP returns an address in one form, and all that mean every address as one.
func plainIP(s string) string {
	ip, err := netip.ParseAddr(s)
	switch {
	case s == "", err == nil && ip.Unmap().IsUnspecified():
		return every
	case err != nil:
		return s
	}
	return ip.Unmap().String()
}

func portValue(p types.PortMap) value {
	v := value{port: p.Published(), protocol: p.Proto(), ip: plainIP(p.IP)}
	v.allow = fmt.Sprintf("%d/%s", v.port, v.protocol)
	v.found = v.allow
	switch {
	case p.IP == "":
	case v.ip == every:
		v.found = p.IP + ":" + v.allow
	case strings.Contains(v.ip, ":"):
		v.allow = "[" + v.ip + "]:" + v.allow
		v.found = v.allow
	default:
		v.allow = v.ip + ":" + v.allow
		v.found = v.allow
	}
	return v
}
