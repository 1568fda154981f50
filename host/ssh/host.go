package ssh

import (
	"context"
	"errors"
	"fmt"
	"net"
	stdsync "sync"
	"time"

	xssh "golang.org/x/crypto/ssh"
	"golang.org/x/sync/errgroup"
)

const (
	keepaliveInterval = 15 * time.Second
	keepaliveTimeout  = 15 * time.Second
)

// Connection is one SSH connection to a host, shared by all that is dialled through it.
// When it is lost, the next dial establishes it anew; what was dialled through the lost
// one has ended. It is safe for concurrent use.
type Connection struct {
	dialer  *Dialer
	config  Config
	via     []string
	address string
	alive   errgroup.Group

	mu      stdsync.Mutex
	closed  bool
	current *session
	// coming is set while somebody connects.
	coming *attempt
}

// session is one login.
type session struct {
	client *xssh.Client
	// ended is closed when the connection is lost.
	ended chan struct{}
}

// attempt is a login that is under way, for all who wait for it.
type attempt struct {
	done    chan struct{}
	session *session
	err     error
	cancel  context.CancelFunc
	waiting int
}

// Connect logs in, and keeps the connection alive until Close. The context bounds the
// login only.
//
// Errors: [ErrHostKey], [ErrAuth], [ErrConfig].
func (d *Dialer) Connect(ctx context.Context, config Config) (*Connection, error) {
	return d.connect(ctx, config, nil)
}

func (d *Dialer) connect(ctx context.Context, config Config, via []string) (*Connection, error) {
	if err := config.Validate(); err != nil {
		return nil, fmt.Errorf("connect over SSH: %w", err)
	}
	c := &Connection{dialer: d, config: config, via: via, address: config.HostPort()}
	if _, err := c.session(ctx); err != nil {
		_ = c.Close()
		return nil, err
	}
	return c, nil
}

// session returns the login, which is made anew when it is lost.
func (c *Connection) session(ctx context.Context) (*session, error) {
	c.mu.Lock()
	switch {
	case c.closed:
		c.mu.Unlock()
		return nil, fmt.Errorf("connect to %s: %w", c.address, errClosed)
	case c.current != nil:
		s := c.current
		c.mu.Unlock()
		return s, nil
	case c.coming == nil:
		c.begin(ctx)
	}
	a := c.coming
	a.waiting++
	c.mu.Unlock()
	select {
	case <-a.done:
		return a.session, a.err
	case <-ctx.Done():
	}
	c.mu.Lock()
	a.waiting--
	abandoned := a.waiting == 0
	if abandoned && c.coming == a {
		// Whoever comes now makes a login of their own.
		c.coming = nil
	}
	c.mu.Unlock()
	if !abandoned {
		return nil, fmt.Errorf("connect to %s: %w", c.address, context.Cause(ctx))
	}
	// Nobody waits for it any more. It ends soon, and says what held it up.
	a.cancel()
	<-a.done
	if a.err != nil {
		return nil, fmt.Errorf("%w: %w", a.err, context.Cause(ctx))
	}
	return a.session, nil
}

// begin connects in the background, since who asks for it may give up before others.
func (c *Connection) begin(ctx context.Context) {
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	a := &attempt{done: make(chan struct{}), cancel: cancel}
	c.coming = a
	c.alive.Go(func() error {
		defer cancel()
		var release func()
		client, err := retry(ctx, c.config, func() (*xssh.Client, error) {
			client, free, err := c.dialer.login(ctx, c.config, c.via)
			release = free
			return client, err
		})
		c.mu.Lock()
		abandoned := c.coming != a
		if !abandoned {
			c.coming = nil
		}
		if err == nil && (c.closed || abandoned) {
			_ = client.Close()
			release()
			err = fmt.Errorf("connect to %s: %w", c.address, errClosed)
			if abandoned {
				err = fmt.Errorf("connect to %s: %w", c.address, context.Canceled)
			}
		}
		if err != nil {
			a.err = err
			c.mu.Unlock()
			close(a.done)
			return nil
		}
		a.session = c.keep(client, release) //nolint:contextcheck // it lasts longer than the login
		c.mu.Unlock()
		close(a.done)
		return nil
	})
}

