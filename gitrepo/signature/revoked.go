package signature

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"

	"golang.org/x/crypto/ssh"
)

// Revoked are keys that may not sign any more, whenever they signed: what a thief of the
// key signs can bear any date.
type Revoked struct {
	// fingerprints are those of SSH keys (SHA256:…), and of OpenPGP keys in lower-case
	// hexadecimal digits.
	fingerprints map[string]bool
}

// ParseRevoked reads a list of keys; file is its name, for errors. Each line is an SSH
// public key as in id_ed25519.pub, an SSH fingerprint (SHA256:…), or the fingerprint of an
// OpenPGP key; # begins a comment. All mistakes are reported at once.
func ParseRevoked(file string, data []byte) (Revoked, error) {
	if bytes.HasPrefix(data, []byte("SSHKRL\n")) {
		return Revoked{}, fmt.Errorf("%s: it is a key revocation list of ssh-keygen, which is not read: write one public key or fingerprint a line", file)
	}
	r := Revoked{fingerprints: map[string]bool{}}
	var mistakes []error
	number := 0
	for line := range strings.Lines(string(data)) {
		number++
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			continue
		}
		fingerprint, err := revokedLine(line)
		if err != nil {
			mistakes = append(mistakes, fmt.Errorf("%s:%d: %w", file, number, err))
			continue
		}
		r.fingerprints[fingerprint] = true
	}
	return r, errors.Join(mistakes...)
}

func revokedLine(line string) (string, error) {
	if len(line) > maxLine {
		return "", errors.New("the line is too long")
	}
	text, _, _ := strings.Cut(line, "#")
	digits := strings.ToLower(strings.Join(strings.Fields(text), ""))
	if raw, err := hex.DecodeString(strings.TrimPrefix(digits, "0x")); err == nil {
		if len(raw) != 20 && len(raw) != 32 {
			return "", errors.New("an OpenPGP fingerprint has 40 hexadecimal digits: a short key ID can be forged")
		}
		return strings.TrimPrefix(digits, "0x"), nil
	}
	if word := strings.Fields(line)[0]; strings.HasPrefix(word, "SHA256:") {
		if len(word) != len("SHA256:")+43 {
			return "", errors.New("the fingerprint is not whole: ssh-keygen -lf KEY prints it")
		}
		return word, nil
	}
	key, err := parseKey(line)
	if err != nil {
		return "", fmt.Errorf("it is neither an SSH public key (%w), nor a fingerprint (SHA256:…, or 40 hexadecimal digits)", err)
	}
	return ssh.FingerprintSHA256(key), nil
}

func (r Revoked) hasSSH(key ssh.PublicKey) bool { return r.fingerprints[ssh.FingerprintSHA256(key)] }

func (r Revoked) hasPGP(fingerprint []byte) bool {
	return r.fingerprints[hex.EncodeToString(fingerprint)]
}
