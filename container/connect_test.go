package container_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/gitsync/gitsync/container"
	"github.com/gitsync/gitsync/container/types"
	"github.com/gitsync/gitsync/host"
	"github.com/gitsync/gitsync/host/direct"
	"github.com/gitsync/gitsync/host/ssh"
	"github.com/gitsync/gitsync/internal/dockertest"
	"github.com/gitsync/gitsync/internal/sshdtest"
	"github.com/gitsync/gitsync/runtime"
	"github.com/gitsync/gitsync/runtime/docker"
	"github.com/gitsync/gitsync/runtime/runtimetest"
)

func TestEnginesBehindSSHAreReached(t *testing.T) {
	socket := dockertest.Socket(t)
	s := sshdtest.Serve(t, "MaxSessions 1", "MaxStartups 1")
	connect := container.NewConnector(container.ConnectOptions{
		SSH: ssh.NewDialer(ssh.Options{KeyFile: s.KeyFile, KnownHostsFile: s.KnownHostsFile}),
	})
	// The look whether sshd answers may still count as a login that has begun.
	remote := host.Host{SSHConfig: &ssh.Config{Address: s.Address, Port: s.Port, User: s.User, RetryTimeout: types.Duration(time.Minute), RetryInterval: types.Duration(20 * time.Millisecond)}}
	for _, tt := range []struct {
		name   string
		host   host.Host
		config docker.Config
	}{
		{"a socket of the host", remote, docker.Config{Host: "unix://" + socket}},
		{"an address that is ssh://", host.Host{DirectConfig: &direct.Config{}}, docker.Config{Host: fmt.Sprintf("ssh://%s@%s:%d%s", s.User, s.Address, s.Port, socket)}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			rt, release, err := connect(t.Context(), tt.host, container.RuntimeConfig{Docker: &tt.config})
			if err != nil {
				t.Fatal(err)
			}
			defer release()
			if _, err := rt.(runtimetest.Full).List(t.Context(), map[string]string{"io.gitsync.test": "none"}); err != nil {
				t.Error(err)
			}
		})
	}
	t.Run("a login that is refused leaves the host unreachable, and says why", func(t *testing.T) {
		refused := *remote.SSHConfig
		refused.User = "nobody"
		_, _, err := connect(t.Context(), host.Host{SSHConfig: &refused}, container.RuntimeConfig{Docker: &docker.Config{}})
		if !errors.Is(err, runtime.ErrUnreachable) || !errors.Is(err, ssh.ErrAuth) {
			t.Errorf("connect: %v, want ErrUnreachable and ErrAuth", err)
		}
	})
}
