package e2e_test

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	stdsync "sync"
	"syscall"
	"testing"

	"github.com/gitsync/gitsync/internal/secrettest"
	"github.com/gitsync/gitsync/secret"
)

// canaries are secrets of every kind, each with a value that is nowhere else.
type canaries map[string]string

// value returns the canary of this name.
func (c canaries) value(name string) string {
	if c[name] == "" {
		c[name] = "canary-" + strings.ToLower(rand.Text())
	}
	return c[name]
}

// checkNone reports each canary that is in a text, in whatever form.
func (c canaries) checkNone(t *testing.T, where, text string) {
	t.Helper()
	for name, value := range c {
		// The redactor of the product would find its own blind spots nowhere: these are the
		// forms that a person would search for.
		for _, part := range []string{value, value[len("canary-") : len(value)-4], fmt.Sprintf("%x", value), base64Inside(value)} {
			if at := strings.Index(text, part); at >= 0 {
				t.Errorf("the secret %s is in %s: …%s…", name, where, text[max(0, at-200):min(len(text), at+100)])
			}
		}
	}
}

// recorder is a server that keeps what it is sent, without headers: a token is in those.
type recorder struct {
	mu   stdsync.Mutex
	text bytes.Buffer
}

func (r *recorder) ServeHTTP(w http.ResponseWriter, request *http.Request) {
	body, _ := io.ReadAll(request.Body)
	r.mu.Lock()
	defer r.mu.Unlock()
	fmt.Fprintf(&r.text, "%s %s %s\n", request.Method, request.URL, body)
	w.Header().Set("Content-Type", "application/json")
	if request.Method == http.MethodGet {
		_, _ = io.WriteString(w, `{"statuses": []}`)
		return
	}
	w.WriteHeader(http.StatusCreated)
	_, _ = io.WriteString(w, "{}")
}

func (r *recorder) String() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.text.String()
}

// secretScenario is a scenario with secrets of every kind.
type secretScenario struct {
	*scenario
	canaries canaries
	key      secrettest.Key
	// told is all that gitsync has printed, and servers what it sent to others.
	told    bytes.Buffer
	servers map[string]*recorder
}

func newSecretScenario(t *testing.T) *secretScenario {
	s := &secretScenario{scenario: newScenario(t, "http"), canaries: canaries{}, key: secrettest.NewKey(t), servers: map[string]*recorder{}}
	t.Cleanup(func() { _ = os.RemoveAll(filepath.Join("/run/gitsync", s.name)) })
	forge, hook := s.serve("the forge's requests"), s.serve("the messages to people")
	s.env = append(s.env, "SOPS_AGE_KEY_FILE="+s.key.File, "GITSYNC_TEST_CANARY="+s.canaries.value("external-env"),
		"GITSYNC_FORGE_TOKEN="+s.canaries.value("forge-token"), "GITSYNC_NOTIFY_URLS=generic+"+hook+"/hook?disabletls=yes")
	s.env = append(s.env, "GITSYNC_FORGE=gitea", "GITSYNC_FORGE_URL="+forge+"/api/v1", "GITSYNC_FORGE_REPO=acme/infra")
	file := s.write("tls.key", s.canaries.value("external-file"))
	external := fmt.Sprintf("secrets:\n  external_env: {env: GITSYNC_TEST_CANARY}\n  external_file: {file: %s}\n  external_exec: {exec: [/bin/sh, -c, \"printf %%s %s\"]}\n",
		file, s.canaries.value("external-exec"))
	s.env = append(s.env, "GITSYNC_SECRETS="+s.write("external.yaml", external))
	return s
}

func (s *secretScenario) write(name, content string) string {
	s.t.Helper()
	file := filepath.Join(s.t.TempDir(), name)
	if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
		s.t.Fatal(err)
	}
	return file
}

func (s *secretScenario) serve(what string) string {
	r := &recorder{}
	server := httptest.NewServer(r)
	s.t.Cleanup(server.Close)
	s.servers[what] = r
	return server.URL
}

