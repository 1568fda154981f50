package signature_test

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/gitsync/gitsync/gitrepo"
	"github.com/gitsync/gitsync/gitrepo/signature"
	"github.com/gitsync/gitsync/internal/gittest"
)

var (
	then = time.Date(2026, 2, 3, 4, 5, 6, 0, time.UTC)
	now  = then.Add(time.Hour)
)

// signed returns a commit that git has signed with a key.
func signed(t *testing.T, k gittest.Key, when time.Time) (*gittest.Repo, signature.Claim) {
	t.Helper()
	r := gittest.NewRepo(t)
	r.Commit("main", map[string]string{"a": "1"}, "Say something\n\nAt length.")
	hash := gitrepo.Hash(r.Sign("main", k, when))
	return r, claim(t, r, hash)
}

func claim(t *testing.T, r *gittest.Repo, hash gitrepo.Hash) signature.Claim {
	t.Helper()
	remote, err := gitrepo.NewRemote(r.Dir, gitrepo.Auth{})
	if err != nil {
		t.Fatal(err)
	}
	store, err := gitrepo.OpenStore("", remote, "main")
	if err != nil {
		t.Fatal(err)
	}
	lineage, err := store.Inspect(t.Context(), hash, gitrepo.InspectOptions{})
	if err != nil {
		t.Fatal(err)
	}
	s := lineage.Tip.Signed
	return signature.Claim{Payload: s.Payload, Armored: s.Armored, When: s.When, Now: now}
}

func rules(t *testing.T, signers string) signature.Rules {
	t.Helper()
	parsed, err := signature.ParseSigners("signers", []byte(signers))
	if err != nil {
		t.Fatal(err)
	}
	return signature.Rules{Kind: signature.SSH, Signers: parsed}
}

func TestAnAllowedKeySigns(t *testing.T) {
	for _, args := range [][]string{{"-t", "ed25519"}, {"-t", "ecdsa"}, {"-t", "rsa", "-b", "2048"}} {
		t.Run(args[1], func(t *testing.T) {
			k := gittest.NewSSHKey(t, args...)
			_, c := signed(t, k, then)
			who, err := rules(t, "alice@example.com "+k.Public).Verify(c)
			if err != nil || who.Name != "alice@example.com" || !strings.HasPrefix(who.Fingerprint, "SHA256:") {
				t.Fatalf("%v, %v", who, err)
			}
			c.Payload = append([]byte("x"), c.Payload...)
			if _, err := rules(t, "alice@example.com "+k.Public).Verify(c); !errors.Is(err, signature.ErrInvalid) {
				t.Errorf("other bytes: %v", err)
			}
		})
	}
}

// Each line is judged by git itself too, with ssh-keygen, at the commit's time.
func TestSignersMeanWhatTheyMeanToGit(t *testing.T) {
	k, other := gittest.NewSSHKey(t), gittest.NewSSHKey(t)
	r, c := signed(t, k, then)
	for name, test := range map[string]struct {
		line string
		want error
	}{
		"plain":                 {"alice " + k.Public, nil},
		"several principals":    {"alice,*@example.com " + k.Public, nil},
		"quoted principals":     {`"alice,bob" ` + k.Public, nil},
		"tabs":                  {"\talice\t" + k.Public, nil},
		"comment and blank":     {"# them\n\n  # more\nalice " + k.Public, nil},
		"namespace":             {`alice namespaces="git" ` + k.Public, nil},
		"namespace pattern":     {`alice namespaces="file,g*" ` + k.Public, nil},
		"namespace in capitals": {`alice NAMESPACES="git" ` + k.Public, nil},
		"other namespace":       {`alice namespaces="file" ` + k.Public, signature.ErrUnknownKey},
		"negated namespace":     {`alice namespaces="*,!git" ` + k.Public, signature.ErrUnknownKey},
		"other key":             {"alice " + other.Public, signature.ErrUnknownKey},
		"nobody":                {"", signature.ErrUnknownKey},
		"valid":                 {`alice valid-after="20260101",valid-before="20270101Z" ` + k.Public, nil},
		"not yet valid":         {`alice valid-after="20260203040507Z" ` + k.Public, signature.ErrExpired},
		"just valid":            {`alice valid-after="20260203040506Z" ` + k.Public, nil},
		"expired":               {`alice valid-before="202602030405Z" ` + k.Public, signature.ErrExpired},
		"two lines":             {`alice valid-before="20200101" ` + k.Public + "\nalice " + k.Public, nil},
		"two options":           {`alice valid-after="20250101",namespaces="git" ` + k.Public, nil},
		"comment after the key": {"alice " + k.Public + " and more", nil},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := rules(t, test.line).Verify(c)
			if !errors.Is(err, test.want) {
				t.Errorf("we say %v, want %v", err, test.want)
			}
			file := filepath.Join(t.TempDir(), "signers")
			if err := os.WriteFile(file, []byte(test.line+"\n"), 0o600); err != nil {
				t.Fatal(err)
			}
			cmd := exec.CommandContext(t.Context(), "git", "-c", "gpg.ssh.allowedSignersFile="+file, "verify-commit", "main")
			cmd.Dir = r.Dir
			if out, err := cmd.CombinedOutput(); (err == nil) != (test.want == nil) {
				t.Errorf("git says %v: %s", err, out)
			}
		})
	}
}

