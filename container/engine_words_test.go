package container_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"path"
	"strconv"
	"strings"
	"testing"

	"github.com/gitsync/gitsync/container"
	"github.com/gitsync/gitsync/container/types"
)

// randomConfig is a config in which each setting is there or not, in any spelling.
func randomConfig(r *rand.Rand) types.ContainerConfig {
	one := func(words ...string) string { return words[r.IntN(len(words))] }
	some := func(words ...string) []string {
		var out []string
		for range r.IntN(4) {
			out = append(out, one(words...))
		}
		return out
	}
	c := types.ContainerConfig{
		Name: "web", Image: one("nginx", "docker.io/library/nginx:1.27", "registry.example.com:5000/a/b@sha256:"+strings.Repeat("0123456789abcdef", 4)),
		Args: some("a", "b"), Entrypoint: some("/x"), Privileged: r.IntN(5) == 0, PidMode: one("", "host", "container:db"),
		IpcMode: one("", "private", "shareable", "host", "none"), User: one("", "1000", "app"), Restart: one("", "no", "always", "unless-stopped", "on-failure", "on-failure:05", "on-failure:+7", "on-failure:2"),
		Workdir: one("", "/", "/srv", "/srv/"), Hostname: one("", "web", "0123456789ab"), CapAdd: some("NET_ADMIN", "CAP_NET_ADMIN", "net_admin", "sys_time", "ALL"),
		CapDrop: some("ALL", "all", "CAP_MKNOD"), Memory: types.Bytes(r.IntN(3)) << 28, CPUs: float64(r.IntN(3)) * r.Float64() * 8,
		ExtraHosts: some("db:10.0.0.1", "db:10.0.0.2", "a:0:0:0:0:0:0:0:1", "a:::1", "up:host-gateway"), StopTimeout: types.Duration(r.Int64N(4e9)),
	}
	if c.NetworkMode = one("", "bridge", "default", "host", "none", "front", "fedcba987654", strings.Repeat("fedcba9876543210", 4), "container:db"); !strings.Contains("bridge default host none container:db", c.NetworkMode) {
		// The names that the engine gives, too.
		c.NetworkAliases = some("web", "shop", "0", "01", "0123456789ab", "0123456789abc", "b")
	}
	for _, p := range []types.PortMap{{Port: 80}, {Port: 80, HostPort: 8080}, {Port: 80, HostPort: 80, Protocol: "tcp"}, {Port: 53, Protocol: "udp", IP: "127.0.0.1"}, {Port: 81, IP: "0:0::1"}} {
		if r.IntN(3) == 0 {
			c.Ports = append(c.Ports, p)
		}
	}
	for i, m := range []types.Mount{
		{Source: "/srv/a/"}, {Source: "/", Propagation: "rslave"}, {Source: "/srv//b", ReadOnly: true}, {Source: "data"}, {Type: "volume"},
		{Source: strings.Repeat("ab", 32)}, {Source: "/x", Propagation: "rprivate"}, {Source: "/", Propagation: ""},
	} {
		if m.Target = fmt.Sprintf("/mnt/%d%s", i, one("", "/")); r.IntN(3) == 0 {
			c.Mounts = append(c.Mounts, m)
		}
	}
	add := func(m *map[string]string, key, value string) {
		if *m == nil {
			*m = map[string]string{}
		}
		(*m)[key] = value
	}
	for _, key := range some("PATH", "A", "B") {
		add(&c.Env, key, one("", "1", "/bin"))
	}
	for _, key := range some("app", "desktop.docker.io/x", "from") {
		add(&c.Labels, key, one("", "1"))
	}
	for _, target := range some("/run", "/tmp/") {
		add(&c.Tmpfs, target, one("", "size=64m,mode=1777", "mode=1777,size=64m", "rw,noexec,size=1m"))
	}
	if r.IntN(2) == 0 {
		c.Healthcheck = &types.Healthcheck{Test: [][]string{nil, {"NONE"}, {"CMD", "x"}}[r.IntN(3)], Interval: types.Duration(r.IntN(2) * 1e9), Retries: r.IntN(2)}
	}
	return c
}

// engineFacts are what an engine says about a container of this config: in its own words
// and order, with what it and the image fill in.
func engineFacts(r *rand.Rand, c types.ContainerConfig, id string) types.ContainerFacts {
	image := types.ContainerConfig{
		Env: map[string]string{"PATH": "/usr/bin"}, Labels: map[string]string{"from": "image", container.LabelHost: "nobody", "desktop.docker.io/y": "image"},
		Args: []string{"serve"}, Entrypoint: []string{"/run"}, Workdir: "/app/", User: "www",
		Healthcheck: &types.Healthcheck{Test: []string{"CMD", "up"}, Interval: 3e9, Retries: 5},
	}
	is := c
	if len(is.Entrypoint) == 0 {
		if is.Entrypoint = image.Entrypoint; len(is.Args) == 0 {
			is.Args = image.Args
		}
	}
	is.Env, is.Labels = over(image.Env, is.Env), over(over(image.Labels, is.Labels), map[string]string{container.LabelHost: "web1", container.LabelSpec: "v3:x"})
	if r.IntN(2) == 0 {
		is.Labels["desktop.docker.io/added"] = "1"
	}
	if is.User == "" {
		is.User = image.User
	}
	if is.Workdir == "" {
		is.Workdir = image.Workdir
	} else if r.IntN(2) == 0 {
		is.Workdir = path.Clean(is.Workdir)
	}
	is.Healthcheck = engineCheck(is.Healthcheck, *image.Healthcheck)
	is.CPUs = math.Round(is.CPUs*1e9) / 1e9
	is.StopTimeout = types.Duration(math.Ceil(float64(is.StopTimeout)/1e9)) * 1e9
	if is.StopTimeout == 0 {
		is.StopTimeout = types.Duration(types.DefaultStopTimeout)
	}
	is.Restart = engineRestart(is.Restart)
	for _, names := range []*[]string{&is.CapAdd, &is.CapDrop} {
		*names = engineCapabilities(r, *names)
	}
	if is.IpcMode == "" {
		is.IpcMode = []string{"private", "shareable"}[r.IntN(2)]
	}
	is.Mounts = nil
	return types.ContainerFacts{
		ContainerStatus: types.ContainerStatus{ID: id, Status: types.StatusRunning}, Name: "web", Config: is, Defaults: &image,
	}
}

