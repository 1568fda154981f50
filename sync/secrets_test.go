package sync_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/gitsync/gitsync/container"
	"github.com/gitsync/gitsync/container/types"
	"github.com/gitsync/gitsync/host"
	"github.com/gitsync/gitsync/internal/secrettest"
	"github.com/gitsync/gitsync/runtime"
	"github.com/gitsync/gitsync/runtime/runtimetest"
	"github.com/gitsync/gitsync/secret"
	"github.com/gitsync/gitsync/secret/unlock"
	"github.com/gitsync/gitsync/sync"
)

// vault is a world whose gitsync opens secrets.
type vault struct {
	*world
	key      secrettest.Key
	external secret.External
}

func newVault(t *testing.T) *vault {
	t.Helper()
	v := &vault{key: secrettest.NewKey(t), external: secret.External{}}
	v.world = newBrokenWorld(t, func(o *sync.Options) {
		o.Secrets, o.SecretKey = v.opener(t), []byte(strings.Repeat("k", 32))
	})
	return v
}

func (v *vault) opener(t *testing.T) *unlock.Opener {
	t.Helper()
	o, err := unlock.New(unlock.Options{AgeKeyFile: v.key.File, External: v.external, Redactor: &secret.Redactor{}})
	if err != nil {
		t.Fatal(err)
	}
	return o
}

// restart begins with a process that has read nothing yet.
func (v *vault) restart() {
	v.opts.Secrets = v.opener(v.t)
	v.open(v.repo.Dir)
}

const secretsYAML = "hosts/web1/secrets.yaml"

const secretive = `containers:
  web:
    image: nginx:1.26
    env: {URL: "pg://u:${secret.db}@db", PLAIN: "$${secret.db}"}
    args: [serve, "--token=${secret.token}"]
    update: {monitor: 1ms}
  other:
    image: nginx:1.26
    env: {TOKEN: "${secret.token}"}
    update: {monitor: 1ms}
`

func (v *vault) secrets(clear string) string {
	return string(secrettest.SOPS(v.t, clear, v.key))
}

// created counts the containers that were created for a key since the last reset.
func (v *vault) created(key string) int {
	n := 0
	for _, call := range v.watched.Calls() {
		if call == "create "+key || strings.HasPrefix(call, "create "+key+".") {
			n++
		}
	}
	return n
}

// changed runs a cycle that must create one container for these keys, and none for others.
func (v *vault) changed(keys ...string) {
	v.t.Helper()
	v.watched.Reset()
	v.cycle()
	for _, key := range []string{"web", "other"} {
		want := 0
		if slices.Contains(keys, key) {
			want = 1
		}
		if got := v.created(key); got != want {
			v.t.Errorf("%s was created %d times, want %d", key, got, want)
		}
	}
}

func (v *vault) config(name string) types.ContainerConfig {
	v.t.Helper()
	c, there := v.machine.Config(name)
	if !there {
		v.t.Fatalf("there is no container %s", name)
	}
	return c
}

// nowhere checks that a value is in no file of the state branch, nor in a label.
func (v *vault) nowhere(values ...string) {
	v.t.Helper()
	texts := v.repo.Git("log", "-p", "gitsync/state")
	for name := range v.machine.Containers() {
		texts += fmt.Sprint(v.config(name).Labels)
	}
	for _, value := range values {
		if strings.Contains(texts, value) {
			v.t.Errorf("%q is in the state branch, or in a label", value)
		}
	}
}

func TestContainersGetTheirSecrets(t *testing.T) {
	v := newVault(t)
	v.commit(map[string]string{web1: secretive, secretsYAML: v.secrets("db: hunter2-hunter2\ntoken: t0ken-t0ken\n")}, "start")
	v.changed("web", "other")
	web := v.config("web")
	if got := web.Env["URL"]; got != "pg://u:hunter2-hunter2@db" {
		t.Errorf("URL: got %q", got)
	}
	if got := web.Env["PLAIN"]; got != "${secret.db}" {
		t.Errorf("PLAIN: got %q", got)
	}
	if got := web.Args[1]; got != "--token=t0ken-t0ken" {
		t.Errorf("args: got %q", got)
	}
	v.nowhere("hunter2", "t0ken")
	// Complete looks find nothing to do, in this process and in the next one.
	v.changed()
	v.restart()
	v.changed()
}

