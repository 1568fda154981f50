package e2e_test

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	stdsync "sync"
	"syscall"
	"testing"
	"time"

	"github.com/gitsync/gitsync/container"
	"github.com/gitsync/gitsync/container/types"
	"github.com/gitsync/gitsync/internal/dockertest"
	"github.com/gitsync/gitsync/internal/gittest"
	"github.com/gitsync/gitsync/internal/sshdtest"
)

// fleet is three machines: an engine and an sshd each, on addresses of loopback.
type fleet struct {
	t        *testing.T
	repo     *gittest.Repo
	machines []*fleetMachine
	args     []string
	env      []string
}

type fleetMachine struct {
	name   string
	engine *dockertest.Engine
	sshd   *sshdtest.Server
	image  string
}

func newFleet(t *testing.T, url func(*gittest.Repo) string) *fleet {
	t.Helper()
	dir := t.TempDir()
	f := &fleet{t: t, repo: gittest.NewRepo(t), env: []string{"HOME=" + dir, "SSH_AUTH_SOCK="}}
	known := ""
	for i := range 3 {
		engine := dockertest.StartMachine(t)
		// One login carries all calls, or these limits are met.
		sshd := sshdtest.ServeAt(t, fmt.Sprintf("127.0.0.%d", i+2), "MaxSessions 1")
		f.machines = append(f.machines, &fleetMachine{
			name: fmt.Sprintf("web%d", i+1), engine: engine, sshd: sshd, image: dockertest.Image(t, engine.Runtime, "FLEET=1"),
		})
		dockertest.RemoveLabelled(t, engine.Runtime, map[string]string{container.LabelHost: f.machines[i].name})
		f.copy(f.machines[0].sshd.KeyFile+".pub", sshd.KeyFile+".pub")
		text, err := os.ReadFile(sshd.KnownHostsFile)
		if err != nil {
			t.Fatal(err)
		}
		known += string(text)
	}
	knownHosts := filepath.Join(dir, "known_hosts")
	if err := os.WriteFile(knownHosts, []byte(known), 0o600); err != nil {
		t.Fatal(err)
	}
	f.args = []string{
		"--repo", url(f.repo), "--data-dir", filepath.Join(dir, "data"), "--log-format", "json",
		"--ssh-key", f.machines[0].sshd.KeyFile, "--ssh-known-hosts", knownHosts,
	}
	return f
}

func (f *fleet) copy(from, to string) {
	f.t.Helper()
	text, err := os.ReadFile(from)
	if err != nil {
		f.t.Fatal(err)
	}
	if err := os.WriteFile(to, text, 0o600); err != nil {
		f.t.Fatal(err)
	}
}

// commit makes a version of the container the desired one of all machines.
func (f *fleet) commit(version string) {
	f.t.Helper()
	files := map[string]string{}
	for _, m := range f.machines {
		files["hosts/"+m.name+"/host.yaml"] = fmt.Sprintf("ssh: {address: %s, port: %d, user: %s, connectionTimeout: 2s}\ndocker: {host: \"unix://%s\"}\n",
			m.sshd.Address, m.sshd.Port, m.sshd.User, m.engine.Socket)
		files["hosts/"+m.name+"/containers.yaml"] = fmt.Sprintf("containers:\n  app:\n    image: %s\n    networkMode: none\n    labels: {version: %q}\n    stopTimeout: 1s\n    update: {monitor: 2s}\n", m.image, version)
	}
	f.repo.Commit("main", files, version)
}

// runs says whether a machine runs a version of the container, and nothing else.
func (f *fleet) runs(m *fleetMachine, version string) bool {
	rows, err := m.engine.List(f.t.Context(), map[string]string{container.LabelHost: m.name})
	// The daemon says there besides that it manages the machine.
	rows = slices.DeleteFunc(rows, func(row types.ContainerSummary) bool { return row.Labels[container.LabelRole] == container.RoleLease })
	return err == nil && len(rows) == 1 && rows[0].Status == "running" && rows[0].Labels["version"] == version
}

// recorded says whether the state branch has a version for a machine.
func (f *fleet) recorded(m *fleetMachine, version string) bool {
	return f.repo.Git("log", "--all", "--format=%H", "-S", "version: \""+version+"\"", "--", "hosts/"+m.name+"/state.yaml") != ""
}

// daemon runs gitsync until the test ends, and returns its log.
func (f *fleet) daemon() *fleetLog {
	f.t.Helper()
	built, err := binary()
	if err != nil {
		f.t.Fatal(err)
	}
	log := &fleetLog{}
	cmd := exec.Command(built, append([]string{"run", "--interval", "500ms"}, f.args...)...)
	cmd.Env = append(os.Environ(), f.env...)
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		f.t.Fatal(err)
	}
	f.t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		kill := time.AfterFunc(time.Minute, func() { _ = cmd.Process.Kill() })
		defer kill.Stop()
		if err := cmd.Wait(); err != nil {
			f.t.Errorf("gitsync run: %v", err)
		}
		if f.t.Failed() {
			f.t.Logf("the log of gitsync:\n%s", log.String())
		}
	})
	return log
}

