package e2e_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	stdsync "sync"
	"testing"

	"github.com/gitsync/gitsync/container"
	"github.com/gitsync/gitsync/internal/dockertest"
	"github.com/gitsync/gitsync/internal/gittest"
)

// rule is an entry of the list in docs/security.md: a method and the form of a path.
type rule struct {
	text, method string
	path         *regexp.Regexp
}

var documentedRule = regexp.MustCompile(`(?m)^(GET|HEAD|POST|PUT|DELETE) +(/\S+)$`)

// documentedRules are the calls that docs/security.md says a socket proxy must allow.
func documentedRules(t *testing.T) []rule {
	t.Helper()
	content, err := os.ReadFile("../docs/security.md")
	if err != nil {
		t.Fatal(err)
	}
	var rules []rule
	for _, match := range documentedRule.FindAllStringSubmatch(string(content), -1) {
		pattern := strings.NewReplacer("{id}", "[a-zA-Z0-9_.-]+", "{image}", ".+", "{network}", "[a-zA-Z0-9_.-]+").Replace(match[2])
		rules = append(rules, rule{match[1] + " " + match[2], match[1], regexp.MustCompile("^(/v1\\.[0-9]+)?" + pattern + "$")})
	}
	if len(rules) == 0 {
		t.Fatal("docs/security.md has no list of calls")
	}
	return rules
}

// socketProxy is a proxy before an engine's socket that allows what the list says, and
// remembers what was used and what was refused.
type socketProxy struct {
	rules []rule
	next  http.Handler

	mu      stdsync.Mutex
	used    map[string]bool
	refused []string
}

func serveProxy(t *testing.T, socket, engine string, group int) *socketProxy {
	t.Helper()
	transport := &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", engine)
	}}
	next := httputil.NewSingleHostReverseProxy(&url.URL{Scheme: "http", Host: "docker"})
	next.Transport, next.FlushInterval = transport, -1
	p := &socketProxy{rules: documentedRules(t), next: next, used: map[string]bool{}}
	listener, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Chown(socket, 0, group); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(socket, 0o660); err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: p}
	go func() { _ = server.Serve(listener) }()
	t.Cleanup(func() {
		_ = server.Close()
		transport.CloseIdleConnections()
	})
	return p
}

// ServeHTTP implements http.Handler.
func (p *socketProxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	allowed := false
	p.mu.Lock()
	for _, rule := range p.rules {
		if rule.method == r.Method && rule.path.MatchString(r.URL.Path) {
			p.used[rule.text], allowed = true, true
			break
		}
	}
	if !allowed {
		p.refused = append(p.refused, r.Method+" "+r.URL.Path)
	}
	p.mu.Unlock()
	if !allowed {
		http.Error(w, `{"message":"the proxy refuses that"}`, http.StatusForbidden)
		return
	}
	p.next.ServeHTTP(w, r)
}

// With no rights but a socket that allows what the manual lists, gitsync does all that it
// does: as another user than root, with nothing to write to but its data directory.
func TestLeastPrivilegeIsEnough(t *testing.T) {
	const user, group = 65532, 65533
	engine := dockertest.Require(t)
	if os.Geteuid() != 0 {
		t.Skip("this test gives files to another user")
	}
	dir := hostDir(t)
	data := filepath.Join(dir, "data")
	for _, err := range []error{os.Chmod(dir, 0o755), os.Mkdir(data, 0o700), os.Chown(data, user, user)} {
		if err != nil {
			t.Fatal(err)
		}
	}
	proxy := serveProxy(t, filepath.Join(dir, "docker.sock"), dockertest.Socket(t), group)
	tag := "gitsync-test/gitsync:" + strings.TrimPrefix(dockertest.Name(""), "gitsync-test--")
	if output, err := exec.Command("docker", "build", "--quiet", "--tag", tag, "--file", "../Dockerfile", imageFiles(t)).CombinedOutput(); err != nil {
		t.Fatalf("build the image: %v: %s", err, output)
	}
	t.Cleanup(func() {
		if err := engine.RemoveImage(context.Background(), tag); err != nil {
			t.Errorf("clean up: %v", err)
		}
	})
	l := &least{t: t, repo: gittest.NewRepo(t), name: dockertest.Name("least"), dir: dir, proxy: proxy}
	l.image = []string{dockertest.Image(t, engine, "VERSION=1"), dockertest.Image(t, engine, "VERSION=2")}
	t.Cleanup(func() { removeManifests(t, l.name) })
	dockertest.RemoveLabelled(t, engine, map[string]string{container.LabelHost: l.name})
	address := gittest.ServeHTTP(t, l.repo, gittest.HTTPOptions{}).URL
	l.docker = []string{
		"--network", "host", "--user", fmt.Sprintf("%d:%d", user, group), "--read-only",
		"--cap-drop", "ALL", "--security-opt", "no-new-privileges", "--env", "GITSYNC_REPO=" + address,
		"--volume", filepath.Join(dir, "docker.sock") + ":/var/run/docker.sock", "--volume", data + ":/var/lib/gitsync",
		"--env", "GITSYNC_DATA_DIR=/var/lib/gitsync", tag,
	}
	l.scenario()
	proxy.mu.Lock()
	defer proxy.mu.Unlock()
	if len(proxy.refused) > 0 {
		t.Errorf("docs/security.md lacks what was used: %q", proxy.refused)
	}
	for _, rule := range proxy.rules {
		if !proxy.used[rule.text] {
			t.Errorf("docs/security.md allows %s, which nobody used", rule.text)
		}
	}
}