func TestARotatedSecretReplacesJustItsUsers(t *testing.T) {
	v := newVault(t)
	clear := "db: hunter2-hunter2\ntoken: t0ken-t0ken\n"
	v.commit(map[string]string{web1: secretive, secretsYAML: v.secrets(clear)}, "start")
	v.cycle()
	v.commit(map[string]string{secretsYAML: v.secrets("db: rotated-rotated\ntoken: t0ken-t0ken\n")}, "rotate the password")
	plan := v.syncer.Plan(t.Context()).Hosts[0].Plan.String()
	if !strings.Contains(plan, "replace web: secret db changed (used by env.URL)") || strings.Contains(plan, "other") {
		t.Errorf("the plan is\n%s", plan)
	}
	v.changed("web")
	if got := v.config("web").Env["URL"]; got != "pg://u:rotated-rotated@db" {
		t.Errorf("URL: got %q", got)
	}
	v.nowhere("hunter2", "rotated-", "t0ken")
	v.restart()
	v.changed()
}

func TestWhatIsOnlyEncryptedAnewChangesNothing(t *testing.T) {
	v := newVault(t)
	clear := "db: hunter2-hunter2\ntoken: t0ken-t0ken\n"
	v.commit(map[string]string{web1: secretive, secretsYAML: v.secrets(clear)}, "start")
	v.cycle()
	for range 2 {
		v.restart()
		v.commit(map[string]string{secretsYAML: v.secrets(clear)}, "encrypt anew")
		if got := v.syncer.Plan(t.Context()).Hosts[0].Renewed(); !slices.Equal(got, []string{"db", "token"}) {
			t.Errorf("the plan says that %v were encrypted anew", got)
		}
		v.changed()
		v.restart()
		v.changed()
	}
	// One who cannot compare, since it has another key, takes it for a change, once.
	v.opts.SecretKey = []byte(strings.Repeat("o", 32))
	v.commit(map[string]string{secretsYAML: v.secrets(clear)}, "encrypt anew")
	v.restart()
	v.changed("web", "other")
	v.restart()
	v.changed()
}

func TestAPlanNeedsNoKeys(t *testing.T) {
	v := newVault(t)
	v.commit(map[string]string{web1: secretive, secretsYAML: v.secrets("db: hunter2-hunter2\ntoken: t0ken-t0ken\n")}, "start")
	v.cycle()
	if err := os.Remove(v.key.File); err != nil {
		t.Fatal(err)
	}
	v.restart()
	if plan := v.syncer.Plan(t.Context()); plan.HasChanges() || plan.Failed() {
		t.Errorf("the plan without keys: %v", plan.Hosts[0].Plan)
	}
	v.changed()
}

func TestAnUpdateWithoutKeysChangesNothing(t *testing.T) {
	v := newVault(t)
	v.commit(map[string]string{web1: secretive, secretsYAML: v.secrets("db: hunter2-hunter2\ntoken: t0ken-t0ken\n")}, "start")
	v.cycle()
	if err := os.Remove(v.key.File); err != nil {
		t.Fatal(err)
	}
	v.restart()
	v.commit(map[string]string{web1: strings.ReplaceAll(secretive, "1.26", "1.27")}, "update")
	before := v.machine.Containers()["web"].ID
	r := v.fail()
	if got := fmt.Sprint(problems(r)); !strings.Contains(got, "read the age key") {
		t.Errorf("the error is %s", got)
	}
	if got := v.machine.Containers()["web"]; got.ID != before || got.Status != types.StatusRunning {
		t.Errorf("web is %+v", got)
	}
}

