package sync_test

import (
	"context"
	"crypto/ed25519"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	stdsync "sync"
	"testing"

	xssh "golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/knownhosts"

	"github.com/gitsync/gitsync/container"
	"github.com/gitsync/gitsync/host"
	"github.com/gitsync/gitsync/host/ssh"
	"github.com/gitsync/gitsync/policy"
	"github.com/gitsync/gitsync/runtime"
	"github.com/gitsync/gitsync/sync"
)

// sshMachine is an SSH server of this process, which lets everybody in.
type sshMachine struct {
	address string
	port    int
	key     xssh.PublicKey
}

func (m sshMachine) line(key xssh.PublicKey) string {
	return knownhosts.Line([]string{m.address}, key) + "\n"
}

func serveSSH(t *testing.T) sshMachine {
	t.Helper()
	_, private, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	key, err := xssh.NewSignerFromKey(private)
	if err != nil {
		t.Fatal(err)
	}
	config := &xssh.ServerConfig{PasswordCallback: func(xssh.ConnMetadata, []byte) (*xssh.Permissions, error) { return nil, nil }}
	config.AddHostKey(key)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var running stdsync.WaitGroup
	running.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			running.Go(func() {
				defer func() { _ = conn.Close() }()
				server, channels, requests, err := xssh.NewServerConn(conn, config)
				if err != nil {
					return
				}
				running.Go(func() { xssh.DiscardRequests(requests) })
				for channel := range channels {
					_ = channel.Reject(xssh.Prohibited, "nothing is here")
				}
				_ = server.Close()
			})
		}
	})
	t.Cleanup(func() {
		_ = listener.Close()
		running.Wait()
	})
	return sshMachine{listener.Addr().String(), listener.Addr().(*net.TCPAddr).Port, key.PublicKey()}
}

// remembering is a vault with a host over SSH, whose containers are in memory.
type remembering struct {
	*vault
	real, other sshMachine
	commits     int
	// knownHosts are what the agent's file has, and first is trust on first use.
	knownHosts string
	first      bool
}

func newRemembering(t *testing.T) *remembering {
	t.Helper()
	t.Setenv("HOME", t.TempDir())
	return &remembering{vault: newUnknown(t), real: serveSSH(t), other: serveSSH(t)}
}

func (r *remembering) hostYAML(m sshMachine, more string) string {
	return fmt.Sprintf("ssh: {address: 127.0.0.1, port: %d%s}\n", m.port, more)
}

func pinned(m sshMachine) string { return ", hostKey: \"" + xssh.FingerprintSHA256(m.key) + "\"" }

// trusted deploys a host as a new process, and says whether it got what is not its own.
func (r *remembering) trusted(hostYAML string) bool {
	r.t.Helper()
	opts := ssh.Options{KnownHostsFile: filepath.Join(r.t.TempDir(), "known_hosts"), TrustOnFirstUse: r.first}
	if err := os.WriteFile(opts.KnownHostsFile, []byte(r.knownHosts), 0o600); err != nil {
		r.t.Fatal(err)
	}
	d := ssh.NewDialer(opts)
	connect := container.ConnectOptions{SSH: d}
	r.opts.Connector = func(ctx context.Context, h host.Host, _ container.RuntimeConfig) (runtime.Runtime, func(), error) {
		if h.SSHConfig != nil {
			config := *h.SSHConfig
			config.Password = "anything"
			connection, err := d.Connect(ctx, config)
			if err != nil {
				return nil, nil, err
			}
			_ = connection.Close()
		}
		return r.watched, func() {}, nil
	}
	r.opts.Way = func(h host.Host, config container.RuntimeConfig) container.Way {
		return container.WayTo(h, config, connect)
	}
	r.opts.Sight = func(h host.Host, config container.RuntimeConfig) (container.Sight, bool) {
		return container.SightOf(h, config, connect)
	}
	r.commits++
	r.commit(map[string]string{
		"hosts/web1/host.yaml": hostYAML,
		web1:                   web(fmt.Sprint("nginx:1.", r.commits)) + "    env: {X: \"${secret.vault_token}\"}\n",
	}, "next")
	r.opts.RetryNow = true
	r.restart()
	result := r.syncer.Cycle(r.t.Context())
	text := fmt.Sprint(problems(result)...)
	if !result.Converged() && !strings.Contains(text, "secret vault_token is not given to the host") {
		r.t.Fatalf("the cycle failed: %s", text)
	}
	return result.Converged()
}

// confirm has the agent's known hosts confirm the machine.
func (r *remembering) confirm() {
	r.t.Helper()
	r.knownHosts = r.real.line(r.real.key)
	if !r.trusted(r.hostYAML(r.real, pinned(r.real))) {
		r.t.Fatal("the known hosts do not confirm the host")
	}
	r.knownHosts = ""
}

func (r *remembering) memoryFile() string { return filepath.Join(r.opts.DataDir, sync.MemoryFile) }

func TestAMachineThatWasConfirmedStaysSoWithTheSameKeyAtTheSameAddress(t *testing.T) {
	r := newRemembering(t)
	r.confirm()
	before, err := os.ReadFile(r.memoryFile())
	if err != nil || !strings.Contains(string(before), xssh.FingerprintSHA256(r.real.key)) {
		t.Fatalf("the data directory has %s, %v, want the fingerprint", before, err)
	}
	info, err := os.Stat(r.memoryFile())
	if err != nil {
		t.Fatal(err)
	}
	r.cycle()
	if now, err := os.Stat(r.memoryFile()); err != nil || !os.SameFile(info, now) || !now.ModTime().Equal(info.ModTime()) {
		t.Errorf("a cycle with nothing to do wrote the memory (%v)", err)
	}
	if !r.trusted(r.hostYAML(r.real, pinned(r.real))) {
		t.Error("the repo's hostKey with the same key: the host is not confirmed")
	}
	r.first = true
	if !r.trusted(r.hostYAML(r.real, "")) {
		t.Error("the same key on first use: the host is not confirmed")
	}
}

