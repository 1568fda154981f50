package policy_test

import (
	"fmt"
	"testing"

	"github.com/gitsync/gitsync/container"
	"github.com/gitsync/gitsync/container/types"
	"github.com/gitsync/gitsync/policy"
)

// BenchmarkCheck judges a host with a thousand containers, by the default profile.
func BenchmarkCheck(b *testing.B) {
	all := container.ContainersState{}
	for i := range 1000 {
		name := fmt.Sprintf("web%d", i)
		all[name] = web(func(c *container.HostConfiguredContainer) {
			c.Container.Config.Name = name
			c.Container.Config.Ports = []types.PortMap{{Port: 80, HostPort: 10_000 + i}}
			c.Container.Config.Mounts = []types.Mount{{Source: "data", Target: "/data"}, {Source: "/srv/web", Target: "/srv"}, {Source: "/srv/" + name + ".conf", Target: "/x"}}
			c.ConfigFiles = map[string]string{"/srv/" + name + ".conf": "x", "/srv/web/other.conf": "x"}
		})
	}
	p := policy.Default()
	for b.Loop() {
		if found := p.Check("web1", all); len(found) > 0 {
			b.Fatal(found)
		}
	}
}
