package ssh_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	goruntime "runtime"
	"strings"
	stdsync "sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gitsync/gitsync/container/types"
	"github.com/gitsync/gitsync/host/ssh"
	"github.com/gitsync/gitsync/internal/sshdtest"
)

// connect connects with what ~/.ssh/known_hosts and the agent know.
func connect(t *testing.T, s *sshdtest.Server) *ssh.Connection {
	t.Helper()
	home := t.TempDir()
	if err := os.Mkdir(filepath.Join(home, ".ssh"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(home, ".ssh", "known_hosts"), []byte(read(t, s.KnownHostsFile)), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("HOME", home)
	config, _ := to(s)
	// With MaxStartups 1 the look whether sshd answers may still count as a login.
	config.RetryTimeout, config.RetryInterval = types.Duration(patience), types.Duration(20*time.Millisecond)
	c, err := ssh.NewDialer(ssh.Options{AgentSocket: sshdtest.Agent(t, s.KeyFile)}).Connect(withPatience(t), config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// echo answers each line with itself.
func echo(_ int, conn net.Conn) {
	_, _ = io.Copy(conn, conn)
	_ = conn.Close()
}

// talk proves that a connection leads to echo.
func talk(conn net.Conn, line string) error {
	if _, err := fmt.Fprintln(conn, line); err != nil {
		return err
	}
	got, err := bufio.NewReader(conn).ReadString('\n')
	if err != nil || got != line+"\n" {
		return fmt.Errorf("echo says %q, %w, want %q", got, err, line)
	}
	return nil
}

func TestAConnectionDialsTheHostsSocketsAtOnce(t *testing.T) {
	c := connect(t, sshdtest.Serve(t))
	unix := serve(t, "unix", filepath.Join(shortDir(t), "socket"), echo)
	tcp := serve(t, "tcp", "127.0.0.1:0", echo)
	var all stdsync.WaitGroup
	for i := range 20 {
		address := []net.Addr{unix, tcp}[i%2]
		all.Go(func() {
			conn, err := c.DialContext(t.Context(), address.Network(), address.String())
			if err != nil {
				t.Error(err)
				return
			}
			defer func() { _ = conn.Close() }()
			if err := talk(conn, fmt.Sprintf("line %d", i)); err != nil {
				t.Errorf("over %s: %v", address.Network(), err)
			}
		})
	}
	all.Wait()
}

func TestDialErrorsSayWhatToDo(t *testing.T) {
	open := connect(t, sshdtest.Serve(t))
	closed := connect(t, sshdtest.Serve(t, "AllowStreamLocalForwarding no", "AllowTcpForwarding no"))
	for name, tt := range map[string]struct {
		through          *ssh.Connection
		network, address string
		says             string
	}{
		"a socket that is not there":    {open, "unix", "/nowhere/docker.sock", "the socket is there"},
		"a port where nobody is":        {open, "tcp", "127.0.0.1:1", "refused"},
		"sockets that are not allowed":  {closed, "unix", "/var/run/docker.sock", "AllowStreamLocalForwarding"},
		"ports that are not allowed":    {closed, "tcp", "127.0.0.1:1", "AllowTcpForwarding"},
		"a network that is none":        {open, "carrier-pigeon", "coop", "carrier-pigeon"},
		"an address that has no number": {open, "tcp", "127.0.0.1:docker", "docker"},
	} {
		t.Run(name, func(t *testing.T) {
			conn, err := tt.through.DialContext(withPatience(t), tt.network, tt.address)
			if err == nil {
				_ = conn.Close()
				t.Fatal("dial: no error")
			}
			if got := err.Error(); !strings.Contains(got, tt.says) || !strings.Contains(got, tt.address) {
				t.Errorf("dial: %s, want it to say %q and the address", got, tt.says)
			}
		})
	}
	socket := serve(t, "unix", filepath.Join(shortDir(t), "socket"), echo)
	conn, err := open.DialContext(withPatience(t), "unix", socket.String())
	if err != nil {
		t.Fatalf("dial after errors: %v", err)
	}
	if err := talk(conn, "still here"); err != nil {
		t.Error(err)
	}
}

func TestDialContextObeysItsContext(t *testing.T) {
	c := connect(t, sshdtest.Serve(t))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := c.DialContext(ctx, "unix", "/nowhere"); !errors.Is(err, context.Canceled) {
		t.Errorf("dial: %v, want the context's error", err)
	}
}

func TestCloseEndsAllThatWasDialled(t *testing.T) {
	c := connect(t, sshdtest.Serve(t))
	socket := serve(t, "unix", filepath.Join(shortDir(t), "socket"), echo)
	conn, err := c.DialContext(t.Context(), "unix", socket.String())
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := c.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	}
	wantEnd(t, conn)
	if _, err := c.DialContext(withPatience(t), "unix", socket.String()); err == nil {
		t.Error("dial after close: no error")
	}
}

// What was dialled must not wait for ever when the network goes away; what is dialled
// after that works.
func TestALostConnectionEndsAllThatWasDialledAndComesBack(t *testing.T) {
	s := sshdtest.Serve(t)
	accepted := make(chan net.Conn, 10)
	through := serve(t, "tcp", "127.0.0.1:0", func(_ int, conn net.Conn) {
		accepted <- conn
		forward(conn, s)
	})
	known := strings.Replace(read(t, s.KnownHostsFile), fmt.Sprint(s.Port), fmt.Sprint(at(through).Port), 1)
	behind := &sshdtest.Server{User: s.User, Address: s.Address, Port: at(through).Port, KeyFile: s.KeyFile, KnownHostsFile: write(t, known)}
	c := connect(t, behind)
	socket := serve(t, "unix", filepath.Join(shortDir(t), "socket"), echo)
	conn, err := c.DialContext(t.Context(), "unix", socket.String())
	if err != nil {
		t.Fatal(err)
	}
	if err := talk(conn, "hello"); err != nil {
		t.Fatal(err)
	}
	_ = (<-accepted).Close()
	wantEnd(t, conn)
	var all stdsync.WaitGroup
	for range 5 {
		all.Go(func() {
			conn, err := c.DialContext(withPatience(t), "unix", socket.String())
			if err != nil {
				t.Errorf("dial after the connection was lost: %v", err)
				return
			}
			defer func() { _ = conn.Close() }()
			if err := talk(conn, "back"); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	_ = (<-accepted).Close()
	if len(accepted) > 0 {
		t.Error("several dials at once made several logins")
	}
	if err := c.Close(); err != nil {
		t.Errorf("close: %v, want none for a connection that is lost", err)
	}
}

// wantEnd fails the test when a read does not end by itself.
func wantEnd(t *testing.T, conn net.Conn) {
	t.Helper()
	ended := make(chan error, 1)
	go func() {
		_, err := conn.Read(make([]byte, 1))
		ended <- err
	}()
	select {
	case err := <-ended:
		if err == nil {
			t.Error("read: no error, want the end")
		}
	case <-time.After(patience):
		t.Fatal("read does not end")
	}
}

// Who gives a login up takes nobody with them: a call that comes at that moment has time
// of its own.
func TestALoginThatIsGivenUpIsNobodyElses(t *testing.T) {
	s := sshdtest.Serve(t)
	var quiet atomic.Bool
	logins := make(chan net.Conn, 1000)
	address := serve(t, "tcp", "127.0.0.1:0", func(number int, conn net.Conn) {
		logins <- conn
		if quiet.Load() {
			silent(number, conn)
			return
		}
		forward(conn, s)
	})
	config, opts := to(s)
	opts.KnownHostsFile = write(t, strings.Replace(read(t, s.KnownHostsFile), fmt.Sprint(s.Port), fmt.Sprint(at(address).Port), 1))
	config.Port = at(address).Port
	c, err := ssh.NewDialer(opts).Connect(withPatience(t), config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	quiet.Store(true)
	_ = (<-logins).Close()
	for i := range 300 {
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			_, _ = c.DialContext(ctx, "unix", "/nowhere")
		}()
		<-logins
		cancel()
		for range i {
			goruntime.Gosched() // now sooner, now later
		}
		own, stop := context.WithTimeout(t.Context(), 5*time.Millisecond)
		if _, err := c.DialContext(own, "unix", "/nowhere"); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("dial: %v, want that its own time is over", err)
		}
		stop()
		<-ended
		for len(logins) > 0 {
			<-logins
		}
	}
}
