package main

import (
	"context"
	"strings"
	"testing"

	"github.com/gitsync/gitsync/container"
	"github.com/gitsync/gitsync/host"
	"github.com/gitsync/gitsync/host/ssh"
	"github.com/gitsync/gitsync/runtime"
	"github.com/gitsync/gitsync/runtime/docker"
)

func TestAnAgentsEngineIsTheLocalOneWhateverTheRepoSays(t *testing.T) {
	t.Setenv("DOCKER_HOST", "unix:///nowhere/of-this-machine.sock")
	s := &settings{agent: true}
	r := s.reach()
	connect, way := r.connect, r.way
	for _, engine := range []docker.Config{{Host: "tcp://127.0.0.1:1"}, {Host: "ssh://evil.invalid"}, {Host: "unix:///srv/evil.sock"}, {Context: "evil"}} {
		h, config := host.Host{SSHConfig: &ssh.Config{Address: "evil.invalid"}}, container.RuntimeConfig{Docker: &engine}
		if got := way(h, config); got != container.WayKnown {
			t.Errorf("%+v: got the way %d, want one that is known", engine, got)
		}
		rt, release, err := connect(t.Context(), h, config)
		if err != nil {
			t.Fatalf("%+v: %v", engine, err)
		}
		_, err = rt.(runtime.Lister).List(context.Background(), nil)
		if err == nil || !strings.Contains(err.Error(), "of-this-machine.sock") {
			t.Errorf("%+v: got %v, want an error of the local engine", engine, err)
		}
		release()
	}
	// Without an agent the repo's engine is somebody's.
	way = (&settings{local: true}).reach().way
	if got := way(host.Host{}, container.RuntimeConfig{Docker: &docker.Config{Host: "tcp://10.0.0.7:2375"}}); got != container.WayPlain {
		t.Errorf("got the way %d, want a plain one", got)
	}
}
