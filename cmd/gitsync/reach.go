package main

import (
	"context"

	"github.com/gitsync/gitsync/container"
	"github.com/gitsync/gitsync/host"
	"github.com/gitsync/gitsync/host/direct"
	"github.com/gitsync/gitsync/host/ssh"
	"github.com/gitsync/gitsync/runtime"
	"github.com/gitsync/gitsync/runtime/docker"
)

// reach is how the machines of hosts are reached.
type reach struct {
	// connect opens the hosts' runtimes.
	connect container.Connector
	// way says how well it is known which machines they are; nil takes all for known.
	way func(host.Host, container.RuntimeConfig) container.Way
	// sight says by what they are known again; nil remembers none.
	sight func(host.Host, container.RuntimeConfig) (container.Sight, bool)
}

// reach returns how the settings reach machines. On an agent's own host the engine is the
// local one, whatever the repo says.
func (s *settings) reach() reach {
	if s.runtime == runtimeMemory {
		return reach{connect: s.connectMemory}
	}
	opts := container.ConnectOptions{SSH: ssh.NewDialer(s.sshOptions(s.sshKey, s.sshKnownHosts)), DockerCertPath: s.certPath}
	connect := container.NewConnector(opts)
	if !s.local && !s.agent {
		return reach{
			connect: connect,
			way: func(h host.Host, config container.RuntimeConfig) container.Way {
				return container.WayTo(h, config, opts)
			},
			sight: func(h host.Host, config container.RuntimeConfig) (container.Sight, bool) {
				return container.SightOf(h, config, opts)
			},
		}
	}
	r := reach{connect: func(ctx context.Context, _ host.Host, config container.RuntimeConfig) (runtime.Runtime, func(), error) {
		if config.Docker != nil && s.agent {
			config.Docker = &docker.Config{PullStall: config.Docker.PullStall}
		}
		return connect(ctx, host.Host{DirectConfig: &direct.Config{}}, config)
	}}
	r.way = func(_ host.Host, config container.RuntimeConfig) container.Way {
		if s.agent {
			return container.WayKnown
		}
		return container.WayTo(host.Host{DirectConfig: &direct.Config{}}, config, opts)
	}
	if !s.agent {
		r.sight = func(_ host.Host, config container.RuntimeConfig) (container.Sight, bool) {
			return container.SightOf(host.Host{DirectConfig: &direct.Config{}}, config, opts)
		}
	}
	return r
}
