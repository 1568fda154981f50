package e2e_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	stdsync "sync"
	"testing"
	"time"

	"github.com/gitsync/gitsync/internal/dockertest"
)

// gate is a Docker socket before the real one. It counts the calls, and kills a
// process at one of them: before the engine sees it, or before its answer is seen.
type gate struct {
	mu     stdsync.Mutex
	calls  int
	at     int
	late   bool
	victim *exec.Cmd
}

// newGate listens on a socket in the scenario's directory.
func newGate(s *scenario) *gate {
	s.t.Helper()
	g := &gate{}
	engine := dockertest.Socket(s.t)
	proxy := httputil.NewSingleHostReverseProxy(&url.URL{Scheme: "http", Host: "docker"})
	proxy.Transport = &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", engine)
	}}
	proxy.ErrorHandler = func(w http.ResponseWriter, _ *http.Request, _ error) { w.WriteHeader(http.StatusBadGateway) }
	listener, err := net.Listen("unix", filepath.Join(s.dir, "docker.sock"))
	if err != nil {
		s.t.Fatal(err)
	}
	server := &httptest.Server{Listener: listener, Config: &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fatal := g.call()
		if fatal && !g.late {
			g.kill()
		}
		if fatal && g.late {
			// The engine does the work, and nobody hears of it.
			proxy.ServeHTTP(httptest.NewRecorder(), r)
			g.kill()
		}
		proxy.ServeHTTP(w, r)
	})}}
	server.Start()
	s.t.Cleanup(func() {
		server.CloseClientConnections()
		server.Close()
		proxy.Transport.(*http.Transport).CloseIdleConnections()
	})
	return g
}

// call counts a call, and says whether it is the fatal one.
func (g *gate) call() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.calls++
	return g.victim != nil && g.calls == g.at
}

// kill ends the process as kill -9 does, and the call with it.
func (g *gate) kill() {
	g.mu.Lock()
	_ = g.victim.Process.Kill()
	g.mu.Unlock()
	panic(http.ErrAbortHandler)
}

// samples is how many kills are tried.
func samples() int {
	if os.Getenv("GITSYNC_LONG") != "" {
		return 50
	}
	return 6
}

// Killed with kill -9 at any call to the engine, gitsync leaves what the next one puts
// right: every container once, no leftover, all data.
func TestKilledAtACall(t *testing.T) {
	s := newScenario(t, "http")
	t.Cleanup(func() {
		if err := s.engine.RemoveVolume(context.Background(), s.name); err != nil {
			t.Errorf("clean up: %v", err)
		}
	})
	g := newGate(s)
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 4))
	s.commit("1-first")
	s.deploy(0)
	for _, dir := range []string{"/data", "/named"} {
		_ = s.get(s.ports[0], "/write?path="+dir+"/x&text=precious"+strings.TrimPrefix(dir, "/"))
	}
	g.calls = 0
	s.commit("2-next")
	s.deploy(0)
	total := g.calls
	if total < 30 {
		t.Fatalf("an update makes %d calls, want more", total)
	}
	for i := range samples() {
		version := 1 + i%2
		g.at, g.late = 1+random.IntN(total), random.IntN(2) == 0
		s.commit([]string{"1-first", "2-next"}[i%2])
		s.killed(g)
		s.deploy(0)
		what := fmt.Sprintf("after a kill at call %d of %d, late %v", g.at, total, g.late)
		s.answers(s.ports[0], "/env?name=VERSION", fmt.Sprint(version))
		s.answers(s.ports[0], "/file?path=/etc/app.conf", fmt.Sprintf("generation %d", version))
		s.answers(s.ports[0], "/file?path=/data/x", "preciousdata")
		s.answers(s.ports[0], "/file?path=/named/x", "preciousnamed")
		s.wantOnly(s.name, s.name+"-next", fmt.Sprintf("%s-only%d", s.name, version))
		diary := s.diary()
		s.deploy(0)
		if got := s.diary(); got != diary {
			t.Errorf("there was more to do")
		}
		if t.Failed() {
			t.Fatal(what)
		}
	}
	s.commit("3-removed")
	s.deploy(0)
	s.wantOnly()
}

// killed runs a cycle that the gate kills.
func (s *scenario) killed(g *gate) {
	s.t.Helper()
	built, err := binary()
	if err != nil {
		s.t.Fatal(err)
	}
	cmd := exec.CommandContext(s.t.Context(), built, append([]string{"run", "--once"}, s.args...)...)
	g.mu.Lock()
	err = cmd.Start()
	g.calls, g.victim = 0, cmd
	g.mu.Unlock()
	if err != nil {
		s.t.Fatal(err)
	}
	_ = cmd.Wait()
	g.mu.Lock()
	g.victim = nil
	g.mu.Unlock()
}
