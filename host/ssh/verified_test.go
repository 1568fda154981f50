package ssh_test

import (
	"crypto/ed25519"
	"net"
	"os"
	"path/filepath"
	"testing"

	xssh "golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/knownhosts"

	"github.com/gitsync/gitsync/host/ssh"
)

// serveAnyone is an SSH server of this process, which lets everybody in, and its key.
func serveAnyone(t *testing.T) (net.Addr, xssh.PublicKey) {
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
	return serve(t, "tcp", "127.0.0.1:0", func(_ int, conn net.Conn) {
		server, channels, requests, err := xssh.NewServerConn(conn, config)
		if err != nil {
			_ = conn.Close()
			return
		}
		go xssh.DiscardRequests(requests)
		for channel := range channels {
			_ = channel.Reject(xssh.Prohibited, "nothing is here")
		}
		_ = server.Close()
	}), key.PublicKey()
}

func TestOnlyKnownHostsVouchForAMachine(t *testing.T) {
	address, key := serveAnyone(t)
	config := at(address)
	config.Password = "anything"
	opts := ssh.Options{KnownHostsFile: filepath.Join(t.TempDir(), "known_hosts")}
	if err := os.WriteFile(opts.KnownHostsFile, []byte(knownhosts.Line([]string{address.String()}, key)+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	pinned := config
	pinned.HostKey = xssh.FingerprintSHA256(key)
	none := opts
	none.KnownHostsFile = filepath.Join(t.TempDir(), "none")
	first, again := none, none
	first.TrustOnFirstUse, first.KnownHostsFile = true, filepath.Join(t.TempDir(), "first")
	again.TrustOnFirstUse, again.KnownHostsFile = true, first.KnownHostsFile
	t.Setenv("HOME", t.TempDir())
	for _, c := range []struct {
		name   string
		config ssh.Config
		opts   ssh.Options
		want   bool
	}{
		{"a key that is known", config, opts, true},
		{"a key that is known, and pinned by the repo", pinned, opts, true},
		{"a key that only the repo pins", pinned, none, false},
		{"a key that is trusted on first use", config, first, false},
		{"a key that was trusted on first use before", config, again, false},
	} {
		d := ssh.NewDialer(c.opts)
		if d.Verified(c.config) {
			t.Errorf("%s: verified before it was seen", c.name)
		}
		connection, err := d.Connect(withPatience(t), c.config)
		if err != nil {
			t.Fatalf("%s: %v", c.name, err)
		}
		_ = connection.Close()
		if got := d.Verified(c.config); got != c.want {
			t.Errorf("%s: got %v, want %v", c.name, got, c.want)
		}
		other := c.config
		other.ProxyJump = "evil.example.com"
		if d.Verified(other) {
			t.Errorf("%s: another way is verified", c.name)
		}
	}
	if _, err := os.Stat(first.KnownHostsFile); err != nil {
		t.Error(err)
	}
}

func TestAKeyThatKnownHostsSpeakAgainstStandsForNothing(t *testing.T) {
	address, key := serveAnyone(t)
	_, other := serveAnyone(t)
	t.Setenv("HOME", t.TempDir())
	fingerprint := xssh.FingerprintSHA256(key)
	line := func(k xssh.PublicKey) string { return knownhosts.Line([]string{address.String()}, k) + "\n" }
	for _, c := range []struct {
		name, known string
		pin, first  bool
		want        ssh.Shown
	}{
		{"known", line(key), false, false, ssh.Shown{Key: fingerprint, Verified: true}},
		{"known and pinned", line(key), true, false, ssh.Shown{Key: fingerprint, Verified: true}},
		{"pinned", "", true, false, ssh.Shown{Key: fingerprint}},
		{"pinned, beside an authority for it", "@cert-authority " + line(other), true, false, ssh.Shown{Key: fingerprint}},
		{"on first use", "", false, true, ssh.Shown{Key: fingerprint, FirstUse: true}},
		{"pinned, and revoked", "@revoked * " + string(xssh.MarshalAuthorizedKey(key)), true, false, ssh.Shown{}},
		{"pinned, and another one known", line(other), true, false, ssh.Shown{}},
		{"pinned, and known hosts that are broken", "@marker x", true, false, ssh.Shown{}},
	} {
		opts := ssh.Options{KnownHostsFile: filepath.Join(t.TempDir(), "known_hosts"), TrustOnFirstUse: c.first}
		if err := os.WriteFile(opts.KnownHostsFile, []byte(c.known), 0o600); err != nil {
			t.Fatal(err)
		}
		config := at(address)
		config.Password = "anything"
		if c.pin {
			config.HostKey = fingerprint
		}
		d := ssh.NewDialer(opts)
		connection, err := d.Connect(withPatience(t), config)
		if err != nil {
			t.Fatalf("%s: %v", c.name, err)
		}
		_ = connection.Close()
		if got := d.Shown(config); got != c.want {
			t.Errorf("%s: got %+v, want %+v", c.name, got, c.want)
		}
	}
}
