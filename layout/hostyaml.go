package layout

import (
	"net/netip"
	"net/url"
	"path"
	"regexp"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/gitsync/gitsync/container"
	"github.com/gitsync/gitsync/container/types"
	"github.com/gitsync/gitsync/host"
	"github.com/gitsync/gitsync/host/direct"
	"github.com/gitsync/gitsync/host/ssh"
	"github.com/gitsync/gitsync/registry"
	"github.com/gitsync/gitsync/runtime/docker"
)

// reach is what host.yaml says.
type reach struct {
	host   host.Host
	docker docker.Config
	// agent says that a gitsync on the host itself handles it.
	agent bool
	// parallelism is how many containers are updated at once; 0 is the default.
	parallelism int
	drift       hostDrift
	registries  registry.Logins
	groups      []namedGroup
	vars        map[string]variable
}

// variables returns what ${vars.…} may name.
func (r reach) variables() map[string]variable {
	if r.vars == nil {
		return map[string]variable{}
	}
	return r.vars
}

// hostSchema lists the keys of host.yaml.
var hostSchema = append(schema[reach]{
	{key: "agent", decode: boolean(func(r *reach) *bool { return &r.agent })},
	{key: "docker", decode: decodeDocker, aka: []string{"runtime"}},
	{key: "parallelism", decode: integer(func(r *reach) *int { return &r.parallelism }, 100), aka: []string{"parallel"}},
	{key: "drift", decode: decodeHostDrift, aka: []string{"driftPolicy"}},
	{key: "groups", decode: decodeGroups, aka: []string{"group"}},
	{key: "registries", decode: decodeRegistries, aka: []string{"registry", "registryAuth", "auths"}},
	// vars are read before the rest, which may use them.
	{key: "vars", decode: func(*decoder, string, *yaml.Node, *reach) {}, aka: []string{"variables"}},
}, wayFields(func(r *reach) *host.Host { return &r.host })...)

// wayFields are the keys that say how a host is reached.
func wayFields[T any](at func(*T) *host.Host) schema[T] {
	return schema[T]{
		{key: "direct", aka: []string{"local", "localhost"}, decode: func(d *decoder, what string, n *yaml.Node, into *T) {
			if len(d.pairs(what, n)) > 0 {
				d.bad(resolve(n), "write {}", "%s has no settings", what)
			} else if resolve(n).Kind == yaml.MappingNode {
				at(into).DirectConfig = &direct.Config{}
			}
		}},
		{key: "ssh", decode: func(d *decoder, what string, n *yaml.Node, into *T) {
			at(into).SSHConfig = decodeSSH(d, what, n)
		}},
	}
}

var sshSchema = schema[ssh.Config]{
	{key: "address", decode: text(func(c *ssh.Config) *string { return &c.Address }, machineAddress), aka: []string{"host", "hostname", "ip"}},
	{key: "port", decode: port(func(c *ssh.Config) *int { return &c.Port })},
	{key: "user", decode: scalar(func(c *ssh.Config) *string { return &c.User }, account), aka: []string{"username", "login"}},
	{key: "hostKey", decode: text(func(c *ssh.Config) *string { return &c.HostKey }, hostKey), aka: []string{"knownHosts", "fingerprint"}},
	{key: "proxyJump", decode: text(func(c *ssh.Config) *string { return &c.ProxyJump }, proxyJump), aka: []string{"jump", "bastion", "jumpHost"}},
	{key: "connectionTimeout", decode: duration(func(c *ssh.Config) *types.Duration { return &c.ConnectionTimeout }), aka: []string{"timeout"}},
	{key: "retryTimeout", decode: duration(func(c *ssh.Config) *types.Duration { return &c.RetryTimeout })},
	{key: "retryInterval", decode: duration(func(c *ssh.Config) *types.Duration { return &c.RetryInterval })},
	{key: "password", decode: noCredential, aka: []string{"pass", "passwd"}},
	{key: "privateKey", decode: noCredential, aka: []string{"key", "identityFile", "keyFile"}},
}

// hostKey checks a public key or a fingerprint.
func hostKey(s string) (problem, hint string) { return split(ssh.CheckHostKey(s)) }

// proxyJump checks the jump hosts on the way.
func proxyJump(s string) (problem, hint string) { return split(ssh.CheckProxyJump(s)) }

// split makes a problem and a hint of what another package says.
func split(err error) (problem, hint string) {
	if err == nil {
		return "", ""
	}
	problem, hint, _ = strings.Cut(err.Error(), ": ")
	return problem, hint
}

// contextName checks the name of a Docker context as its CLI does.
func contextName(s string) (problem, hint string) {
	if !dockerContext.MatchString(s) {
		return "is no name of a Docker context", "docker context ls shows them"
	}
	return "", ""
}

var dockerContext = regexp.MustCompile(`^[a-zA-Z0-9][a-zA-Z0-9_.+-]+$`)

// decodeSSH reads how to log in to a machine. Credentials are refused.
func decodeSSH(d *decoder, what string, n *yaml.Node) *ssh.Config {
	var c ssh.Config
	before := len(d.mistakes)
	sshSchema.decode(d, what, n, &c)
	if c.Address == "" && len(d.mistakes) == before && !hasKey(d.keys(n), "address") {
		d.bad(resolve(n), "write for example ssh: {address: 10.0.0.7, user: deploy}", "%s has no address", what)
	}
	return &c
}

