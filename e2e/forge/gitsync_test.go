package forge_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	stdsync "sync"
	"syscall"
	"testing"
	"time"

	"code.gitea.io/sdk/gitea"

	"github.com/gitsync/gitsync/e2e/forge/internal/giteatest"
)

const (
	containersFile = "hosts/web1/containers.yaml"
	deployContext  = "gitsync/deploy"
	driftContext   = "gitsync/drift"
)

// daemon is gitsync, following a repo at a real forge. Its hosts exist in memory only.
type daemon struct {
	t    *testing.T
	repo *giteatest.Repo
	dir  string
	env  []string
	log  syncBuffer
}

// syncBuffer is a log that is read while it is written.
type syncBuffer struct {
	mu  stdsync.Mutex
	buf bytes.Buffer
}

func (b *syncBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *syncBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

func newDaemon(t *testing.T, server *giteatest.Server, repo *giteatest.Repo) *daemon {
	d := &daemon{t: t, repo: repo, dir: t.TempDir()}
	d.env = append(os.Environ(),
		"GITSYNC_REPO="+repo.CloneURL(), "GITSYNC_GIT_USERNAME="+server.User, "GITSYNC_GIT_TOKEN="+server.Token,
		"GITSYNC_DATA_DIR="+d.dir, "GITSYNC_RUNTIME=memory", "GITSYNC_LOG_FORMAT=json",
		"GITSYNC_FORGE=gitea", "GITSYNC_FORGE_URL="+server.URL, "GITSYNC_FORGE_REPO="+repo.Name,
		"GITSYNC_FORGE_TOKEN="+server.NewToken(t, "write:repository"), "GITSYNC_WEBHOOK_SECRET=its secret")
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("gitsync's log:\n%s", d.log.String())
		}
	})
	return d
}

// start runs gitsync with polls an hour apart until the end of the test: what it does in
// between it does because it was told.
func (d *daemon) start(args ...string) {
	d.t.Helper()
	cmd := exec.CommandContext(d.t.Context(), giteatest.Gitsync(d.t), append([]string{"run", "--interval", "1h"}, args...)...)
	cmd.Env, cmd.Stdout, cmd.Stderr = d.env, &d.log, &d.log
	if err := cmd.Start(); err != nil {
		d.t.Fatal(err)
	}
	d.t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		_ = cmd.Wait()
	})
}

// once runs one cycle.
func (d *daemon) once(args ...string) {
	d.t.Helper()
	ctx, cancel := context.WithTimeout(d.t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, giteatest.Gitsync(d.t), append([]string{"run", "--once"}, args...)...)
	cmd.Env, cmd.Stdout, cmd.Stderr = d.env, &d.log, &d.log
	_ = cmd.Run()
}

// status waits until the newest status of a context says this.
func (d *daemon) status(hash, name string, state gitea.StatusState, description string) {
	d.t.Helper()
	deadline := time.NewTimer(time.Minute)
	defer deadline.Stop()
	ticker := time.NewTicker(100 * time.Millisecond)
	defer ticker.Stop()
	last := "none"
	for {
		if s, ok := d.repo.Status(d.t, hash, name); ok {
			if last = fmt.Sprintf("%s %q", s.State, s.Description); s.State == state && strings.Contains(s.Description, description) {
				return
			}
		}
		select {
		case <-deadline.C:
			d.t.Fatalf("%s at %s: %s, want %s %q", name, hash, last, state, description)
		case <-ticker.C:
		}
	}
}

// stop stops all containers by hand, in the files that the memory runtime keeps.
func (d *daemon) stop() {
	d.t.Helper()
	worlds, err := filepath.Glob(filepath.Join(d.dir, "memory", "*.json"))
	if err != nil || len(worlds) != 1 {
		d.t.Fatalf("worlds %v, %v", worlds, err)
	}
	data, err := os.ReadFile(worlds[0])
	if err != nil {
		d.t.Fatal(err)
	}
	var world map[string]any
	if err := json.Unmarshal(data, &world); err != nil {
		d.t.Fatal(err)
	}
	for _, c := range world["containers"].(map[string]any) {
		c.(map[string]any)["status"] = "exited"
	}
	if data, err = json.Marshal(world); err != nil {
		d.t.Fatal(err)
	}
	if err := os.WriteFile(worlds[0]+".new", data, 0o600); err != nil {
		d.t.Fatal(err)
	}
	if err := os.Rename(worlds[0]+".new", worlds[0]); err != nil {
		d.t.Fatal(err)
	}
}

