package secrettest

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"filippo.io/age"
	"filippo.io/age/armor"
	"github.com/getsops/sops/v3"
	"github.com/getsops/sops/v3/aes"
	sopsage "github.com/getsops/sops/v3/age"
	"github.com/getsops/sops/v3/config"
	"github.com/getsops/sops/v3/keys"
	"github.com/getsops/sops/v3/keyservice"
	"github.com/getsops/sops/v3/pgp"
	sopsyaml "github.com/getsops/sops/v3/stores/yaml"
)

// Key is an age key of a test.
type Key struct {
	// File holds the identity, and Recipient is its public key.
	File, Recipient string
	recipient       age.Recipient
}

// NewKey makes a key, and its file in a directory of the test.
func NewKey(t testing.TB) Key {
	t.Helper()
	identity, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "keys.txt")
	if err := os.WriteFile(file, []byte(identity.String()+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return Key{File: file, Recipient: identity.Recipient().String(), recipient: identity.Recipient()}
}

// Age encrypts a file for the keys.
func Age(t testing.TB, content string, armored bool, to ...Key) []byte {
	t.Helper()
	var recipients []age.Recipient
	for _, key := range to {
		recipients = append(recipients, key.recipient)
	}
	var out bytes.Buffer
	encrypt := func(w interface{ Write([]byte) (int, error) }) error {
		clear, err := age.Encrypt(w, recipients...)
		if err != nil {
			return err
		}
		if _, err := clear.Write([]byte(content)); err != nil {
			return err
		}
		return clear.Close()
	}
	var err error
	if armored {
		w := armor.NewWriter(&out)
		if err = encrypt(w); err == nil {
			err = w.Close()
		}
	} else {
		err = encrypt(&out)
	}
	if err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// SOPS encrypts a YAML file for the keys, as "sops encrypt" does: with a new data key
// each time, so that no two ciphertexts are the same.
func SOPS(t testing.TB, clear string, to ...Key) []byte {
	t.Helper()
	var group sops.KeyGroup
	for _, key := range to {
		master, err := sopsage.MasterKeyFromRecipient(key.Recipient)
		if err != nil {
			t.Fatal(err)
		}
		group = append(group, keys.MasterKey(master))
	}
	return SOPSWith(t, clear, sops.Metadata{KeyGroups: []sops.KeyGroup{group}, Version: "3.13.3", UnencryptedSuffix: "_unencrypted"})
}

// SOPSWith encrypts with any metadata.
func SOPSWith(t testing.TB, clear string, metadata sops.Metadata) []byte {
	t.Helper()
	store := sopsyaml.NewStore(&config.YAMLStoreConfig{})
	branches, err := store.LoadPlainFile([]byte(clear))
	if err != nil {
		t.Fatal(err)
	}
	tree := sops.Tree{Branches: branches, Metadata: metadata}
	key, errs := tree.GenerateDataKeyWithKeyServices([]keyservice.KeyServiceClient{keyservice.NewLocalClient()})
	if len(errs) > 0 {
		t.Fatal(errs)
	}
	cipher := aes.NewCipher()
	mac, err := tree.Encrypt(key, cipher)
	if err != nil {
		t.Fatal(err)
	}
	tree.Metadata.LastModified = time.Now().UTC().Truncate(time.Second)
	if tree.Metadata.MessageAuthenticationCode, err = cipher.Encrypt(mac, key, tree.Metadata.LastModified.Format(time.RFC3339)); err != nil {
		t.Fatal(err)
	}
	data, err := store.EmitEncryptedFile(tree)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// NewPGPKey makes a PGP key in a directory of the test, which $GNUPGHOME names until the
// test ends, and returns its fingerprint.
func NewPGPKey(t *testing.T) string {
	t.Helper()
	// The agent's socket is in it, whose path must be short.
	home, err := os.MkdirTemp("", "gpg")
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("GNUPGHOME", home)
	t.Cleanup(func() {
		_ = exec.Command("gpgconf", "--homedir", home, "--kill", "all").Run()
		_ = os.RemoveAll(home)
	})
	gpg := func(args ...string) string {
		t.Helper()
		cmd := exec.CommandContext(t.Context(), "gpg", append([]string{"--batch", "--homedir", home, "--passphrase", "", "--pinentry-mode", "loopback"}, args...)...)
		output, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("gpg %v: %v: %s", args, err, output)
		}
		return string(output)
	}
	gpg("--quick-generate-key", "gitsync test <test@example.com>", "default", "default", "never")
	for line := range strings.Lines(gpg("--with-colons", "--list-secret-keys")) {
		if fields := strings.Split(line, ":"); fields[0] == "fpr" {
			return fields[9]
		}
	}
	t.Fatal("gpg lists no key")
	return ""
}

// SOPSForPGP encrypts a YAML file for a PGP key.
func SOPSForPGP(t testing.TB, clear, fingerprint string) []byte {
	t.Helper()
	group := sops.KeyGroup{keys.MasterKey(pgp.NewMasterKeyFromFingerprint(fingerprint))}
	return SOPSWith(t, clear, sops.Metadata{KeyGroups: []sops.KeyGroup{group}, Version: "3.13.3", UnencryptedSuffix: "_unencrypted"})
}

// OtherBits returns a value that SOPS encrypted with other bits behind the end of its tag: it
// opens as before, and anybody can write it.
func OtherBits(value string) string {
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
	before, after, _ := strings.Cut(value, "==,type:")
	last := strings.IndexByte(alphabet, before[len(before)-1])
	return before[:len(before)-1] + alphabet[last+1:last+2] + "==,type:" + after
}
