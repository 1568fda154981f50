package ssh

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"

	"github.com/skeema/knownhosts"
	xssh "golang.org/x/crypto/ssh"
	xknownhosts "golang.org/x/crypto/ssh/knownhosts"
)

// ErrHostKey means that the host's key is unknown, another one than known, or
// revoked.
var ErrHostKey = errors.New("the host key is not accepted")

// knownHosts verifies the keys of one host. Its errors say what an operator does.
type knownHosts struct {
	file    string
	address string
	db      *knownhosts.HostKeyDB
}

// openKnownHosts reads a file, ~/.ssh/known_hosts by default.
func openKnownHosts(file, address string) (*knownHosts, error) {
	if file == "" {
		home, err := os.UserHomeDir()
		if err != nil {
			return nil, fmt.Errorf("%w: no known_hosts file is given, and there is no home directory: %w", ErrHostKey, err)
		}
		file = filepath.Join(home, ".ssh", "known_hosts")
	}
	k := &knownHosts{file: file, address: address}
	db, err := knownhosts.NewDB(file)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return nil, fmt.Errorf("%w: there is no file %s: make it with %s, and compare the fingerprint with what the host's owner says", ErrHostKey, file, k.scan())
	case err != nil:
		return nil, fmt.Errorf("%w: read %s: %w", ErrHostKey, file, err)
	}
	k.db = db
	return k, nil
}

// algorithms asks the server for the types of key that are known, so that a host
// known by one key is not refused for another.
func (k *knownHosts) algorithms() []string { return k.db.HostKeyAlgorithms(k.address) }

// check implements xssh.HostKeyCallback.
func (k *knownHosts) check(address string, remote net.Addr, key xssh.PublicKey) error {
	err := k.db.HostKeyCallback()(address, remote, key)
	if err == nil {
		return nil
	}
	found := key.Type() + " " + xssh.FingerprintSHA256(key)
	var revoked *xknownhosts.RevokedError
	switch {
	case errors.As(err, &revoked):
		return fmt.Errorf("%w: %s shows %s, which line %d of %s revokes: give the host a new key, and do not go on until then",
			ErrHostKey, k.address, found, revoked.Revoked.Line, k.file)
	case knownhosts.IsHostKeyChanged(err):
		return fmt.Errorf("%w: %s shows %s, and %s has another key for it. %s", ErrHostKey, k.address, found, k.file, k.renew())
	case knownhosts.IsHostUnknown(err):
		return fmt.Errorf("%w: %s shows %s, and %s does not know the host. If the fingerprint is right: %s", ErrHostKey, k.address, found, k.file, k.scan())
	}
	return fmt.Errorf("%w: %s shows %s: %w", ErrHostKey, k.address, found, err)
}

// otherTypes is the error for a host that no longer has a key of the known types.
func (k *knownHosts) otherTypes(offered []string) error {
	return fmt.Errorf("%w: %s has keys for %.200q only, and %s has a key of another type for it. %s", ErrHostKey, k.address, strings.Join(offered, " "), k.file, k.renew())
}

// renew is the advice for a changed key.
func (k *knownHosts) renew() string {
	return fmt.Sprintf("If the host was set up anew: ssh-keygen -R '%s' -f %s, then add the new key: %s. If not, somebody may be in between: do not go on",
		xknownhosts.Normalize(k.address), k.file, k.scan())
}

// scan is the command that adds the host.
func (k *knownHosts) scan() string {
	host, port, err := net.SplitHostPort(k.address)
	if err != nil {
		host, port = k.address, "22"
	}
	return fmt.Sprintf("ssh-keyscan -p %s %s >> %s", port, host, k.file)
}