func containers(image, more string) map[string]string {
	return map[string]string{containersFile: "containers:\n  web: {image: \"" + image + "\", update: {monitor: 1ms}" + more + "}\n"}
}

// freeAddress returns an address of the loopback that nobody listens on.
func freeAddress(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = listener.Close() }()
	return listener.Addr().String()
}

func TestGitsyncAtARealGitea(t *testing.T) {
	server := giteatest.Start(t)
	t.Run("a push begins a cycle, and each commit shows what became of it", func(t *testing.T) { showsCommits(t, server) })
	t.Run("drift is shown at the commit that is deployed", func(t *testing.T) { showsDrift(t, server) })
	t.Run("what could not be posted is posted by the next run", func(t *testing.T) { postsLater(t, server) })
	t.Run("two gitsyncs do not share a context", func(t *testing.T) { sharesNothing(t, server) })
}

func showsCommits(t *testing.T, server *giteatest.Server) {
	repo := server.NewRepo(t)
	first := repo.Push(t, "main", containers("nginx:1.26", ""), "start")
	d := newDaemon(t, server, repo)
	address := freeAddress(t)
	d.start("--listen", address)
	d.status(first, deployContext, gitea.StatusSuccess, "web1 deployed")
	d.status(first, driftContext, gitea.StatusSuccess, "no drift on 1 host")
	repo.Webhook(t, "http://"+address+"/webhook", "its secret")

	second := repo.Push(t, "main", containers("nginx:1.27", ""), "next")
	d.status(second, deployContext, gitea.StatusSuccess, "web1 deployed")
	broken := repo.Push(t, "main", map[string]string{containersFile: "containers:\n  web: {imge: x}\n"}, "break it")
	d.status(broken, deployContext, gitea.StatusFailure, "web1 failed: "+containersFile+":2:3: ")
	// What is deployed is still the second commit.
	d.status(second, driftContext, gitea.StatusSuccess, "no drift on 1 host")
	guarded := repo.Push(t, "main", map[string]string{containersFile: "containers: {}\n"}, "remove all")
	d.status(guarded, deployContext, gitea.StatusFailure, "blocked: its removal is held back")
}

func showsDrift(t *testing.T, server *giteatest.Server) {
	repo := server.NewRepo(t)
	hash := repo.Push(t, "main", containers("nginx:1.26", ", drift: {policy: report}"), "start")
	d := newDaemon(t, server, repo)
	d.start("--status-per-host")
	d.status(hash, driftContext, gitea.StatusSuccess, "no drift on 1 host")
	d.stop()
	d.status(hash, driftContext, gitea.StatusWarning, "status")
	d.status(hash, driftContext+"/web1", gitea.StatusWarning, "1 difference")
	d.status(hash, deployContext+"/web1", gitea.StatusSuccess, "")
	if n := len(repo.Statuses(t, hash)); n > 12 {
		t.Errorf("%d statuses were posted for a commit", n)
	}
}

func postsLater(t *testing.T, server *giteatest.Server) {
	repo := server.NewRepo(t)
	hash := repo.Push(t, "main", containers("nginx:1.26", ""), "start")
	d := newDaemon(t, server, repo)
	d.once("--forge-url", "http://"+freeAddress(t))
	if n := len(repo.Statuses(t, hash)); n != 0 {
		t.Fatalf("%d statuses by a forge that is away", n)
	}
	d.once()
	d.status(hash, deployContext, gitea.StatusSuccess, "web1 deployed")
}

func sharesNothing(t *testing.T, server *giteatest.Server) {
	repo := server.NewRepo(t)
	files := containers("nginx:1.26", "")
	files["hosts/web2/containers.yaml"] = "containers:\n  web: {imge: x}\n"
	files["hosts/web2/host.yaml"] = "ssh: {address: web2}\n"
	hash := repo.Push(t, "main", files, "start")
	d := newDaemon(t, server, repo)
	d.once("--host", "web1")
	other := newDaemon(t, server, repo)
	other.once("--host", "web2")
	d.status(hash, deployContext+"/web1", gitea.StatusSuccess, "web1 deployed")
	d.status(hash, deployContext+"/web2", gitea.StatusFailure, "web2 failed: hosts/web2/containers.yaml:2:3: ")
	if s, ok := repo.Status(t, hash, deployContext); ok {
		t.Errorf("there is a status for all hosts: %+v", s)
	}
}
