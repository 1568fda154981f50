package ssh

import (
	"errors"
	"net"
	"slices"

	"github.com/skeema/knownhosts"
	xssh "golang.org/x/crypto/ssh"
	xknownhosts "golang.org/x/crypto/ssh/knownhosts"
)

// Shown is what a host showed of itself at a login.
type Shown struct {
	// Key is the fingerprint of its key, as ssh-keygen -l prints it: of a certificate, that
	// of the key in it. It is empty before a login, and for a key that this side's known
	// hosts revoke, or that is another one than they have.
	Key string
	// Verified says that the known hosts of this side, or an authority in them, vouch for it.
	Verified bool
	// FirstUse says that the key may have been accepted without any proof: there is no
	// hostKey, and [Options.TrustOnFirstUse] is set.
	FirstUse bool
}

// show notes a key that was accepted.
func (k *hostKeys) show(address string, remote net.Addr, key xssh.PublicKey) {
	plain := key
	if certificate, ok := key.(*xssh.Certificate); ok {
		plain = certificate.Key
	}
	err := k.db.HostKeyCallback()(address, remote, key)
	var revoked *xknownhosts.RevokedError
	if errors.As(err, &revoked) || k.checkRevoked(address, remote, key) != nil {
		return
	}
	shown := Shown{Key: xssh.FingerprintSHA256(plain), Verified: err == nil && !k.trust, FirstUse: k.pin == nil && k.trust}
	if err == nil || !k.knowsOther(plain) {
		k.shown = shown
	}
}

// knowsOther says whether the known hosts have keys for the host, and a key is none of them.
// What authorities may sign is not among them.
func (k *hostKeys) knowsOther(key xssh.PublicKey) bool {
	keys := slices.DeleteFunc(k.db.HostKeys(k.address), func(known knownhosts.PublicKey) bool { return known.Cert })
	return len(keys) > 0 && !slices.ContainsFunc(keys, func(known knownhosts.PublicKey) bool {
		return xssh.FingerprintSHA256(known) == xssh.FingerprintSHA256(key)
	})
}
