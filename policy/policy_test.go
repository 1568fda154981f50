package policy_test

import (
	"strings"
	"testing"

	"github.com/gitsync/gitsync/container"
	"github.com/gitsync/gitsync/container/types"
	"github.com/gitsync/gitsync/host"
	"github.com/gitsync/gitsync/host/direct"
	"github.com/gitsync/gitsync/host/ssh"
	"github.com/gitsync/gitsync/policy"
	"github.com/gitsync/gitsync/runtime/docker"
)

// web is a container on host web1, changed.
func web(change func(*container.HostConfiguredContainer)) *container.HostConfiguredContainer {
	c := &container.HostConfiguredContainer{
		Container: container.Container{Config: types.ContainerConfig{Name: "web", Image: "nginx:1.27"}, Runtime: container.RuntimeConfig{Docker: &docker.Config{}}},
		Host:      host.Host{DirectConfig: &direct.Config{}},
	}
	change(c)
	return c
}

func config(change func(*types.ContainerConfig)) *container.HostConfiguredContainer {
	return web(func(c *container.HostConfiguredContainer) { change(&c.Container.Config) })
}

func mount(source string, change ...func(*types.Mount)) *container.HostConfiguredContainer {
	return config(func(c *types.ContainerConfig) {
		m := types.Mount{Source: source, Target: "/x"}
		for _, f := range change {
			f(&m)
		}
		c.Mounts = []types.Mount{m}
	})
}

func readOnly(m *types.Mount) { m.ReadOnly = true }

func file(path string) *container.HostConfiguredContainer {
	return web(func(c *container.HostConfiguredContainer) { c.ConfigFiles = map[string]string{path: "x"} })
}

func caps(names ...string) *container.HostConfiguredContainer {
	return config(func(c *types.ContainerConfig) { c.CapAdd = names })
}

func image(name string) *container.HostConfiguredContainer {
	return config(func(c *types.ContainerConfig) { c.Image = name })
}

func user(name string) *container.HostConfiguredContainer {
	return config(func(c *types.ContainerConfig) { c.User = name })
}

func port(p types.PortMap) *container.HostConfiguredContainer {
	return config(func(c *types.ContainerConfig) { c.Ports = []types.PortMap{p} })
}

// check judges the container beside another one of the same host.
func check(p *policy.Policy, host string, c *container.HostConfiguredContainer) []policy.Violation {
	other := config(func(c *types.ContainerConfig) { c.Name = "sibling" })
	return p.Check(host, container.ContainersState{"web": c, "sibling": other})
}

// rules are those that are violated.
func rules(found []policy.Violation) string {
	var all []string
	for _, v := range found {
		all = append(all, v.Rule)
	}
	return strings.Join(all, " ")
}

func parse(t *testing.T, text string) *policy.Policy {
	t.Helper()
	p, err := policy.Parse([]byte(text), "policy.yaml")
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return p
}

// attack is what the default profile denies, by which rule, and where.
type attack struct {
	name string
	c    *container.HostConfiguredContainer
	rule string
	path string
	// other is an attack of the same kind that must stay denied when this one is allowed.
	other *container.HostConfiguredContainer
}

