package e2e_test

import (
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	"github.com/google/go-containerregistry/pkg/v1/random"
	"github.com/google/go-containerregistry/pkg/v1/remote"

	"github.com/gitsync/gitsync/internal/dockertest"
)

// An engine that is killed and started again in the middle of an update ends with the
// new container running, once, and nothing left over.
func TestEngineRestartedDuringAnUpdate(t *testing.T) {
	engine := dockertest.StartEngine(t, 0)
	s := newScenarioOn(t, "http", engine.Runtime, engine.Dir, "SOCKET", engine.Socket)
	s.commit("1-first")
	s.deploy(0)
	s.answers(s.ports[0], "/env?name=VERSION", "1")

	s.commit("2-next")
	update := s.start("run", "--once")
	s.eventually("the new container starts", func() bool {
		return s.find("").Status == "running" && s.find(".gitsync-old").ID != ""
	}, new(string))
	engine.Kill(t)
	engine.Start(t)
	_ = update.Wait()
	code, output := s.gitsync("apply")
	if code != 0 {
		t.Fatalf("apply exits with %d:\n%s", code, output)
	}
	s.answers(s.ports[0], "/env?name=VERSION", "2")
	s.wantOnly(s.name)
}

// A disk that is full while an image is pulled leaves the old container serving, and
// the report says so.
func TestDiskFullWhilePulling(t *testing.T) {
	engine := dockertest.StartEngine(t, 96<<20)
	s := newScenarioOn(t, "http", engine.Runtime, engine.Dir, "SOCKET", engine.Socket)
	s.names = append(s.names, "REGISTRY", serveRegistry(t, "large", 120<<20, nil))
	s.commitOf("TestEngineRestartedDuringAnUpdate", "1-first")
	s.deploy(0)
	old := s.find("").ID
	s.commit("1-large")
	if output := s.deploy(1); !strings.Contains(output, "no space left on device") {
		t.Errorf("the report does not name the cause:\n%s", output)
	}
	s.answers(s.ports[0], "/env?name=VERSION", "1")
	if got := s.find("").ID; got != old {
		t.Errorf("the container is %s, want the old %s", got, old)
	}
	s.wantOnly(s.name)
}

// A registry that stalls in the middle of a layer ends the pull, not the old
// container.
func TestRegistryThatStalls(t *testing.T) {
	s := newScenario(t, "http")
	ended := make(chan struct{})
	s.names = append(s.names, "REGISTRY", serveRegistry(t, "stalls", 1<<20, func(h http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Method == http.MethodGet && strings.Contains(r.URL.Path, "/blobs/") {
				select {
				case <-ended:
				case <-r.Context().Done():
				}
				return
			}
			h.ServeHTTP(w, r)
		})
	}))
	// Before the registry ends: it waits for its handlers.
	t.Cleanup(func() { close(ended) })
	s.commit("1-first")
	s.deploy(0)
	old := s.find("").ID
	s.commit("2-stalls")
	if output := s.deploy(1); !strings.Contains(output, "the registry sent nothing for 1s") {
		t.Errorf("the report does not name the cause:\n%s", output)
	}
	s.answers(s.ports[0], "/env?name=VERSION", "1")
	if got := s.find("").ID; got != old {
		t.Errorf("the container is %s, want the old %s", got, old)
	}
}

// serveRegistry runs a registry on loopback that has one image of random bytes, at
// <address>/<name>:1, and returns its address.
func serveRegistry(t *testing.T, image string, size int64, wrap func(http.Handler) http.Handler) string {
	t.Helper()
	handler := registry.New(registry.Logger(log.New(io.Discard, "", 0)))
	pushed := false
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if pushed && wrap != nil {
			wrap(handler).ServeHTTP(w, r)
			return
		}
		handler.ServeHTTP(w, r)
	}))
	t.Cleanup(func() {
		server.CloseClientConnections()
		server.Close()
	})
	address := strings.TrimPrefix(server.URL, "http://")
	content, err := random.Image(size, 1)
	if err != nil {
		t.Fatal(err)
	}
	tag, err := name.NewTag(address+"/"+image+":1", name.Insecure)
	if err != nil {
		t.Fatal(err)
	}
	transport := &http.Transport{}
	defer transport.CloseIdleConnections()
	if err := remote.Write(tag, content, remote.WithTransport(transport)); err != nil {
		t.Fatal(err)
	}
	pushed = true
	return address
}

// start runs the binary beside the test.
func (s *scenario) start(args ...string) *exec.Cmd {
	s.t.Helper()
	built, err := binary()
	if err != nil {
		s.t.Fatal(err)
	}
	cmd := exec.CommandContext(s.t.Context(), built, append(args, s.args...)...)
	if err := cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	return cmd
}
