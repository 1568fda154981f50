package ssh

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"time"

	xssh "golang.org/x/crypto/ssh"
	"golang.org/x/sync/errgroup"
)

const (
	keepaliveInterval = 15 * time.Second
	keepaliveTimeout  = 15 * time.Second
)

// Connection is one SSH connection to a host, shared by all that is dialled
// through it. It is safe for concurrent use.
type Connection struct {
	client  *xssh.Client
	address string
	stop    context.CancelFunc
	alive   errgroup.Group
}

// Connect logs in, with the keys of the agent that $SSH_AUTH_SOCK names beside
// those of the config, and keeps the connection alive until Close.
//
// Errors: [ErrHostKey], [ErrAuth].
func Connect(ctx context.Context, config Config) (*Connection, error) {
	client, err := Dial(ctx, config, Options{AgentSocket: os.Getenv("SSH_AUTH_SOCK")})
	if err != nil {
		return nil, err
	}
	return newConnection(ctx, client, config.HostPort()), nil
}

// newConnection keeps a client alive; the context, which was that of the login, does
// not end it.
func newConnection(ctx context.Context, client *xssh.Client, address string) *Connection {
	alive, stop := context.WithCancel(context.WithoutCancel(ctx))
	c := &Connection{client: client, address: address, stop: stop}
	c.alive.Go(func() error {
		c.keepAlive(alive)
		return nil
	})
	return c
}

// keepAlive asks the server for an answer from time to time, and ends the
// connection when there is none, so that whoever waits for it gets an error.
func (c *Connection) keepAlive(ctx context.Context) {
	ticker := time.NewTicker(keepaliveInterval)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		timer := time.AfterFunc(keepaliveTimeout, func() { _ = c.client.Close() })
		_, _, err := c.client.SendRequest("keepalive@openssh.com", true, nil)
		timer.Stop()
		if err != nil {
			_ = c.client.Close()
			return
		}
	}
}

// DialContext opens a connection to a socket of the host.
func (c *Connection) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	conn, err := c.client.DialContext(ctx, network, address)
	var refused *xssh.OpenChannelError
	switch {
	case errors.As(err, &refused) && network == "unix":
		// sshd gives one answer for all of these.
		return nil, fmt.Errorf("dial %s on %s: the SSH server does not open it: check that the socket is there, that the user may open it (Docker's belongs to root and the group docker), and that its sshd_config does not set AllowStreamLocalForwarding or DisableForwarding", address, c.address)
	case errors.As(err, &refused) && refused.Reason == xssh.Prohibited:
		return nil, fmt.Errorf("dial %s on %s: the SSH server does not allow it: set AllowTcpForwarding to yes in its sshd_config", address, c.address)
	case err != nil:
		return nil, fmt.Errorf("dial %s on %s: %w", address, c.address, err)
	}
	return conn, nil
}

// Close ends the connection, and all that was dialled through it. It is no error
// that it has ended already.
func (c *Connection) Close() error {
	c.stop()
	err := c.client.Close()
	_ = c.alive.Wait()
	if err != nil && !errors.Is(err, net.ErrClosed) {
		return fmt.Errorf("close the connection to %s: %w", c.address, err)
	}
	return nil
}
