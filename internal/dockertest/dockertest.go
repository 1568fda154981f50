package dockertest

import (
	"archive/tar"
	"bytes"
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	goruntime "runtime"
	"strings"
	stdsync "sync"
	"testing"
	"time"

	"github.com/docker/docker/api/types/image"
	"github.com/docker/docker/api/types/network"
	"github.com/docker/docker/client"
	"golang.org/x/sync/errgroup"

	"github.com/gitsync/gitsync/runtime/docker"
)

const (
	// cleanupTimeout bounds the removal of one thing that a test made: an engine that
	// others keep busy takes its time.
	cleanupTimeout = 5 * time.Minute
	// cleanupParallel is how many containers are removed at once.
	cleanupParallel = 4
)

// Require returns the engine, or skips the test, or fails it where
// GITSYNC_REQUIRE_DOCKER is set.
func Require(t testing.TB) *docker.Runtime {
	t.Helper()
	rt, err := (&docker.Config{}).New()
	if err != nil {
		t.Fatal(err)
	}
	engine := rt.(*docker.Runtime)
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	if _, err := engine.List(ctx, map[string]string{"io.gitsync.test": "none"}); err != nil {
		missing(t, "this test needs Docker: %v", err)
	}
	t.Cleanup(func() { _ = engine.Close() })
	return engine
}

// missing skips the test, or fails it where GITSYNC_REQUIRE_DOCKER is set.
func missing(t testing.TB, format string, args ...any) {
	t.Helper()
	if os.Getenv("GITSYNC_REQUIRE_DOCKER") != "" {
		t.Fatalf(format, args...)
	}
	t.Skipf(format, args...)
}

// Name returns a name that nobody else has.
func Name(base string) string {
	return "gitsync-test-" + base + "-" + strings.ToLower(rand.Text()[:8])
}

// Image returns an image that runs the probe (see the package probe), under a
// reference of its own, which is removed at the end of the test. Its /etc/passwd
// and /etc/group know "app" as 1234 and 2345. The environment is baked in.
func Image(t testing.TB, engine *docker.Runtime, env ...string) string {
	t.Helper()
	return ImageAs(t, engine, "gitsync-test/probe:"+strings.ToLower(rand.Text()[:10]), env...)
}

// RootFS returns what is in the image of the probe, as a tar archive, and its entrypoint.
func RootFS(t testing.TB) (archive []byte, entrypoint string) {
	t.Helper()
	binary, err := probe()
	if err != nil {
		t.Fatalf("build the probe: %v", err)
	}
	return rootFS(binary), "/probe"
}

// ImageAs is Image under a given reference, for an engine of the test's own.
func ImageAs(t testing.TB, engine *docker.Runtime, ref string, env ...string) string {
	t.Helper()
	binary, err := probe()
	if err != nil {
		t.Fatalf("build the probe: %v", err)
	}
	if err := engine.ImportImage(t.Context(), ref, bytes.NewReader(rootFS(binary)), []string{"/probe"}, env); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), cleanupTimeout)
		defer cancel()
		if err := engine.RemoveImage(ctx, ref); err != nil {
			t.Errorf("clean up: %v", err)
		}
	})
	return ref
}

// LabelledImage makes an image of the probe that carries labels, on the engine that
// [Require] returns, and removes it at the end of the test.
func LabelledImage(t testing.TB, labels map[string]string) string {
	t.Helper()
	engine := Require(t)
	api, err := client.NewClientWithOpts(client.FromEnv, client.WithAPIVersionNegotiation())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = api.Close() }()
	archive, entrypoint := RootFS(t)
	changes := []string{fmt.Sprintf("ENTRYPOINT [%q]", entrypoint)}
	for key, value := range labels {
		changes = append(changes, fmt.Sprintf("LABEL %s=%q", key, value))
	}
	ref := "gitsync-test/labelled:" + strings.ToLower(rand.Text()[:10])
	stream, err := api.ImageImport(t.Context(), image.ImportSource{Source: bytes.NewReader(archive), SourceName: "-"}, ref, image.ImportOptions{Changes: changes})
	if err == nil {
		_, err = io.Copy(io.Discard, stream)
		_ = stream.Close()
	}
	if err != nil {
		t.Fatalf("import an image: %v", err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), cleanupTimeout)
		defer cancel()
		if err := engine.RemoveImage(ctx, ref); err != nil {
			t.Errorf("clean up: %v", err)
		}
	})
	return ref
}

