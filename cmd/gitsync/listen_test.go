package main

import (
	"bufio"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/gitsync/gitsync/internal/gittest"
)

// logLine is what the tests read of the log.
type logLine struct {
	Message string `json:"message"`
	Address string `json:"address"`
	Subject string `json:"subject"`
}

// runWith runs gitsync run, and returns its log. It is stopped with the test.
func runWith(t *testing.T, repo *gittest.Repo, opts runOptions) <-chan logLine {
	t.Helper()
	out, in, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	s := &settings{
		repo: repo.Dir, branch: "main", stateBranch: "gitsync/state", runtime: runtimeMemory, dataDir: t.TempDir(),
		logLevel: "info", logFormat: "json",
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		err := runRun(ctx, s, opts, in)
		s.flush()
		done <- err
		_ = in.Close()
	}()
	lines := make(chan logLine, 1000)
	go func() {
		defer close(lines)
		for scanner := bufio.NewScanner(out); scanner.Scan(); {
			var line logLine
			if json.Unmarshal(scanner.Bytes(), &line) == nil {
				lines <- line
			}
		}
	}()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("run: %v", err)
		}
		for range lines { // until the pipe is closed
		}
		_ = out.Close()
	})
	return lines
}

// await returns the next line with a message that begins so.
func await(t *testing.T, lines <-chan logLine, message, subject string) logLine {
	t.Helper()
	timeout := time.NewTimer(2 * time.Minute)
	defer timeout.Stop()
	for {
		select {
		case line, ok := <-lines:
			if !ok {
				t.Fatalf("the log ended before %q", message)
			}
			if line.Message == message && strings.Contains(line.Subject, subject) {
				return line
			}
		case <-timeout.C:
			t.Fatalf("timed out: %q %q", message, subject)
		}
	}
}

func TestAWebhookDeploysWhatWasPushed(t *testing.T) {
	secret := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(secret, []byte("hush\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	repo := gittest.NewRepo(t)
	containers := func(image string) map[string]string {
		return map[string]string{"hosts/web1/containers.yaml": "containers:\n  web: {image: \"" + image + "\", update: {monitor: 1ms}}\n"}
	}
	repo.Commit("main", containers("nginx:1.26"), "first")
	lines := runWith(t, repo, runOptions{interval: time.Hour, listen: listenOptions{address: "127.0.0.1:0", secretFile: secret}})
	address := await(t, lines, "listens for webhooks", "").Address
	await(t, lines, "recorded", "create web")

	repo.Commit("main", containers("nginx:1.27"), "second")
	const body = `{"ref":"refs/heads/main"}`
	mac := hmac.New(sha256.New, []byte("hush"))
	mac.Write([]byte(body))
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+address+"/webhook", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("X-GitHub-Event", "push")
	request.Header.Set("X-Hub-Signature-256", "sha256="+hex.EncodeToString(mac.Sum(nil)))
	transport := &http.Transport{}
	defer transport.CloseIdleConnections()
	response, err := transport.RoundTrip(request)
	if err != nil {
		t.Fatal(err)
	}
	_ = response.Body.Close()
	if response.StatusCode != http.StatusAccepted {
		t.Errorf("answer %d, want 202", response.StatusCode)
	}
	await(t, lines, "recorded", "nginx:1.26 → 1.27")
}
