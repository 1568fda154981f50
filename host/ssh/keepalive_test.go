package ssh

import (
	"bytes"
	"crypto/ed25519"
	"net"
	stdsync "sync"
	"testing"
	"testing/synctest"
	"time"

	xssh "golang.org/x/crypto/ssh"
)

// buffered makes writes to a pipe not wait for a reader, as those to a network.
type buffered struct {
	net.Conn
	out   chan []byte
	ended chan struct{}
	once  stdsync.Once
}

func newBuffered(conn net.Conn) *buffered {
	b := &buffered{Conn: conn, out: make(chan []byte, 100), ended: make(chan struct{})}
	go func() {
		for {
			select {
			case p := <-b.out:
				_, _ = b.Conn.Write(p)
			case <-b.ended:
				return
			}
		}
	}()
	return b
}

func (b *buffered) Write(p []byte) (int, error) {
	select {
	case b.out <- bytes.Clone(p):
		return len(p), nil
	case <-b.ended:
		return 0, net.ErrClosed
	}
}

func (b *buffered) Close() error {
	b.once.Do(func() { close(b.ended) })
	return b.Conn.Close()
}

// pipe connects a client with a server that handles its requests as told, without
// a network, so that the clock of the test bubble counts.
func pipe(t *testing.T, handle func(<-chan *xssh.Request)) *Connection {
	t.Helper()
	_, key, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	hostKey, err := xssh.NewSignerFromKey(key)
	if err != nil {
		t.Fatal(err)
	}
	config := &xssh.ServerConfig{NoClientAuth: true}
	config.AddHostKey(hostKey)
	one, other := net.Pipe()
	here, there := newBuffered(one), newBuffered(other)
	go func() {
		server, _, requests, err := xssh.NewServerConn(there, config)
		if err != nil {
			_ = there.Close()
			return
		}
		handle(requests)
		_ = server.Close()
	}()
	client, err := handshake(t.Context(), here, "host:22", &xssh.ClientConfig{
		User: "root", HostKeyCallback: xssh.FixedHostKey(hostKey.PublicKey()),
	})
	if err != nil {
		t.Fatal(err)
	}
	c := &Connection{address: "host:22", dialer: NewDialer(Options{})}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.keep(client, func() {})
	return c
}

func TestKeepaliveHoldsAConnectionThatAnswers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		asked := make(chan string, 1000)
		c := pipe(t, func(requests <-chan *xssh.Request) {
			for request := range requests {
				asked <- request.Type
				_ = request.Reply(false, nil) // as sshd answers
			}
		})
		<-time.After(time.Hour)
		if got, want := len(asked), int(time.Hour/keepaliveInterval)-1; got < want {
			t.Errorf("asked %d times in an hour, want at least %d", got, want)
		}
		if got, want := <-asked, "keepalive@openssh.com"; got != want {
			t.Errorf("asked for %s, want %s", got, want)
		}
		if err := c.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
}

func TestKeepaliveEndsAConnectionThatDoesNotAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := pipe(t, func(requests <-chan *xssh.Request) {
			for range requests {
			}
		})
		start := time.Now()
		s, err := c.session(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		<-s.ended
		if got, want := time.Since(start), keepaliveInterval+keepaliveTimeout; got != want {
			t.Errorf("ended after %v, want %v", got, want)
		}
		if _, err := c.DialContext(t.Context(), "unix", "/socket"); err == nil {
			t.Error("dial: no error")
		}
		if err := c.Close(); err != nil {
			t.Errorf("close: %v, want none", err)
		}
	})
}