var attacks = []attack{
	{"all privileges", config(func(c *types.ContainerConfig) { c.Privileged = true }), "privileged", "privileged", mount("/etc")},
	{"the host's processes", config(func(c *types.ContainerConfig) { c.PidMode = "host" }), "pidMode.deny", "pidMode", config(func(c *types.ContainerConfig) { c.IpcMode = "host" })},
	{"the processes of a stranger", config(func(c *types.ContainerConfig) { c.PidMode = "container:portainer" }), "pidMode.deny", "pidMode", config(func(c *types.ContainerConfig) { c.PidMode = "host" })},
	{"the processes of a stranger by ID", config(func(c *types.ContainerConfig) { c.PidMode = "container:" + strings.Repeat("a1", 32) }), "pidMode.deny", "pidMode", config(func(c *types.ContainerConfig) { c.PidMode = "host" })},
	{"the host's memory", config(func(c *types.ContainerConfig) { c.IpcMode = "host" }), "ipcMode.deny", "ipcMode", config(func(c *types.ContainerConfig) { c.PidMode = "host" })},
	{"the memory of a stranger", config(func(c *types.ContainerConfig) { c.IpcMode = "container:db" }), "ipcMode.deny", "ipcMode", config(func(c *types.ContainerConfig) { c.IpcMode = "container:db2" })},
	{"the network of a stranger", config(func(c *types.ContainerConfig) { c.NetworkMode = "container:vpn" }), "networkMode.deny", "networkMode", config(func(c *types.ContainerConfig) { c.NetworkMode = "container:other" })},
	{"the administrator's capability", caps("SYS_ADMIN"), "capAdd.deny", "capAdd[0]", caps("SYS_PTRACE")},
	{"a capability in its long form", caps("CHOWN", "cap_sys_module"), "capAdd.deny", "capAdd[1]", caps("SYS_ADMIN")},
	{"all capabilities", caps("all"), "capAdd.deny", "capAdd[0]", mount("/etc")},
	{"the network's capability", caps("NET_ADMIN"), "capAdd.deny", "capAdd[0]", caps("SYS_TIME")},
	{"any file by its number", caps("DAC_READ_SEARCH"), "capAdd.deny", "capAdd[0]", caps("SYS_RAWIO")},
	{"the root directory", mount("/"), "mounts.deny", "mounts[0]", file("/etc/passwd")},
	{"the root directory, read-only", mount("/", readOnly), "mounts.deny", "mounts[0]", mount("/")},
	{"the engine's socket", mount("/var/run/docker.sock"), "mounts.deny", "mounts[0]", mount("/run/containerd/containerd.sock")},
	{"the engine's socket at its other name", mount("/run/docker.sock", readOnly), "mounts.deny", "mounts[0]", mount("/run/docker.sock")},
	{"the engine's socket elsewhere", mount("/srv/docker/docker.sock"), "mounts.deny", "mounts[0]", mount("/srv/other/docker.sock")},
	{"the socket of an engine without root", mount("/home/bob/run/docker-rootless.sock"), "mounts.deny", "mounts[0]", mount("/home/bob/.ssh")},
	{"all sockets", mount("/run"), "mounts.deny", "mounts[0]", mount("/etc")},
	{"all sockets at their other name", mount("/var/run/"), "mounts.deny", "mounts[0]", mount("/etc")},
	{"gitsync's own sockets", mount("/run/gitsync"), "mounts.deny", "mounts[0]", mount("/run")},
	{"the settings of the host", mount("/etc"), "mounts.deny", "mounts[0]", mount("/root")},
	{"the settings of the host by a detour", mount("/srv/../etc"), "mounts.deny", "mounts[0]", mount("/root")},
	{"the settings of the host by a detour in itself", mount("/etc/../etc"), "mounts.deny", "mounts[0]", mount("/root")},
	{"the settings of the host with two slashes", mount("//etc"), "mounts.deny", "mounts[0]", mount("/root")},
	{"the settings of the host with dots", mount("/./etc/."), "mounts.deny", "mounts[0]", mount("/root")},
	{"the settings of the host with a slash at the end", mount("/etc/"), "mounts.deny", "mounts[0]", mount("/root")},
	{"a path as a volume", mount("/etc", func(m *types.Mount) { m.Type = types.MountVolume }), "mounts.deny", "mounts[0]", mount("/root")},
	{"the passwords", mount("/etc/shadow", readOnly), "mounts.deny", "mounts[0]", mount("/etc/gshadow", readOnly)},
	{"the clock's setting, to write", mount("/etc/localtime"), "mounts.deny", "mounts[0]", mount("/etc/timezone")},
	{"the home of root", mount("/root/.ssh"), "mounts.deny", "mounts[0]", mount("/root")},
	{"the keys of a user", mount("/home/bob/.ssh", readOnly), "mounts.deny", "mounts[0]", mount("/home/eve/.ssh", readOnly)},
	{"the home of a user", mount("/home/bob"), "mounts.deny", "mounts[0]", mount("/home/eve")},
	{"all homes", mount("/home"), "mounts.deny", "mounts[0]", mount("/var")},
	{"the processes as files", mount("/proc", readOnly), "mounts.deny", "mounts[0]", mount("/proc")},
	{"the root of another process", mount("/proc/1/root"), "mounts.deny", "mounts[0]", mount("/proc/2/root")},
	{"the kernel's switches", mount("/sys"), "mounts.deny", "mounts[0]", mount("/proc")},
	{"the disks", mount("/dev/sda"), "mounts.deny", "mounts[0]", mount("/dev/sdb")},
	{"the boot loader", mount("/boot"), "mounts.deny", "mounts[0]", mount("/efi")},
	{"the programs", mount("/usr/local/bin"), "mounts.deny", "mounts[0]", mount("/usr/bin")},
	{"the engine's data", mount("/var/lib/docker"), "mounts.deny", "mounts[0]", mount("/var/lib/containerd")},
	{"what holds the engine's data", mount("/var/lib"), "mounts.deny", "mounts[0]", mount("/var/spool")},
	{"the log-in agents", mount("/tmp"), "mounts.deny", "mounts[0]", mount("/home")},
	{"mounts that reach the host", mount("/srv/data", func(m *types.Mount) { m.Propagation = "rshared" }), "propagation.deny", "mounts[0]", mount("/srv/data", func(m *types.Mount) { m.Propagation = "shared" })},
	{"gitsync's own volume", mount("gitsync"), "volumes.deny", "mounts[0]", mount("/var/lib/gitsync")},
	{"a user", file("/etc/passwd"), "configFiles.deny", "configFiles./etc/passwd", file("/etc/shadow")},
	{"a cron job", file("/etc/cron.d/x"), "configFiles.deny", "configFiles./etc/cron.d/x", file("/etc/cron.d/y")},
	{"a right to be root", file("/etc/sudoers.d/x"), "configFiles.deny", "configFiles./etc/sudoers.d/x", file("/etc/sudoers")},
	{"a library for all programs", file("/etc/ld.so.preload"), "configFiles.deny", "configFiles./etc/ld.so.preload", file("/etc/ld.so.conf.d/x.conf")},
	{"a service", file("/etc/systemd/system/x.service"), "configFiles.deny", "configFiles./etc/systemd/system/x.service", file("/etc/systemd/system/y.service")},
	{"a key to log in with", file("/root/.ssh/authorized_keys"), "configFiles.deny", "configFiles./root/.ssh/authorized_keys", file("/home/bob/.ssh/authorized_keys")},
	{"a key to log in with by a detour", file("/srv/../root/.ssh/authorized_keys"), "configFiles.deny", "configFiles./srv/../root/.ssh/authorized_keys", file("/etc/ssh/sshd_config")},
	{"what runs at a log-in", file("/home/bob/.bashrc"), "configFiles.deny", "configFiles./home/bob/.bashrc", file("/home/bob/.profile")},
	{"a program", file("/usr/local/bin/ls"), "configFiles.deny", "configFiles./usr/local/bin/ls", file("/bin/ls")},
	{"the engine's settings", file("/etc/docker/daemon.json"), "configFiles.deny", "configFiles./etc/docker/daemon.json", file("/etc/containerd/config.toml")},
	{"gitsync's settings", file("/etc/gitsync/policy.yaml"), "configFiles.deny", "configFiles./etc/gitsync/policy.yaml", file("/var/lib/gitsync/x")},
	{"a switch of the kernel", file("/proc/sys/kernel/core_pattern"), "configFiles.deny", "configFiles./proc/sys/kernel/core_pattern", file("/sys/kernel/uevent_helper")},
	{"a script that a log-in runs", file("/etc/sysstat/sysstat"), "configFiles.deny", "configFiles./etc/sysstat/sysstat", file("/etc/gdb/gdbinit")},
	{"a script that the kernel's modules are built by", file("/etc/dkms/framework.conf"), "configFiles.deny", "configFiles./etc/dkms/framework.conf", file("/etc/resolvconf/update.d/x")},
	{"a program of all users", file("/opt/tool"), "configFiles.deny", "configFiles./opt/tool", file("/opt/other")},
	{"a program that containers' networks are made by", file("/opt/cni/bin/bridge"), "configFiles.deny", "configFiles./opt/cni/bin/bridge", file("/opt/cni/bin/host-local")},
	{"a crontab", file("/var/spool/cron/crontabs/root"), "configFiles.deny", "configFiles./var/spool/cron/crontabs/root", file("/var/spool/at/x")},
}