func TestSecretsInFiles(t *testing.T) {
	v := newVault(t)
	files := map[string]string{
		web1: `containers:
  web:
    image: nginx:1.26
    user: "1000"
    configFiles:
      /srv/web.conf: {file: files/web.conf, mode: "0640"}
      /srv/web.key: {file: files/web.key.age}
    secretFiles:
      /run/secrets/db: ${secret.db}
      /tls/key.pem: {file: files/web.key.age, mode: "0440"}
    update: {monitor: 1ms}
`,
		"hosts/web1/files/web.conf":    "password = ${secret.db}\n",
		"hosts/web1/files/web.key.age": string(secrettest.Age(t, "PRIVATE-KEY-PRIVATE\n", true, v.key)),
		secretsYAML:                    v.secrets("db: hunter2-hunter2\ntoken: t0ken-t0ken\n"),
	}
	v.commit(files, "start")
	v.cycle()
	v.has("/srv/web.conf", "password = hunter2-hunter2\n", 0o640)
	v.has("/srv/web.key", "PRIVATE-KEY-PRIVATE\n", 0o600)
	v.has("/run/gitsync/web1/web/run/secrets/db", "hunter2-hunter2", 0o400)
	v.has("/run/gitsync/web1/web/tls/key.pem", "PRIVATE-KEY-PRIVATE\n", 0o440)
	mount := types.Mount{Type: types.MountBind, Source: "/run/gitsync/web1/web/run/secrets/db", Target: "/run/secrets/db", ReadOnly: true}
	if !slices.Contains(v.config("web").Mounts, mount) {
		t.Errorf("the mounts are %+v", v.config("web").Mounts)
	}
	v.nowhere("hunter2", "PRIVATE-KEY")
	v.changed()
	v.restart()
	v.changed()

	// A person changes a file: it is put right, and its content is told nowhere.
	v.machine.WriteHostFile("/srv/web.conf", "password = wrong-wrong\n")
	v.restart()
	v.cycle()
	v.has("/srv/web.conf", "password = hunter2-hunter2\n", 0o640)
	v.nowhere("hunter2", "wrong-wrong")

	// After a restart of the host what was in memory is gone.
	v.machine.RemoveHostFile("/run/gitsync/web1/web/run/secrets/db")
	v.restart()
	v.cycle()
	v.has("/run/gitsync/web1/web/run/secrets/db", "hunter2-hunter2", 0o400)

	v.commit(map[string]string{secretsYAML: v.secrets("db: rotated-rotated\ntoken: t0ken-t0ken\n")}, "rotate")
	v.changed("web")
	v.has("/srv/web.conf", "password = rotated-rotated\n", 0o640)
	v.has("/run/gitsync/web1/web/run/secrets/db", "rotated-rotated", 0o400)
	v.nowhere("hunter2", "rotated-", "PRIVATE-KEY")
}

func (v *vault) has(path, content string, mode int64) {
	v.t.Helper()
	file, there := v.machine.HostFile(path)
	if !there || file.Content != content || file.Mode != mode {
		v.t.Errorf("%s: %v %q with mode %o, want %q with mode %o", path, there, file.Content, file.Mode, content, mode)
	}
}

func TestARotatedSecretInAFileRestartsItsContainer(t *testing.T) {
	v := newVault(t)
	v.commit(map[string]string{
		web1:        "containers:\n  web:\n    image: nginx:1.26\n    configFiles: {/srv/web.conf: \"p=${secret.db}\"}\n    update: {monitor: 1ms}\n",
		secretsYAML: v.secrets("db: hunter2-hunter2\n"),
	}, "start")
	v.cycle()
	v.commit(map[string]string{secretsYAML: v.secrets("db: rotated-rotated\n")}, "rotate")
	plan := v.syncer.Plan(t.Context()).Hosts[0].Plan.String()
	if !strings.Contains(plan, "restart web: config file /srv/web.conf has a secret in it that changed") {
		t.Errorf("the plan is\n%s", plan)
	}
	v.changed()
	v.has("/srv/web.conf", "p=rotated-rotated", 0o600)
}