func TestWhatIsNotUnderstoodIsRefused(t *testing.T) {
	k := gittest.NewSSHKey(t)
	weak := gittest.NewSSHKey(t, "-t", "rsa", "-b", "1024")
	_, certificate := certified(t)
	for name, test := range map[string]struct{ line, want string }{
		"no key":              {"alice", "there is no key"},
		"no base64":           {"alice ssh-ed25519 !!!", "cannot be read"},
		"other type":          {"alice ssh-rsa " + strings.Fields(k.Public)[1], "type"},
		"cert-authority":      {"alice cert-authority " + k.Public, "certificates do not count"},
		"certificate":         {"alice " + certificate, "certificate"},
		"unknown option":      {"alice no-touch-required " + k.Public, "not known"},
		"option without text": {"alice namespaces " + k.Public, "needs a value"},
		"unquoted":            {"alice namespaces=git " + k.Public, "in quotes"},
		"open quote":          {`alice namespaces="git ` + k.Public, "does not end"},
		"open principals":     {`"alice ` + k.Public, "does not end"},
		"empty principal":     {"alice,, " + k.Public, "empty"},
		"twice":               {`alice namespaces="git",namespaces="git" ` + k.Public, "twice"},
		"bad time":            {`alice valid-after="yesterday" ` + k.Public, "no time"},
		"impossible time":     {`alice valid-after="20261301" ` + k.Public, "no time"},
		"never valid":         {`alice valid-after="20260101",valid-before="20250101" ` + k.Public, "never valid"},
		"weak key":            {"alice " + weak.Public, "1024 bits"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := signature.ParseSigners("signers", []byte("\n"+test.line+"\nbob\n"))
			if err == nil || !strings.Contains(err.Error(), test.want) || !strings.Contains(err.Error(), "signers:2: ") || !strings.Contains(err.Error(), "signers:3: ") {
				t.Errorf("%v, want both lines and %q", err, test.want)
			}
		})
	}
}

// certified returns a key with a certificate, and the certificate's line.
func certified(t *testing.T) (gittest.Key, string) {
	t.Helper()
	authority, k := gittest.NewSSHKey(t), gittest.NewSSHKey(t)
	if out, err := exec.CommandContext(t.Context(), "ssh-keygen", "-q", "-s", authority.File, "-I", "alice", "-n", "alice", k.File+".pub").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	line, err := os.ReadFile(k.File + "-cert.pub")
	if err != nil {
		t.Fatal(err)
	}
	return k, strings.TrimSpace(string(line))
}

func TestAnExpiredKeySignsNothingNew(t *testing.T) {
	k := gittest.NewSSHKey(t)
	_, c := signed(t, k, then)
	r := rules(t, `alice valid-before="20260203043000Z" `+k.Public)
	// The time in the commit is inside, but whoever has the key can write that.
	if _, err := r.Verify(c); !errors.Is(err, signature.ErrExpired) || !strings.Contains(err.Error(), "is not now") {
		t.Errorf("a commit that was not seen before: %v", err)
	}
	c.Known = true
	if _, err := r.Verify(c); err != nil {
		t.Errorf("a commit that was accepted before: %v", err)
	}
}