// push commits a generation of secrets, with settings of the container that differ.
func (s *secretScenario) push(generation, settings string) {
	s.t.Helper()
	clear := ""
	for _, name := range []string{"env", "arg", "file", "secretfile", "check", "registry"} {
		clear += fmt.Sprintf("%s: %s\n", name, s.canaries.value(name+generation))
	}
	// Several lines, quotes, and what shells and URLs escape.
	clear += fmt.Sprintf("key: |\n  -----BEGIN KEY-----\n  %s\n  \"$'&<>\n", s.canaries.value("line"+generation))
	host := "hosts/" + s.name + "/"
	s.repo.Commit("main", map[string]string{
		host + "host.yaml":           "groups: [g]\nregistries: {registry.invalid: {username: ci, password: \"${secret.registry}\"}}\n",
		"groups/g/containers.yaml":   "containers: {}\n",
		"groups/g/secrets.yaml":      string(secrettest.SOPS(s.t, "group: "+s.canaries.value("group")+"\n", s.key)),
		host + "secrets.yaml":        string(secrettest.SOPS(s.t, clear, s.key)),
		host + "files/app.conf":      "password = ${secret.file}\nurl = x://u:${secret.external_file}@h\n",
		host + "files/whole.key.age": string(secrettest.Age(s.t, s.canaries.value("age"+generation)+"\n", true, s.key)),
		host + "containers.yaml": s.replace(`containers:
  NAME:
    image: IMAGE1
    stopTimeout: 1s
    args: ["--token=${secret.arg}", "--key=${secret.key}"]
    env: {A: "${secret.env}", B: "x${secret.external_env}y", C: "${secret.external_exec}", D: "${secret.group}"` + settings + `}
    healthcheck: {test: [CMD, /probe, check, "${secret.check}"], interval: 100ms, retries: 1}
    mounts: ["DIR/app.conf:/etc/app.conf:ro", "DIR/whole.key:/etc/whole.key:ro"]
    configFiles:
      DIR/app.conf: {file: files/app.conf}
      DIR/whole.key: {file: files/whole.key.age}
    secretFiles: {/run/secrets/s: "${secret.secretfile}"}
    update: {monitor: 100ms, timeout: 5s}
`),
	}, "generation "+generation)
}

// run runs a command, whatever it ends with, and keeps what it printed.
func (s *secretScenario) run(args ...string) string {
	s.t.Helper()
	code, output := s.gitsync(args...)
	s.noteVolumes()
	fmt.Fprintf(&s.told, "$ gitsync %s\n%s(exit %d)\n", strings.Join(args, " "), output, code)
	return output
}

// lookEverywhere runs all commands that tell something.
func (s *secretScenario) lookEverywhere() {
	s.t.Helper()
	for _, command := range []string{
		"plan --log-level debug", "plan --explain", "plan --output json --log-level debug", "plan --output markdown", "plan --offline",
		"status", "status --output json", "drift", "drift --output json", "history", "history --output json", "render " + s.name,
	} {
		s.run(strings.Fields(command)...)
	}
}

// base64Inside is what of a value's base64 is the same wherever it begins in a text.
func base64Inside(value string) string {
	encoded, err := json.Marshal([]byte("xxx" + value + "xxx"))
	if err != nil {
		return value
	}
	return string(encoded[6 : len(encoded)-8])
}

// A secret must be found nowhere but in the container that was given it.
func TestNoSecretIsFoundAnywhere(t *testing.T) {
	s := newSecretScenario(t)
	s.push("1", "")
	if output := s.run("run", "--once", "--log-level", "debug"); s.find("").Status != "running" {
		t.Fatalf("nothing runs:\n%s", output)
	}
	s.given("1")
	s.lookEverywhere()

	// The new container prints its arguments, ends, and its last lines are quoted.
	s.push("2", ", EXIT: \"3\", LINES: \"5\"")
	if output := s.run("run", "--once", "--log-level", "debug", "--log-format", "text"); !strings.Contains(output, "probe --token=") {
		t.Errorf("the container's last lines are not quoted, so that this proves nothing:\n%s", output)
	}
	s.given("1")
	s.lookEverywhere()

	// The engine refuses the settings, and may quote them.
	s.push("3", ", \"E${HOME}\": \"${secret.env}\"")
	s.run("run", "--once", "--log-level", "debug")
	// A registry cannot be asked with the secret.
	s.repo.Commit("main", map[string]string{"hosts/" + s.name + "/containers.yaml": s.replace("containers: {NAME: {image: \"registry.invalid/x:1\", env: {A: \"${secret.env}\"}}}\n")}, "no such registry")
	s.run("run", "--once", "--log-level", "debug")
	// A secret where there must be none, and one that is not encrypted.
	s.repo.Commit("main", map[string]string{"hosts/" + s.name + "/secrets.yaml": "env: " + s.canaries.value("clear") + "\n"}, "in clear text")
	s.run("run", "--once")
	s.lookEverywhere()

	s.push("4", "")
	if err := os.WriteFile(filepath.Join(s.dir, "app.conf"), []byte("by hand"), 0o600); err != nil {
		t.Fatal(err)
	}
	if output := s.run("run", "--once", "--log-level", "debug"); !s.given("4") {
		t.Fatalf("generation 4 is not there:\n%s", output)
	}
	s.lookEverywhere()
	s.crash()
	s.checkEverything()
}

