package host

import (
	"context"
	"errors"
	"fmt"
	"net"

	"github.com/gitsync/gitsync/host/direct"
	"github.com/gitsync/gitsync/host/ssh"
)

// Host says how to reach a machine. Exactly one of its fields is set.
type Host struct {
	// DirectConfig means this machine.
	DirectConfig *direct.Config `json:"direct,omitempty"`
	// SSHConfig means another machine, over SSH.
	SSHConfig *ssh.Config `json:"ssh,omitempty"`
}

// Connection reaches sockets as the host sees them.
type Connection interface {
	// DialContext opens a connection to an address of the host: "unix" and a
	// path there, or "tcp" and an address that the host can reach.
	DialContext(ctx context.Context, network, address string) (net.Conn, error)
	// Close ends the connection and all that were dialled through it.
	Close() error
}

// Validate reports all mistakes at once.
func (h *Host) Validate() error {
	switch {
	case h.DirectConfig == nil && h.SSHConfig == nil:
		return errors.New("host: set direct or ssh")
	case h.DirectConfig != nil && h.SSHConfig != nil:
		return errors.New("host: set either direct or ssh, not both")
	case h.SSHConfig != nil:
		if err := h.SSHConfig.Validate(); err != nil {
			return fmt.Errorf("host: ssh: %w", err)
		}
	}
	return nil
}

// Address identifies the machine: two hosts with one address are one machine.
// Credentials and time-outs are not part of it.
func (h *Host) Address() string {
	if h.SSHConfig != nil {
		return "ssh://" + h.SSHConfig.HostPort()
	}
	return "direct"
}

// Connect opens the connection. For a direct host that costs nothing, and needs no
// dialer. What the dialer returns as an error is returned as it is.
func (h *Host) Connect(ctx context.Context, dialer *ssh.Dialer) (Connection, error) {
	if err := h.Validate(); err != nil {
		return nil, err
	}
	if h.SSHConfig != nil {
		return dialer.Connect(ctx, *h.SSHConfig)
	}
	return direct.Connect(), nil
}
