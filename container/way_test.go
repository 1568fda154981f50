package container_test

import (
	"testing"

	"github.com/gitsync/gitsync/container"
	"github.com/gitsync/gitsync/host"
	"github.com/gitsync/gitsync/host/direct"
	"github.com/gitsync/gitsync/host/ssh"
	"github.com/gitsync/gitsync/runtime/docker"
)

func TestOnlyAMachineThatThisSideVouchesForIsKnown(t *testing.T) {
	t.Setenv("DOCKER_HOST", "tcp://10.0.0.1:2375")
	here, there := host.Host{DirectConfig: &direct.Config{}}, host.Host{SSHConfig: &ssh.Config{Address: "10.0.0.7", HostKey: "SHA256:x"}}
	certs := t.TempDir()
	for _, c := range []struct {
		h      host.Host
		engine docker.Config
		certs  string
		want   container.Way
	}{
		{here, docker.Config{}, "", container.WayKnown},
		{here, docker.Config{Host: "tcp://10.0.0.1:2375"}, "", container.WayKnown},
		{here, docker.Config{Context: "mine"}, "", container.WayKnown},
		{here, docker.Config{Host: "unix:///var/run/docker.sock"}, "", container.WayKnown},
		{here, docker.Config{Host: "unix:///run/user/1000/podman/podman.sock"}, "", container.WayKnown},
		{here, docker.Config{Host: "unix:///srv/data/evil.sock"}, "", container.WayUnknown},
		{here, docker.Config{Host: "unix:///run/../srv/evil.sock"}, "", container.WayUnknown},
		{here, docker.Config{Host: "tcp://evil.example.com:2375"}, "", container.WayPlain},
		{here, docker.Config{Host: "tcp://127.0.0.1:2375"}, "", container.WayPlain},
		{here, docker.Config{Host: "tcp://10.0.0.7:2376"}, certs, container.WayKnown},
		{here, docker.Config{Host: "ssh://root@evil.example.com"}, "", container.WayUnknown},
		{there, docker.Config{}, "", container.WayUnknown},
		{there, docker.Config{Host: "tcp://127.0.0.1:2375"}, "", container.WayUnknown},
		{there, docker.Config{Host: "tcp://localhost:2375"}, "", container.WayUnknown},
		{there, docker.Config{Host: "tcp://10.0.0.8:2375"}, "", container.WayPlain},
		{host.Host{}, docker.Config{Host: "http://evil"}, "", container.WayUnknown},
	} {
		opts := container.ConnectOptions{SSH: ssh.NewDialer(ssh.Options{}), DockerCertPath: c.certs}
		if got := container.WayTo(c.h, container.RuntimeConfig{Docker: &c.engine}, opts); got != c.want {
			t.Errorf("%s with %+v: got %d, want %d", c.h.Address(), c.engine, got, c.want)
		}
	}
}

func TestAMachineIsKnownAgainOnlyByWhatProvesIt(t *testing.T) {
	t.Setenv("DOCKER_HOST", "")
	here, there := host.Host{DirectConfig: &direct.Config{}}, host.Host{SSHConfig: &ssh.Config{Address: "10.0.0.7"}}
	for _, c := range []struct {
		h      host.Host
		engine docker.Config
		certs  string
		want   bool
	}{
		{here, docker.Config{}, "", false},
		{here, docker.Config{Context: "mine"}, "", false},
		{here, docker.Config{Host: "unix:///srv/engine.sock"}, "", true},
		{here, docker.Config{Host: "tcp://10.0.0.7:2375"}, "", false},
		{here, docker.Config{Host: "tcp://10.0.0.7:2376"}, t.TempDir(), false},
		// Nobody has logged in there yet.
		{there, docker.Config{}, "", false},
		{there, docker.Config{Host: "tcp://10.0.0.8:2375"}, "", false},
		{here, docker.Config{Host: "ssh://root@10.0.0.7"}, "", false},
	} {
		opts := container.ConnectOptions{SSH: ssh.NewDialer(ssh.Options{}), DockerCertPath: c.certs}
		if got, ok := container.SightOf(c.h, container.RuntimeConfig{Docker: &c.engine}, opts); ok != c.want {
			t.Errorf("%s with %+v: got %+v, %v, want %v", c.h.Address(), c.engine, got, ok, c.want)
		}
	}
}
