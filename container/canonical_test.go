package container_test

import (
	"testing"

	"github.com/gitsync/gitsync/container"
	"github.com/gitsync/gitsync/container/types"
)

func configured(c types.ContainerConfig) *container.HostConfiguredContainer {
	return spec("web", func(m *container.HostConfiguredContainer) {
		c.Name = "web"
		if c.Image == "" {
			c.Image = "nginx:1.26"
		}
		m.Container.Config = c
	})
}

// spellings are pairs of configs that mean the same to the engine.
func spellings() map[string][2]types.ContainerConfig {
	type c = types.ContainerConfig
	mount := func(m types.Mount) c { return c{Mounts: []types.Mount{m}} }
	return map[string][2]c{
		"image":                     {{Image: "redis"}, {Image: "docker.io/library/redis:latest"}},
		"aliases in another order":  {{NetworkMode: "n", NetworkAliases: []string{"b", "a"}}, {NetworkMode: "n", NetworkAliases: []string{"a", "b"}}},
		"an alias twice":            {{NetworkMode: "n", NetworkAliases: []string{"a", "b", "a"}}, {NetworkMode: "n", NetworkAliases: []string{"b", "a"}}},
		"the default network":       {{NetworkMode: "bridge"}, {}},
		"the default network again": {{NetworkMode: "default"}, {}},
		"extra hosts in another order": {
			{ExtraHosts: []string{"db:10.0.0.1", "cache:10.0.0.2"}}, {ExtraHosts: []string{"cache:10.0.0.2", "db:10.0.0.1"}},
		},
		"two addresses of a name among others": {
			{ExtraHosts: []string{"db:10.0.0.9", "a:10.0.0.2", "db:10.0.0.1"}}, {ExtraHosts: []string{"db:10.0.0.9", "db:10.0.0.1", "a:10.0.0.2"}},
		},
		"an extra host twice":     {{ExtraHosts: []string{"db:10.0.0.1", "db:10.0.0.1"}}, {ExtraHosts: []string{"db:10.0.0.1"}}},
		"an IPv6 address":         {{ExtraHosts: []string{"db:2001:DB8:0:0::1"}}, {ExtraHosts: []string{"db:2001:db8::1"}}},
		"source with a slash":     {mount(types.Mount{Source: "/srv/data/", Target: "/data"}), mount(types.Mount{Source: "/srv/data", Target: "/data"})},
		"unclean source":          {mount(types.Mount{Source: "/srv//./data", Target: "/data"}), mount(types.Mount{Source: "/srv/data", Target: "/data"})},
		"target with a slash":     {mount(types.Mount{Source: "v", Target: "/data/"}), mount(types.Mount{Type: "volume", Source: "v", Target: "/data"})},
		"the default propagation": {mount(types.Mount{Source: "/srv", Target: "/data", Propagation: "rprivate"}), mount(types.Mount{Source: "/srv", Target: "/data"})},
		"mounts in another order": {
			{Mounts: []types.Mount{{Source: "b", Target: "/b/"}, {Source: "a", Target: "/b-a"}}}, {Mounts: []types.Mount{{Source: "a", Target: "/b-a"}, {Source: "b", Target: "/b"}}},
		},
		"working directory":    {{Workdir: "/srv/"}, {Workdir: "/srv"}},
		"capabilities":         {{CapAdd: []string{"cap_net_admin", "SYS_TIME", "NET_ADMIN"}, CapDrop: []string{"all", "CAP_ALL"}}, {CapAdd: []string{"SYS_TIME", "NET_ADMIN"}, CapDrop: []string{"ALL"}}},
		"a port twice":         {{Ports: []types.PortMap{{Port: 80}, {Port: 80, HostPort: 80, Protocol: "TCP"}}}, {Ports: []types.PortMap{{Port: 80, Protocol: "tcp"}}}},
		"a port's address":     {{Ports: []types.PortMap{{Port: 80, IP: "0:0:0:0:0:0:0:1"}}}, {Ports: []types.PortMap{{Port: 80, IP: "::1"}}}},
		"IPv4 as IPv6":         {{Ports: []types.PortMap{{Port: 80, IP: "::ffff:127.0.0.1"}}}, {Ports: []types.PortMap{{Port: 80, IP: "127.0.0.1"}}}},
		"the default IPC mode": {{IpcMode: "private"}, {}},
		"retries with a zero":  {{Restart: "on-failure:05"}, {Restart: "on-failure:5"}},
		"retries with a plus":  {{Restart: "on-failure:+5"}, {Restart: "on-failure:5"}},
		"no limit of retries":  {{Restart: "on-failure:0"}, {Restart: "on-failure"}},
		"the default policy":   {{Restart: "unless-stopped"}, {}},
		"CPUs":                 {{CPUs: 0.1234567891}, {CPUs: 0.123456789}},
		"stop timeout":         {{StopTimeout: 1500e6}, {StopTimeout: 2e9}},
		"the default timeout":  {{StopTimeout: 29001e6}, {}},
		"tmpfs options":        {{Tmpfs: map[string]string{"/t/": "mode=1777,size=64m"}}, {Tmpfs: map[string]string{"/t": "size=64m,mode=1777"}}},
		"tmpfs options that lose": {
			{Tmpfs: map[string]string{"/t": "rw,size=1m,noexec,size=2m,defaults,exec"}}, {Tmpfs: map[string]string{"/t": "exec,size=2m,rw"}},
		},
		"a check that says nothing": {{Healthcheck: &types.Healthcheck{Test: []string{}}}, {}},
		"a check that is off":       {{Healthcheck: &types.Healthcheck{Test: []string{"NONE"}, Retries: 3}}, {Healthcheck: &types.Healthcheck{Test: []string{"NONE"}}}},
		"empty lists": {
			{Args: []string{}, Entrypoint: []string{}, CapAdd: []string{}, ExtraHosts: []string{}, NetworkAliases: []string{}, Ports: []types.PortMap{}, Mounts: []types.Mount{}, Tmpfs: map[string]string{}, Env: map[string]string{}, Labels: map[string]string{}}, {},
		},
	}
}