func noCredential(d *decoder, what string, n *yaml.Node, _ *ssh.Config) {
	d.bad(resolve(n), "remove it, also from the history, and give it to the gitsync that logs in: by its ssh-agent or its SSH settings",
		"%s: credentials have no place in the repo", what)
}

// decodeHostFile reads host.yaml, which may be empty.
func decodeHostFile(d *decoder, data []byte, host string) reach {
	var r reach
	root, ok := d.parse(data)
	if ok && root != nil {
		pairs := d.pairs("the file", root)
		sub := &substitution{decoder: d, host: host}
		for _, p := range pairs {
			if p.key.Value == "vars" {
				sub.run(resolve(p.value))
				sub.skip, r.vars = resolve(p.value), decodeVars(d, p.value)
			}
		}
		sub.vars = r.variables()
		sub.run(root)
		hostSchema.decodePairs(d, "", pairs, &r)
		r.checkOneWay(d, pairs)
		r.checkContext(d, pairs)
	}
	return r.withDefaults()
}

// checkOneWay reports a host that is reached in two ways.
func (r reach) checkOneWay(d *decoder, pairs []pair) {
	for _, p := range pairs {
		if p.key.Value == "agent" && r.agent && r.host.SSHConfig != nil {
			d.bad(p.key, "keep one of them: a gitsync on the host needs no way to it", "agent and ssh are both there")
		}
		if p.key.Value == "direct" && r.host.DirectConfig != nil && r.host.SSHConfig != nil {
			d.bad(p.key, "keep one of them", "direct and ssh are both there")
		}
	}
}

// checkContext reports a Docker context beside another address: the context says it.
func (r reach) checkContext(d *decoder, pairs []pair) {
	for _, p := range pairs {
		switch {
		case p.key.Value != "docker" || r.docker.Context == "":
		case r.docker.Host != "":
			d.bad(p.key, "keep one of them", "docker.context and docker.host are both there")
		case r.host.SSHConfig != nil:
			d.bad(p.key, "write docker.host for an engine behind SSH", "docker.context is one of the machine that gitsync runs on, and ssh is there too")
		}
	}
}

// withDefaults fills in this machine where nothing says how the host is reached.
func (r reach) withDefaults() reach {
	if r.host.DirectConfig == nil && r.host.SSHConfig == nil {
		r.host.DirectConfig = &direct.Config{}
	}
	return r
}

// runtime returns the runtime's settings, for the caller to keep.
func (r reach) runtime() container.RuntimeConfig {
	return container.RuntimeConfig{Docker: &docker.Config{Host: r.docker.Host, Context: r.docker.Context, PullStall: r.docker.PullStall}}
}

// way returns how the host is reached, for the caller to keep.
func (r reach) way() host.Host {
	if r.host.SSHConfig != nil {
		c := *r.host.SSHConfig
		return host.Host{SSHConfig: &c}
	}
	return host.Host{DirectConfig: &direct.Config{}}
}

const defaultDocker = "unix:///var/run/docker.sock"

// endpoint names the runtime of the machine, of the host with that name.
func (r reach) endpoint(name, localDocker string) string {
	if r.agent {
		return "agent " + name
	}
	address := r.docker.Host
	if r.docker.Context != "" {
		return "context " + r.docker.Context
	}
	if address == "" && r.host.SSHConfig == nil {
		address = localDocker
	}
	switch address {
	case "", "unix:///run/docker.sock":
		// On Linux /var/run is a link to /run.
		address = defaultDocker
	}
	return r.host.Address() + " " + address
}

var dockerSchema = schema[docker.Config]{
	{key: "host", decode: text(func(c *docker.Config) *string { return &c.Host }, dockerHost), aka: []string{"address", "socket", "url"}},
	{key: "context", decode: text(func(c *docker.Config) *string { return &c.Context }, contextName)},
	{key: "pullStall", decode: duration(func(c *docker.Config) *types.Duration { return &c.PullStall }), aka: []string{"pullTimeout"}},
}

func decodeDocker(d *decoder, what string, n *yaml.Node, r *reach) {
	dockerSchema.decode(d, what, n, &r.docker)
}

// dockerHost checks the address of an engine.
func dockerHost(address string) (problem, hint string) {
	const forms = "write unix:///var/run/docker.sock or tcp://10.0.0.7:2376"
	u, err := url.Parse(address)
	switch {
	case err != nil:
		return "is no address of a Docker Engine", forms
	case u.Scheme == "ssh":
		return "goes through SSH", "write ssh: {address: …} beside docker"
	case u.User != nil:
		return "holds a user or a password", forms
	case u.Scheme == "unix" && u.Host == "" && path.IsAbs(u.Path) && path.Clean(u.Path) == u.Path:
		return "", ""
	case u.Scheme == "tcp" && u.Hostname() != "" && u.Port() != "" && u.Path == "":
		return "", ""
	}
	return "is no address of a Docker Engine", forms
}

var domainName = regexp.MustCompile(`^[a-zA-Z0-9]([a-zA-Z0-9_.-]*[a-zA-Z0-9])?$`)

// machineAddress checks a host name or an IP address.
func machineAddress(address string) (problem, hint string) {
	if _, err := netip.ParseAddr(address); err == nil {
		return "", ""
	}
	if len(address) > 253 || !domainName.MatchString(address) {
		return "is no host name and no IP address", "write for example 10.0.0.7, with port: and user: as keys of their own"
	}
	return "", ""
}
