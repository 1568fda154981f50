package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/gitsync/gitsync/internal/gittest"
)

// daemon is a real process that follows a repo, with containers that are only simulated.
type daemon struct {
	*exec.Cmd
	repo  *gittest.Repo
	ended chan error
}

// startDaemon runs it with an error output of the test's.
func startDaemon(t *testing.T, stderr *os.File, args ...string) *daemon {
	t.Helper()
	d := &daemon{repo: gittest.NewRepo(t), ended: make(chan error, 1)}
	d.deploy(t, "nginx:1.26")
	d.Cmd = exec.Command("gitsync", append([]string{
		"run", "--repo", d.repo.Dir, "--runtime", "memory", "--data-dir", t.TempDir(), "--log-level", "debug", "--log-format", "json",
	}, args...)...)
	d.Env = append(os.Environ(), "GITSYNC_WEBHOOK_SECRET=0123456789abcdef0123456789abcdef")
	d.Stdout, d.Stderr = stderr, stderr
	if err := d.Start(); err != nil {
		t.Fatal(err)
	}
	go func() { d.ended <- d.Wait() }()
	t.Cleanup(func() { _ = d.Process.Kill() })
	return d
}

func (d *daemon) deploy(t *testing.T, image string) {
	t.Helper()
	d.repo.Commit("main", map[string]string{
		"hosts/web1/containers.yaml": "containers:\n  web:\n    image: " + image + "\n    update: {monitor: 1ms}\n",
	}, image)
}

// deployed waits until the state branch says that an image was deployed.
func (d *daemon) deployed(t *testing.T, image string) {
	t.Helper()
	within(t, image+" is deployed", func() bool {
		out, err := exec.Command("git", "-C", d.repo.Dir, "show", "gitsync/state:hosts/web1/state.yaml").Output()
		return err == nil && strings.Contains(string(out), image)
	})
}

// stops ends the process with a signal, and wants it to end well.
func (d *daemon) stops(t *testing.T, signal os.Signal) {
	t.Helper()
	if err := d.Process.Signal(signal); err != nil {
		t.Fatal(err)
	}
	select {
	case err := <-d.ended:
		if err != nil {
			t.Errorf("it ended with %v", err)
		}
	case <-time.After(30 * time.Second):
		t.Fatalf("%v does not end it", signal)
	}
}

func within(t *testing.T, what string, condition func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	ticker := time.NewTicker(50 * time.Millisecond)
	defer ticker.Stop()
	for !condition() {
		select {
		case <-ctx.Done():
			t.Fatalf("timed out: %s", what)
		case <-ticker.C:
		}
	}
}

// fullPipe returns the two ends of a pipe that takes nothing any more.
func fullPipe(t *testing.T) (reader, writer *os.File) {
	t.Helper()
	reader, writer, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _, _ = reader.Close(), writer.Close() })
	if _, err := writer.Write(make([]byte, 64<<10)); err != nil {
		t.Fatal(err)
	}
	return reader, writer
}

func TestALogThatNobodyReadsStopsNothing(t *testing.T) {
	_, full := fullPipe(t)
	d := startDaemon(t, full, "--interval", "100ms")
	d.deployed(t, "nginx:1.26")
	d.deploy(t, "nginx:1.27")
	d.deployed(t, "nginx:1.27")
	d.stops(t, syscall.SIGTERM)
}

func TestAReaderOfTheLogThatIsGoneStopsNothing(t *testing.T) {
	reader, full := fullPipe(t)
	d := startDaemon(t, full, "--interval", "100ms")
	_ = full.Close()
	d.deployed(t, "nginx:1.26")
	_ = reader.Close()
	d.deploy(t, "nginx:1.27")
	d.deployed(t, "nginx:1.27")
	d.deploy(t, "nginx:1.28")
	d.deployed(t, "nginx:1.28")
	d.stops(t, syscall.SIGTERM)
}

func TestAHangupBeginsACycle(t *testing.T) {
	_, full := fullPipe(t)
	address := freeAddress(t)
	d := startDaemon(t, full, "--interval", "1h", "--listen", address)
	d.deployed(t, "nginx:1.26")
	for _, image := range []string{"nginx:1.27", "nginx:1.28"} {
		d.deploy(t, image)
		if err := d.Process.Signal(syscall.SIGHUP); err != nil {
			t.Fatal(err)
		}
		d.deployed(t, image)
	}
	within(t, "the daemon says that it is well", func() bool {
		response, err := (&http.Client{Timeout: time.Minute}).Get("http://" + address + "/healthz")
		if err != nil {
			return false
		}
		body, err := io.ReadAll(response.Body)
		_ = response.Body.Close()
		return err == nil && response.StatusCode == http.StatusOK && strings.HasPrefix(string(body), "ok")
	})
	d.stops(t, syscall.SIGTERM)
}

func freeAddress(t *testing.T) string {
	t.Helper()
	socket, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = socket.Close() }()
	return fmt.Sprint(socket.Addr())
}
