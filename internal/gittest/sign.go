package gittest

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// Key is a key that signs commits and tags: an SSH key, or an OpenPGP key of gpg.
type Key struct {
	// File is the private SSH key, and Public the line of its public key.
	File, Public string
	// Home is the directory of gpg, and ID the fingerprint of its key.
	Home, ID string
}

// NewSSHKey makes a key with ssh-keygen, of the default type or as the arguments say.
func NewSSHKey(t testing.TB, args ...string) Key {
	t.Helper()
	file := filepath.Join(t.TempDir(), "key")
	if len(args) == 0 {
		args = []string{"-t", "ed25519"}
	}
	command(t, nil, "", nil, "ssh-keygen", append([]string{"-q", "-N", "", "-C", "test", "-f", file}, args...)...)
	public, err := os.ReadFile(file + ".pub")
	if err != nil {
		t.Fatal(err)
	}
	return Key{File: file, Public: strings.TrimSpace(string(public))}
}

// NewPGPKey makes a key with gpg that was made at a time, and is valid for a while: as gpg
// has it, such as 1y, or 0 for always.
func NewPGPKey(t testing.TB, made time.Time, valid string) Key {
	t.Helper()
	// A path to gpg's socket must be short.
	home, err := os.MkdirTemp("", "gitsync-test-gpg")
	if err != nil {
		t.Fatal(err)
	}
	k := Key{Home: home}
	t.Cleanup(func() {
		cmd := exec.CommandContext(context.WithoutCancel(t.Context()), "gpgconf", "--homedir", home, "--kill", "all")
		_ = cmd.Run()
		_ = os.RemoveAll(home)
	})
	k.GPG(t, "--faked-system-time", made.UTC().Format("20060102T150405")+"!", "--passphrase", "", "--quick-generate-key", "Alice <alice@example.com>", "ed25519", "sign", valid)
	for line := range strings.Lines(k.GPG(t, "--with-colons", "--list-keys")) {
		if fields := strings.Split(line, ":"); fields[0] == "fpr" && k.ID == "" {
			k.ID = fields[9]
		}
	}
	return k
}

// GPG runs gpg with the key's directory, and returns what it prints.
func (k Key) GPG(t testing.TB, args ...string) string {
	t.Helper()
	return command(t, nil, "", nil, "gpg", append([]string{"--homedir", k.Home, "--batch", "--yes", "--quiet", "--pinentry-mode", "loopback"}, args...)...)
}

// config returns git's settings for the key.
func (k Key) config() []string {
	if k.Home != "" {
		return []string{"-c", "user.signingkey=" + k.ID}
	}
	return []string{"-c", "gpg.format=ssh", "-c", "user.signingkey=" + k.File}
}

func (k Key) environment(when time.Time) []string {
	date := strconv.FormatInt(when.Unix(), 10) + " +0000"
	return append(environment(), "GNUPGHOME="+k.Home, "GIT_COMMITTER_DATE="+date, "GIT_AUTHOR_DATE="+date)
}

// Sign replaces the tip of a branch by the same commit, signed at a time, and returns it.
func (r *Repo) Sign(branch string, k Key, when time.Time) string {
	r.t.Helper()
	args := append(k.config(), "commit-tree", "-S")
	for _, parent := range strings.Fields(r.git(nil, "log", "-1", "--format=%P", branch)) {
		args = append(args, "-p", parent)
	}
	message := r.git(nil, "log", "-1", "--format=%B", branch)
	args = append(args, "-F", "-", branch+"^{tree}")
	hash := strings.TrimSpace(command(r.t, []byte(message), r.Dir, k.environment(when), "git", args...))
	r.ResetBranch(branch, hash)
	return hash
}

// SignTag makes a signed tag of the tip of a branch.
func (r *Repo) SignTag(name, branch string, k Key, when time.Time) {
	r.t.Helper()
	command(r.t, nil, r.Dir, k.environment(when), "git", append(k.config(), "tag", "-s", "-m", "Release "+name, name, branch)...)
}

// command runs a command, and ends the test when it fails.
func command(t testing.TB, stdin []byte, dir string, env []string, name string, args ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), gitTimeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir, cmd.Env, cmd.Stdin = dir, env, bytes.NewReader(stdin)
	var out, said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &said
	if err := cmd.Run(); err != nil {
		t.Fatalf("%s %s: %v: %s", name, strings.Join(args, " "), err, said.String())
	}
	return out.String()
}