func TestARevokedKeySignsNothing(t *testing.T) {
	k := gittest.NewSSHKey(t)
	_, c := signed(t, k, then)
	c.Known = true
	r := rules(t, "alice "+k.Public)
	who, err := r.Verify(c)
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range []string{k.Public, who.Fingerprint, "# stolen\n" + who.Fingerprint + " laptop"} {
		if r.Revoked, err = signature.ParseRevoked("revoked", []byte(line+"\n")); err != nil {
			t.Fatal(err)
		}
		if _, err := r.Verify(c); !errors.Is(err, signature.ErrRevoked) {
			t.Errorf("%q: %v", line, err)
		}
	}
	if _, err := signature.ParseRevoked("revoked", []byte("SHA256:short\n\nABCDEF12\nSSHKRL\n")); err == nil ||
		!strings.Contains(err.Error(), "revoked:1: ") || !strings.Contains(err.Error(), "revoked:3: ") {
		t.Errorf("%v", err)
	}
	if _, err := signature.ParseRevoked("revoked", []byte("SSHKRL\n\x00")); err == nil {
		t.Error("a binary list is taken for an empty one")
	}
}

func TestSignaturesOfNobody(t *testing.T) {
	k := gittest.NewSSHKey(t)
	_, c := signed(t, k, then)
	r := rules(t, "alice "+k.Public)
	weak := gittest.NewSSHKey(t, "-t", "rsa", "-b", "1024")
	_, byWeak := signed(t, weak, then)
	withCertificate, _ := certified(t)
	if err := os.Rename(withCertificate.File+"-cert.pub", withCertificate.File+".pub"); err != nil {
		t.Fatal(err)
	}
	_, byCertificate := signed(t, withCertificate, then)
	for name, test := range map[string]struct {
		armored string
		want    error
	}{
		"none":            {"", signature.ErrUnsigned},
		"garbage":         {"hello", signature.ErrInvalid},
		"empty armour":    {"-----BEGIN SSH SIGNATURE-----\n-----END SSH SIGNATURE-----", signature.ErrInvalid},
		"more after it":   {c.Armored + "more", signature.ErrInvalid},
		"cut":             {c.Armored[:len(c.Armored)/2], signature.ErrInvalid},
		"another message": {byFile(t, k, "git", "other"), signature.ErrInvalid},
		"other namespace": {byFile(t, k, "file", string(c.Payload)), signature.ErrInvalid},
		"weak key":        {byWeak.Armored, signature.ErrWeak},
		"certificate":     {byCertificate.Armored, signature.ErrUnknownKey},
		"pgp":             {"-----BEGIN PGP SIGNATURE-----\n\niQ==\n-----END PGP SIGNATURE-----", signature.ErrUnknownKey},
	} {
		t.Run(name, func(t *testing.T) {
			c := c
			c.Armored = test.armored
			if _, err := r.Verify(c); !errors.Is(err, test.want) {
				t.Errorf("%v, want %v", err, test.want)
			}
		})
	}
}

// byFile signs a text with ssh-keygen itself.
func byFile(t *testing.T, k gittest.Key, namespace, text string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "text")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.CommandContext(t.Context(), "ssh-keygen", "-q", "-Y", "sign", "-f", k.File, "-n", namespace, file).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	armored, err := os.ReadFile(file + ".sig")
	if err != nil {
		t.Fatal(err)
	}
	return string(armored)
}

func TestOpenPGPKeysSign(t *testing.T) {
	k := gittest.NewPGPKey(t, then.Add(-time.Hour), "0")
	_, c := signed(t, k, time.Now())
	c.Now = time.Now()
	public := k.GPG(t, "--export", "--armor", k.ID)
	ring := func(data string) signature.Rules {
		t.Helper()
		keys, err := signature.ParseKeyRing("ring", []byte(data))
		if err != nil {
			t.Fatal(err)
		}
		return signature.Rules{Kind: signature.PGP, Keys: keys}
	}
	for _, data := range []string{public, k.GPG(t, "--export", k.ID), gittest.NewPGPKey(t, then, "0").GPG(t, "--export", "--armor") + public} {
		if who, err := ring(data).Verify(c); err != nil || who.Fingerprint != k.ID || !strings.Contains(who.Name, "alice@example.com") {
			t.Errorf("%v, %v", who, err)
		}
	}
	other := c
	other.Payload = append([]byte("x"), c.Payload...)
	if _, err := ring(public).Verify(other); !errors.Is(err, signature.ErrInvalid) {
		t.Errorf("other bytes: %v", err)
	}
	stranger := ring(gittest.NewPGPKey(t, then, "0").GPG(t, "--export"))
	if _, err := stranger.Verify(c); !errors.Is(err, signature.ErrUnknownKey) || !strings.Contains(err.Error(), k.ID) {
		t.Errorf("not in the ring: %v", err)
	}
	revoked := ring(public)
	revoked.Revoked, _ = signature.ParseRevoked("revoked", []byte(k.ID))
	if _, err := revoked.Verify(c); !errors.Is(err, signature.ErrRevoked) {
		t.Errorf("on our list: %v", err)
	}
	if _, err := signature.ParseKeyRing("ring", []byte(k.GPG(t, "--passphrase", "", "--export-secret-keys", "--armor"))); err == nil {
		t.Error("a private key is taken")
	}
	// A revocation by the owner counts for all times.
	file := filepath.Join(t.TempDir(), "revocation")
	certificate, err := os.ReadFile(filepath.Join(k.Home, "openpgp-revocs.d", k.ID+".rev"))
	if err != nil {
		t.Fatal(err)
	}
	text := strings.Replace(string(certificate), ":-----BEGIN", "-----BEGIN", 1)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	k.GPG(t, "--import", file)
	c.Known = true
	if _, err := ring(k.GPG(t, "--export", k.ID)).Verify(c); !errors.Is(err, signature.ErrRevoked) {
		t.Errorf("revoked by its owner: %v", err)
	}
}