func TestTheDefaultProfileDeniesEachAttackByItsRule(t *testing.T) {
	for _, a := range attacks {
		t.Run(a.name, func(t *testing.T) {
			found := check(policy.Default(), "web1", a.c)
			if len(found) != 1 || found[0].Rule != a.rule || found[0].Path != a.path || found[0].Container != "web" {
				t.Fatalf("got %+v, want one violation of %s at %s", found, a.rule, a.path)
			}
			if text := found[0].Error(); !strings.Contains(text, "the default profile (rule "+a.rule+")") || !strings.Contains(text, found[0].Allow) {
				t.Errorf("got %q, want it to name the rule and what allows it", text)
			}
		})
	}
}

func TestWhatTheHintSaysAllowsJustThat(t *testing.T) {
	for _, a := range attacks {
		t.Run(a.name, func(t *testing.T) {
			snippet := check(policy.Default(), "web1", a.c)[0].Allow
			for _, text := range []string{
				snippet,
				// It counts wherever it is put, and whatever a glob says.
				snippet[:len(snippet)-1] + `, "web*": {privileged: deny, pidMode: {deny: ["*"]}, ipcMode: {deny: ["*"]}, networkMode: {deny: ["*"]}, capAdd: {deny: ["*"]}, mounts: {deny: [/]}, configFiles: {deny: [/]}, volumes: {deny: ["*"]}, propagation: {deny: ["*"]}}}`,
			} {
				p := parse(t, text)
				for _, v := range check(p, "web1", a.c) {
					if v.Rule == a.rule && v.Path == a.path {
						t.Errorf("%s: still denied: %v", text, v)
					}
				}
				if found := check(p, "web1", a.other); len(found) == 0 {
					t.Errorf("%s: it allows more than it must", text)
				}
				if found := check(p, "web2", a.c); len(found) == 0 {
					t.Errorf("%s: it allows it on another host", text)
				}
			}
		})
	}
}

