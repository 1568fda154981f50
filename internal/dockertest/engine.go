package dockertest

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/gitsync/gitsync/runtime/docker"
)

// Engine is a Docker Engine of the test's own, which it may kill and fill. It has no
// network of its own: containers need networkMode host or none.
type Engine struct {
	*docker.Runtime
	// Socket is the path of its socket, and Dir a directory for the test's files.
	Socket, Dir string

	args   []string
	daemon *exec.Cmd
	// machine says that it has mounts of its own.
	machine bool
	log     string
}

// bridge is a name that the kernel takes: at most 15 bytes.
func bridge() string { return "gst" + strings.TrimPrefix(Name(""), "gitsync-test--") }

// StartEngine starts an engine whose disk has so many bytes; 0 means as many as there
// are. It ends with the test. Without dockerd, ip and root the test is skipped, or
// fails where GITSYNC_REQUIRE_DOCKER is set.
func StartEngine(t testing.TB, disk int64) *Engine {
	t.Helper()
	return startEngine(t, disk, false, "{}")
}

// StartMachine starts an engine with mounts of its own, as on a machine of its own: the
// mounts that several engines make of one another's files would be too many.
func StartMachine(t testing.TB) *Engine {
	t.Helper()
	return startEngine(t, 0, true, "{}")
}

// StartConfigured is StartEngine for an engine with a configuration (daemon.json).
func StartConfigured(t testing.TB, config string) *Engine {
	t.Helper()
	return startEngine(t, 0, false, config)
}

func startEngine(t testing.TB, disk int64, machine bool, settings string) *Engine {
	t.Helper()
	Require(t)
	for _, tool := range []string{"dockerd", "ip", "mount"} {
		if _, err := exec.LookPath(tool); err != nil || os.Geteuid() != 0 {
			missing(t, "this test needs %s and root: %v", tool, err)
		}
	}
	dir, err := os.MkdirTemp("", "gitsync-engine-")
	if err != nil {
		t.Fatal(err)
	}
	e := &Engine{Socket: filepath.Join(dir, "docker.sock"), Dir: dir, machine: machine, log: filepath.Join(dir, "log")}
	link := bridge()
	data := filepath.Join(dir, "data")
	t.Cleanup(func() {
		e.stop(t)
		run(t, "ip", "link", "delete", link)
		// An engine that was killed leaves mounts, one over the other, which something may
		// still use.
		for _, mounted := range []string{filepath.Join(dir, "exec", "netns", "default"), data} {
			for exec.Command("umount", "--lazy", mounted).Run() == nil {
			}
		}
		if err := os.RemoveAll(dir); err != nil {
			t.Errorf("clean up: %v", err)
		}
	})
	// Its own bridge: an engine without one takes the other engine's away.
	run(t, "ip", "link", "add", "name", link, "type", "bridge")
	// A network each, of those that RFC 2544 sets aside for tests: real machines, this one
	// included, have addresses in the better known ones.
	network := 16 * rand.IntN(1<<12)
	run(t, "ip", "address", "add", fmt.Sprintf("198.18.%d.%d/28", network>>8, network&0xff+1), "dev", link)
	if err := os.Mkdir(data, 0o700); err != nil {
		t.Fatal(err)
	}
	if disk > 0 {
		run(t, "mount", "-t", "tmpfs", "-o", fmt.Sprintf("size=%d", disk), "tmpfs", data)
	}
	config := filepath.Join(dir, "daemon.json")
	if err := os.WriteFile(config, []byte(settings), 0o600); err != nil {
		t.Fatal(err)
	}
	e.args = []string{
		"--config-file", config, "--data-root", data, "--exec-root", filepath.Join(dir, "exec"),
		"--pidfile", filepath.Join(dir, "pid"), "--host", "unix://" + e.Socket, "--storage-driver", "vfs",
		// Where a containerd of the machine's serves, the other engine uses it too.
		"--containerd-namespace", link, "--containerd-plugins-namespace", link + "-plugins",
		"--bridge", link, "--iptables=false", "--ip6tables=false", "--ip-forward=false", "--ip-masq=false",
	}
	e.Start(t)
	return e
}

func run(t testing.TB, name string, args ...string) {
	t.Helper()
	if output, err := exec.Command(name, args...).CombinedOutput(); err != nil {
		t.Errorf("%s %s: %v: %s", name, strings.Join(args, " "), err, output)
	}
}

// Start starts the engine, again after Kill.
func (e *Engine) Start(t testing.TB) {
	t.Helper()
	log, err := os.OpenFile(e.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = log.Close() }()
	e.daemon = exec.Command("dockerd", e.args...)
	if e.machine {
		e.daemon = exec.Command("unshare", append([]string{"--mount", "--propagation", "private", "dockerd"}, e.args...)...)
	}
	e.daemon.Stdout, e.daemon.Stderr = log, log
	if err := e.daemon.Start(); err != nil {
		t.Fatal(err)
	}
	if e.Runtime == nil {
		rt, err := (&docker.Config{Host: "unix://" + e.Socket}).New()
		if err != nil {
			t.Fatal(err)
		}
		e.Runtime = rt.(*docker.Runtime)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	ticker := time.NewTicker(50 * time.Millisecond)
	defer ticker.Stop()
	for {
		if _, err := e.List(ctx, map[string]string{"io.gitsync.test": "none"}); err == nil {
			return
		}
		select {
		case <-ctx.Done():
			text, _ := os.ReadFile(e.log)
			t.Fatalf("the engine does not start:\n%s", text)
		case <-ticker.C:
		}
	}
}

// Kill ends the engine as kill -9 does. Its containers go on until it starts again.
func (e *Engine) Kill(t testing.TB) {
	t.Helper()
	if err := e.daemon.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = e.daemon.Wait()
	// What init does not bury looks alive to the next one.
	_ = os.Remove(filepath.Join(e.Dir, "pid"))
	_ = os.Remove(filepath.Join(e.Dir, "exec", "containerd", "containerd.pid"))
}

// Freeze stops the engine where it is: it accepts connections, and answers nothing. Thaw
// lets it go on.
func (e *Engine) Freeze(t testing.TB) {
	t.Helper()
	if err := e.daemon.Process.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { e.Thaw(t) })
}

// Thaw ends Freeze.
func (e *Engine) Thaw(t testing.TB) {
	t.Helper()
	if err := e.daemon.Process.Signal(syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
}

// stop removes the containers and ends the engine in good order.
func (e *Engine) stop(t testing.TB) {
	ctx, cancel := context.WithTimeout(context.Background(), cleanupTimeout)
	defer cancel()
	if e.Runtime != nil {
		rows, err := e.List(ctx, nil)
		if err != nil {
			t.Errorf("clean up: %v", err)
		}
		for _, row := range rows {
			_ = e.Stop(ctx, row.ID)
			_ = e.Delete(ctx, row.ID)
		}
		_ = e.Close()
	}
	if e.daemon == nil {
		return
	}
	_ = e.daemon.Process.Signal(syscall.SIGTERM)
	kill := time.AfterFunc(30*time.Second, func() { _ = e.daemon.Process.Kill() })
	defer kill.Stop()
	_ = e.daemon.Wait()
}