func TestAFailedUpdateBringsOldSecretsBack(t *testing.T) {
	v := newVault(t)
	body := "containers:\n  web:\n    image: IMAGE\n    env: {P: \"${secret.db}\"}\n    configFiles: {/srv/web.conf: \"p=${secret.db}\"}\n    update: {monitor: 1ms}\n"
	v.commit(map[string]string{web1: strings.Replace(body, "IMAGE", "nginx:1.26", 1), secretsYAML: v.secrets("db: hunter2-hunter2\n")}, "start")
	v.cycle()
	v.commit(map[string]string{web1: strings.Replace(body, "IMAGE", crash, 1), secretsYAML: v.secrets("db: rotated-rotated\n")}, "rotate, and break")
	v.fail()
	v.runs("web", "nginx:1.26")
	v.has("/srv/web.conf", "p=hunter2-hunter2", 0o600)
	if got := v.config("web").Env["P"]; got != "hunter2-hunter2" {
		t.Errorf("the old container has %q", got)
	}
	// It is held back now: what was deployed is kept up, and is no drift.
	v.restart()
	v.watched.Reset()
	v.fail()
	if got := v.created("web"); got != 0 {
		t.Errorf("web was created %d times while its update waits", got)
	}
	v.has("/srv/web.conf", "p=hunter2-hunter2", 0o600)
	v.nowhere("hunter2", "rotated-")
}

func TestASecretChangedByHandIsDriftWithoutItsValue(t *testing.T) {
	v := newVault(t)
	v.commit(map[string]string{web1: secretive, secretsYAML: v.secrets("db: hunter2-hunter2\ntoken: t0ken-t0ken\n")}, "start")
	v.cycle()
	v.machine.MakeAnew("web", func(c *types.ContainerConfig) { c.Env["URL"] = "pg://u:0pen-0pen@db" })
	v.restart()
	plan := v.syncer.Plan(t.Context()).Hosts[0].Plan.String()
	if !strings.Contains(plan, "env.URL: another value instead of the deployed value") || strings.Contains(plan, "0pen") {
		t.Errorf("the plan is\n%s", plan)
	}
	v.cycle()
	if got := v.config("web").Env["URL"]; got != "pg://u:hunter2-hunter2@db" {
		t.Errorf("URL: got %q", got)
	}
	v.nowhere("0pen", "hunter2")
}

func TestSecretsOfGroupsAndTheHostsOwn(t *testing.T) {
	v := newVault(t)
	v.commit(map[string]string{
		"hosts/web1/host.yaml":          "groups: [common]\n",
		web1:                            "containers: {}\n",
		"groups/common/containers.yaml": "containers:\n  web:\n    image: nginx:1.26\n    env: {A: \"${secret.a}\", B: \"${secret.b}\"}\n    update: {monitor: 1ms}\n",
		"groups/common/secrets.yaml":    v.secrets("a: group-a\nb: group-b\n"),
		secretsYAML:                     v.secrets("b: host-b\n"),
	}, "start")
	v.cycle()
	if got := v.config("web").Env; got["A"] != "group-a" || got["B"] != "host-b" {
		t.Errorf("env: got %v", got)
	}
}