func TestTheSameSpecInOtherWordsReplacesNothing(t *testing.T) {
	t.Parallel()
	for name, pair := range spellings() {
		for i := range pair {
			before, after := configured(pair[i]), configured(pair[1-i])
			if !container.SameSpec(before, after) || !after.HasSpecDigest(before.SpecDigest()) {
				t.Errorf("%s: other words are another spec", name)
			}
			w := newWorld(t)
			w.mustDeploy(before)
			if plan := w.plan(after); !plan.Empty() {
				t.Errorf("%s: the plan is\n%s", name, plan)
			}
			w.previous = nil
			if plan := w.plan(after); !plan.Empty() {
				t.Errorf("%s: the plan without a record is\n%s", name, plan)
			}
			w.MakeAnew("web", func(*types.ContainerConfig) {})
			before.Container.Status = &types.ContainerStatus{ID: "before"}
			w.previous = state(before)
			if drift := w.plan(after).Hosts[0].Drift; len(drift) > 0 {
				t.Errorf("%s: drift %v", name, drift)
			}
		}
	}
}

func TestWhatIsNotTheSameReplaces(t *testing.T) {
	t.Parallel()
	type c = types.ContainerConfig
	mount := func(m types.Mount) c { return c{Mounts: []types.Mount{m}} }
	for name, pair := range map[string][2]c{
		"every address, and those of IPv4": {{Ports: []types.PortMap{{Port: 80}}}, {Ports: []types.PortMap{{Port: 80, IP: "0.0.0.0"}}}},
		"order of arguments":               {{Args: []string{"a", "b"}}, {Args: []string{"b", "a"}}},
		"an argument twice":                {{Args: []string{"a", "a"}}, {Args: []string{"a"}}},
		"another alias":                    {{NetworkMode: "n", NetworkAliases: []string{"a"}}, {NetworkMode: "n", NetworkAliases: []string{"a", "b"}}},
		"which address comes first":        {{ExtraHosts: []string{"db:10.0.0.1", "db:10.0.0.2"}}, {ExtraHosts: []string{"db:10.0.0.2", "db:10.0.0.1"}}},
		"a volume with a slash in it":      {mount(types.Mount{Source: "v", Target: "/data"}), mount(types.Mount{Source: "v/", Target: "/data"})},
		"propagation":                      {mount(types.Mount{Source: "/srv", Target: "/data", Propagation: "rslave"}), mount(types.Mount{Source: "/srv", Target: "/data"})},
		"IPC mode":                         {{IpcMode: "shareable"}, {}},
		"retries":                          {{Restart: "on-failure:5"}, {Restart: "on-failure:50"}},
		"the ninth decimal":                {{CPUs: 0.123456788}, {CPUs: 0.123456789}},
		"a second":                         {{StopTimeout: 1e9}, {StopTimeout: 1001e6}},
		"the last tmpfs option":            {{Tmpfs: map[string]string{"/t": "size=1m,size=2m"}}, {Tmpfs: map[string]string{"/t": "size=2m,size=1m"}}},
		"the root and no directory":        {{Workdir: "/"}, {}},
		"a check that is off":              {{Healthcheck: &types.Healthcheck{Test: []string{"NONE"}}}, {}},
		"a tag beside a digest": {
			{Image: "nginx:1@sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"}, {Image: "nginx@sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},
		},
	} {
		before, after := configured(pair[0]), configured(pair[1])
		if container.SameSpec(before, after) || after.HasSpecDigest(before.SpecDigest()) {
			t.Errorf("%s: it makes no difference", name)
		}
		w := newWorld(t)
		w.mustDeploy(before)
		if plan := w.plan(after); plan.Empty() {
			t.Errorf("%s: the plan is empty", name)
		}
	}
}

// The digest does not tell the private IPC mode from the default, which an engine's
// configuration may make another one.
func TestThePrivateIPCModeIsBroughtAboutWhereTheDefaultIsAnother(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.mustDeploy(configured(types.ContainerConfig{}))
	w.Change("web", func(c *types.ContainerConfig) { c.IpcMode = "shareable" })
	if plan := w.plan(configured(types.ContainerConfig{})); !plan.Empty() {
		t.Errorf("nothing was asked for, and the plan is\n%s", plan)
	}
	if plan := w.plan(configured(types.ContainerConfig{IpcMode: "private"})); plan.Empty() {
		t.Error("the container stays shareable")
	}
}