func TestWhatPeopleUsuallyDoIsAllowedByDefault(t *testing.T) {
	cases := map[string]*container.HostConfiguredContainer{
		"nothing special":            web(func(*container.HostConfiguredContainer) {}),
		"root in the container":      user("0"),
		"the host's network":         config(func(c *types.ContainerConfig) { c.NetworkMode = "host" }),
		"a network that is foreign":  config(func(c *types.ContainerConfig) { c.NetworkMode = "foreign" }),
		"the network of a sibling":   config(func(c *types.ContainerConfig) { c.NetworkMode = "container:sibling" }),
		"the processes of a sibling": config(func(c *types.ContainerConfig) { c.PidMode = "container:sibling" }),
		"memory to share":            config(func(c *types.ContainerConfig) { c.IpcMode = "shareable" }),
		"the engine's capabilities":  caps("NET_RAW", "cap_chown", "IPC_LOCK"),
		"a named volume":             mount("data"),
		"a volume without a name":    mount(""),
		"a directory of its own":     mount("/srv/web/"),
		"a directory of logs":        mount("/var/log", readOnly),
		"a directory of a user":      mount("/home/bob/web"),
		"a directory below /tmp":     mount("/srv/gitsync-example/hello"),
		"the clock":                  mount("/etc/localtime", readOnly),
		"certificates":               mount("/etc/ssl/certs", readOnly),
		"mounts of the host":         mount("/srv/data", func(m *types.Mount) { m.Propagation = "rslave" }),
		"a low port":                 port(types.PortMap{Port: 80}),
		"a config file":              file("/srv/web.conf"),
		"a config file of a user":    file("/home/bob/web/web.conf"),
		"a config file below /opt":   file("/opt/prometheus/prometheus.yml"),
		"a config file, mounted": web(func(c *container.HostConfiguredContainer) {
			c.ConfigFiles = map[string]string{"/srv/web.conf": "x"}
			c.Container.Config.Mounts = []types.Mount{{Source: "/srv/web.conf", Target: "/etc/nginx/nginx.conf"}}
		}),
		"another machine": web(func(c *container.HostConfiguredContainer) {
			c.Host = host.Host{SSHConfig: &ssh.Config{Address: "10.0.0.7"}}
		}),
	}
	for name, c := range cases {
		if found := check(policy.Default(), "web1", c); len(found) > 0 {
			t.Errorf("%s: %+v", name, found)
		}
	}
}

func TestNoPolicyAllowsWhatOnlyAForgedRecordSays(t *testing.T) {
	cases := map[string]*container.HostConfiguredContainer{
		"mounts.type":   mount("x", func(m *types.Mount) { m.Type = "npipe" }),
		"mounts.source": mount("etc", func(m *types.Mount) { m.Type = types.MountBind }),
		"configFiles.mode": web(func(c *container.HostConfiguredContainer) {
			c.ConfigFiles = map[string]string{"/srv/x": "x"}
			c.ConfigFileAttributes = map[string]container.FileAttributes{"/srv/x": {Mode: 0o4755}}
		}),
	}
	for rule, c := range cases {
		found := check(parse(t, "extends: none"), "web1", c)
		if rules(found) != rule || found[0].Allow != "" {
			t.Errorf("got %+v, want a violation of %s", found, rule)
		}
	}
	// A sibling whose name is the ID of somebody else's container.
	id := strings.Repeat("ab", 32)
	named := config(func(c *types.ContainerConfig) { c.Name = id })
	joins := config(func(c *types.ContainerConfig) { c.PidMode = "container:" + id })
	if got := rules(policy.Default().Check("web1", container.ContainersState{id: named, "web": joins})); got != "pidMode.deny" {
		t.Errorf("got %q, want pidMode.deny", got)
	}
}

func TestAllViolationsAreToldAtOnce(t *testing.T) {
	c := web(func(c *container.HostConfiguredContainer) {
		c.Container.Config.Privileged = true
		c.Container.Config.CapAdd = []string{"SYS_ADMIN", "CHOWN", "BPF"}
		c.Container.Config.Mounts = []types.Mount{{Source: "/etc"}, {Source: "/srv"}, {Source: "/root"}}
		c.ConfigFiles = map[string]string{"/etc/passwd": "", "/srv/web.conf": ""}
	})
	want := "privileged capAdd.deny capAdd.deny mounts.deny mounts.deny configFiles.deny"
	if got := rules(check(policy.Default(), "web1", c)); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}