func over(below, above map[string]string) map[string]string {
	out := map[string]string{}
	for _, m := range []map[string]string{below, above} {
		for key, value := range m {
			out[key] = value
		}
	}
	return out
}

// engineCheck follows the engine's merge of a check with the image's.
func engineCheck(h *types.Healthcheck, image types.Healthcheck) *types.Healthcheck {
	if h == nil {
		return &image
	}
	is := *h
	if len(is.Test) == 0 {
		is.Test = image.Test
	}
	if is.Interval == 0 {
		is.Interval = image.Interval
	}
	if is.Retries == 0 {
		is.Retries = image.Retries
	}
	return &is
}

func engineRestart(policy string) string {
	name, retries, _ := strings.Cut(policy, ":")
	if name == "" {
		name = "unless-stopped"
	}
	if n, _ := strconv.Atoi(retries); n > 0 {
		name += ":" + strconv.Itoa(n)
	}
	return name
}

// engineCapabilities are as they were asked for, or with CAP_ since version 28.
func engineCapabilities(r *rand.Rand, names []string) []string {
	if r.IntN(2) == 0 {
		return names
	}
	var out []string
	for _, name := range names {
		if name = strings.ToUpper(name); name != "ALL" && !strings.HasPrefix(name, "CAP_") {
			name = "CAP_" + name
		}
		out = append(out, name)
	}
	return out
}

// connections are the container's mounts and networks in the engine's words.
func connections(r *rand.Rand, f *types.ContainerFacts, asked types.ContainerConfig) {
	for _, m := range asked.Mounts {
		m.Type, m.Target = m.Kind(), path.Clean(m.Target)
		switch {
		case m.Type == types.MountVolume && m.Source == "":
			m.Source = strings.Repeat("cd", 32)
		case m.Type == types.MountBind:
			if m.Source = path.Clean(m.Source); m.Propagation == "" {
				m.Propagation = map[bool]string{true: "rslave", false: "rprivate"}[m.Source == "/"]
			}
		}
		f.Config.Mounts = append(f.Config.Mounts, m)
	}
	r.Shuffle(len(f.Config.Mounts), func(i, j int) {
		f.Config.Mounts[i], f.Config.Mounts[j] = f.Config.Mounts[j], f.Config.Mounts[i]
	})
	if asked.NetworkMode != "host" && !strings.HasPrefix(asked.NetworkMode, "container:") && asked.Hostname == "" {
		f.Config.Hostname = f.ID[:12]
	}
	short := f.ID[:12]
	network := types.NetworkFacts{ID: strings.Repeat("fedcba9876543210", 4), Aliases: append([]string{}, asked.NetworkAliases...), Given: []string{short, f.Config.Hostname, f.Name}}
	if r.IntN(2) == 0 {
		network.Aliases = append(network.Aliases, short)
	}
	if r.IntN(2) == 0 && f.Config.Hostname != "" {
		network.Aliases = append(network.Aliases, f.Config.Hostname)
	}
	name := asked.NetworkMode
	switch {
	case name == "" || name == "default":
		name = "bridge"
	case strings.HasPrefix(name, "fedcba"):
		name = "front"
	}
	f.Networks = map[string]types.NetworkFacts{name: network}
}

// What was asked for, and what an engine says of it, are the same for every spec.
func TestWhatAnEngineSaysOfASpecIsNoDrift(t *testing.T) {
	t.Parallel()
	for seed := range uint64(500) {
		r := rand.New(rand.NewPCG(seed, 14))
		m := configured(types.ContainerConfig{})
		m.Container.Config = randomConfig(r)
		id := strings.Repeat("0123456789ab", 6)[:64]
		facts := engineFacts(r, m.Container.Config, id)
		connections(r, &facts, m.Container.Config)
		current := found(row(m, func(row *types.ContainerSummary) { row.ID = id }))
		current.Facts = map[string]types.ContainerFacts{"web": facts}
		// The record knows another one, so that all is compared.
		before := *m
		before.Container.Status = &types.ContainerStatus{ID: "before"}
		plan := container.MakePlan("web1", state(m), state(&before), current, container.PlanOptions{})
		for _, d := range plan.Drift {
			for _, drift := range d.Drift {
				t.Errorf("seed %d: %s\nwanted %+v\nfound %+v", seed, drift, m.Container.Config, facts)
			}
		}
		if t.Failed() {
			return
		}
	}
}
