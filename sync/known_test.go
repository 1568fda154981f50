package sync_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"sigs.k8s.io/yaml"

	"github.com/gitsync/gitsync/container"
	"github.com/gitsync/gitsync/host"
	"github.com/gitsync/gitsync/internal/gittest"
	"github.com/gitsync/gitsync/internal/secrettest"
	"github.com/gitsync/gitsync/layout"
	"github.com/gitsync/gitsync/policy"
	"github.com/gitsync/gitsync/registry"
	"github.com/gitsync/gitsync/secret"
	"github.com/gitsync/gitsync/sync"
)

// unknown takes hosts for machines that nobody vouches for, but for those that want nothing
// of a remote engine.
func unknown(o *sync.Options) {
	o.Way = func(h host.Host, _ container.RuntimeConfig) container.Way {
		if h.SSHConfig != nil {
			return container.WayUnknown
		}
		return container.WayKnown
	}
}

const evilHost = "ssh: {address: 10.6.6.6, hostKey: \"SHA256:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\"}\n"

const evilLine = `hosts: {evil: {address: {allow: ["ssh://10.6.6.6:22"]}}}`

// newUnknown is a vault whose hosts have a machine each, in memory.
func newUnknown(t *testing.T) *vault {
	t.Helper()
	v := newVault(t)
	v.external["vault_token"] = secret.Source{Env: "GITSYNC_TEST_EXTERNAL", Hosts: []string{"*"}}
	t.Setenv("GITSYNC_TEST_EXTERNAL", "external-value")
	unknown(&v.opts)
	v.opts.Credentials = func(_ context.Context, name string) (registry.Credential, error) {
		if name == "registry.example.com" {
			return registry.Credential{Username: "agent", Password: "hunter2-hunter2"}, nil
		}
		return registry.Credential{}, nil
	}
	v.restart()
	return v
}

func TestAnUnknownMachineGetsNoSecretOfOthersAndNoLogin(t *testing.T) {
	v := newUnknown(t)
	one := func(name, env string) string {
		return "  " + name + ": {image: \"nginx:1.26\", update: {monitor: 1ms}, env: {X: \"" + env + "\"}}\n"
	}
	theirs := v.secrets("db: hunter2-hunter2\n")
	v.commit(map[string]string{
		web1:                         web("nginx:1.26") + "    env: {X: \"${secret.db}\"}\n",
		secretsYAML:                  theirs,
		"groups/all/containers.yaml": "containers: {}\n",
		"groups/all/secrets.yaml":    v.secrets("shared: shared-shared\n"),
	}, "start")
	v.cycle()
	v.commit(map[string]string{
		"hosts/evil/host.yaml": evilHost + "groups: [all]\n",
		"hosts/evil/containers.yaml": "containers:\n" + one("own", "${secret.own}") + one("plain", "x") + one("group", "${secret.shared}") +
			one("outside", "${secret.vault_token}") + "  private: {image: \"registry.example.com/app:1\", update: {monitor: 1ms}}\n",
		"hosts/evil/secrets.yaml": v.secrets("own: own-own-own\n"),
		// A copy of a file that nobody but the agent can read.
		"hosts/copy/host.yaml":       strings.Replace(evilHost, "10.6.6.6", "10.6.6.7", 1),
		"hosts/copy/containers.yaml": "containers:\n" + one("copied", "${secret.db}"),
		"hosts/copy/secrets.yaml":    theirs,
	}, "a machine of somebody's own")
	r := v.fail()
	for name, image := range map[string]string{"own": "nginx:1.26", "plain": "nginx:1.26", "group": "", "outside": "", "copied": "", "private": "registry.example.com/app:1"} {
		v.runs(name, image)
	}
	text := fmt.Sprint(problems(r)...)
	for _, want := range []string{"secret shared is not given to the host", "secret vault_token is not given to the host", "secret db is not given to the host", evilLine, "10.6.6.7:22"} {
		if !strings.Contains(text, want) {
			t.Errorf("the errors do not say %q:\n%s", want, text)
		}
	}
	for _, p := range v.machine.Pulls() {
		if p.Image == "registry.example.com/app:1" && (!p.Credential.IsZero() || !strings.Contains(p.Credential.Withheld, evilLine)) {
			t.Errorf("the login was given: %+v", p)
		}
	}
	// The line confirms it.
	p, err := policy.Parse([]byte(evilLine), "policy.yaml")
	if err != nil {
		t.Fatal(err)
	}
	v.opts.Policy, v.opts.RetryNow = p, true
	v.restart()
	v.commit(map[string]string{"hosts/copy/containers.yaml": "containers: {}\n"}, "without the copy")
	v.cycle()
	v.runs("group", "nginx:1.26")
	v.runs("outside", "nginx:1.26")
}

