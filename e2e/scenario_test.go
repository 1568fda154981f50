package e2e_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	stdsync "sync"
	"testing"
	"time"

	"github.com/gitsync/gitsync/container"
	"github.com/gitsync/gitsync/container/types"
	"github.com/gitsync/gitsync/internal/dockertest"
	"github.com/gitsync/gitsync/internal/gittest"
	"github.com/gitsync/gitsync/internal/sshdtest"
	"github.com/gitsync/gitsync/runtime"
	"github.com/gitsync/gitsync/runtime/docker"
)

// patience bounds what is waited for: it ends a test that hangs, and is never reached
// because a machine or its engine is slow.
const patience = 5 * time.Minute

// scenario is one run of the binary's life with a repo and an engine.
type scenario struct {
	t      *testing.T
	engine *docker.Runtime
	repo   *gittest.Repo
	name   string
	ports  [2]int
	dir    string
	args   []string
	env    []string
	// volumes are those without a name that containers of the scenario had.
	volumes map[string]bool
	// names are the placeholders in the trees, each before what it stands for.
	names []string
}

// transports are the servers that a scenario runs over.
var transports = map[string]func(t *testing.T, r *gittest.Repo) []string{
	"http": func(t *testing.T, r *gittest.Repo) []string {
		server := gittest.ServeHTTP(t, r, gittest.HTTPOptions{User: "git", Password: "s3cret", TLS: true})
		token := filepath.Join(t.TempDir(), "token")
		if err := os.WriteFile(token, []byte("s3cret\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		return []string{"--repo", server.URL, "--git-token-file", token, "--git-ca-file", server.CAFile}
	},
	"ssh": func(t *testing.T, r *gittest.Repo) []string {
		server := sshdtest.Serve(t)
		return []string{"--repo", server.URL(r.Dir), "--git-ssh-key", server.KeyFile, "--git-known-hosts", server.KnownHostsFile}
	},
}

func newScenario(t *testing.T, transport string) *scenario {
	t.Helper()
	return newScenarioOn(t, transport, dockertest.Require(t), hostDir(t))
}

// hostDir returns a directory of the machine where the default profile allows config files:
// below /srv, or in a home where that is not ours to write to.
func hostDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("/srv", "gitsync-e2e-")
	if err != nil {
		home, homeErr := os.UserHomeDir()
		if homeErr != nil {
			t.Fatal(err, homeErr)
		}
		if dir, err = os.MkdirTemp(home, "gitsync-e2e-"); err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

// newScenarioOn is a scenario on any engine. Its trees may have more placeholders.
func newScenarioOn(t *testing.T, transport string, engine *docker.Runtime, dir string, names ...string) *scenario {
	t.Helper()
	s := &scenario{t: t, engine: engine, repo: gittest.NewRepo(t), name: dockertest.Name("e2e"), dir: dir}
	s.ports = [2]int{freePort(t), freePort(t)}
	s.args = append(transports[transport](t, s.repo), "--data-dir", filepath.Join(s.dir, "gitsync"), "--host", s.name)
	s.names = []string{
		"NAME", s.name, "DIR", s.dir, "PORT1", strconv.Itoa(s.ports[0]), "PORT2", strconv.Itoa(s.ports[1]),
		"IMAGE1", dockertest.Image(t, s.engine, "VERSION=1"), "IMAGE2", dockertest.Image(t, s.engine, "VERSION=2"),
	}
	s.names = append(s.names, names...)
	// After the containers.
	s.volumes = map[string]bool{}
	t.Cleanup(s.removeVolumes)
	dockertest.RemoveLabelled(t, s.engine, map[string]string{container.LabelHost: s.name})
	t.Cleanup(s.noteVolumes)
	t.Cleanup(func() { removeManifests(t, s.name) })
	return s
}

// noteVolumes remembers the volumes without a name, which outlive their containers.
func (s *scenario) noteVolumes() {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	rows, err := s.engine.List(ctx, map[string]string{container.LabelHost: s.name})
	if err != nil {
		s.t.Errorf("look for volumes: %v", err)
	}
	for _, row := range rows {
		details, err := s.engine.Inspect(ctx, row.ID)
		if err != nil {
			continue // it has just gone
		}
		for _, volume := range details.AnonymousVolumes {
			s.volumes[volume] = true
		}
	}
}

func (s *scenario) removeVolumes() {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	for volume := range s.volumes {
		if err := s.engine.RemoveVolume(ctx, volume); err != nil {
			s.t.Errorf("clean up: %v", err)
		}
	}
}

// removeManifests removes the lists of config files that were kept for a host.
func removeManifests(t testing.TB, host string) {
	lists, err := filepath.Glob(filepath.Join(container.ManifestDir, "*-"+host+"-*"))
	if err != nil {
		t.Error(err)
	}
	for _, list := range lists {
		if err := os.Remove(list); err != nil {
			t.Error(err)
		}
	}
	_ = os.Remove(container.ManifestDir)
}

func freePort(t testing.TB) int {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = listener.Close() }()
	return listener.Addr().(*net.TCPAddr).Port
}

// binary builds gitsync once.
var binary = stdsync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "gitsync-e2e-bin-")
	if err != nil {
		return "", err
	}
	out := filepath.Join(dir, "gitsync")
	build := exec.Command("go", "build", "-trimpath", "-o", out, "../cmd/gitsync") // as make build does, so that it finds that one's parts
	build.Env = append(os.Environ(), "CGO_ENABLED=0")                              // as it is released
	output, err := build.CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("build gitsync: %w: %s", err, output)
	}
	return out, nil
})

