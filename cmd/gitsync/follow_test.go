package main

import (
	"context"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gitsync/gitsync/gitrepo/signature"
)

func write(t *testing.T, name, content string) {
	t.Helper()
	if err := os.WriteFile(name, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestAPolicyFileIsFollowedUntilOthersMayWriteIt(t *testing.T) {
	name := filepath.Join(t.TempDir(), "policy.yaml")
	write(t, name, "hosts: {web1: {privileged: allow}}")
	_, current, err := openPolicy(name)
	if err != nil {
		t.Fatal(err)
	}
	first := current(t.Context())
	write(t, name, "hosts: {web2: {privileged: allow}}")
	second := current(t.Context())
	if first == second || current(t.Context()) != second {
		t.Error("the policy does not follow its file, or is read for nothing")
	}
	write(t, name, "hosts: {web1: {privileged")
	if current(t.Context()) != second {
		t.Error("a broken policy counts")
	}
	if err := os.Chmod(name, 0o666); err != nil {
		t.Fatal(err)
	}
	write(t, name, "extends: none")
	if current(t.Context()) != second {
		t.Error("a policy that others may write counts")
	}
	if _, current, err := openPolicy(""); current != nil || err != nil {
		t.Errorf("without a file: %v", err)
	}
}

func TestTheWebhookSecretFollowsItsFile(t *testing.T) {
	name := filepath.Join(t.TempDir(), "secret")
	write(t, name, "\xef\xbb\xbfthe first one\n")
	listening, err := (&listenOptions{address: "127.0.0.1:0", secretFile: name}).open(t.Context(), "main", func() {}, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = listening.socket.Close() }()
	status := func(token string) int {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/webhook", strings.NewReader(`{"ref": "refs/heads/main"}`))
		r.Header.Set("X-Gitlab-Token", token)
		r.Header.Set("X-Gitlab-Event", "Push Hook")
		r.Header.Set("Content-Type", "application/json")
		w := httptest.NewRecorder()
		listening.server.Handler().ServeHTTP(w, r)
		return w.Code
	}
	want := func(token string, code int) {
		t.Helper()
		if got := status(token); got != code {
			t.Errorf("%s: got %d, want %d", token, got, code)
		}
	}
	want("the first one", http.StatusAccepted)
	write(t, name, "the second one")
	want("the first one", http.StatusUnauthorized)
	want("the second one", http.StatusAccepted)
	write(t, name, "")
	want("the second one", http.StatusAccepted)
	want("", http.StatusUnauthorized)
}

func TestWhomToNotifyFollowsItsFile(t *testing.T) {
	asked := map[string]int{}
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { asked[r.URL.Path]++ }))
	defer server.Close()
	address := "generic+" + server.URL
	name := filepath.Join(t.TempDir(), "urls")
	write(t, name, "# nobody\n")
	o := &reportingOptions{notifyFile: name}
	if n, err := o.openNotifier(); n != nil || err != nil {
		t.Errorf("nobody: %v, %v", n, err)
	}
	write(t, name, address+"/one")
	n, err := o.openNotifier()
	if err != nil {
		t.Fatal(err)
	}
	send := func() {
		t.Helper()
		if err := n.Send(context.WithoutCancel(t.Context()), "title", "body"); err != nil {
			t.Error(err)
		}
	}
	send()
	write(t, name, address+"/two")
	send()
	write(t, name, "")
	send()
	if asked["/one"] != 1 || asked["/two"] != 2 {
		t.Errorf("asked %v", asked)
	}
}

func TestAFileOfRevokedKeysThatIsEmptiedFailsClosed(t *testing.T) {
	dir := t.TempDir()
	v := &verifySettings{signers: filepath.Join(dir, "signers"), revoked: filepath.Join(dir, "revoked")}
	const key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ5Y0tSXtE4Xv0PpHuzn9yWjH1KXT0Cp6JRhHDzeHbk3"
	write(t, v.signers, "alice "+key+"\n")
	want := func(revoked string, fails bool) {
		t.Helper()
		write(t, v.revoked, revoked)
		if _, err := v.keys(signature.SSH); (err != nil) != fails {
			t.Errorf("%q: %v", revoked, err)
		}
	}
	want("", false)
	want(key+"\n", false)
	want("\n", true)
	want("# none\n", false)
	if err := os.Remove(v.revoked); err != nil {
		t.Fatal(err)
	}
	if _, err := v.keys(signature.SSH); err == nil {
		t.Error("a file that is gone revokes nothing")
	}
}
