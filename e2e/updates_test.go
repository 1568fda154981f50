package e2e_test

import (
	"io"
	"log"
	"net"
	"net/http/httptest"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-containerregistry/pkg/registry"

	"github.com/gitsync/gitsync/container/types"
	"github.com/gitsync/gitsync/internal/dockertest"
)

// A failed update must leave the old container serving, with its config file, and the
// report names the cause; the next good commit is deployed.
func TestFailedUpdates(t *testing.T) {
	s := newScenario(t, "http")
	server := httptest.NewServer(registry.New(registry.Logger(log.New(io.Discard, "", 0))))
	t.Cleanup(server.Close)
	s.names = append(s.names, "REGISTRY", strings.TrimPrefix(server.URL, "http://"))
	stranger, err := net.Listen("tcp", "127.0.0.1:"+strconv.Itoa(s.ports[1]))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = stranger.Close() }()

	s.commit("1-good")
	s.deploy(0)
	old := s.find("").ID
	for _, step := range []struct {
		name   string
		report []string
	}{
		{"2-no-such-image", []string{"no such image", "/no/such:1"}},
		{"3-no-such-entrypoint", []string{"/nope", "the old container and its config files are back"}},
		{"4-exits-at-once", []string{"it ended with exit code 3", "| line 30", "| the end", "are back"}},
		// The engine may have restarted it before it is checked.
		{"5-exits-later", []string{"it ended", "| the end", "are back"}},
		{"6-never-healthy", []string{"it is unhealthy", "health check, exit code 1: status 500", "are back"}},
		{"7-too-slow", []string{"not ready after 1s", "are back"}},
		{"8-port-of-a-stranger", []string{"the port is in use", "are back"}},
		{"9-bad-mount", []string{"missing", "does not exist"}},
		{"10-refused-settings", []string{"CPUs"}},
	} {
		t.Run(step.name, func(t *testing.T) {
			s := *s
			s.t = t
			s.commitOf("TestFailedUpdates", step.name)
			output := s.deploy(1)
			for _, want := range step.report {
				if !strings.Contains(output, want) {
					t.Errorf("the report lacks %q", want)
				}
			}
			if t.Failed() {
				t.Logf("the report:\n%s", output)
			}
			s.answers(s.ports[0], "/env?name=VERSION", "1")
			s.answers(s.ports[0], "/file?path=/etc/app.conf", "good")
			if got := s.find("").ID; got != old {
				t.Errorf("the container is %s, want the old %s", got, old)
			}
			s.wantOnly(s.name)
		})
	}
	s.commit("11-good")
	s.deploy(0)
	s.answers(s.ports[0], "/env?name=VERSION", "2")
	s.answers(s.ports[0], "/file?path=/etc/app.conf", "good2")
}

// A container that starts first loses no request of those on its network.
func TestStartFirst(t *testing.T) {
	network := dockertest.Network(t)
	s := newScenario(t, "http")
	s.names = append(s.names, "NETWORK", network)
	s.commit("1-first")
	s.deploy(0)
	prober, err := s.engine.Create(t.Context(), &types.ContainerConfig{
		Name: s.name + "-prober", Image: s.replace("IMAGE1"), NetworkMode: network,
		Env:   map[string]string{"PROBE_URL": "http://" + s.name + "/", "PROBE_FRESH": "yes"},
		Ports: []types.PortMap{{IP: "127.0.0.1", Port: 80, HostPort: s.ports[0]}},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.remove(prober) })
	if err := s.engine.Start(t.Context(), prober); err != nil {
		t.Fatal(err)
	}
	s.probed()
	for range 3 {
		s.commit("2-next")
		s.deploy(0)
		s.probed()
		s.commit("1-first")
		s.deploy(0)
		s.probed()
	}
	if got := s.get(s.ports[0], "/results"); !strings.Contains(got, " 0 failed") {
		t.Errorf("the prober counts %s", got)
	} else {
		t.Logf("the prober counts %s", got)
	}
}

// probed waits for a hundred more good requests, or one that failed.
func (s *scenario) probed() {
	s.t.Helper()
	count := func() int {
		good, _, _ := strings.Cut(s.get(s.ports[0], "/results"), " good")
		n, _ := strconv.Atoi(good)
		return n
	}
	begun, last := count(), ""
	s.eventually("the prober goes on", func() bool {
		last = s.get(s.ports[0], "/results")
		return count() >= begun+100 || strings.Contains(last, "failed") && !strings.Contains(last, " 0 failed")
	}, &last)
}

// Containers come in the order of what they need; a migration runs before what depends
// on it, once for each change, and one that fails leaves all as it is.
func TestOrder(t *testing.T) {
	s := newScenario(t, "http")
	s.commit("1-first")
	s.deploy(0)
	s.answers(s.ports[0], "/env?name=VERSION", "1")
	if migrate := s.find("-migrate"); migrate.Status != types.StatusExited {
		t.Errorf("the migration is %+v, want it to have ended", migrate)
	}
	_ = s.get(s.ports[1], "/write?path=/data/x&text=precious")
	migrated, app := s.find("-migrate").ID, s.find("-app").ID
	s.deploy(0)
	if s.find("-migrate").ID != migrated {
		t.Error("the migration ran again without a change")
	}

	s.commit("2-next")
	s.deploy(0)
	s.answers(s.ports[0], "/env?name=VERSION", "2")
	s.answers(s.ports[1], "/env?name=GENERATION", "2")
	s.answers(s.ports[1], "/file?path=/data/x", "precious")
	if s.find("-migrate").ID == migrated || s.find("-app").ID == app {
		t.Error("the migration did not run for the change")
	}

	app, db := s.find("-app").ID, s.find("-db").ID
	s.commit("3-broken-migration")
	if output := s.deploy(1); !strings.Contains(output, "it ended with exit code 7") {
		t.Errorf("the report does not tell the exit code:\n%s", output)
	}
	if s.find("-app").ID != app || s.find("-db").ID != db {
		t.Error("a migration that failed let the others change")
	}
	s.answers(s.ports[0], "/env?name=VERSION", "2")

	s.commit("4-removed")
	s.deploy(0)
	s.wantOnly()
}

// Told to stop while a new container becomes ready, gitsync brings the old one back and
// ends.
func TestStoppedDuringAnUpdate(t *testing.T) {
	s := newScenario(t, "http")
	s.commitOf("TestFailedUpdates", "1-good")
	s.deploy(0)
	s.commit("2-slow")
	update := s.start("run", "--once")
	s.eventually("the new container starts", func() bool {
		return s.find("").Status == types.StatusRunning && s.find(".gitsync-old").ID != ""
	}, new(string))
	if err := update.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := update.Wait(); err == nil {
		t.Error("it ends as if all were done")
	}
	s.answers(s.ports[0], "/env?name=VERSION", "1")
	s.answers(s.ports[0], "/file?path=/etc/app.conf", "good")
	s.wantOnly(s.name)
}

// commitOf is commit for the tree of another test.
func (s *scenario) commitOf(test, step string) string {
	s.t.Helper()
	return s.commitTree(filepath.Join("testdata", test, step), step)
}

// wantOnly checks that the host has these containers of ours, and no others.
func (s *scenario) wantOnly(names ...string) {
	s.t.Helper()
	rows, err := s.engine.List(s.t.Context(), map[string]string{"io.gitsync.host": s.name})
	if err != nil {
		s.t.Fatal(err)
	}
	var got []string
	for _, row := range rows {
		got = append(got, row.Name)
	}
	if strings.Join(got, " ") != strings.Join(names, " ") {
		s.t.Errorf("the host has %v, want %v", got, names)
	}
}
