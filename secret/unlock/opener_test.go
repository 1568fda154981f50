package unlock_test

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/getsops/sops/v3"
	"github.com/getsops/sops/v3/hcvault"
	"github.com/getsops/sops/v3/keys"
	"github.com/getsops/sops/v3/kms"
	"github.com/rs/zerolog"

	"github.com/gitsync/gitsync/internal/secrettest"
	"github.com/gitsync/gitsync/secret"
	"github.com/gitsync/gitsync/secret/unlock"
)

const clear = `db: {password: "hunter2-hunter2", port: 5432}
token: abcdef
debug: true
`

// opener opens with a key.
func opener(t *testing.T, opts unlock.Options) *unlock.Opener {
	t.Helper()
	if opts.Redactor == nil {
		opts.Redactor = &secret.Redactor{}
	}
	o, err := unlock.New(opts)
	if err != nil {
		t.Fatal(err)
	}
	return o
}

// sealed are the secrets of a SOPS file.
func sealed(t *testing.T, data []byte) *secret.Sealed {
	t.Helper()
	entries, mistakes := secret.ParseSOPS(data)
	if len(mistakes) > 0 {
		t.Fatalf("mistakes: %+v", mistakes)
	}
	s := &secret.Sealed{}
	s.AddSOPS("hosts/web1/secrets.yaml", data, entries)
	return s
}

func TestSecretsOfASOPSFileAreOpened(t *testing.T) {
	key := secrettest.NewKey(t)
	s := sealed(t, secrettest.SOPS(t, clear, key, secrettest.NewKey(t)))
	values, err := opener(t, unlock.Options{AgeKeyFile: key.File}).Open(t.Context(), "web1", s, []string{"db.password", "db.port", "debug", "token"})
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{"db.password": "hunter2-hunter2", "db.port": "5432", "debug": "true", "token": "abcdef"} {
		if values[name] != want {
			t.Errorf("%s: got %q, want %q", name, values[name], want)
		}
	}
}

func TestSecretsForAPGPKeyAreOpened(t *testing.T) {
	s := sealed(t, secrettest.SOPSForPGP(t, clear, secrettest.NewPGPKey(t)))
	values, err := opener(t, unlock.Options{}).Open(t.Context(), "web1", s, []string{"token"})
	if err != nil || values["token"] != "abcdef" {
		t.Errorf("got %q, %v", values["token"], err)
	}
	if _, err := opener(t, unlock.Options{Kinds: []string{"age"}}).Open(t.Context(), "web1", s, []string{"token"}); err == nil {
		t.Error("a key was used whose kind is not allowed")
	}
}

func TestFilesOfAgeAreOpened(t *testing.T) {
	key := secrettest.NewKey(t)
	content := "-----BEGIN KEY-----\n\x00binary\n"
	for name, armored := range map[string]bool{"binary": false, "armored": true} {
		t.Run(name, func(t *testing.T) {
			s := &secret.Sealed{}
			s.AddFile("hosts/web1/files/tls.key.age", secrettest.Age(t, content, armored, key))
			values, err := opener(t, unlock.Options{AgeKeyFile: key.File}).Open(t.Context(), "web1", s, []string{secret.FileName("hosts/web1/files/tls.key.age")})
			if err != nil {
				t.Fatal(err)
			}
			if got := values["file:hosts/web1/files/tls.key.age"]; got != content {
				t.Errorf("got %q", got)
			}
		})
	}
}

