package ssh

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"strings"

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
func newLogin(ctx context.Context, t *target, opts Options) (*login, error) {
	ring, err := readKeys(t, opts)
	if err != nil {
		return nil, err
	}
	l := &login{release: func() {}}
	var agentErr error
	if t.agentSocket != "" {
		var fromAgent []xssh.Signer
		fromAgent, l.release, agentErr = askAgent(ctx, t.agentSocket)
		ring.add(fromAgent, t.onlyIdentities)
	}
	if err := ring.certify(); err != nil {
		l.release()
		return nil, err
	}
	if len(ring.signers) > 0 {
		l.methods = append(l.methods, xssh.PublicKeys(ring.signers...))
	}
	if t.Password != "" {
		l.methods = append(l.methods, xssh.Password(t.Password))
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
	case len(ring.locked) > 0:
		return nil, fmt.Errorf("%w: the key in %s has a passphrase: add it to the SSH agent (ssh-add), or give a file with the passphrase (--ssh-key-passphrase-file)", ErrAuth, strings.Join(ring.locked, ", "))
	}
	return nil, fmt.Errorf("%w: there is no key to log in with: give a key file (%s), or add a key to the SSH agent (ssh-add)", ErrAuth, opts.keyAdvice())
}

// keyring is the keys to offer.
type keyring struct {
	signers []xssh.Signer
	// certificates are those that are beside the keys, or named.
	certificates []*xssh.Certificate
	// wanted are the public keys of the identities, also of those that are locked.
	wanted []xssh.PublicKey
	// locked are the files whose passphrase is not known.
	locked []string
}

// readKeys reads the keys of the config, of the options and of the ssh_config.
func readKeys(t *target, opts Options) (*keyring, error) {
	r := &keyring{}
	if t.PrivateKey != "" {
		signer, err := parseKey("privateKey", []byte(t.PrivateKey), nil)
		if err != nil {
			return nil, err
		}
		r.signers = append(r.signers, signer)
	}
	passphrase, err := readPassphrase(opts.PassphraseFile)
	if err != nil {
		return nil, err
	}
	if opts.KeyFile != "" {
		if err := r.readFile(opts.KeyFile, passphrase); err != nil {
			return nil, err
		}
		if len(r.locked) > 0 && t.agentSocket == "" {
			return nil, fmt.Errorf("%w: the key in %s has a passphrase: add it to the SSH agent (ssh-add), or give a file with the passphrase (--ssh-key-passphrase-file)", ErrAuth, opts.KeyFile)
		}
	}
	for _, file := range t.identities {
		if err := r.readFile(file, passphrase); err != nil && !errors.Is(err, os.ErrNotExist) && !errors.Is(err, os.ErrPermission) {
			return nil, err
		}
	}
	for _, file := range t.certificates {
		certificate, err := readCertificate(file)
		if err != nil {
			return nil, err
		}
		r.certificates = append(r.certificates, certificate)
	}
	return r, nil
}

// readPassphrase returns the first line of a file; nothing without one.
func readPassphrase(file string) ([]byte, error) {
	if file == "" {
		return nil, nil
	}
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("%w: read the passphrase: %w", ErrAuth, err)
	}
	line, _, _ := bytes.Cut(bytes.TrimPrefix(data, []byte("\ufeff")), []byte("\n"))
	return bytes.TrimSuffix(line, []byte("\r")), nil
}

// ReadKey reads a private key to sign with; the passphrase file may be empty.
func ReadKey(file, passphraseFile string) (xssh.Signer, error) {
	passphrase, err := readPassphrase(passphraseFile)
	if err != nil {
		return nil, err
	}
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("read the key: %w", err)
	}
	signer, err := xssh.ParsePrivateKey(data)
	var missing *xssh.PassphraseMissingError
	if errors.As(err, &missing) {
		if len(passphrase) == 0 {
			return nil, fmt.Errorf("the key in %s has a passphrase: give a file with it (--ssh-key-passphrase-file), or use a key without one", file)
		}
		if signer, err = xssh.ParsePrivateKeyWithPassphrase(data, passphrase); err != nil {
			return nil, fmt.Errorf("the passphrase that is given does not open the key in %s", file)
		}
	}
	if err != nil {
		return nil, fmt.Errorf("%s holds no private SSH key that can be read", file)
	}
	return signer, nil
}

