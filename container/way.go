package container

import (
	"cmp"
	"net"
	"net/url"
	"path"
	"strings"

	"github.com/gitsync/gitsync/host"
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

// WayTo says how well the machine at the end of a connection of [NewConnector] is known. Of
// one over SSH that is known once it was connected to.
func WayTo(h host.Host, config RuntimeConfig, opts ConnectOptions) Way {
	if config.Docker == nil {
		return WayKnown
	}
	engine := *config.Docker
	engine.CertPath = opts.DockerCertPath
	over, address := h.SSHConfig, cmp.Or(engine.Host, defaultSocket)
	switch {
	case over != nil:
	case !engine.Chosen():
		// The engine of this side's own settings, a context of its own included.
		return WayKnown
	case strings.HasPrefix(engine.Host, "ssh://"):
		var err error
		if over, address, err = behindSSH(engine.Host, engine.Host); err != nil {
			return WayUnknown
		}
	}
	u, err := url.Parse(address)
	switch {
	case err != nil:
		return WayUnknown
	case u.Scheme == "tcp" && engine.ByTLS():
		return WayKnown
	case u.Scheme == "tcp" && (over == nil || !isLoopback(u.Hostname())):
		return WayPlain
	case u.Scheme == "tcp", u.Scheme == "unix" && !isSystemSocket(u.Path):
		// A container may listen there, and play the engine.
		return WayUnknown
	case u.Scheme != "unix" && u.Scheme != "npipe":
		return WayUnknown
	case over != nil && (opts.SSH == nil || !opts.SSH.Verified(*over)):
		return WayUnknown
	}
	return WayKnown
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
