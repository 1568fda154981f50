package ssh

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/cenkalti/backoff/v5"
	"github.com/skeema/knownhosts"
	xssh "golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/agent"
)

// Errors that a caller can decide on, with errors.Is.
var (
	// ErrHostKey means that the host's key is unknown, another one than known, or
	// revoked.
	ErrHostKey = errors.New("the host key is not accepted")
	// ErrAuth means that there is nothing to log in with, or that it is refused.
	ErrAuth = errors.New("the login is refused")
)

const (
	defaultConnectionTimeout = 30 * time.Second
	defaultRetryInterval     = time.Second
)

// Options are the settings of this side: what does not belong in a repo.
type Options struct {
	// KeyFile is a private key in PEM form; empty means none.
	KeyFile string
	// KnownHostsFile is ~/.ssh/known_hosts by default.
	KnownHostsFile string
	// AgentSocket is the agent's socket; empty means no agent.
	AgentSocket string
}

// Dial connects and logs in. A network error is tried again until RetryTimeout is
// over; a refusal is not. When the context is done it returns at once. The caller
// closes the client.
//
// Errors: [ErrHostKey], [ErrAuth].
func Dial(ctx context.Context, config Config, opts Options) (*xssh.Client, error) {
	if err := config.Validate(); err != nil {
		return nil, fmt.Errorf("connect over SSH: %w", err)
	}
	interval := time.Duration(config.RetryInterval)
	if interval <= 0 {
		interval = defaultRetryInterval
	}
	return backoff.Retry(ctx, func() (*xssh.Client, error) {
		client, err := dialOnce(ctx, config, opts)
		var netErr net.Error
		if err != nil && (config.RetryTimeout <= 0 || !errors.As(err, &netErr)) {
			return nil, backoff.Permanent(err)
		}
		return client, err
	}, backoff.WithBackOff(backoff.NewConstantBackOff(interval)), backoff.WithMaxElapsedTime(max(time.Duration(config.RetryTimeout), 1)))
}