// Moving a file out of a host that no longer validates does not make it the thief's.
func TestASecretOfAHostThatDoesNotValidateIsNotAnothers(t *testing.T) {
	v := newUnknown(t)
	theirs := v.secrets("db: hunter2-hunter2\n")
	v.commit(map[string]string{web1: web("nginx:1.26") + "    env: {X: \"${secret.db}\"}\n", secretsYAML: theirs}, "start")
	v.cycle()
	v.commit(map[string]string{
		web1: "containers: [\n", secretsYAML: "",
		"hosts/evil/host.yaml":       evilHost,
		"hosts/evil/containers.yaml": "containers:\n  copied: {image: \"nginx:1.26\", update: {monitor: 1ms}, env: {X: \"${secret.db}\"}}\n",
		"hosts/evil/secrets.yaml":    theirs,
	}, "moved")
	if text := fmt.Sprint(problems(v.fail())...); !strings.Contains(text, "secret db is not given to the host") {
		t.Errorf("got %s", text)
	}
	v.runs("copied", "")
}

func TestAnEngineThatMayBeInTheClearIsAWarningWhereTheCertificatesAreNotKnown(t *testing.T) {
	t.Setenv("DOCKER_HOST", "")
	t.Setenv("DOCKER_CERT_PATH", "")
	repo, err := layout.NewLoader().Load(t.Context(), fstest.MapFS{
		"hosts/web1/host.yaml":       {Data: []byte("docker: {host: \"tcp://10.0.0.9:2375\"}\n")},
		"hosts/web1/containers.yaml": {Data: []byte(web("nginx:1.26"))},
		"hosts/web2/host.yaml":       {Data: []byte("ssh: {address: 10.0.0.8}\ndocker: {host: \"tcp://127.0.0.1:2375\"}\n")},
		"hosts/web2/containers.yaml": {Data: []byte(web("nginx:1.26"))},
	}, layout.Options{})
	if err != nil {
		t.Fatal(err)
	}
	line := `hosts: {web1: {address: {allow: ["direct tcp://10.0.0.9:2375"]}}}`
	if found := sync.PlainWarnings(repo.Hosts, policy.Default()); len(found) != 1 || !strings.HasPrefix(found[0].Error(), "hosts/web1/host.yaml: ") || !strings.Contains(found[0].Error(), line) {
		t.Errorf("got %v, want a warning about web1", found)
	}
	p, err := policy.Parse([]byte(line), "policy.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if found := sync.PlainWarnings(repo.Hosts, p); len(found) > 0 {
		t.Errorf("the policy names it: %v", found)
	}
}

func TestAnEngineInTheClearIsAnErrorUnlessThePolicyNamesIt(t *testing.T) {
	plain := func(o *sync.Options) {
		o.Way = func(_ host.Host, config container.RuntimeConfig) container.Way {
			if config.Docker.Host != "" {
				return container.WayPlain
			}
			return container.WayKnown
		}
	}
	files := map[string]string{web1: web("nginx:1.26"), "hosts/web1/host.yaml": "docker: {host: \"tcp://10.0.0.9:2375\"}\n", db1: database("postgres:16")}
	w := newWorld(t, plain)
	w.commit(files, "start")
	line := `hosts: {web1: {address: {allow: ["direct tcp://10.0.0.9:2375"]}}}`
	if text := w.fail().Mistakes.Error(); !strings.HasPrefix(text, "hosts/web1/host.yaml: ") || !strings.Contains(text, "in the clear") || !strings.Contains(text, line) {
		t.Errorf("got %s", text)
	}
	w.runs("web", "")
	w.runs("db", "postgres:16")
	w = newWorld(t, plain, withPolicy(t, line))
	w.commit(files, "start")
	w.cycle()
	w.runs("web", "nginx:1.26")
}

