package ssh

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"

	xssh "golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/agent"
)

// ErrAuth means that there is nothing to log in with, or that it is refused.
var ErrAuth = errors.New("the login is refused")

// login is what is offered to a host. The agent is asked until release is called.
type login struct {
	methods []xssh.AuthMethod
	release func()
}

// newLogin offers all keys in one method: servers count methods, and the library
// asks each kind only once. When the context is done the agent is hung up on.
func newLogin(ctx context.Context, config Config, opts Options) (*login, error) {
	signers, err := keys(config, opts)
	if err != nil {
		return nil, err
	}
	l := &login{release: func() {}}
	var agentErr error
	if opts.AgentSocket != "" {
		var fromAgent []xssh.Signer
		fromAgent, l.release, agentErr = askAgent(ctx, opts.AgentSocket)
		signers = append(signers, fromAgent...)
	}
	if len(signers) > 0 {
		l.methods = append(l.methods, xssh.PublicKeys(signers...))
	}
	if config.Password != "" {
		l.methods = append(l.methods, xssh.Password(config.Password))
	}
	if len(l.methods) > 0 && ctx.Err() == nil {
		return l, nil
	}
	l.release()
	switch {
	case ctx.Err() != nil:
		return nil, fmt.Errorf("ask the SSH agent for its keys: %w", context.Cause(ctx))
	case agentErr != nil:
		return nil, fmt.Errorf("%w: the SSH agent does not answer (%w): start it, or give a key file", ErrAuth, agentErr)
	}
	return nil, fmt.Errorf("%w: there is no key to log in with: give a key file, or add a key to the SSH agent (ssh-add)", ErrAuth)
}

// keys reads the private keys that are given.
func keys(config Config, opts Options) ([]xssh.Signer, error) {
	var signers []xssh.Signer
	if config.PrivateKey != "" {
		signer, err := parseKey("privateKey", []byte(config.PrivateKey))
		if err != nil {
			return nil, err
		}
		signers = append(signers, signer)
	}
	if opts.KeyFile != "" {
		data, err := os.ReadFile(opts.KeyFile)
		if err != nil {
			return nil, fmt.Errorf("%w: read the key: %w", ErrAuth, err)
		}
		signer, err := parseKey(opts.KeyFile, data)
		if err != nil {
			return nil, err
		}
		signers = append(signers, signer)
	}
	return signers, nil
}

// parseKey never shows what it reads.
func parseKey(from string, pem []byte) (xssh.Signer, error) {
	signer, err := xssh.ParsePrivateKey(pem)
	var missing *xssh.PassphraseMissingError
	switch {
	case errors.As(err, &missing):
		return nil, fmt.Errorf("%w: the key in %s has a passphrase: add it to the SSH agent (ssh-add), or use a key without one", ErrAuth, from)
	case err != nil:
		return nil, fmt.Errorf("%w: %s holds no private key that can be read", ErrAuth, from)
	}
	return signer, nil
}

// askAgent returns the agent's keys. They sign through a connection to the agent
// that lasts until release; an agent need not answer, so it ends with the context
// too.
func askAgent(ctx context.Context, socket string) (signers []xssh.Signer, release func(), err error) {
	conn, err := (&net.Dialer{}).DialContext(ctx, "unix", socket)
	if err != nil {
		return nil, func() {}, err
	}
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	release = func() {
		stop()
		_ = conn.Close()
	}
	signers, err = agent.NewClient(conn).Signers()
	return signers, release, err
}