func TestWhatCannotBeOpenedSaysWhy(t *testing.T) {
	key, other := secrettest.NewKey(t), secrettest.NewKey(t)
	good := secrettest.SOPS(t, clear, key)
	noKey := filepath.Join(t.TempDir(), "none")
	rubbish := filepath.Join(t.TempDir(), "rubbish")
	if err := os.WriteFile(rubbish, []byte("AGE-SECRET-KEY-1TOPSECRETTOPSECRET\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	vault := sops.KeyGroup{keys.MasterKey(&hcvault.MasterKey{VaultAddress: "https://evil.example", EnginePath: "transit", KeyName: "k", EncryptedKey: "vault:v1:AAAA"})}
	cloud := sops.KeyGroup{keys.MasterKey(&kms.MasterKey{Arn: "arn:aws:kms:eu-west-1:1:key/evil", EncryptedKey: "AAAA"})}
	cases := map[string]struct {
		data []byte
		opts unlock.Options
		want string
	}{
		"for another key":       {good, unlock.Options{AgeKeyFile: other.File}, "it is encrypted for other age keys than the agent's"},
		"no key configured":     {good, unlock.Options{}, "no age key is configured: give one with --age-key-file"},
		"no key file":           {good, unlock.Options{AgeKeyFile: noKey}, "no such file"},
		"a key that is none":    {good, unlock.Options{AgeKeyFile: rubbish}, "no age key: it has lines that begin with AGE-SECRET-KEY-"},
		"values swapped":        {swap(t, good), unlock.Options{AgeKeyFile: key.File}, "it was changed by hand, or in a merge"},
		"MAC of another file":   {otherMAC(t, good, secrettest.SOPS(t, clear, key)), unlock.Options{AgeKeyFile: key.File}, "it was changed by hand, or in a merge"},
		"Vault of an attacker":  {withKeys(good, vault), unlock.Options{AgeKeyFile: other.File}, "a key of the kind hc_vault is not allowed by the agent's configuration"},
		"Vault that we are not": {withKeys(good, vault), unlock.Options{AgeKeyFile: other.File, Kinds: []string{"age", "hc_vault"}, VaultAddress: "https://vault.example"}, `the file names the Vault "https://evil.example", and $VAULT_ADDR is another one`},
		"account of a cloud":    {withKeys(good, cloud), unlock.Options{AgeKeyFile: other.File}, "a key of the kind kms is not allowed"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			_, err := opener(t, c.opts).Open(t.Context(), "web1", sealed(t, c.data), []string{"token", "db.password"})
			if err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), "hosts/web1/secrets.yaml") {
				t.Errorf("got %v, want the file's name and %q", err, c.want)
			}
			if err != nil && strings.Contains(err.Error(), "TOPSECRET") {
				t.Errorf("the error quotes the key: %v", err)
			}
		})
	}
}

// swap exchanges two ciphertexts, as a person does who wants to read one secret in the
// place of another.
func swap(t *testing.T, data []byte) []byte {
	t.Helper()
	lines := strings.Split(string(data), "\n")
	var at []int
	for i, line := range lines {
		if strings.HasPrefix(line, "token: ") || strings.Contains(line, "password: ENC") {
			at = append(at, i)
		}
	}
	if len(at) != 2 {
		t.Fatalf("%s", data)
	}
	a, b := strings.Index(lines[at[0]], "ENC"), strings.Index(lines[at[1]], "ENC")
	lines[at[0]], lines[at[1]] = lines[at[0]][:a]+lines[at[1]][b:], lines[at[1]][:b]+lines[at[0]][a:]
	return []byte(strings.Join(lines, "\n"))
}

// otherMAC puts the MAC of one file into another one.
func otherMAC(t *testing.T, data, other []byte) []byte {
	t.Helper()
	mac := func(data []byte) string {
		for line := range strings.Lines(string(data)) {
			if strings.HasPrefix(strings.TrimSpace(line), "mac: ") {
				return line
			}
		}
		t.Fatal("there is no MAC")
		return ""
	}
	return []byte(strings.Replace(string(data), mac(data), mac(other), 1))
}

// withKeys adds keys to the metadata of a file.
func withKeys(data []byte, group sops.KeyGroup) []byte {
	var add string
	for _, key := range group {
		switch k := key.(type) {
		case *hcvault.MasterKey:
			add = "    hc_vault:\n        - vault_address: " + k.VaultAddress + "\n          engine_path: transit\n          key_name: k\n          created_at: \"2026-01-01T00:00:00Z\"\n          enc: " + k.EncryptedKey + "\n"
		case *kms.MasterKey:
			add = "    kms:\n        - arn: " + k.Arn + "\n          created_at: \"2026-01-01T00:00:00Z\"\n          enc: " + k.EncryptedKey + "\n          aws_profile: \"\"\n"
		}
	}
	return []byte(strings.Replace(string(data), "sops:\n", "sops:\n"+add, 1))
}

func TestValuesThatCannotBeHiddenAreRefused(t *testing.T) {
	key := secrettest.NewKey(t)
	s := sealed(t, secrettest.SOPS(t, "pin: \"123\"\n", key))
	_, err := opener(t, unlock.Options{AgeKeyFile: key.File}).Open(t.Context(), "web1", s, []string{"pin"})
	if err == nil || !strings.Contains(err.Error(), "secret pin is shorter than 4 bytes") {
		t.Errorf("got %v", err)
	}
}