func dialOnce(ctx context.Context, config Config, opts Options) (*xssh.Client, error) {
	timeout := time.Duration(config.ConnectionTimeout)
	if timeout <= 0 {
		timeout = defaultConnectionTimeout
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	address := config.HostPort()
	hostKeys, err := openKnownHosts(opts.KnownHostsFile)
	if err != nil {
		return nil, err
	}
	methods, closeAgent, err := authMethods(ctx, config, opts)
	if err != nil {
		return nil, err
	}
	defer closeAgent()
	user := config.User
	if user == "" {
		user = "root"
	}
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, fmt.Errorf("connect to %s: %w", address, err)
	}
	client, err := handshake(ctx, conn, address, &xssh.ClientConfig{
		User: user, Auth: methods, HostKeyCallback: hostKeys.check, HostKeyAlgorithms: hostKeys.algorithms(address),
	})
	if err != nil {
		_ = conn.Close()
		return nil, explain(err, user, address)
	}
	return client, nil
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

// authMethods offers all keys in one method: servers count methods, and the
// library asks each kind only once.
func authMethods(ctx context.Context, config Config, opts Options) ([]xssh.AuthMethod, func(), error) {
	var signers []xssh.Signer
	for _, key := range []struct{ from, pem string }{{"privateKey", config.PrivateKey}, {opts.KeyFile, ""}} {
		if key.from == "" || key.from == "privateKey" && key.pem == "" {
			continue
		}
		signer, err := parseKey(key.from, key.pem)
		if err != nil {
			return nil, nil, err
		}
		signers = append(signers, signer)
	}
	closeAgent := func() {}
	if opts.AgentSocket != "" {
		conn, err := (&net.Dialer{}).DialContext(ctx, "unix", opts.AgentSocket)
		switch {
		case err == nil:
			closeAgent = func() { _ = conn.Close() }
			fromAgent, err := agent.NewClient(conn).Signers()
			if err == nil {
				signers = append(signers, fromAgent...)
			}
		case len(signers) == 0 && config.Password == "":
			return nil, nil, fmt.Errorf("%w: the SSH agent does not answer (%w): start it, or give a key file", ErrAuth, err)
		}
	}
	var methods []xssh.AuthMethod
	if len(signers) > 0 {
		methods = append(methods, xssh.PublicKeys(signers...))
	}
	if config.Password != "" {
		methods = append(methods, xssh.Password(config.Password))
	}
	if len(methods) == 0 {
		closeAgent()
		return nil, nil, fmt.Errorf("%w: there is no key to log in with: give a key file, or add a key to the SSH agent (ssh-add)", ErrAuth)
	}
	return methods, closeAgent, nil
}

func parseKey(from, pem string) (xssh.Signer, error) {
	data := []byte(pem)
	if pem == "" {
		var err error
		if data, err = os.ReadFile(from); err != nil {
			return nil, fmt.Errorf("%w: read the key: %w", ErrAuth, err)
		}
	}
	signer, err := xssh.ParsePrivateKey(data)
	var missing *xssh.PassphraseMissingError
	switch {
	case errors.As(err, &missing):
		return nil, fmt.Errorf("%w: the key in %s has a passphrase: add it to the SSH agent (ssh-add), or use a key without one", ErrAuth, from)
	case err != nil:
		return nil, fmt.Errorf("%w: %s holds no private key that can be read", ErrAuth, from)
	}
	return signer, nil
}

// explain says what an operator does about a failed handshake.
func explain(err error, user, address string) error {
	if errors.Is(err, ErrHostKey) {
		return err
	}
	if strings.Contains(err.Error(), "unable to authenticate") {
		return fmt.Errorf("%w: %s does not let %s in with the keys that were offered: add the public key to its authorized_keys (or, at a forge, as a deploy key)", ErrAuth, address, user)
	}
	return fmt.Errorf("connect to %s: %w", address, err)
}

// knownHosts verifies host keys.
type knownHosts struct {
	file string
	db   *knownhosts.HostKeyDB
}

func openKnownHosts(file string) (*knownHosts, error) {
	if file == "" {
		home, err := os.UserHomeDir()
		if err != nil {
			return nil, fmt.Errorf("%w: no known_hosts file is given, and there is no home directory: %w", ErrHostKey, err)
		}
		file = filepath.Join(home, ".ssh", "known_hosts")
	}
	db, err := knownhosts.NewDB(file)
	if errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("%w: there is no file %s: make it with ssh-keyscan HOST > %s, and compare the fingerprint with what the host's owner says", ErrHostKey, file, file)
	}
	if err != nil {
		return nil, fmt.Errorf("%w: read %s: %w", ErrHostKey, file, err)
	}
	return &knownHosts{file, db}, nil
}

// algorithms asks the server for the types of key that are known, so that a host
// known by one key is not refused for another.
func (k *knownHosts) algorithms(address string) []string { return k.db.HostKeyAlgorithms(address) }

// check implements ssh.HostKeyCallback.
func (k *knownHosts) check(address string, remote net.Addr, key xssh.PublicKey) error {
	err := k.db.HostKeyCallback()(address, remote, key)
	if err == nil {
		return nil
	}
	host, port, splitErr := net.SplitHostPort(address)
	if splitErr != nil {
		host, port = address, "22"
	}
	entry := host
	if port != "22" {
		entry = "[" + host + "]:" + port
	}
	found := key.Type() + " " + xssh.FingerprintSHA256(key)
	switch {
	case knownhosts.IsHostKeyChanged(err):
		return fmt.Errorf("%w: %s shows %s, and %s has another key for it. If the host was set up anew: ssh-keygen -R '%s' -f %s, then add the new key. If not, somebody may be in between: do not go on",
			ErrHostKey, address, found, k.file, entry, k.file)
	case knownhosts.IsHostUnknown(err):
		return fmt.Errorf("%w: %s shows %s, and %s does not know the host. If the fingerprint is right: ssh-keyscan -p %s %s >> %s",
			ErrHostKey, address, found, k.file, port, host, k.file)
	}
	return fmt.Errorf("%w: %s shows %s: %w", ErrHostKey, address, found, err)
}
