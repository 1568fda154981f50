package e2e_test

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/gitsync/gitsync/internal/sshdtest"
)

// A host over SSH is deployed to through its own Docker socket, with nothing but an
// sshd on it. Without a key that it lets in, it is left as it is, and the error says
// what to do.
func TestHostOverSSH(t *testing.T) {
	s := newScenario(t, "http")
	server := sshdtest.Serve(t)
	home := filepath.Join(s.dir, "home")
	if err := os.MkdirAll(filepath.Join(home, ".ssh"), 0o700); err != nil {
		t.Fatal(err)
	}
	known, err := os.ReadFile(server.KnownHostsFile)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(home, ".ssh", "known_hosts"), known, 0o600); err != nil {
		t.Fatal(err)
	}
	s.names = append(s.names, "SSHPORT", strconv.Itoa(server.Port), "SSHUSER", server.User)
	s.commit("1-first")

	s.env = []string{"HOME=" + home, "SSH_AUTH_SOCK="}
	if output := s.deploy(1); !strings.Contains(output, "ssh-add") {
		t.Errorf("the error does not say what to do:\n%s", output)
	}
	s.env = []string{"HOME=" + home, "SSH_AUTH_SOCK=" + sshdtest.Agent(t, server.KeyFile)}
	s.deploy(0)
	s.answers(s.ports[0], "/file?path=/etc/app.conf", "setting = 1\n")
	s.commit("2-image")
	s.deploy(0)
	s.answers(s.ports[0], "/env?name=VERSION", "2")
}