func TestSecretsFromElsewhere(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "tls.key")
	if err := os.WriteFile(file, []byte("from-a-file\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("GITSYNC_TEST_TOKEN", "from-the-environment")
	external := secret.External{
		"env": {Env: "GITSYNC_TEST_TOKEN"}, "unset": {Env: "GITSYNC_TEST_UNSET"}, "file": {File: file},
		"exec":    {Exec: []string{"/bin/sh", "-c", "echo from-a-command"}},
		"fails":   {Exec: []string{"/bin/sh", "-c", "echo a-secret-in-an-error >&2; exit 3"}},
		"hangs":   {Exec: []string{"/bin/sh", "-c", "exec sleep 60"}, Timeout: 50 * time.Millisecond},
		"floods":  {Exec: []string{"/bin/sh", "-c", "while :; do echo aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa; done"}},
		"limited": {Env: "GITSYNC_TEST_TOKEN", Hosts: []string{"db*"}},
	}
	o := opener(t, unlock.Options{External: external})
	cases := map[string]struct{ value, problem string }{
		"env": {value: "from-the-environment"}, "file": {value: "from-a-file"}, "exec": {value: "from-a-command"},
		"unset":   {problem: "$GITSYNC_TEST_UNSET is not set"},
		"fails":   {problem: "/bin/sh failed: exit status 3"},
		"hangs":   {problem: "/bin/sh did not end within 50ms"},
		"floods":  {problem: "bytes"},
		"limited": {problem: "secret limited is not defined for host web1"},
		"unknown": {problem: "secret unknown is not defined for host web1"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			values, err := o.Open(t.Context(), "web1", nil, []string{name})
			if values[name] != c.value {
				t.Errorf("got %q, want %q", values[name], c.value)
			}
			if c.problem == "" && err != nil || c.problem != "" && (err == nil || !strings.Contains(err.Error(), c.problem)) {
				t.Errorf("got %v, want %q", err, c.problem)
			}
			if err != nil && strings.Contains(err.Error(), "a-secret-in-an-error") {
				t.Errorf("the error has what the command printed: %v", err)
			}
		})
	}
}

func TestACommandEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := opener(t, unlock.Options{External: secret.External{"x": {Exec: []string{"/bin/sh", "-c", "exec sleep 60"}}}}).Open(ctx, "web1", nil, []string{"x"})
	if err == nil {
		t.Error("it ended well")
	}
}

func TestEverythingThatIsOpenedIsRedacted(t *testing.T) {
	key := secrettest.NewKey(t)
	redactor := &secret.Redactor{}
	o := opener(t, unlock.Options{AgeKeyFile: key.File, Redactor: redactor})
	s := sealed(t, secrettest.SOPS(t, clear, key))
	if _, err := o.Open(t.Context(), "web1", s, []string{"token"}); err != nil {
		t.Fatal(err)
	}
	if got := redactor.Redact("abcdef and hunter2-hunter2"); got != "[secret] and [secret]" {
		t.Errorf("got %q", got)
	}
}

func TestASecretThatIsNotSearchedForIsNamedOnceAndNothingOfItIsSaid(t *testing.T) {
	var log bytes.Buffer
	ctx := zerolog.New(&log).WithContext(t.Context())
	t.Setenv("GITSYNC_TEST_WORD", "postgres")
	t.Setenv("GITSYNC_TEST_HOST", "web-server-1")
	t.Setenv("GITSYNC_TEST_GOOD", "hunter2-hunter2")
	o := opener(t, unlock.Options{External: secret.External{"word": {Env: "GITSYNC_TEST_WORD"}, "name": {Env: "GITSYNC_TEST_HOST"}, "good": {Env: "GITSYNC_TEST_GOOD"}}})
	for range 3 {
		if _, err := o.Open(ctx, "web-server-1", nil, []string{"word", "name", "good"}); err != nil {
			t.Fatal(err)
		}
	}
	lines := strings.Split(strings.TrimSpace(log.String()), "\n")
	if len(lines) != 2 || !strings.Contains(lines[0], `"secret":"name"`) || !strings.Contains(lines[1], `"secret":"word"`) || strings.Contains(log.String(), "postgres") {
		t.Errorf("got the log %s, want one line for name and one for word", log.String())
	}
	var messages []string
	for _, line := range lines {
		messages = append(messages, line[strings.Index(line, `"message"`):])
	}
	if messages[0] != messages[len(messages)-1] {
		t.Errorf("the warnings say which rule each of them met: %v", messages)
	}
	if got := o.Redact("web-server-1: postgres and hunter2-hunter2"); got != "web-server-1: postgres and [secret]" {
		t.Errorf("got %q", got)
	}
}

func TestAKindOfKeyThatIsNoneIsRefused(t *testing.T) {
	if _, err := unlock.New(unlock.Options{Kinds: []string{"aeg"}}); err == nil || !strings.Contains(err.Error(), `"aeg" is no kind of key`) {
		t.Errorf("got %v", err)
	}
}
