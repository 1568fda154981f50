package ssh

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"time"

	"github.com/cenkalti/backoff/v5"
	xssh "golang.org/x/crypto/ssh"
)

const (
	defaultConnectionTimeout = 30 * time.Second
	defaultRetryInterval     = time.Second
)

// Dial connects and logs in, through the jump hosts on the way. A network error is tried
// again until RetryTimeout is over; a refusal is not. When the context is done it returns
// at once, with the context's error and the last one of the network. The caller closes
// the client, which the context does not end; that ends those of the jump hosts too.
//
// Errors: [ErrHostKey], [ErrAuth], [ErrConfig].
func Dial(ctx context.Context, config Config, opts Options) (*xssh.Client, error) {
	if err := config.Validate(); err != nil {
		return nil, fmt.Errorf("connect over SSH: %w", err)
	}
	dialer := NewDialer(opts)
	return retry(ctx, config, func() (*xssh.Client, error) {
		client, release, err := dialer.login(ctx, config, nil)
		if err != nil {
			return nil, err
		}
		go func() {
			_ = client.Wait()
			release()
		}()
		return client, nil
	})
}

// retry tries to connect until RetryTimeout is over.
func retry(ctx context.Context, config Config, connect func() (*xssh.Client, error)) (*xssh.Client, error) {
	interval := time.Duration(config.RetryInterval)
	if interval <= 0 {
		interval = defaultRetryInterval
	}
	var last error
	client, err := backoff.Retry(ctx, func() (*xssh.Client, error) {
		client, err := connect()
		last = err
		if err != nil && (config.RetryTimeout <= 0 || !isNetwork(err)) {
			return nil, backoff.Permanent(err)
		}
		return client, err
	}, backoff.WithBackOff(backoff.NewConstantBackOff(interval)), backoff.WithMaxElapsedTime(max(time.Duration(config.RetryTimeout), 1)))
	switch {
	case err == nil:
		return client, nil
	case last == nil || errors.Is(last, err):
		return nil, cmp.Or(last, err)
	}
	return nil, fmt.Errorf("%w: %w", last, err)
}

// isNetwork says whether another attempt may help.
func isNetwork(err error) bool {
	if errors.Is(err, ErrAuth) || errors.Is(err, ErrHostKey) || errors.Is(err, ErrConfig) {
		return false
	}
	var netErr net.Error
	return errors.As(err, &netErr) || errors.Is(err, io.EOF)
}

// dialFunc opens a connection to an address.
type dialFunc func(ctx context.Context, network, address string) (net.Conn, error)

// timeout bounds one attempt.
func (c *Config) timeout() time.Duration {
	if c.ConnectionTimeout > 0 {
		return time.Duration(c.ConnectionTimeout)
	}
	return defaultConnectionTimeout
}

// logIn connects to a host, on a connection that dial opens, and returns what that showed.
func logIn(ctx context.Context, t *target, opts Options, dial dialFunc) (client *xssh.Client, shown Shown, err error) {
	ctx, cancel := context.WithTimeout(ctx, t.timeout())
	defer cancel()
	address := t.HostPort()
	hostKeys, err := openHostKeys(ctx, t, opts)
	if err != nil {
		return nil, Shown{}, err
	}
	login, err := newLogin(ctx, t, opts)
	if err != nil {
		return nil, Shown{}, err
	}
	defer login.release()
	var refused error
	for _, algorithms := range hostKeys.attempts() {
		conn, err := dial(ctx, "tcp", address)
		if err != nil {
			return nil, Shown{}, fmt.Errorf("connect to %s: %w", address, err)
		}
		client, err := handshake(ctx, conn, address, &xssh.ClientConfig{
			User: t.User, Auth: login.methods, HostKeyCallback: hostKeys.check, HostKeyAlgorithms: algorithms,
		})
		if err == nil {
			return client, hostKeys.shown, nil
		}
		_ = conn.Close()
		var disagree *xssh.AlgorithmNegotiationError
		if refused == nil || !errors.As(err, &disagree) {
			refused = explain(err, t.User, hostKeys)
		}
		if !errors.Is(refused, ErrHostKey) {
			break
		}
	}
	return nil, Shown{}, refused
}

// handshake is bounded by the context: the library has a time-out for TCP only.
func handshake(ctx context.Context, conn net.Conn, address string, config *xssh.ClientConfig) (*xssh.Client, error) {
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	c, channels, requests, err := xssh.NewClientConn(conn, address, config)
	if !stop() && err == nil {
		_ = c.Close()
		err = ctx.Err()
	}
	if err != nil {
		if cause := context.Cause(ctx); cause != nil {
			err = fmt.Errorf("log in: %w", cause)
		}
		return nil, err
	}
	return xssh.NewClient(c, channels, requests), nil
}

// explain says what an operator does about a failed handshake.
func explain(err error, user string, hostKeys *hostKeys) error {
	address := hostKeys.address
	var disagree *xssh.AlgorithmNegotiationError
	said := err.Error()
	switch {
	case errors.Is(errors.Unwrap(err), ErrHostKey):
		return fmt.Errorf("connect to %s: %w", address, errors.Unwrap(err))
	case errors.As(err, &disagree) && disagree.What == "host key" && len(hostKeys.attempts()[0]) > 0:
		return hostKeys.otherTypes(disagree.RequestedAlgorithms)
	case strings.Contains(said, "Too many authentication failures"):
		return fmt.Errorf("%w: %s ends the login of %s after too many keys: offer fewer (ssh-add -D empties the agent), or raise MaxAuthTries in its sshd_config", ErrAuth, address, user)
	case strings.Contains(said, "unable to authenticate"):
		return fmt.Errorf("%w: %s does not let %s in with the keys or the password that were offered: add the public key to its authorized_keys (or, at a forge, as a deploy key)", ErrAuth, address, user)
	}
	return fmt.Errorf("connect to %s: %w", address, err)
}
