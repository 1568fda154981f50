package container

import (
	"context"
	"fmt"
	"io"
	"net/url"
	"os"
	"strconv"
	"strings"

	"github.com/gitsync/gitsync/host"
	"github.com/gitsync/gitsync/host/ssh"
	"github.com/gitsync/gitsync/runtime"
)

// Connector opens the runtime of a machine. The function that it returns is
// called when the runtime is not needed any more; a connector that keeps runtimes
// open between uses returns one that does nothing.
type Connector func(ctx context.Context, h host.Host, config RuntimeConfig) (runtime.Runtime, func(), error)

// ConnectOptions are the settings of this side, which are in no repo.
type ConnectOptions struct {
	// SSH connects to hosts; nil means one with the agent that $SSH_AUTH_SOCK names and
	// the known hosts of the user.
	SSH *ssh.Dialer
	// DockerCertPath is where the certificates for engines with tcp:// addresses are:
	// see docker.Config.CertPath.
	DockerCertPath string
}

// Connect is the [Connector] that is used where no other is set: that of the zero
// [ConnectOptions].
func Connect(ctx context.Context, h host.Host, config RuntimeConfig) (runtime.Runtime, func(), error) {
	return NewConnector(ConnectOptions{})(ctx, h, config)
}

// NewConnector returns a [Connector] that opens a new connection each time. An engine
// whose address is ssh://, as a Docker context may have it, is reached over SSH too.
//
// Errors of the connector: [runtime.ErrUnreachable] when the host cannot be connected to,
// beside those of [ssh.Dialer.Connect].
func NewConnector(opts ConnectOptions) Connector {
	if opts.SSH == nil {
		opts.SSH = ssh.NewDialer(ssh.Options{AgentSocket: os.Getenv("SSH_AUTH_SOCK")})
	}
	return func(ctx context.Context, h host.Host, config RuntimeConfig) (runtime.Runtime, func(), error) {
		selected, err := config.selected()
		if err != nil {
			return nil, nil, err
		}
		release := func() {}
		if config.Docker != nil {
			engine := *config.Docker
			engine.CertPath = opts.DockerCertPath
			selected = &engine
			if h.SSHConfig == nil {
				if h.SSHConfig, engine.Host, err = behindSSH(engine.GetAddress(), engine.Host); err != nil {
					return nil, nil, err
				}
			}
			if h.SSHConfig != nil {
				h.DirectConfig = nil
				connection, err := h.Connect(ctx, opts.SSH)
				if err != nil {
					return nil, nil, unreachable{fmt.Errorf("connect to %s: %w", h.Address(), err)}
				}
				release = func() { _ = connection.Close() }
				engine.Context, engine.Dial = "", connection.DialContext
			}
		}
		rt, err := selected.New()
		if err != nil {
			release()
			return nil, nil, fmt.Errorf("open the runtime: %w", err)
		}
		return rt, func() {
			if c, ok := rt.(io.Closer); ok {
				_ = c.Close()
			}
			release()
		}, nil
	}
}

// behindSSH returns how to reach an engine whose address is ssh://user@host:port/socket,
// and its address there. Another address is returned as it was set.
func behindSSH(address, set string) (*ssh.Config, string, error) {
	if !strings.HasPrefix(address, "ssh://") {
		return nil, set, nil
	}
	u, err := url.Parse(address)
	if err != nil || u.Hostname() == "" {
		return nil, "", fmt.Errorf("docker address %q: write ssh://user@host", address)
	}
	config := &ssh.Config{Address: u.Hostname(), User: u.User.Username()}
	if u.Port() != "" {
		if config.Port, err = strconv.Atoi(u.Port()); err != nil {
			return nil, "", fmt.Errorf("docker address %q: %w", address, err)
		}
	}
	socket := "unix:///var/run/docker.sock"
	if u.Path != "" && u.Path != "/" {
		socket = "unix://" + u.Path
	}
	return config, socket, nil
}

// unreachable says of an error that the host was not reached, and keeps its text.
type unreachable struct{ error }

func (u unreachable) Unwrap() []error { return []error{u.error, runtime.ErrUnreachable} }