// given checks that the container has what it was to get: else that nothing is found
// would prove nothing.
func (s *secretScenario) given(generation string) bool {
	s.t.Helper()
	before := s.t.Failed()
	output, err := exec.CommandContext(s.t.Context(), "docker", "inspect", s.find("").ID).CombinedOutput()
	if err != nil {
		s.t.Fatal(err)
	}
	for _, name := range []string{"env" + generation, "arg" + generation, "check" + generation, "line" + generation, "external-env", "external-exec", "group"} {
		if !bytes.Contains(output, []byte(s.canaries.value(name))) {
			s.t.Errorf("the container was not given %s", name)
		}
	}
	for file, name := range map[string]string{
		filepath.Join(s.dir, "app.conf"): "file" + generation, filepath.Join(s.dir, "whole.key"): "age" + generation,
		filepath.Join("/run/gitsync", s.name, s.name, "run/secrets/s"): "secretfile" + generation,
	} {
		content, err := os.ReadFile(file)
		if err != nil || !bytes.Contains(content, []byte(s.canaries.value(name))) {
			s.t.Errorf("%s: %q, %v: it lacks %s", file, content, err, name)
		}
	}
	return before == s.t.Failed()
}

// crash has a daemon print the stacks of all its goroutines, as Go programs do that end by
// a panic.
func (s *secretScenario) crash() {
	s.t.Helper()
	built, err := binary()
	if err != nil {
		s.t.Fatal(err)
	}
	s.push("5", "")
	log, err := os.Create(filepath.Join(s.t.TempDir(), "crash"))
	if err != nil {
		s.t.Fatal(err)
	}
	defer func() { _ = log.Close() }()
	cmd := exec.CommandContext(s.t.Context(), built, append([]string{"run", "--log-level", "debug", "--interval", "1h"}, s.args...)...)
	cmd.Env, cmd.Stderr = append(os.Environ(), append(s.env, "GOTRACEBACK=all")...), log
	if err := cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	output := ""
	s.eventually("the daemon is done", func() bool {
		content, err := os.ReadFile(log.Name())
		output = string(content)
		return err == nil && strings.Contains(output, `"recorded"`)
	}, &output)
	_ = cmd.Process.Signal(syscall.SIGQUIT)
	_ = cmd.Wait()
	content, err := os.ReadFile(log.Name())
	if err != nil || !bytes.Contains(content, []byte("goroutine ")) {
		s.t.Errorf("the crash printed no stacks: %v", err)
	}
	s.told.Write(content)
	s.given("5")
}

// checkEverything searches all that gitsync has printed, written and sent.
func (s *secretScenario) checkEverything() {
	s.t.Helper()
	texts := map[string]string{"what gitsync printed": s.told.String(), "the state branch": s.repo.Git("log", "-p", "--format=%B", "gitsync/state")}
	for what, r := range s.servers {
		if texts[what] = r.String(); texts[what] == "" {
			s.t.Errorf("there are no %s, so that they prove nothing", what)
		}
	}
	output, err := exec.CommandContext(s.t.Context(), "docker", "ps", "--all", "--no-trunc", "--format", "{{.Names}} {{.Labels}}").CombinedOutput()
	if err != nil {
		s.t.Fatal(err)
	}
	texts["labels"] = string(output)
	err = filepath.WalkDir(filepath.Join(s.dir, "gitsync"), func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		content, err := os.ReadFile(path)
		texts["gitsync's disk"] += path + string(content)
		return err
	})
	if err != nil {
		s.t.Fatal(err)
	}
	lists, err := filepath.Glob("/var/lib/gitsync/*" + s.name + "*")
	if err != nil {
		s.t.Fatal(err)
	}
	for _, list := range lists {
		content, err := os.ReadFile(list)
		if err != nil {
			s.t.Fatal(err)
		}
		texts["the list of config files"] += string(content)
	}
	if !strings.Contains(texts["what gitsync printed"], secret.Redacted) {
		s.t.Error("nothing was redacted, so that this proves nothing")
	}
	// What was pushed in clear text is in the repo, and so in its objects.
	delete(s.canaries, "clear")
	for where, text := range texts {
		s.canaries.checkNone(s.t, where, text)
	}
	s.t.Logf("%d secrets were searched for in %d bytes", len(s.canaries), len(fmt.Sprint(texts)))
}
