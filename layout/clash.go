package layout

import (
	"fmt"
	"path"
	"strconv"
	"strings"

	"github.com/gitsync/gitsync/container/types"
)

// claims are what the containers of one machine want for themselves: names, host
// ports and config files.
type claims struct {
	names map[string]claim
	ports map[portKey]claim
	files map[string]fileClaim
	// dirs holds the directories that config files are in.
	dirs map[string]claim
	// writable holds the mounts through which containers may write, by their sources, and
	// below one config file for each directory above those that config files are in.
	writable map[string]writableMount
	below    map[string]fileClaim
	// hosts are those that are here, and sources what they mount.
	hosts   []string
	sources map[sourceKey]sourceClaim
	// judged and taken are the paths that hosts mount, each of which is looked at once.
	judged, taken map[sourceKey]bool
}

// claim is who wants something, and where it says so.
type claim struct {
	host, container string
	file            string
	at              position
}

// portKey is a port of a machine on the addresses of one family. Its ip is allAddresses
// for all of them, and someAddress for a port that is published on any.
type portKey struct {
	number       int
	protocol, ip string
	isV6         bool
}

const (
	allAddresses = "all"
	someAddress  = "some"
)

type fileClaim struct {
	claim
	file configFile
}

func newClaims() *claims {
	return &claims{
		names: map[string]claim{}, ports: map[portKey]claim{},
		files: map[string]fileClaim{}, dirs: map[string]claim{},
		writable: map[string]writableMount{}, below: map[string]fileClaim{}, sources: map[sourceKey]sourceClaim{}, judged: map[sourceKey]bool{}, taken: map[sourceKey]bool{},
	}
}

// by names who has the claim, as a person of the given host finds it.
func (c claim) by(host string) string {
	at := c.at.mistake(c.file, "", "").Position()
	if c.host == host {
		return fmt.Sprintf("container %s (%s)", quoted(c.container), at)
	}
	return fmt.Sprintf("container %s of host %s (%s), which is the same machine", quoted(c.container), c.host, at)
}

// check returns what the container wants and somebody else has.
func (c *claims) check(who claim, e *entry) Mistakes { return c.visit(who, e, false) }

// add checks and claims, one by one, what the container wants.
func (c *claims) add(who claim, e *entry) Mistakes { return c.visit(who, e, true) }

func (c *claims) visit(who claim, e *entry, take bool) Mistakes {
	var clashes Mistakes
	clash := func(at position, hint, format string, args ...any) {
		clashes = append(clashes, at.mistake(who.file, hint, fmt.Sprintf(format, args...)))
	}
	who.container, who.at = e.config.Name, e.at
	if other, taken := c.names[e.config.Name]; taken && other.host != who.host {
		clash(e.at, "choose another name, or write in host.yaml how the host is reached: ssh, or agent: true where a gitsync on it does", "the container's name is taken by %s", other.by(who.host))
	}
	if take {
		c.names[e.config.Name] = who
	}
	for i, p := range e.config.Ports {
		who.at = e.portsAt[i]
		if other, taken := c.port(p); taken {
			clash(who.at, "publish another port of the host", "host port %s is taken by %s", portText(p), other.by(who.host))
		}
		if take {
			c.takePort(who, p)
		}
	}
	for _, m := range mountsOf(who, e) {
		if problem, hint := c.mountClash(m); problem != "" {
			clash(m.at, hint, "mount %s %s", quoted(m.source), problem)
		}
		if take {
			c.takeMount(m)
		}
	}
	for _, f := range e.files {
		who.at = f.at
		if problem, hint := c.placeClash(who.host, f); problem != "" {
			clash(f.at, hint, "config file %s %s", quoted(f.path), problem)
		}
		if problem, hint := c.fileClash(who.host, f); problem != "" {
			clash(f.at, hint, "config file %s %s", quoted(f.path), problem)
		}
		if take {
			c.takeFile(who, f)
		}
	}
	return clashes
}

// port returns who has a port that conflicts with this one, by the rule of
// types.PortMap.Conflicts.
func (c *claims) port(p types.PortMap) (claim, bool) {
	for _, key := range keysOf(p) {
		meets := []string{key.ip, allAddresses}
		if key.ip == allAddresses {
			meets = []string{someAddress}
		}
		for _, key.ip = range meets {
			if other, taken := c.ports[key]; taken {
				return other, true
			}
		}
	}
	return claim{}, false
}

func (c *claims) takePort(who claim, p types.PortMap) {
	for _, key := range keysOf(p) {
		for _, key.ip = range []string{key.ip, someAddress} {
			if _, taken := c.ports[key]; !taken {
				c.ports[key] = who
			}
		}
	}
}