// least is gitsync with few rights.
type least struct {
	t      *testing.T
	repo   *gittest.Repo
	name   string
	dir    string
	image  []string
	docker []string
	proxy  *socketProxy
}

// run runs a command of gitsync, which must exit as told; -1 for however.
func (l *least) run(want int, args ...string) {
	l.t.Helper()
	name := dockertest.Name("gitsync")
	command := append([]string{"run", "--rm", "--name", name}, l.docker...)
	output, err := exec.CommandContext(l.t.Context(), "docker", append(command, args...)...).CombinedOutput()
	code := 0
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		code = exit.ExitCode()
	} else if err != nil {
		l.t.Fatal(err)
	}
	if want >= 0 && code != want {
		l.t.Errorf("gitsync %v exits with %d, want %d:\n%s", args, code, want, output)
	}
}

func (l *least) hand(args ...string) {
	l.t.Helper()
	if output, err := exec.CommandContext(l.t.Context(), "docker", args...).CombinedOutput(); err != nil {
		l.t.Errorf("docker %v: %v: %s", args, err, output)
	}
}

// commit makes the container one of an image, with these further lines.
func (l *least) commit(image, config string, lines ...string) {
	content := fmt.Sprintf("containers:\n  %[1]s:\n    image: %[2]s\n    stopTimeout: 1s\n    update: {monitor: 300ms}\n    mounts: ['%[3]s/app.conf:/etc/app.conf:ro']\n    configFiles: {%[3]s/app.conf: {content: %[4]q, user: app, onChange: {signal: SIGHUP}}}\n",
		l.name, image, l.dir, config)
	for _, line := range lines {
		content += "    " + line + "\n"
	}
	l.repo.Commit("main", map[string]string{"hosts/" + l.name + "/containers.yaml": content}, "least")
}

// scenario is a container's life, with all that may go wrong.
func (l *least) scenario() {
	once := []string{"run", "--once", "--host", l.name}
	l.commit(l.image[0], "1")
	l.run(0, once...)
	l.commit(l.image[1], "1")
	l.run(0, once...)
	l.commit(l.image[1], "2") // a signal
	l.run(0, once...)
	l.commit(l.image[1], "3", "env: {EXIT: 3}") // rolled back
	l.run(1, once...)
	l.commit("127.0.0.1:1/none:1", "2") // pulled, in vain
	l.run(1, once...)
	l.commit(l.image[1], "2", "restart: unless-stopped")
	l.run(0, once...)
	l.hand("pause", l.name)
	l.commit(l.image[1], "2", "env: {EXIT: 4}") // rolled back, and paused again
	l.run(1, once...)
	l.hand("unpause", l.name)
	l.commit(l.image[1], "2", "restart: unless-stopped")
	l.run(0, once...)
	network := dockertest.Network(l.t)
	l.hand("network", "disconnect", "bridge", l.name)
	l.hand("network", "connect", network, l.name)
	l.hand("update", "--restart", "no", l.name)
	l.hand("pause", l.name)
	for _, args := range [][]string{{"plan"}, {"drift"}, {"status"}} {
		l.run(-1, append(args, "--host", l.name)...)
	}
	l.run(0, "apply", "--host", l.name)
	l.run(-1, "plan", "--agent")
	l.watch()
	l.repo.Commit("main", map[string]string{"hosts/" + l.name + "/containers.yaml": "containers: {}\n"}, "remove\n\nprune: allow")
	l.run(0, once...)
}

// watch lets gitsync run until it watches events.
func (l *least) watch() {
	name := dockertest.Name("gitsync")
	l.hand(append(append([]string{"run", "--detach", "--name", name}, l.docker...), "run", "--interval", "1s", "--host", l.name)...)
	defer l.hand("rm", "--force", name)
	(&fleet{t: l.t}).eventually("it watches events", func() bool {
		l.proxy.mu.Lock()
		defer l.proxy.mu.Unlock()
		return l.proxy.used["GET /events"]
	})
}
