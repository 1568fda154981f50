package gittest_test

import (
	"context"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/gitsync/gitsync/internal/gittest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// git runs the git binary as a client, and returns all that it prints.
func git(t *testing.T, dir string, args ...string) (string, error) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "git", args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_NOSYSTEM=1", "GIT_TERMINAL_PROMPT=0", "GIT_ASKPASS=true",
		"GIT_AUTHOR_NAME=Bob", "GIT_AUTHOR_EMAIL=bob@example.com", "GIT_COMMITTER_NAME=Bob", "GIT_COMMITTER_EMAIL=bob@example.com")
	out, err := cmd.CombinedOutput()
	return string(out), err
}

func TestARepoHoldsWhatWasCommitted(t *testing.T) {
	r := gittest.NewRepo(t)
	if r.Hash("main") != "" || r.Log("main") != nil {
		t.Fatal("a new repo has commits")
	}
	first := r.Commit("main", map[string]string{"a/b": "1\n", "c": "no newline"}, "first\n\nbody")
	r.Symlink("main", "link", "a/b")
	r.Submodule("main", "sub", first)
	r.Executable("main", "run.sh", "#!/bin/sh\n")
	r.Commit("gitsync/state", map[string]string{"state": ""}, "other")
	if got, want := r.Tree("main"), []string{"a/b", "c", "link", "run.sh", "sub"}; !slices.Equal(got, want) {
		t.Errorf("tree %q, want %q", got, want)
	}
	if got, want := strings.Fields(r.Git("ls-tree", "main", "--format=%(objectmode)")), []string{"040000", "100644", "120000", "100755", "160000"}; !slices.Equal(got, want) {
		t.Errorf("modes %q, want %q", got, want)
	}
	if got, want := r.Show("main", "c"), "no newline"; got != want {
		t.Errorf("c holds %q, want %q", got, want)
	}
	if got, want := r.Hash("gitsync"), ""; got != want {
		t.Errorf("the branch gitsync is at %q, want none", got)
	}
	r.Remove("main", "a", "link")
	if got, want := r.Tree("main"), []string{"c", "run.sh", "sub"}; !slices.Equal(got, want) {
		t.Errorf("tree after the removal %q, want %q", got, want)
	}
	r.ResetBranch("main", first)
	if got, want := r.Log("main"), []string{"first"}; !slices.Equal(got, want) {
		t.Errorf("log after the reset %q, want %q", got, want)
	}
	r.DeleteBranch("main")
	if got := r.Hash("main"); got != "" {
		t.Errorf("the deleted branch is at %s", got)
	}
	r.Git("fsck", "--strict")
}

func TestGenerateMakesEachCommit(t *testing.T) {
	r := gittest.NewRepo(t)
	r.Commit("main", map[string]string{"a": "1"}, "first")
	tip := r.Generate("main", 1000)
	if got, want := r.Git("rev-list", "--count", tip), "1001"; got != want {
		t.Errorf("%s commits, want %s", got, want)
	}
	if got, want := r.Show("main", "counter"), "1000\n"; got != want {
		t.Errorf("counter %q, want %q", got, want)
	}
}

func TestHTTPServesGitAndCounts(t *testing.T) {
	r := gittest.NewRepo(t)
	r.Commit("main", map[string]string{"a": "1"}, "first")
	s := gittest.ServeHTTP(t, r, gittest.HTTPOptions{User: "me", Password: "s3cret", TLS: true})
	address := strings.Replace(s.URL, "https://", "https://me:s3cret@", 1)
	t.Setenv("GIT_SSL_CAINFO", s.CAFile)
	dir := filepath.Join(t.TempDir(), "clone")
	if out, err := git(t, "", "clone", address, dir); err != nil {
		t.Fatalf("clone: %v: %s", err, out)
	}
	if len(s.Requests()) == 0 || s.BytesOut() == 0 {
		t.Errorf("counted %d requests and %d bytes", len(s.Requests()), s.BytesOut())
	}
	if out, err := git(t, dir, "commit", "--allow-empty", "-m", "second"); err != nil {
		t.Fatalf("commit: %v: %s", err, out)
	}
	r.RefusePushes("it's Friday")
	if out, err := git(t, dir, "push"); err == nil || !strings.Contains(out, "it's Friday") {
		t.Errorf("push: %v: %s, want the refusal of the hook", err, out)
	}
	r.RefusePushes("")
	r.RefuseBranch("protected", "not here")
	if out, err := git(t, dir, "push", "origin", "HEAD:protected"); err == nil || !strings.Contains(out, "not here") {
		t.Errorf("push to a protected branch: %v: %s, want the refusal of the hook", err, out)
	}
	if out, err := git(t, dir, "push"); err != nil {
		t.Errorf("push: %v: %s", err, out)
	}
	if got, want := r.Log("main"), []string{"second", "first"}; !slices.Equal(got, want) {
		t.Errorf("log %q, want %q", got, want)
	}
	s.ResetCounters()
	if len(s.Requests()) != 0 || s.BytesOut() != 0 {
		t.Error("the counters were not reset")
	}
}

func TestHTTPTurnsAway(t *testing.T) {
	r := gittest.NewRepo(t)
	s := gittest.ServeHTTP(t, r, gittest.HTTPOptions{Password: "s3cret"})
	if out, err := git(t, "", "ls-remote", s.URL); err == nil {
		t.Errorf("ls-remote without a password: %s, want an error", out)
	}
	address := strings.Replace(s.URL, "http://", "http://me:s3cret@", 1)
	if out, err := git(t, "", "ls-remote", address); err != nil {
		t.Errorf("ls-remote: %v: %s", err, out)
	}
	s.Deny(http.StatusForbidden)
	if out, err := git(t, "", "ls-remote", address); err == nil || !strings.Contains(out, "403") {
		t.Errorf("ls-remote where all are denied: %v: %s, want 403", err, out)
	}
	s.Deny(0)
	s.Hang(true)
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, s.URL, nil)
	if err != nil {
		t.Fatal(err)
	}
	transport := &http.Transport{}
	defer transport.CloseIdleConnections()
	if response, err := transport.RoundTrip(request); err == nil {
		_ = response.Body.Close()
		t.Errorf("a request where all hang: %s, want none", response.Status)
	}
	s.Hang(false)
	if out, err := git(t, "", "ls-remote", address); err != nil {
		t.Errorf("ls-remote after all that: %v: %s", err, out)
	}
}