// What a cycle knows of whose ciphertexts are whose also counts in the repairs beside the
// fetch of the next one, which a server can make slow.
func TestACopiedSecretIsWithheldWhileAFetchHangs(t *testing.T) {
	v := newUnknown(t)
	v.opts.Now, v.opts.Patience, v.opts.RetryNow = nil, 20*time.Millisecond, true
	server := gittest.ServeHTTP(t, v.repo, gittest.HTTPOptions{})
	v.open(server.URL)
	theirs := v.secrets("db: hunter2-hunter2\n")
	v.commit(map[string]string{
		web1:                         web("nginx:1.26") + "    env: {X: \"${secret.db}\"}\n",
		secretsYAML:                  theirs,
		"hosts/copy/host.yaml":       evilHost,
		"hosts/copy/containers.yaml": "containers:\n  plain: {image: \"nginx:1.26\", update: {monitor: 1ms}}\n  copied: {image: \"nginx:1.26\", update: {monitor: 1ms}, env: {X: \"${secret.db}\"}}\n",
		"hosts/copy/secrets.yaml":    theirs,
	}, "a copy")
	schedule, err := sync.Every(time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- v.syncer.Run(ctx, schedule) }()
	t.Cleanup(func() {
		stop()
		if err := <-done; err != nil {
			t.Errorf("run: %v", err)
		}
	})
	running := func(name string) func() bool {
		return func() bool { return v.machine.Containers()[name].Status == "running" }
	}
	eventually(t, "what is not secret runs", running("plain"))
	v.settled()
	hangs(t, v.world, server)
	v.machine.SetStatus("plain", "exited")
	eventually(t, "it is started again", running("plain"))
	v.settled()
	v.runs("copied", "")
}

// dataKey is the key of a SOPS file, as that file has it.
func dataKey(t *testing.T, file string) string {
	t.Helper()
	var metadata struct {
		SOPS struct {
			Age []struct {
				Enc string `json:"enc"`
			} `json:"age"`
		} `json:"sops"`
	}
	if err := yaml.Unmarshal([]byte(file), &metadata); err != nil || len(metadata.SOPS.Age) == 0 {
		t.Fatalf("no data key: %v", err)
	}
	return metadata.SOPS.Age[0].Enc
}

func TestACopiedSecretIsKnownHoweverItIsWritten(t *testing.T) {
	t.Parallel()
	v := newVault(t)
	unknown(&v.opts)
	v.restart()
	theirs := v.secrets("db: hunter2-hunter2\n")
	armored := string(secrettest.Age(t, "a whole file", true, v.key))
	with := func(name, file string) string {
		return "containers:\n  " + name + ": {image: \"nginx:1.26\", update: {monitor: 1ms}, " + file + "}\n"
	}
	const env = "env: {X: \"${secret.db}\"}"
	file := func(name string) string { return "configFiles: {/srv/" + name + ": {file: files/" + name + "}}" }
	v.commit(map[string]string{
		web1: with("web", env+", "+file("x.age")), secretsYAML: theirs, "hosts/web1/files/x.age": armored,

		"hosts/bits/host.yaml": evilHost, "hosts/bits/containers.yaml": with("bits", env),
		"hosts/bits/secrets.yaml": secrettest.OtherBits(theirs),

		"hosts/space/host.yaml": evilHost, "hosts/space/containers.yaml": with("space", file("y.age")),
		"hosts/space/files/y.age": strings.ReplaceAll(armored, "\n", "\r\n"),

		"hosts/key/host.yaml": evilHost, "hosts/key/containers.yaml": with("key", file("z.age")),
		"hosts/key/files/z.age": dataKey(t, theirs),

		"hosts/own/host.yaml": evilHost, "hosts/own/containers.yaml": with("own", file("w.age")),
		"hosts/own/files/w.age": string(secrettest.Age(t, "0123456789abcdef0123456789abcdef", true, v.key)),
	}, "copies")
	text := fmt.Sprint(problems(v.fail())...)
	for _, want := range []string{"secret db is not given", "y.age is not given", "z.age may be the key of a SOPS file"} {
		if !strings.Contains(text, want) {
			t.Errorf("the errors do not say %q: %s", want, text)
		}
	}
	for _, name := range []string{"bits", "space", "key"} {
		v.runs(name, "")
	}
	v.runs("web", "nginx:1.26")
	v.runs("own", "nginx:1.26")
}
