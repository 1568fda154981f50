package unlock

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"filippo.io/age"
	"filippo.io/age/agessh"
	"filippo.io/age/armor"

	"github.com/gitsync/gitsync/secret"
)

// maxClear bounds what an age file becomes.
const maxClear = 4 * secret.MaxFileBytes

// identities returns the agent's age keys. They are read each time, so that a key that is
// replaced on the disk is used at once.
func (o *Opener) identities() ([]age.Identity, error) {
	text, from := []byte(o.opts.AgeKeys), "the age keys in the environment"
	if o.opts.AgeKeyFile != "" {
		var err error
		if text, err = os.ReadFile(o.opts.AgeKeyFile); err != nil {
			return nil, fmt.Errorf("read the age key: %w", err)
		}
		from = o.opts.AgeKeyFile
	}
	if len(bytes.TrimSpace(text)) == 0 {
		return nil, errors.New("no age key is configured: give one with --age-key-file")
	}
	if bytes.Contains(text, []byte("PRIVATE KEY-----")) {
		identity, err := agessh.ParseIdentity(text)
		if err != nil {
			return nil, fmt.Errorf("%s: no SSH key that age can use without a passphrase", from)
		}
		return []age.Identity{identity}, nil
	}
	identities, err := age.ParseIdentities(bytes.NewReader(text))
	if err != nil {
		// The parser's own words may quote the key.
		return nil, fmt.Errorf("%s: no age key: it has lines that begin with AGE-SECRET-KEY-", from)
	}
	return identities, nil
}

// openAge decrypts a file that age encrypted.
func (o *Opener) openAge(data []byte) (string, error) {
	identities, err := o.identities()
	if err != nil {
		return "", err
	}
	var in io.Reader = bytes.NewReader(data)
	if trimmed := bytes.TrimLeft(data, " \t\r\n"); bytes.HasPrefix(trimmed, []byte(armor.Header)) {
		in = armor.NewReader(bytes.NewReader(trimmed))
	}
	clear, err := age.Decrypt(in, identities...)
	var none *age.NoIdentityMatchError
	switch {
	case errors.As(err, &none):
		return "", errors.New("it is encrypted for other age keys than the agent's: encrypt it for the agent's public key too")
	case err != nil:
		return "", fmt.Errorf("age: %w", err)
	}
	content, err := io.ReadAll(io.LimitReader(clear, maxClear+1))
	switch {
	case err != nil:
		return "", fmt.Errorf("age: %w", err)
	case len(content) > maxClear:
		return "", fmt.Errorf("it holds more than %d bytes", maxClear)
	}
	return string(content), nil
}

// decryptAgeKey decrypts the data key of a SOPS file, which is armored.
func (o *Opener) decryptAgeKey(ciphertext []byte) ([]byte, error) {
	key, err := o.openAge([]byte(strings.TrimSpace(string(ciphertext))))
	return []byte(key), err
}
