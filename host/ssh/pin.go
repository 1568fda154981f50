package ssh

import (
	"encoding/base64"
	"errors"
	"fmt"
	"strings"

	xssh "golang.org/x/crypto/ssh"
)

// CheckHostKey says what is wrong with a [Config.HostKey], in words that follow it
// ("is …").
func CheckHostKey(text string) error {
	if fingerprint, ok := strings.CutPrefix(text, "SHA256:"); ok {
		if sum, err := base64.RawStdEncoding.DecodeString(fingerprint); err != nil || len(sum) != 32 {
			return errors.New("is no fingerprint: write SHA256: and the 43 characters that ssh-keygen -l shows")
		}
		return nil
	}
	_, _, options, rest, err := xssh.ParseAuthorizedKey([]byte(text))
	if err != nil || len(options) > 0 || len(rest) > 0 {
		return errors.New(`is no public key: write "ssh-ed25519 AAAA…" as in /etc/ssh/ssh_host_ed25519_key.pub, or "SHA256:…"`)
	}
	return nil
}

// pin is the one key that a host may show.
type pin struct {
	fingerprint string
	// algorithm is empty for a fingerprint, which does not say it.
	algorithm string
}

// parsePin reads a [Config.HostKey] that was checked.
func parsePin(text string) (*pin, error) {
	if err := CheckHostKey(text); err != nil {
		return nil, fmt.Errorf("%w: hostKey %w", ErrHostKey, err)
	}
	if strings.HasPrefix(text, "SHA256:") {
		return &pin{fingerprint: text}, nil
	}
	key, _, _, _, err := xssh.ParseAuthorizedKey([]byte(text))
	if err != nil {
		return nil, fmt.Errorf("%w: hostKey: %w", ErrHostKey, err)
	}
	return &pin{xssh.FingerprintSHA256(key), key.Type()}, nil
}

// check says whether a host's key is the one.
func (p *pin) check(address string, key xssh.PublicKey) error {
	shown := key
	if certificate, ok := key.(*xssh.Certificate); ok {
		shown = certificate.Key
	}
	if found := xssh.FingerprintSHA256(shown); found != p.fingerprint {
		return fmt.Errorf("%w: %s shows %s %s, and hostKey says %s. If the host was set up anew, write its new key into hostKey (ssh-keyscan shows it; compare it with what the host's owner says). If not, somebody may be in between: do not go on",
			ErrHostKey, address, shown.Type(), found, p.fingerprint)
	}
	return nil
}

// attempts are the types of key to ask the host for, so that it shows the one that is
// pinned. A fingerprint does not say its type.
func (p *pin) attempts() [][]string {
	rsa := []string{xssh.KeyAlgoRSASHA512, xssh.KeyAlgoRSASHA256}
	switch p.algorithm {
	case "":
		return [][]string{{xssh.KeyAlgoED25519}, {xssh.KeyAlgoECDSA256, xssh.KeyAlgoECDSA384, xssh.KeyAlgoECDSA521}, rsa}
	case xssh.KeyAlgoRSA:
		return [][]string{rsa}
	}
	return [][]string{{p.algorithm}}
}