func TestWhatIsNotExactlyTheConfirmedMachineIsNotConfirmed(t *testing.T) {
	for name, change := range map[string]func(r *remembering) (hostYAML string){
		"another machine": func(r *remembering) string { return r.hostYAML(r.other, pinned(r.other)) },
		"another machine, on first use": func(r *remembering) string {
			r.first = true
			return r.hostYAML(r.other, "")
		},
		"another engine on it": func(r *remembering) string {
			return r.hostYAML(r.real, pinned(r.real)) + "docker: {host: \"unix:///srv/evil.sock\"}\n"
		},
		"a key that the known hosts revoke by now": func(r *remembering) string {
			r.knownHosts = "@revoked * " + string(xssh.MarshalAuthorizedKey(r.real.key))
			return r.hostYAML(r.real, pinned(r.real))
		},
		"another key by the known hosts": func(r *remembering) string {
			r.knownHosts = r.real.line(r.other.key)
			return r.hostYAML(r.real, pinned(r.real))
		},
		"another key in the memory": func(r *remembering) string {
			data, err := os.ReadFile(r.memoryFile())
			if err == nil {
				err = os.WriteFile(r.memoryFile(), []byte(strings.ReplaceAll(string(data), xssh.FingerprintSHA256(r.real.key), xssh.FingerprintSHA256(r.other.key))), 0o600)
			}
			if err != nil {
				r.t.Fatal(err)
			}
			return r.hostYAML(r.real, pinned(r.real))
		},
		"the data directory is lost": func(r *remembering) string {
			r.opts.DataDir = r.t.TempDir()
			return r.hostYAML(r.real, pinned(r.real))
		},
		"an operator had it forgotten": func(r *remembering) string {
			if forgot, err := r.syncer.ForgetMachine("web1"); err != nil || !forgot {
				r.t.Errorf("forget: %v, %v", forgot, err)
			}
			if again, err := r.syncer.ForgetMachine("web1"); err != nil || again {
				r.t.Errorf("forget again: %v, %v", again, err)
			}
			return r.hostYAML(r.real, pinned(r.real))
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRemembering(t)
			r.confirm()
			if r.trusted(change(r)) {
				t.Error("the host got what is not its own")
			}
		})
	}
}

func TestAJumpHostOfTheRepoIsAnotherWayToAMachine(t *testing.T) {
	r := newRemembering(t)
	r.confirm()
	connect := r.opts.Sight
	r.opts.Way = func(host.Host, container.RuntimeConfig) container.Way { return container.WayUnknown }
	for jump, want := range map[string]bool{"": true, "evil.example.com": false} {
		r.opts.Sight = func(h host.Host, config container.RuntimeConfig) (container.Sight, bool) {
			s, ok := connect(h, config)
			s.ProxyJump = jump
			return s, ok
		}
		r.restart()
		r.commits++
		r.commit(map[string]string{web1: web(fmt.Sprint("nginx:1.", r.commits)) + "    env: {X: \"${secret.vault_token}\"}\n"}, "next")
		if result := r.syncer.Cycle(t.Context()); result.Converged() != want {
			t.Errorf("jump host %q: converged %v, want %v: %v", jump, !want, want, problems(result))
		}
	}
}

func TestOnlyWhatTheAgentConfirmsIsRemembered(t *testing.T) {
	r := newRemembering(t)
	for range 2 {
		if r.trusted(r.hostYAML(r.real, pinned(r.real))) {
			t.Error("the repo's hostKey alone confirms the host")
		}
	}
	r.first = true
	for range 2 {
		if r.trusted(r.hostYAML(r.real, "")) {
			t.Error("trust on first use confirms the host")
		}
	}
	p, err := policy.Parse(fmt.Appendf(nil, `hosts: {web1: {address: {allow: ["ssh://%s"]}}}`, r.real.address), "policy.yaml")
	if err != nil {
		t.Fatal(err)
	}
	// The policy confirms it meanwhile, and not the key that came first.
	r.opts.Policy = p
	if !r.trusted(r.hostYAML(r.real, "")) {
		t.Error("the policy does not confirm the host")
	}
	r.opts.Policy = nil
	if r.trusted(r.hostYAML(r.real, "")) {
		t.Error("a key on first use was remembered, since the policy names the address")
	}
	r.opts.Policy, r.first = p, false
	if !r.trusted(r.hostYAML(r.real, pinned(r.real))) {
		t.Error("the policy does not confirm the host with a hostKey")
	}
	r.opts.Policy = nil
	if !r.trusted(r.hostYAML(r.real, pinned(r.real))) {
		t.Error("what the policy confirmed is not remembered")
	}
	// A host that left the repo has no machine.
	r.opts.AllowPrune = true
	r.repo.Remove("main", "hosts/web1")
	r.commit(map[string]string{db1: database("postgres:16")}, "without it")
	r.restart()
	r.syncer.Cycle(t.Context())
	r.syncer.Cycle(t.Context())
	if r.trusted(r.hostYAML(r.real, pinned(r.real))) {
		t.Error("a host that was gone is confirmed again by what was remembered")
	}
}