// RemoveLabelled removes, at the end of the test, all containers that carry a label.
func RemoveLabelled(t testing.TB, engine *docker.Runtime, labels map[string]string) {
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), cleanupTimeout)
		defer cancel()
		rows, err := engine.List(ctx, labels)
		if err != nil {
			t.Errorf("clean up: %v", err)
		}
		var removals errgroup.Group
		removals.SetLimit(cleanupParallel)
		for _, row := range rows {
			removals.Go(func() error {
				// Each has a bound of its own: there may be dozens.
				ctx, cancel := context.WithTimeout(context.Background(), cleanupTimeout)
				defer cancel()
				_ = engine.Stop(ctx, row.ID)
				if err := engine.Delete(ctx, row.ID); err != nil {
					t.Errorf("clean up: %s: %v", row.Name, err)
				}
				return nil
			})
		}
		_ = removals.Wait()
	})
}

// probe builds the program that test containers run, once for each test binary.
var probe = stdsync.OnceValues(func() ([]byte, error) {
	_, self, _, _ := goruntime.Caller(0)
	dir, err := os.MkdirTemp("", "gitsync-probe-")
	if err != nil {
		return nil, err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	out := filepath.Join(dir, "probe")
	cmd := exec.Command("go", "build", "-trimpath", "-ldflags", "-s -w", "-o", out, ".")
	cmd.Dir = filepath.Join(filepath.Dir(self), "probe")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if output, err := cmd.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("%w: %s", err, output)
	}
	return os.ReadFile(out)
})

func rootFS(binary []byte) []byte {
	var archive bytes.Buffer
	w := tar.NewWriter(&archive)
	for _, f := range []struct {
		name    string
		mode    int64
		content []byte
	}{
		{"probe", 0o755, binary},
		{"etc/passwd", 0o644, []byte("root:x:0:0::/:/\napp:x:1234:2345::/:/\n")},
		{"etc/group", 0o644, []byte("root:x:0:\napp:x:2345:\n")},
	} {
		// Writes to a buffer cannot fail.
		_ = w.WriteHeader(&tar.Header{Name: f.name, Mode: f.mode, Size: int64(len(f.content))})
		_, _ = w.Write(f.content)
	}
	_ = w.Close()
	return archive.Bytes()
}

// Network makes a network for the test, and returns its name. It is removed after what
// the test makes later.
func Network(t testing.TB) string {
	t.Helper()
	Require(t)
	api, err := client.NewClientWithOpts(client.FromEnv, client.WithAPIVersionNegotiation())
	if err != nil {
		t.Fatal(err)
	}
	name := Name("net")
	created, err := api.NetworkCreate(t.Context(), name, network.CreateOptions{Driver: "bridge"})
	if err != nil {
		t.Fatalf("create a network: %v", err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), cleanupTimeout)
		defer cancel()
		if err := api.NetworkRemove(ctx, created.ID); err != nil {
			t.Errorf("clean up: %v", err)
		}
		_ = api.Close()
	})
	return name
}

// Socket returns the path of the engine's socket. Where the engine is reached otherwise
// the test is skipped, or fails where GITSYNC_REQUIRE_DOCKER is set.
func Socket(t testing.TB) string {
	t.Helper()
	Require(t)
	host := os.Getenv("DOCKER_HOST")
	if host == "" {
		return "/var/run/docker.sock"
	}
	socket, ok := strings.CutPrefix(host, "unix://")
	if !ok {
		missing(t, "this test needs the engine's socket, not %s", host)
	}
	return socket
}
