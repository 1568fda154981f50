package signature

import (
	"errors"
	"fmt"
	"strings"
	"time"
)

// Kind is a kind of signature.
type Kind string

// The kinds.
const (
	// SSH is a signature of ssh-keygen, with the namespace git.
	SSH Kind = "ssh"
	// PGP is an OpenPGP signature.
	PGP Kind = "pgp"
	// Any allows both.
	Any Kind = "any"
)

// ParseKind reads ssh, pgp or any.
func ParseKind(s string) (Kind, error) {
	switch k := Kind(s); k {
	case SSH, PGP, Any:
		return k, nil
	}
	return "", fmt.Errorf("%q: write ssh, pgp or any", s)
}

// Why a signature does not count, with errors.Is.
var (
	// ErrUnsigned means that there is no signature.
	ErrUnsigned = errors.New("it is not signed")
	// ErrInvalid means that the signature is not that of these bytes, or cannot be read.
	ErrInvalid = errors.New("its signature is not valid")
	// ErrUnknownKey means that the key is not listed.
	ErrUnknownKey = errors.New("its key is not allowed")
	// ErrExpired means that the key was not valid then, or is not now.
	ErrExpired = errors.New("its key is out of date")
	// ErrRevoked means that the key was revoked.
	ErrRevoked = errors.New("its key is revoked")
	// ErrWeak means an algorithm or a key that is not safe.
	ErrWeak = errors.New("its signature is too weak")
)

// namespace is what git gives to ssh-keygen.
const namespace = "git"

// Claim is a signature, and what it is said to be of.
type Claim struct {
	// Payload is what was signed.
	Payload []byte
	// Armored is the signature; empty when there is none.
	Armored string
	// When is the time that the payload says it was made.
	When time.Time
	// Now is the time of the check.
	Now time.Time
	// Known says that it was accepted before: then its key may have expired since.
	Known bool
}

// times are those at which the key must be valid.
func (c Claim) times() []time.Time {
	if c.Known {
		return []time.Time{c.When}
	}
	return []time.Time{c.When, c.Now}
}

// Signer is who signed.
type Signer struct {
	Kind Kind
	// Name is the principal of the file of allowed signers, or the user ID of the key.
	Name string
	// Fingerprint is that of the key, as ssh-keygen -l and gpg print it.
	Fingerprint string
}

// String returns the name and the fingerprint.
func (s Signer) String() string {
	if s.Name == "" {
		return s.Fingerprint
	}
	return s.Name + " (" + s.Fingerprint + ")"
}

// Rules say who may sign.
type Rules struct {
	// Kind is which signatures count.
	Kind Kind
	// Signers are SSH keys, Keys OpenPGP keys.
	Signers Signers
	Keys    KeyRing
	// Revoked are keys of both kinds that may not sign any more.
	Revoked Revoked
}

// Verify says who signed.
//
// Errors: [ErrUnsigned], [ErrInvalid], [ErrUnknownKey], [ErrExpired], [ErrRevoked],
// [ErrWeak]; the text names the key where it is known.
func (r Rules) Verify(c Claim) (Signer, error) {
	armored := strings.TrimSpace(c.Armored)
	kind := Kind("")
	switch {
	case armored == "":
		return Signer{}, ErrUnsigned
	case strings.HasPrefix(armored, sshBegin):
		kind = SSH
	case strings.HasPrefix(armored, pgpBegin):
		kind = PGP
	default:
		return Signer{}, fmt.Errorf("%w: it is neither an SSH nor an OpenPGP signature", ErrInvalid)
	}
	if r.Kind != Any && r.Kind != kind {
		return Signer{}, fmt.Errorf("%w: it has a signature of the kind %s, and only %s counts", ErrUnknownKey, kind, r.Kind)
	}
	c.Armored = armored
	if kind == SSH {
		return r.verifySSH(c)
	}
	return r.verifyPGP(c)
}

// date is how times are told to people.
func date(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05 MST") }
