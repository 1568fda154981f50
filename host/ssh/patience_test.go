package ssh_test

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	xssh "golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/agent"

	"github.com/gitsync/gitsync/container/types"
	"github.com/gitsync/gitsync/host/ssh"
	"github.com/gitsync/gitsync/internal/sshdtest"
)

func withPatience(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	return ctx
}

// ends fails the test when dialling does not end by itself.
func ends(t *testing.T, ctx context.Context, config ssh.Config, opts ssh.Options) error {
	t.Helper()
	ended := make(chan error, 1)
	go func() {
		client, err := ssh.Dial(ctx, config, opts)
		if err == nil {
			_ = client.Close()
		}
		ended <- err
	}()
	select {
	case err := <-ended:
		return err
	case <-time.After(patience):
		t.Fatal("dial does not end")
		return nil
	}
}

// silentAgent lists a key, if it is to, and never signs with it.
type silentAgent struct {
	agent.Agent
	signing chan<- struct{}
	ended   <-chan struct{}
}

func (a *silentAgent) Sign(xssh.PublicKey, []byte) (*xssh.Signature, error) {
	a.signing <- struct{}{}
	<-a.ended
	return &xssh.Signature{}, nil
}

func TestDialEndsWithTheContextWhoeverIsSilent(t *testing.T) {
	s := sshdtest.Serve(t)
	quiet := serve(t, "tcp", "127.0.0.1:0", silent)
	quietAgent := serve(t, "unix", filepath.Join(shortDir(t), "agent"), silent).String()
	for name, change := range map[string]func(*ssh.Config, *ssh.Options){
		"the server":               func(c *ssh.Config, _ *ssh.Options) { c.Address, c.Port = at(quiet).Address, at(quiet).Port },
		"the agent about its keys": func(_ *ssh.Config, o *ssh.Options) { o.AgentSocket = quietAgent },
	} {
		t.Run(name, func(t *testing.T) {
			config, opts := to(s)
			change(&config, &opts)
			ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
			defer cancel()
			if err := ends(t, ctx, config, opts); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("dial: %v, want the context's error", err)
			}
			config.ConnectionTimeout = types.Duration(50 * time.Millisecond)
			if err := ends(t, t.Context(), config, opts); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("dial with a time-out of its own: %v, want that it is exceeded", err)
			}
		})
	}
}

func TestDialEndsWithTheContextWhenTheAgentDoesNotSign(t *testing.T) {
	s := sshdtest.Serve(t)
	key, err := xssh.ParseRawPrivateKey([]byte(read(t, s.KeyFile)))
	if err != nil {
		t.Fatal(err)
	}
	signing, ended := make(chan struct{}, 1), make(chan struct{})
	keyring := agent.NewKeyring()
	if err := keyring.Add(agent.AddedKey{PrivateKey: key}); err != nil {
		t.Fatal(err)
	}
	socket := serve(t, "unix", filepath.Join(shortDir(t), "agent"), func(_ int, conn net.Conn) {
		_ = agent.ServeAgent(&silentAgent{keyring, signing, ended}, conn)
	}).String()
	t.Cleanup(func() { close(ended) })
	config, opts := to(s)
	opts.KeyFile, opts.AgentSocket = "", socket
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	stop := make(chan struct{})
	defer close(stop)
	go func() {
		select {
		case <-signing:
			cancel()
		case <-stop:
		}
	}()
	if err := ends(t, ctx, config, opts); !errors.Is(err, context.Canceled) {
		t.Errorf("dial: %v, want the context's error", err)
	}
}

func TestNetworkErrorsAreTriedAgain(t *testing.T) {
	s := sshdtest.Serve(t)
	address := serve(t, "tcp", "127.0.0.1:0", func(number int, conn net.Conn) {
		switch number {
		case 1, 2:
			_ = conn.Close() // with what the client sent unread: a reset
		case 3:
			_, _ = conn.Read(make([]byte, 256))
			_ = conn.Close() // the end
		default:
			forward(conn, s)
		}
	})
	config, opts := to(s)
	opts.KnownHostsFile = write(t, strings.Replace(read(t, s.KnownHostsFile), fmt.Sprint(s.Port), fmt.Sprint(at(address).Port), 1))
	config.Port, config.RetryInterval = at(address).Port, types.Duration(time.Millisecond)
	if err := ends(t, t.Context(), config, opts); err == nil {
		t.Fatal("dial without a retry time-out tried again")
	}
	config.RetryTimeout = types.Duration(patience)
	if err := ends(t, t.Context(), config, opts); err != nil {
		t.Errorf("dial: %v, want that the fourth connection is used", err)
	}
}

func TestRetriesEndAndKeepTheLastError(t *testing.T) {
	s := sshdtest.Serve(t)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	config, opts := to(s)
	config.Port = at(listener.Addr()).Port
	if err := listener.Close(); err != nil {
		t.Fatal(err)
	}
	config.RetryTimeout, config.RetryInterval = types.Duration(20*time.Millisecond), types.Duration(time.Millisecond)
	if err := ends(t, t.Context(), config, opts); err == nil || !strings.Contains(err.Error(), "connection refused") {
		t.Errorf("dial: %v, want connection refused", err)
	}
	config.RetryTimeout, config.RetryInterval = types.Duration(2*time.Hour), types.Duration(time.Hour)
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	err = ends(t, ctx, config, opts)
	if !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "connection refused") {
		t.Errorf("dial: %v, want both connection refused and the context's error", err)
	}
}

// The server of x/crypto, since sshd takes the passwords of real users only.
func TestAPasswordLogsIn(t *testing.T) {
	_, key, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	hostKey, err := xssh.NewSignerFromKey(key)
	if err != nil {
		t.Fatal(err)
	}
	server := &xssh.ServerConfig{PasswordCallback: func(meta xssh.ConnMetadata, password []byte) (*xssh.Permissions, error) {
		if meta.User() == "root" && string(password) == "s3cret" {
			return nil, nil
		}
		return nil, errors.New("no")
	}}
	server.AddHostKey(hostKey)
	address := serve(t, "tcp", "127.0.0.1:0", func(_ int, conn net.Conn) {
		if _, _, _, err := xssh.NewServerConn(conn, server); err == nil {
			_, _ = io.Copy(io.Discard, conn)
		}
	})
	known := write(t, fmt.Sprintf("[127.0.0.1]:%d %s", at(address).Port, xssh.MarshalAuthorizedKey(hostKey.PublicKey())))
	config := at(address)
	config.User, config.Password = "", "s3cret" // root is the default
	if err := ends(t, t.Context(), config, ssh.Options{KnownHostsFile: known}); err != nil {
		t.Errorf("dial with the password: %v", err)
	}
	config.Password = "s3cret too"
	wantRefusal(t, config, ssh.Options{KnownHostsFile: known}, dialCase{nil, ssh.ErrAuth, nil})
}

// shortDir returns a directory whose path fits the address of a unix socket.
func shortDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "gitsync-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}
