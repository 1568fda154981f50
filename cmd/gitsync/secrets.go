package main

import (
	"bytes"
	"cmp"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/spf13/pflag"

	"github.com/gitsync/gitsync/internal/disk"
	"github.com/gitsync/gitsync/secret"
	"github.com/gitsync/gitsync/secret/unlock"
	"github.com/gitsync/gitsync/sync"
)

// secretOptions are the flags that say with what secrets are opened.
type secretOptions struct {
	ageKeyFile string
	kinds      []string
	file       string
}

func (o *secretOptions) addFlags(f *pflag.FlagSet) {
	f.StringVar(&o.ageKeyFile, "age-key-file", "", "`FILE` with the age identities that open secrets (default $SOPS_AGE_KEY_FILE, $SOPS_AGE_KEY, or sops/age/keys.txt in the user's configuration)")
	f.StringArrayVar(&o.kinds, "sops-keys", nil, "`KIND` of keys that SOPS files may be encrypted for: age, pgp, kms, gcp_kms, azure_kv, hc_vault, hckms; repeat for more (default age and pgp)")
	o.addFileFlag(f)
}

func (o *secretOptions) addFileFlag(f *pflag.FlagSet) {
	f.StringVar(&o.file, "secrets", "", "`FILE` that names secrets from the environment, files and commands (docs/secrets.md)")
}

// external reads the file that names secrets from elsewhere.
func (o *secretOptions) external() (secret.External, error) {
	if o.file == "" {
		return nil, nil
	}
	data, err := os.ReadFile(o.file)
	if err != nil {
		return nil, fmt.Errorf("read --secrets: %w", err)
	}
	return secret.ParseExternal(data, o.file)
}

// open returns what opens secrets. It reads no key yet.
func (o *secretOptions) open(redactor *secret.Redactor) (*unlock.Opener, error) {
	external, err := o.external()
	if err != nil {
		return nil, err
	}
	opts := unlock.Options{
		AgeKeyFile: cmp.Or(o.ageKeyFile, os.Getenv("SOPS_AGE_KEY_FILE")), Kinds: o.kinds,
		VaultAddress: os.Getenv("VAULT_ADDR"), External: external, Redactor: redactor,
	}
	if opts.AgeKeyFile == "" {
		opts.AgeKeys = os.Getenv("SOPS_AGE_KEY")
		if dir, err := os.UserConfigDir(); err == nil && opts.AgeKeys == "" {
			// Where age-keygen's file is for SOPS too.
			if file := filepath.Join(dir, "sops", "age", "keys.txt"); isFile(file) {
				opts.AgeKeyFile = file
			}
		}
	}
	opener, err := unlock.New(opts)
	if err != nil {
		return nil, fmt.Errorf("--sops-keys: %w", err)
	}
	return opener, nil
}

// addTo gives a syncer what opens secrets.
func (o *secretOptions) addTo(opts *sync.Options, redactor *secret.Redactor) error {
	opener, err := o.open(redactor)
	if err != nil {
		return err
	}
	opts.Secrets = opener
	return nil
}

// secretKeyBytes is the size of the key by which values are compared.
const secretKeyBytes = 32

// secretKey returns the key by which this machine tells whether a secret that was
// encrypted anew has another value; nil when there is none yet, and none is to be made. One
// that a crash left empty, cut or full of zeros is no key: without verification another one
// is made.
func (s *settings) secretKey(dir string, create bool) ([]byte, error) {
	file := filepath.Join(dir, "secrets.key")
	key, err := os.ReadFile(file)
	switch {
	case err == nil && isSecretKey(key):
		return key, nil
	case err == nil:
		damaged := fmt.Errorf("%s is damaged: its %d bytes are no key", file, len(key))
		if s.verify.decides() {
			return nil, withHint(damaged, "remove it: a new one is made, and each secret that is encrypted anew after that counts as changed, once")
		}
		if !create {
			return nil, nil
		}
		s.warn("the key that compares secrets is made again: each secret that is encrypted anew after that counts as changed, once", damaged)
	case !errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("read the key that compares secrets: %w", err)
	case !create:
		return nil, nil
	}
	key = make([]byte, secretKeyBytes)
	if _, err := rand.Read(key); err != nil {
		return nil, fmt.Errorf("make the key that compares secrets: %w", err)
	}
	if err := writeNew(file, key); err != nil {
		return nil, fmt.Errorf("keep the key that compares secrets: %w", disk.Explain(dir, 0, err))
	}
	return key, nil
}

// isSecretKey says whether bytes may be a key: a file system may leave zeros of what was not
// written yet, and chance leaves no eight of them.
func isSecretKey(key []byte) bool {
	return len(key) == secretKeyBytes && !bytes.Contains(key, make([]byte, 8))
}

// writeNew writes a file as a whole, for its owner alone.
func writeNew(name string, data []byte) error {
	if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
		return err
	}
	temp, err := os.CreateTemp(filepath.Dir(name), ".new-*")
	if err != nil {
		return err
	}
	_, err = temp.Write(data)
	if err = errors.Join(err, temp.Sync(), temp.Close()); err == nil {
		err = os.Rename(temp.Name(), name)
	}
	if err != nil {
		return errors.Join(err, os.Remove(temp.Name()))
	}
	dir, err := os.Open(filepath.Dir(name))
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}
