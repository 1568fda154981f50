package ssh_test

import (
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	stdsync "sync"
	"testing"
	"time"

	"go.uber.org/goleak"
	xssh "golang.org/x/crypto/ssh"

	"github.com/gitsync/gitsync/host/ssh"
	"github.com/gitsync/gitsync/internal/sshdtest"
)

// patience bounds what must not take long; nothing waits for it to be over.
const patience = 30 * time.Second

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// to says how to reach a server, by key.
func to(s *sshdtest.Server) (ssh.Config, ssh.Options) {
	return ssh.Config{Address: s.Address, Port: s.Port, User: s.User},
		ssh.Options{KeyFile: s.KeyFile, KnownHostsFile: s.KnownHostsFile}
}

// at is the config for a listener's address.
func at(address net.Addr) ssh.Config {
	tcp := address.(*net.TCPAddr)
	return ssh.Config{Address: tcp.IP.String(), Port: tcp.Port, User: "root"}
}

// serve handles the connections of a new loopback listener, each in a goroutine, and
// closes them all at the end of the test.
func serve(t *testing.T, network, address string, handle func(number int, conn net.Conn)) net.Addr {
	t.Helper()
	listener, err := net.Listen(network, address)
	if err != nil {
		t.Fatal(err)
	}
	var running stdsync.WaitGroup
	var mu stdsync.Mutex
	var open []net.Conn
	running.Go(func() {
		for number := 1; ; number++ {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			mu.Lock()
			open = append(open, conn)
			mu.Unlock()
			running.Go(func() { handle(number, conn) })
		}
	})
	t.Cleanup(func() {
		_ = listener.Close()
		mu.Lock()
		for _, conn := range open {
			_ = conn.Close()
		}
		mu.Unlock()
		running.Wait()
	})
	return listener.Addr()
}

// silent reads and never answers.
func silent(_ int, conn net.Conn) { _, _ = io.Copy(io.Discard, conn) }

// forward joins a connection with a server.
func forward(conn net.Conn, server *sshdtest.Server) {
	behind, err := net.Dial("tcp", net.JoinHostPort(server.Address, fmt.Sprint(server.Port)))
	if err != nil {
		_ = conn.Close()
		return
	}
	var both stdsync.WaitGroup
	both.Go(func() { _, _ = io.Copy(behind, conn); _ = behind.Close() })
	both.Go(func() { _, _ = io.Copy(conn, behind); _ = conn.Close() })
	both.Wait()
}

// write puts a file into a directory of the test.
func write(t *testing.T, content string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

func read(t *testing.T, file string) string {
	t.Helper()
	content, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}

// use proves that a client works.
func use(t *testing.T, client *xssh.Client) {
	t.Helper()
	session, err := client.NewSession()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = session.Close() }()
	if got, err := session.Output("echo hello"); err != nil || string(got) != "hello\n" {
		t.Errorf("echo hello: %q, %v, want hello", got, err)
	}
}
