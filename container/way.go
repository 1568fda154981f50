package container

import (
	"cmp"
	"net"
	"net/url"
	"path"
	"strings"

	"github.com/gitsync/gitsync/host"
	"github.com/gitsync/gitsync/host/ssh"
)

// Way says how well it is known which machine is at the end of a connection.
type Way int

const (
	// WayKnown leads to this machine's engine, to one of this side's own settings, or to one
	// whose key or certificate this side vouches for.
	WayKnown Way = iota
	// WayUnknown leads to whatever is at the address: nothing but what names it says that
	// it is the right machine.
	WayUnknown
	// WayPlain is WayUnknown, and over a network in the clear.
	WayPlain
)

const defaultSocket = "unix:///var/run/docker.sock"

// route is how an engine is reached.
type route struct {
	// own says that it is the engine of this side's own settings, a context of its own
	// included: then nothing else is set.
	own bool
	// over is the host to log in to; nil for none. address is the engine's as seen from there.
	over    *ssh.Config
	address string
	tls     bool
}

func routeTo(h host.Host, config RuntimeConfig, opts ConnectOptions) (route, error) {
	if config.Docker == nil {
		return route{own: true}, nil
	}
	engine := *config.Docker
	engine.CertPath = opts.DockerCertPath
	r := route{over: h.SSHConfig, address: cmp.Or(engine.Host, defaultSocket)}
	var err error
	switch {
	case r.over != nil:
	case !engine.Chosen():
		return route{own: true}, nil
	case strings.HasPrefix(engine.Host, "ssh://"):
		r.over, r.address, err = behindSSH(engine.Host, engine.Host)
	}
	r.tls = strings.HasPrefix(r.address, "tcp:") && engine.ByTLS()
	return r, err
}

// WayTo says how well the machine at the end of a connection of [NewConnector] is known. Of
// one over SSH that is known once it was connected to.
func WayTo(h host.Host, config RuntimeConfig, opts ConnectOptions) Way {
	r, err := routeTo(h, config, opts)
	if r.own || err != nil {
		return wayOf(r.own)
	}
	u, err := url.Parse(r.address)
	switch {
	case err != nil:
		return WayUnknown
	case u.Scheme == "tcp" && r.tls:
		return WayKnown
	case u.Scheme == "tcp" && (r.over == nil || !isLoopback(u.Hostname())):
		return WayPlain
	case u.Scheme == "tcp", u.Scheme == "unix" && !isSystemSocket(u.Path):
		// A container may listen there, and play the engine.
		return WayUnknown
	case u.Scheme != "unix" && u.Scheme != "npipe":
		return WayUnknown
	case r.over != nil:
		return wayOf(opts.SSH != nil && opts.SSH.Verified(*r.over))
	}
	return WayKnown
}

func wayOf(known bool) Way {
	if known {
		return WayKnown
	}
	return WayUnknown
}

func isLoopback(name string) bool {
	ip := net.ParseIP(name)
	return name == "localhost" || ip != nil && ip.IsLoopback()
}

// isSystemSocket says whether a socket is where daemons of the system have theirs.
func isSystemSocket(socket string) bool {
	clean := strings.TrimPrefix(path.Clean("/"+socket), "/var")
	return strings.HasPrefix(clean, "/run/")
}