// keysOf are the keys of a port: one, or where it names no address one for each family.
func keysOf(p types.PortMap) []portKey {
	v4 := portKey{number: p.Published(), protocol: p.Proto(), ip: allAddresses}
	v6 := v4
	v6.isV6 = true
	switch p.IP {
	case "":
		return []portKey{v4, v6}
	case "0.0.0.0":
		return []portKey{v4}
	case "::":
		return []portKey{v6}
	}
	return []portKey{{p.Published(), p.Proto(), p.IP, strings.Contains(p.IP, ":")}}
}

// fileClash compares a config file with those of other containers. Two that
// share a file must want the same of it.
func (c *claims) fileClash(host string, f configFile) (problem, hint string) {
	const another = "use another path"
	if other, taken := c.files[f.path]; taken {
		// What a change means may differ: the file is the same.
		theirs, ours := other.file.attributes, f.attributes
		theirs.OnChange, ours.OnChange = "", ""
		if other.file.content != f.content || theirs != ours {
			return "is written otherwise by " + other.by(host), another + ", or the same content and attributes"
		}
		return "", ""
	}
	if other, taken := c.dirs[f.path]; taken {
		return "is a directory for " + other.by(host), another
	}
	for _, dir := range f.directories() {
		if other, taken := c.files[dir]; taken {
			return fmt.Sprintf("is below the config file %s of %s", quoted(dir), other.by(host)), another
		}
	}
	return "", ""
}

// takeFile costs nothing for a path that is taken already: containers may share
// long lists of files.
func (c *claims) takeFile(who claim, f configFile) {
	if _, taken := c.files[f.path]; taken {
		return
	}
	c.files[f.path] = fileClaim{who, f}
	for _, dir := range f.above() {
		if _, known := c.below[dir]; !known {
			c.below[dir] = fileClaim{who, f}
		}
	}
	for _, dir := range f.directories() {
		c.dirs[dir] = who
	}
}

// directories returns the directories that the file is in. A path that is too
// long or too deep has none: it is a mistake already, and would be expensive.
func (f configFile) directories() []string {
	var dirs []string
	if len(f.path) > maxPath || strings.Count(f.path, "/") > 2*MaxPathDepth {
		return nil
	}
	for i := strings.LastIndexByte(f.path, '/'); i > 0; i = strings.LastIndexByte(f.path[:i], '/') {
		dirs = append(dirs, f.path[:i])
	}
	return dirs
}

// ownClashes returns what two containers of the host both want. The later one is
// told.
func (l *loaded) ownClashes(file string) Mistakes {
	var clashes Mistakes
	own := newClaims()
	for _, e := range l.entries {
		if clashes = append(clashes, own.add(claim{host: l.name, file: file}, e)...); len(clashes) > maxRecorded {
			break
		}
	}
	return clashes
}

// separate finds valid hosts that share a machine and want the same name, port or
// file there. The one that is later by name gets the mistakes; it becomes
// invalid, and then claims nothing itself.
func separate(hosts []*loaded, opts Options) map[*loaded]Mistakes {
	clashes := map[*loaded]Mistakes{}
	machines := map[string]*claims{}
	for _, l := range hosts {
		endpoint := l.reach.endpoint(l.name, opts.DockerHost)
		if machines[endpoint] == nil {
			machines[endpoint] = newClaims()
		}
		who := claim{host: l.name, file: path.Join(hostsDir, l.name, containersFile)}
		on := machines[endpoint]
		for _, e := range l.entries {
			clashes[l] = append(clashes[l], on.check(who, e)...)
			if who.container = e.config.Name; opts.Nested != nil {
				clashes[l] = append(clashes[l], on.nestedClashes(who, e, opts.Nested)...)
			}
			if len(clashes[l]) > maxRecorded {
				break
			}
		}
		if len(clashes[l]) > 0 {
			continue
		}
		on.hosts = append(on.hosts, l.name)
		for _, e := range l.entries {
			_ = on.add(who, e) // a valid host has no clash with itself
			if who.container = e.config.Name; opts.Nested != nil {
				on.takeSources(who, e)
			}
		}
	}
	return clashes
}

func portText(p types.PortMap) string {
	text := strconv.Itoa(p.Published()) + "/" + p.Proto()
	switch {
	case p.IP == "":
		return text
	case strings.Contains(p.IP, ":"):
		return "[" + p.IP + "]:" + text
	}
	return p.IP + ":" + text
}