func TestMain(m *testing.M) {
	code := m.Run()
	if built, err := binary(); err == nil {
		_ = os.RemoveAll(filepath.Dir(built))
	}
	os.Exit(code)
}

func (s *scenario) replace(text string) string { return strings.NewReplacer(s.names...).Replace(text) }

// commit makes a step's tree the tip of the branch. A step that removes all says that
// it may.
func (s *scenario) commit(step string) string {
	s.t.Helper()
	return s.commitTree(filepath.Join("testdata", strings.Split(s.t.Name(), "/")[0], step), step)
}

// commitTree makes a tree the tip of the branch.
func (s *scenario) commitTree(root, step string) string {
	s.t.Helper()
	files := map[string]string{}
	err := filepath.WalkDir(root, func(p string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := os.ReadFile(p)
		relative, _ := filepath.Rel(root, p)
		files[s.replace(filepath.ToSlash(relative))] = s.replace(string(data))
		return err
	})
	if err != nil {
		s.t.Fatal(err)
	}
	message := step
	if strings.HasSuffix(step, "-removed") {
		message += "\n\nprune: allow"
	}
	return s.repo.Commit("main", files, message)
}

// gitsync runs the binary and returns its exit code and what it printed.
func (s *scenario) gitsync(args ...string) (int, string) {
	s.t.Helper()
	built, err := binary()
	if err != nil {
		s.t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(s.t.Context(), patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, built, append(args, s.args...)...)
	cmd.Env = append(os.Environ(), s.env...)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	err = cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		s.t.Fatalf("gitsync %v: %v", args, err)
	}
	return cmd.ProcessState.ExitCode(), out.String()
}

// deploy runs one cycle, which must end as told.
func (s *scenario) deploy(wantCode int) string {
	s.t.Helper()
	code, output := s.gitsync("run", "--once")
	s.noteVolumes()
	if code != wantCode {
		s.t.Fatalf("run --once exits with %d, want %d:\n%s", code, wantCode, output)
	}
	return output
}

// find returns the container with this suffix to its name.
func (s *scenario) find(suffix string) types.ContainerSummary {
	s.t.Helper()
	row, err := s.engine.Find(s.t.Context(), s.name+suffix)
	if err != nil && !errors.Is(err, runtime.ErrNotFound) {
		s.t.Fatal(err)
	}
	return row
}

// answers waits until a request to a port gets this answer.
func (s *scenario) answers(port int, path, want string) {
	s.t.Helper()
	got := ""
	s.eventually(fmt.Sprintf("%s answers %q", path, want), func() bool {
		got = s.get(port, path)
		return got == want
	}, &got)
}

// get returns the answer to one request, or the error.
func (s *scenario) get(port int, path string) string {
	client := &http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	response, err := client.Get(fmt.Sprintf("http://127.0.0.1:%d%s", port, path))
	if err != nil {
		return err.Error()
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		return err.Error()
	}
	return string(body)
}

// remove stops and removes a container that the test made.
func (s *scenario) remove(id string) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	_ = s.engine.Stop(ctx, id)
	if err := s.engine.Delete(ctx, id); err != nil && !errors.Is(err, runtime.ErrNotFound) {
		s.t.Errorf("clean up: %v", err)
	}
}

// eventually waits, with a bound, until the condition holds.
func (s *scenario) eventually(what string, condition func() bool, last *string) {
	s.t.Helper()
	deadline := time.NewTimer(patience)
	defer deadline.Stop()
	ticker := time.NewTicker(20 * time.Millisecond)
	defer ticker.Stop()
	for !condition() {
		select {
		case <-deadline.C:
			s.t.Fatalf("timed out: %s; last: %s", what, *last)
		case <-ticker.C:
		}
	}
}

// diary is the number of commits on the state branch, without the one that gave the repo its
// identity.
func (s *scenario) diary() int {
	return len(slices.DeleteFunc(s.repo.Log("gitsync/state"), func(subject string) bool {
		return strings.HasPrefix(subject, "Identify the repo as ")
	}))
}
