package sshdtest

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// Server is a real sshd on loopback.
type Server struct {
	// User, Address and Port say where it is.
	User, Address string
	Port          int
	// KeyFile is a private key that it lets in, StrangerKeyFile one that it does not.
	KeyFile, StrangerKeyFile string
	// KnownHostsFile knows the server's ed25519 key, and no other of its keys.
	KnownHostsFile string
	dir            string
	t              testing.TB
	binary, config string
	// socket is what connections find at /var/run/docker.sock; empty for the real one.
	socket  string
	process *exec.Cmd
}

// URL returns the address of a directory behind the server.
func (s *Server) URL(dir string) string {
	return fmt.Sprintf("ssh://%s@%s:%d%s", s.User, s.Address, s.Port, dir)
}

// Serve runs an sshd on 127.0.0.1, as the current user. It has host keys of several types.
func Serve(t testing.TB, settings ...string) *Server {
	t.Helper()
	return ServeAt(t, "127.0.0.1", settings...)
}

// ServeAt runs an sshd on another address of loopback.
func ServeAt(t testing.TB, address string, settings ...string) *Server {
	t.Helper()
	return serve(t, address, "", settings)
}

// ServeMachine runs an sshd whose connections find another Docker socket in the usual
// place, as on a machine of its own. That needs root, and a file in that place.
func ServeMachine(t testing.TB, address, socket string, settings ...string) *Server {
	t.Helper()
	return serve(t, address, socket, settings)
}

func serve(t testing.TB, address, socket string, settings []string) *Server {
	t.Helper()
	sshd := findSSHD(t)
	me, err := user.Current()
	if err != nil {
		t.Fatal(err)
	}
	dir, err := os.MkdirTemp("", "gitsync-sshd-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	s := &Server{User: me.Username, Address: address, Port: freePort(t, address), binary: sshd, socket: socket, dir: dir, t: t}
	s.KeyFile, s.StrangerKeyFile = s.key("ed25519", "user"), s.key("ed25519", "stranger")
	config := fmt.Sprintf("Port %d\nListenAddress %s\nHostKey %s\nHostKey %s\nHostKey %s\nAuthorizedKeysFile %s\n"+
		"PidFile none\nStrictModes no\nUsePAM no\nPasswordAuthentication no\nPermitRootLogin yes\nMaxStartups 100\nSetEnv %s\n",
		s.Port, s.Address, s.key("rsa", "host_rsa"), s.key("ecdsa", "host_ecdsa"), s.key("ed25519", "host_ed25519"), s.KeyFile+".pub", "GIT_CONFIG_GLOBAL=/dev/null")
	for _, line := range settings {
		config += line + "\n"
	}
	s.config = s.write("sshd_config", config)
	s.KnownHostsFile = filepath.Join(dir, "known_hosts")
	s.Know("host_ed25519")
	// sshd wants a directory that its package makes only for the system's service.
	if os.Geteuid() == 0 {
		if err := os.MkdirAll("/run/sshd", 0o755); err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(s.Stop)
	s.Start()
	return s
}

// Start runs the server again after Stop, with the same keys on the same port.
func (s *Server) Start() {
	s.t.Helper()
	s.process = exec.Command(s.binary, "-D", "-e", "-f", s.config)
	if s.socket != "" {
		const script = `mount --bind "$0" /var/run/docker.sock && exec "$@"`
		s.process = exec.Command("unshare", "--mount", "--propagation", "private", "sh", "-c", script, s.socket, s.binary, "-D", "-e", "-f", s.config)
	}
	log, err := os.OpenFile(filepath.Join(s.dir, "log"), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		s.t.Fatal(err)
	}
	defer func() { _ = log.Close() }()
	s.process.Stderr = log
	// In a group of its own, so that those that serve the connections end with it.
	s.process.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := s.process.Start(); err != nil {
		s.t.Fatal(err)
	}
	s.wait()
}

// Stop ends the server and all its connections at once. It may have ended before.
func (s *Server) Stop() {
	if s.process == nil {
		return
	}
	// Stopped, it accepts nobody who comes back at once.
	_ = s.process.Process.Signal(syscall.SIGSTOP)
	for _, child := range descendants(s.process.Process.Pid) {
		_ = syscall.Kill(child, syscall.SIGKILL)
	}
	_ = s.process.Process.Kill()
	_ = s.process.Wait()
	s.process = nil
}

// descendants returns the processes below one, which sshd puts into sessions of their own.
func descendants(parent int) []int {
	var found []int
	tasks, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", parent))
	for _, task := range tasks {
		text, _ := os.ReadFile(task) // it may have ended meanwhile
		for word := range strings.FieldsSeq(string(text)) {
			if child, err := strconv.Atoi(word); err == nil {
				found = append(append(found, child), descendants(child)...)
			}
		}
	}
	return found
}

// Key makes a key pair of a type that ssh-keygen knows, and returns the private file.
func Key(t testing.TB, kind string) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "gitsync-key-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return (&Server{dir: dir, t: t}).key(kind, "key")
}

// Keygen runs ssh-keygen.
func Keygen(t testing.TB, args ...string) {
	t.Helper()
	if output, err := exec.Command("ssh-keygen", args...).CombinedOutput(); err != nil {
		t.Fatalf("ssh-keygen %q: %v: %s", args, err, output)
	}
}

// HostKeyFile is the public half of one of the server's keys: rsa, ecdsa or ed25519.
func (s *Server) HostKeyFile(kind string) string { return filepath.Join(s.dir, "host_"+kind+".pub") }

// Know writes known_hosts anew: the server has this key of its own.
func (s *Server) Know(key string) {
	public, err := os.ReadFile(filepath.Join(s.dir, key+".pub"))
	if err != nil {
		s.t.Fatal(err)
	}
	s.write("known_hosts", fmt.Sprintf("[%s]:%d %s", s.Address, s.Port, public))
}

// KnowAnother writes known_hosts anew, with a key that the server does not have.
func (s *Server) KnowAnother() {
	s.key("ed25519", "other")
	s.Know("other")
}

// KnowNobody empties known_hosts.
func (s *Server) KnowNobody() { s.write("known_hosts", "") }

func (s *Server) key(kind, name string) string {
	s.t.Helper()
	file := filepath.Join(s.dir, name)
	if output, err := exec.Command("ssh-keygen", "-q", "-t", kind, "-N", "", "-f", file).CombinedOutput(); err != nil {
		s.t.Fatalf("ssh-keygen: %v: %s", err, output)
	}
	return file
}

func (s *Server) write(name, content string) string {
	s.t.Helper()
	file := filepath.Join(s.dir, name)
	if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
		s.t.Fatal(err)
	}
	return file
}

