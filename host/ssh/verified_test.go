package ssh_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gitsync/gitsync/host/ssh"
	"github.com/gitsync/gitsync/internal/sshdtest"
)

func TestOnlyKnownHostsVouchForAMachine(t *testing.T) {
	s := sshdtest.Serve(t)
	config, opts := to(s)
	pinned := config
	pinned.HostKey = strings.Join(strings.Fields(read(t, s.KnownHostsFile))[1:3], " ")
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
