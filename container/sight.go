package container

import (
	"strings"

	"github.com/gitsync/gitsync/host"
)

// Sight is by what a machine can be known again.
type Sight struct {
	// Address is that of the machine, with its port, or "direct" for this one, ProxyJump are
	// the jump hosts on the way that the repo names, and Engine is the address of the engine
	// as seen from the machine.
	Address, ProxyJump, Engine string
	// Key is the fingerprint of the key that the machine showed at the last login over SSH,
	// and that nothing speaks against ([ssh.Shown]); empty only where there is no login.
	Key string
	// FirstUse says that the key may have been accepted without any proof.
	FirstUse bool
}

// SightOf returns by what the machine at the end of a connection of [NewConnector] can be
// known again. It is false for an engine of this side's own settings, for one over TCP
// without SSH, whose certificate proves it each time, or which nothing proves, and over SSH
// as long as there was no login.
func SightOf(h host.Host, config RuntimeConfig, opts ConnectOptions) (Sight, bool) {
	r, err := routeTo(h, config, opts)
	if r.own || err != nil || WayTo(h, config, opts) == WayPlain {
		return Sight{}, false
	}
	s := Sight{Address: "direct", Engine: r.address}
	if r.over == nil {
		return s, !strings.HasPrefix(r.address, "tcp:")
	}
	if opts.SSH == nil {
		return Sight{}, false
	}
	shown := opts.SSH.Shown(*r.over)
	s.Address, s.ProxyJump = "ssh://"+r.over.HostPort(), r.over.ProxyJump
	s.Key, s.FirstUse = shown.Key, shown.FirstUse
	return s, s.Key != ""
}