// readFile reads a private key, and what is beside it: its public half and a
// certificate.
func (r *keyring) readFile(file string, passphrase []byte) error {
	if certificate, err := readCertificate(file + "-cert.pub"); err == nil {
		r.certificates = append(r.certificates, certificate)
	} else if !errors.Is(err, os.ErrNotExist) {
		return err
	}
	if public, err := os.ReadFile(file + ".pub"); err == nil {
		if key, _, _, _, err := xssh.ParseAuthorizedKey(public); err == nil {
			r.wanted = append(r.wanted, key)
		}
	}
	data, err := os.ReadFile(file)
	if err != nil {
		return fmt.Errorf("%w: read the key: %w", ErrAuth, err)
	}
	signer, err := parseKey(file, data, passphrase)
	var missing *xssh.PassphraseMissingError
	if errors.As(err, &missing) {
		r.locked = append(r.locked, file)
		if missing.PublicKey != nil {
			r.wanted = append(r.wanted, missing.PublicKey)
		}
		return nil
	}
	if err != nil {
		return err
	}
	r.signers = append(r.signers, signer)
	return nil
}

// add offers the agent's keys too, or of them just the identities.
func (r *keyring) add(fromAgent []xssh.Signer, onlyIdentities bool) {
	for _, signer := range fromAgent {
		key := signer.PublicKey()
		if certificate, ok := key.(*xssh.Certificate); ok {
			key = certificate.Key
		}
		wanted := slices.ContainsFunc(r.wanted, func(k xssh.PublicKey) bool { return same(k, key) })
		there := slices.ContainsFunc(r.signers, func(s xssh.Signer) bool { return same(s.PublicKey(), signer.PublicKey()) })
		if !there && (wanted || !onlyIdentities) {
			r.signers = append(r.signers, signer)
		}
	}
}

// certify offers each key that has a certificate with it, before those that have none.
func (r *keyring) certify() error {
	var certified []xssh.Signer
	for _, certificate := range r.certificates {
		i := slices.IndexFunc(r.signers, func(s xssh.Signer) bool { return same(s.PublicKey(), certificate.Key) })
		if i < 0 {
			continue
		}
		signer, err := xssh.NewCertSigner(certificate, r.signers[i])
		if err != nil {
			return fmt.Errorf("%w: the certificate %q: %w", ErrAuth, certificate.KeyId, err)
		}
		certified = append(certified, signer)
	}
	r.signers = append(certified, r.signers...)
	return nil
}

func same(a, b xssh.PublicKey) bool { return bytes.Equal(a.Marshal(), b.Marshal()) }

// readCertificate reads a user's certificate, as ssh-keygen -s writes it.
func readCertificate(file string) (*xssh.Certificate, error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("%w: read the certificate: %w", ErrAuth, err)
	}
	key, _, _, _, err := xssh.ParseAuthorizedKey(data)
	certificate, ok := key.(*xssh.Certificate)
	if err != nil || !ok || certificate.CertType != xssh.UserCert {
		return nil, fmt.Errorf("%w: %s holds no certificate of a user: make one with ssh-keygen -s", ErrAuth, file)
	}
	return certificate, nil
}

// parseKey never shows what it reads.
func parseKey(from string, pem, passphrase []byte) (xssh.Signer, error) {
	signer, err := xssh.ParsePrivateKey(pem)
	var missing *xssh.PassphraseMissingError
	if errors.As(err, &missing) && len(passphrase) > 0 {
		if signer, err = xssh.ParsePrivateKeyWithPassphrase(pem, passphrase); err != nil {
			return nil, fmt.Errorf("%w: the passphrase that is given does not open the key in %s", ErrAuth, from)
		}
	}
	switch {
	case errors.As(err, &missing):
		return nil, fmt.Errorf("%w: the key in %s has a passphrase: add it to the SSH agent (ssh-add), or use a key without one: %w", ErrAuth, from, missing)
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