// fleetLog is a buffer that may be read while it is written to.
type fleetLog struct {
	mu   stdsync.Mutex
	text bytes.Buffer
}

func (l *fleetLog) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *fleetLog) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

func (f *fleet) eventually(what string, done func() bool) {
	f.t.Helper()
	deadline := time.After(patience)
	ticker := time.NewTicker(100 * time.Millisecond)
	defer ticker.Stop()
	for !done() {
		select {
		case <-ticker.C:
		case <-deadline:
			f.t.Fatalf("it does not come about that %s", what)
		}
	}
}

// drop makes the packets to and from a machine's sshd get lost.
func drop(t *testing.T, s *sshdtest.Server) (restore func()) {
	t.Helper()
	rule := func(action, address, port string) {
		args := []string{"-w", action, "INPUT", "-p", "tcp", address, s.Address, port, fmt.Sprint(s.Port), "-j", "DROP"}
		if output, err := exec.Command("iptables", args...).CombinedOutput(); err != nil {
			t.Errorf("iptables %v: %v: %s", args, err, output)
		}
	}
	both := func(action string) {
		rule(action, "--destination", "--dport")
		rule(action, "--source", "--sport")
	}
	both("--insert")
	restore = stdsync.OnceFunc(func() { both("--delete") })
	t.Cleanup(restore)
	return restore
}

// One machine of three is cut off in the middle of an update. The others follow that
// commit and the next one while it is away; when it is back it follows the newest,
// without another commit.
func TestAMachineThatIsCutOffCostsTheOthersNothing(t *testing.T) {
	f := newFleet(t, func(r *gittest.Repo) string { return gittest.ServeHTTP(t, r, gittest.HTTPOptions{}).URL })
	f.commit("0")
	log := f.daemon()
	for _, m := range f.machines {
		f.eventually(m.name+" runs the first version", func() bool { return f.runs(m, "0") && f.recorded(m, "0") })
	}
	for i, way := range []struct {
		name string
		cut  func(t *testing.T, m *fleetMachine) (restore func())
		// told says that the state branch soon says why: a host that is silent is waited
		// for much longer than one that refuses.
		told bool
	}{
		{"its packets are dropped", func(t *testing.T, m *fleetMachine) func() { return drop(t, m.sshd) }, false},
		{"its sshd is stopped", func(_ *testing.T, m *fleetMachine) func() { m.sshd.Stop(); return m.sshd.Start }, true},
		{"its engine is frozen", func(t *testing.T, m *fleetMachine) func() {
			m.engine.Freeze(t)
			return func() { m.engine.Thaw(t) }
		}, false},
	} {
		lost, others := f.machines[i], append(append([]*fleetMachine{}, f.machines[:i]...), f.machines[i+1:]...)
		update, next := fmt.Sprint(2*i+1), fmt.Sprint(2*i+2)
		t.Run(way.name, func(t *testing.T) {
			f := *f
			f.t = t
			f.commit(update)
			f.eventually(lost.name+" is in the middle of the update", func() bool {
				_, err := lost.engine.Find(t.Context(), "app.gitsync-old")
				return err == nil
			})
			restore := way.cut(t, lost)
			for _, version := range []string{update, next} {
				if version == next {
					f.commit(next)
				}
				for _, m := range others {
					f.eventually(m.name+" follows commit "+version+", and that is recorded", func() bool { return f.runs(m, version) && f.recorded(m, version) })
				}
			}
			if f.recorded(lost, next) {
				t.Fatal("the machine that is cut off is recorded to follow")
			}
			if way.told {
				f.eventually("the state branch says why", func() bool {
					return strings.Contains(f.repo.Git("show", "gitsync/state:hosts/"+lost.name+"/state.yaml"), "connection refused")
				})
				code, output := (&scenario{t: t, args: f.args, env: f.env}).gitsync("status", "--log-level", "error")
				if code == 0 || !strings.Contains(output, lost.name+": cannot be handled: ") || !strings.Contains(output, ", since ") {
					t.Errorf("status exits with %d and does not say since when and why:\n%s", code, output)
				}
			}
			restore()
			f.eventually(lost.name+" follows the newest commit when it is back", func() bool { return f.runs(lost, next) && f.recorded(lost, next) })
		})
		if t.Failed() {
			t.Logf("gitsync said:\n%s", log.String())
			return
		}
	}
}