// wait waits until the server answers.
func (s *Server) wait() {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	ticker := time.NewTicker(20 * time.Millisecond)
	defer ticker.Stop()
	for {
		conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", net.JoinHostPort(s.Address, strconv.Itoa(s.Port)))
		if err == nil {
			_ = conn.Close()
			return
		}
		select {
		case <-ctx.Done():
			log, _ := os.ReadFile(filepath.Join(s.dir, "log"))
			s.t.Fatalf("sshd does not answer: %s", log)
		case <-ticker.C:
		}
	}
}

// Agent runs an ssh-agent that holds a key, and returns its socket.
func Agent(t testing.TB, keyFile string) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "gitsync-agent-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	socket := filepath.Join(dir, "agent")
	agent := exec.Command("ssh-agent", "-D", "-a", socket)
	if err := agent.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = agent.Process.Kill()
		_ = agent.Wait()
	})
	deadline := time.Now().Add(20 * time.Second)
	for {
		add := exec.Command("ssh-add", "-q", keyFile)
		add.Env = append(os.Environ(), "SSH_AUTH_SOCK="+socket)
		output, err := add.CombinedOutput()
		if err == nil {
			return socket
		}
		if time.Now().After(deadline) {
			t.Fatalf("ssh-add: %v: %s", err, output)
		}
	}
}

func findSSHD(t testing.TB) string {
	t.Helper()
	for _, name := range []string{"/usr/sbin/sshd", "/usr/local/sbin/sshd"} {
		if _, err := os.Stat(name); err == nil {
			return name
		}
	}
	if os.Getenv("GITSYNC_REQUIRE_SSHD") != "" {
		t.Fatal("sshd is required, and not installed (apt-get install openssh-server)")
	}
	t.Skip("this test needs sshd (apt-get install openssh-server)")
	return ""
}

func freePort(t testing.TB, address string) int {
	t.Helper()
	listener, err := net.Listen("tcp", net.JoinHostPort(address, "0"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = listener.Close() }()
	return listener.Addr().(*net.TCPAddr).Port
}
