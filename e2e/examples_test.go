package e2e_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gitsync/gitsync/container"
	"github.com/gitsync/gitsync/internal/dockertest"
	"github.com/gitsync/gitsync/internal/sshdtest"
)

// The commands of examples/fleet/README.md do on three machines what it says.
func TestTheFleetOfTheExamplesIsDeployedAsItsReadmeSays(t *testing.T) {
	shell := newReader(t, t.TempDir())
	engines := exampleMachines(t, shell)
	readme := shell.blocks("../examples/fleet/README.md")
	output := shell.run(readme["Deploy"])
	for _, want := range []string{"valid: 3 hosts, 6 containers.", "3 hosts: 6 to create.", "web1  status"} {
		if !strings.Contains(strings.Join(strings.Fields(output), " "), strings.Join(strings.Fields(want), " ")) {
			t.Errorf("the commands do not print %q:\n%s", want, output)
		}
	}
	s := &scenario{t: t}
	for port, want := range map[int]string{18191: "web1", 18192: "web2", 18193: "db1"} {
		s.answers(port, "/env?name=WHOAMI_NAME", want)
		s.answers(port, "/file?path=/motd", "This machine follows Git: change the repo, not the machine.\n")
	}
	s.answers(18182, "/env?name=LEVEL", "debug")
	s.answers(18181, "/env?name=LEVEL", "info")

	// What it suggests to try.
	output = shell.run("cd ~/fleet && sed -i 's/LEVEL: info/LEVEL: warn/' groups/web/containers.yaml && git commit -qam 'Say less' && (gitsync plan --repo . || true) && gitsync render --repo . web2 && gitsync run --repo . --once")
	if !strings.Contains(output, "3 hosts: 1 to replace.") || strings.Contains(output, "~ replace    db") {
		t.Errorf("a change of a group does not plan its hosts alone:\n%s", output)
	}
	s.answers(18181, "/env?name=LEVEL", "warn")

	shell.run("cd ~/fleet\n" + readme["Take it down"])
	for name, engine := range engines {
		rows, err := engine.List(t.Context(), map[string]string{container.LabelHost: name})
		if err != nil || len(rows) != 0 {
			t.Errorf("%s still runs %v, %v", name, rows, err)
		}
	}
}

// exampleMachines starts the machines of examples/fleet, and writes down for ssh how they
// are reached.
func exampleMachines(t *testing.T, shell *reader) map[string]*dockertest.Engine {
	t.Helper()
	settings, known := "", ""
	key := sshdtest.Key(t, "ed25519")
	engines := map[string]*dockertest.Engine{}
	for i, name := range []string{"web1", "web2", "db1"} {
		engine := dockertest.StartMachine(t)
		engines[name] = engine
		dockertest.ImageAs(t, engine.Runtime, "traefik/whoami:v1.10.3")
		dockertest.RemoveLabelled(t, engine.Runtime, map[string]string{container.LabelHost: name})
		machine := sshdtest.ServeMachine(t, fmt.Sprintf("127.0.0.%d", i+2), engine.Socket)
		public, err := os.ReadFile(key + ".pub")
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(machine.KeyFile+".pub", public, 0o600); err != nil {
			t.Fatal(err)
		}
		hosts, err := os.ReadFile(machine.KnownHostsFile)
		if err != nil {
			t.Fatal(err)
		}
		known += string(hosts)
		settings += fmt.Sprintf("Host %s\n  HostName %s\n  Port %d\n  User %s\n  IdentityFile %s\n", name, machine.Address, machine.Port, machine.User, key)
	}
	t.Cleanup(func() {
		_ = os.RemoveAll("/srv/gitsync-example/fleet")
		lists, _ := filepath.Glob(filepath.Join(container.ManifestDir, "files-*"))
		for _, list := range lists {
			for name := range engines {
				if strings.Contains(list, "/files-"+name+"-") {
					_ = os.Remove(list)
				}
			}
		}
		_ = os.Remove(container.ManifestDir)
	})
	shell.file(".ssh/config", settings)
	shell.file(".ssh/known_hosts", known)
	return engines
}

// reader does what a reader of a manual does, in a home of its own.
type reader struct {
	t    *testing.T
	home string
	env  []string
}

func newReader(t *testing.T, home string) *reader {
	t.Helper()
	built, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	root, err := filepath.Abs("..")
	if err != nil {
		t.Fatal(err)
	}
	r := &reader{t: t, home: home, env: append(os.Environ(), "HOME="+home, "PATH="+filepath.Dir(built)+":"+os.Getenv("PATH"), "SSH_AUTH_SOCK=",
		"GIT_CONFIG_NOSYSTEM=1", "GITSYNC_DATA_DIR="+filepath.Join(home, "data"), "ROOT="+root)}
	r.file(".gitconfig", "[user]\n\tname = tester\n\temail = tester@example.com\n")
	return r
}

func (r *reader) file(name, content string) {
	r.t.Helper()
	file := filepath.Join(r.home, name)
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		r.t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
		r.t.Fatal(err)
	}
}

// blocks returns the indented lines of a manual by the headings that they are below.
func (r *reader) blocks(manual string) map[string]string {
	r.t.Helper()
	text, err := os.ReadFile(manual)
	if err != nil {
		r.t.Fatal(err)
	}
	blocks, heading := map[string]string{}, ""
	for line := range strings.Lines(string(text)) {
		if title, ok := strings.CutPrefix(line, "## "); ok {
			heading = strings.TrimSpace(title)
		}
		if command, ok := strings.CutPrefix(line, "    "); ok {
			blocks[heading] += command
		}
	}
	return blocks
}

// run runs the commands of a manual, from the root of this repo; one that fails ends the
// test.
func (r *reader) run(commands string) string {
	r.t.Helper()
	cmd := exec.CommandContext(r.t.Context(), "bash", "-ec", "cd \"$ROOT\"\n"+commands)
	cmd.Env = r.env
	output, err := cmd.CombinedOutput()
	if err != nil {
		r.t.Fatalf("%v:\n%s\n%s", err, commands, output)
	}
	return string(output)
}