func TestAnExpiredOpenPGPKeySignsNothingNew(t *testing.T) {
	start := time.Now().Add(-48 * time.Hour)
	k := gittest.NewPGPKey(t, start, "seconds=7200")
	file := filepath.Join(t.TempDir(), "text")
	if err := os.WriteFile(file, []byte("payload"), 0o600); err != nil {
		t.Fatal(err)
	}
	at := start.Add(time.Hour)
	armored := k.GPG(t, "--faked-system-time", at.UTC().Format("20060102T150405")+"!", "--passphrase", "", "--armor", "--detach-sign", "--output", "-", file)
	keys, err := signature.ParseKeyRing("ring", []byte(k.GPG(t, "--export")))
	if err != nil {
		t.Fatal(err)
	}
	r := signature.Rules{Kind: signature.Any, Keys: keys}
	c := signature.Claim{Payload: []byte("payload"), Armored: armored, When: at, Now: time.Now()}
	if _, err := r.Verify(c); !errors.Is(err, signature.ErrExpired) {
		t.Errorf("new: %v", err)
	}
	c.Known = true
	if _, err := r.Verify(c); err != nil {
		t.Errorf("known: %v", err)
	}
	c.When = start.Add(-time.Hour)
	if _, err := r.Verify(c); err == nil {
		t.Error("a commit from before the key was made")
	}
}

func TestSSHSignaturesAreThoseOfSSHKeygen(t *testing.T) {
	k := gittest.NewSSHKey(t)
	if _, err := signature.ParseKind("gpg"); err == nil {
		t.Error("an unknown kind")
	}
	_, err := rules(t, fmt.Sprintf("alice namespaces=%q %s", "git", k.Public)).
		Verify(signature.Claim{Payload: []byte("text"), Armored: byFile(t, k, "git", "text"), When: then, Now: now})
	if err != nil {
		t.Error(err)
	}
}

func FuzzSigners(f *testing.F) {
	key := "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHp8Jx1Rk1Yh0vHn0H5m0bGk8S0xqkqQm3b0fVYw9n3B"
	f.Add("alice " + key)
	f.Add(`"a,b" namespaces="git,!x",valid-after="20260101" ` + key + " c")
	f.Add("# x\n\n a cert-authority " + key)
	f.Add(`a namespaces="\"" ` + key)
	f.Fuzz(func(t *testing.T, text string) {
		s, err := signature.ParseSigners("f", []byte(text))
		if (err != nil) && !s.Empty() {
			t.Error("a file with mistakes allows somebody")
		}
		_, _ = signature.ParseRevoked("f", []byte(text))
	})
}

func FuzzArmour(f *testing.F) {
	f.Add("-----BEGIN SSH SIGNATURE-----\nU1NIU0lH\n-----END SSH SIGNATURE-----")
	f.Add("-----BEGIN PGP SIGNATURE-----\n\niQ==\n=abcd\n-----END PGP SIGNATURE-----")
	f.Fuzz(func(t *testing.T, text string) {
		r := signature.Rules{Kind: signature.Any}
		if _, err := r.Verify(signature.Claim{Payload: []byte("x"), Armored: text, When: then, Now: now}); err == nil {
			t.Error("a signature counts where nobody is allowed")
		}
	})
}