func TestSecretsFromTheAgentsConfiguration(t *testing.T) {
	v := newVault(t)
	file := filepath.Join(t.TempDir(), "token")
	write := func(value string) {
		t.Helper()
		if err := os.WriteFile(file, []byte(value), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("external-one")
	v.external["vault_token"] = secret.Source{File: file, Hosts: []string{"web*"}}
	v.restart()
	v.commit(map[string]string{web1: strings.Replace(web("nginx:1.26"), "    update", "    env: {T: \"${secret.vault_token}\"}\n    update", 1)}, "start")
	v.cycle()
	if got := v.config("web").Env["T"]; got != "external-one" {
		t.Errorf("T: got %q", got)
	}
	v.nowhere("external-one")
	v.restart()
	v.changed()
	write("external-two")
	v.restart()
	v.changed("web")
	if got := v.config("web").Env["T"]; got != "external-two" {
		t.Errorf("T: got %q", got)
	}
	// It cannot be read: what runs goes on.
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	v.restart()
	v.changed()
}

func TestMistakesWithSecrets(t *testing.T) {
	v := newVault(t)
	body := func(line string) string { return "containers:\n  web:\n    image: nginx:1.26\n    " + line + "\n" }
	cases := map[string]struct{ line, want string }{
		"not defined":       {`env: {A: "${secret.dbb}"}`, `hosts/web1/containers.yaml:4:14: secret "dbb" is not defined for host web1 (did you mean ${secret.db}?)`},
		"not closed":        {`env: {A: "${secret.db"}`, `containers.yaml:4:14: "${secret.db" is not closed`},
		"in a label":        {`labels: {a: "${secret.db}"}`, "there are no secrets in labels, which everybody sees"},
		"in the host name":  {`hostname: "${secret.db}"`, "there are no secrets in hostname"},
		"in a key":          {`env: {"${secret.db}": x}`, "there are no secrets in keys"},
		"read by everybody": {`secretFiles: {/run/x: {content: "${secret.db}", mode: "0444"}}`, "everybody on the host could read it"},
		"our own place":     {`mounts: ["/run/gitsync/web2:/x"]`, "is where gitsync keeps secret files"},
		"our own place too": {`configFiles: {/run/gitsync/web1/web/x: "x"}`, "is where gitsync keeps secret files"},
		"no age file":       {`configFiles: {/etc/x: {file: files/x.age}}`, `"files/x.age" is not encrypted by age, as its name says`},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			v := *v
			v.t = t
			v.commit(map[string]string{web1: body(c.line), secretsYAML: v.secrets("db: hunter2-hunter2\n"), "hosts/web1/files/x.age": "clear text"}, name)
			r := v.fail()
			if got := r.Mistakes.Error(); !strings.Contains(got, c.want) {
				t.Errorf("got %s\nwant %s", got, c.want)
			}
			if len(v.machine.Containers()) > 0 {
				t.Error("something was created")
			}
		})
	}
}

// talkative panics with all that it was given.
type talkative struct{ runtimetest.Full }

func (r talkative) Create(ctx context.Context, config *types.ContainerConfig) (string, error) {
	if config.Image == runtime.EmptyImage {
		return r.Full.Create(ctx, config)
	}
	panic(fmt.Sprintf("%+v", *config))
}

func TestAPanicTellsNoSecret(t *testing.T) {
	v := newVault(t)
	v.commit(map[string]string{web1: secretive, secretsYAML: v.secrets("db: hunter2-hunter2\ntoken: t0ken-t0ken\n")}, "start")
	v.opts.Connector = func(context.Context, host.Host, container.RuntimeConfig) (runtime.Runtime, func(), error) {
		return talkative{v.watched}, func() {}, nil
	}
	v.restart()
	r := v.fail()
	said := fmt.Sprint(problems(r))
	for _, h := range r.Hosts {
		said += fmt.Sprintf("%+v", h.Plan)
	}
	if !strings.Contains(said, "panic: ") || !strings.Contains(said, secret.Redacted) {
		t.Errorf("the panic is not told: %s", said)
	}
	if strings.Contains(said, "hunter2") || strings.Contains(said, "t0ken") {
		t.Errorf("the panic tells a secret: %s", said)
	}
	v.nowhere("hunter2", "t0ken")
}

func TestASecretThatLeftAConfigFileIsNotRecorded(t *testing.T) {
	v := newVault(t)
	body := "containers:\n  web:\n    image: nginx:1.26\n    configFiles: {/srv/web.conf: \"CONTENT\"}\n    update: {monitor: 1ms}\n"
	v.commit(map[string]string{web1: strings.Replace(body, "CONTENT", "p=${secret.db}", 1), secretsYAML: v.secrets("db: hunter2-hunter2\n")}, "start")
	v.cycle()
	v.commit(map[string]string{web1: strings.Replace(body, "CONTENT", "p=none", 1)}, "without the password")
	for _, h := range v.syncer.Plan(t.Context()).Hosts {
		for path, file := range h.Current.Files {
			if strings.Contains(file.Content, "hunter2") {
				t.Errorf("the look tells what is in %s: %q", path, file.Content)
			}
		}
	}
	v.cycle()
	v.has("/srv/web.conf", "p=none", 0o600)
	v.nowhere("hunter2")
}