// keep makes a login the current one. The caller holds the lock.
func (c *Connection) keep(client *xssh.Client, release func()) *session {
	s := &session{client: client, ended: make(chan struct{})}
	c.current = s
	c.alive.Go(func() error {
		c.attend(s)
		release()
		return nil
	})
	return s
}

// attend keeps a login alive until it is lost, and then forgets it.
func (c *Connection) attend(s *session) {
	ctx, stop := context.WithCancel(context.Background())
	var pulse errgroup.Group
	pulse.Go(func() error {
		s.keepAlive(ctx)
		return nil
	})
	_ = s.client.Wait()
	stop()
	_ = pulse.Wait()
	c.mu.Lock()
	if c.current == s {
		c.current = nil
	}
	c.mu.Unlock()
	close(s.ended)
}

// keepAlive asks the server for an answer from time to time, and ends the
// connection when there is none, so that whoever waits for it gets an error.
func (s *session) keepAlive(ctx context.Context) {
	ticker := time.NewTicker(keepaliveInterval)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		timer := time.AfterFunc(keepaliveTimeout, func() { _ = s.client.Close() })
		_, _, err := s.client.SendRequest("keepalive@openssh.com", true, nil)
		timer.Stop()
		if err != nil {
			_ = s.client.Close()
			return
		}
	}
}

// DialContext opens a connection to a socket of the host.
func (c *Connection) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	for again := false; ; again = true {
		s, err := c.session(ctx)
		if err != nil {
			return nil, err
		}
		conn, err := s.client.DialContext(ctx, network, address)
		var refused *xssh.OpenChannelError
		switch {
		case err == nil:
			return conn, nil
		case errors.As(err, &refused) && network == "unix":
			// sshd gives one answer for all of these.
			return nil, fmt.Errorf("dial %s on %s: the SSH server does not open it: check that the socket is there, that the user may open it (Docker's belongs to root and the group docker), and that its sshd_config does not forbid it by AllowStreamLocalForwarding, DisableForwarding, or AllowTcpForwarding and PermitOpen, which count for sockets too", address, c.address)
		case errors.As(err, &refused) && refused.Reason == xssh.Prohibited:
			return nil, fmt.Errorf("dial %s on %s: the SSH server does not allow it: set AllowTcpForwarding to yes in its sshd_config", address, c.address)
		case again || refused != nil || !s.isLost(ctx):
			return nil, fmt.Errorf("dial %s on %s: %w", address, c.address, err)
		}
		// This dial is the first to see that the connection was lost.
	}
}

// isLost says whether the connection has ended. A dial may also fail because of what it
// was given, which its error does not tell.
func (s *session) isLost(ctx context.Context) bool {
	answers := make(chan error, 1)
	go func() {
		_, _, err := s.client.SendRequest("keepalive@openssh.com", true, nil)
		answers <- err
	}()
	select {
	case <-ctx.Done():
		return false
	case err := <-answers:
		if err == nil {
			return false
		}
		_ = s.client.Close()
		<-s.ended
	case <-s.ended:
	}
	return true
}

// Close ends the connection, and all that was dialled through it. It is no error
// that it has ended already.
func (c *Connection) Close() error {
	c.mu.Lock()
	c.closed = true
	if c.coming != nil {
		c.coming.cancel()
	}
	s := c.current
	c.mu.Unlock()
	var err error
	if s != nil {
		err = s.client.Close()
	}
	_ = c.alive.Wait()
	if err != nil && !errors.Is(err, net.ErrClosed) {
		return fmt.Errorf("close the connection to %s: %w", c.address, err)
	}
	return nil
}
