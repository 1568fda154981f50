package e2e_test

import (
	"context"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gitsync/gitsync/container"
	"github.com/gitsync/gitsync/container/types"
	"github.com/gitsync/gitsync/host"
	"github.com/gitsync/gitsync/host/direct"
	"github.com/gitsync/gitsync/internal/dockertest"
	"github.com/gitsync/gitsync/runtime/docker"
)

// bench is a set of containers on the real engine, deployed by the library.
type driftBench struct {
	t        *testing.T
	engine   *docker.Runtime
	name     string
	image    string
	previous container.ContainersState
	// volumes are removed after the containers.
	volumes map[string]bool
}

func newDriftBench(t *testing.T) *driftBench {
	engine := dockertest.Require(t)
	b := &driftBench{t: t, engine: engine, name: dockertest.Name("drift"), image: dockertest.Image(t, engine, "VERSION=1", "PATH=/bin"), volumes: map[string]bool{}}
	t.Cleanup(func() {
		for volume := range b.volumes {
			if err := engine.RemoveVolume(context.Background(), volume); err != nil {
				t.Errorf("clean up: %v", err)
			}
		}
	})
	t.Cleanup(func() { removeManifests(t, b.name) })
	labels := map[string]string{container.LabelHost: b.name}
	dockertest.RemoveLabelled(t, engine, labels)
	t.Cleanup(func() {
		rows, err := engine.List(context.Background(), labels)
		if err != nil {
			t.Errorf("look for volumes: %v", err)
		}
		for _, row := range rows {
			if details, err := engine.Inspect(context.Background(), row.ID); err == nil {
				for _, volume := range details.AnonymousVolumes {
					b.volumes[volume] = true
				}
			}
		}
	})
	return b
}

func (b *driftBench) spec(key string, change func(*types.ContainerConfig)) *container.HostConfiguredContainer {
	m := &container.HostConfiguredContainer{
		Container: container.Container{
			Config:  types.ContainerConfig{Name: b.name + "-" + key, Image: b.image, StopTimeout: types.Duration(time.Second)},
			Runtime: container.RuntimeConfig{Docker: &docker.Config{}},
		},
		Host: host.Host{DirectConfig: &direct.Config{}}, Update: &container.Update{Monitor: 1, Timeout: types.Duration(patience)},
	}
	change(&m.Container.Config)
	return m
}

func (b *driftBench) deployment(desired container.ContainersState) *container.Deployment {
	b.t.Helper()
	c := &container.Containers{DesiredState: desired, PreviousState: b.previous, Parallel: 8, Origin: &container.Origin{Host: b.name, Owner: "test", Commit: "c1"}}
	d, err := c.Deployment()
	if err != nil {
		b.t.Fatal(err)
	}
	if err := d.CheckCurrentStateContext(b.t.Context()); err != nil {
		b.t.Fatalf("check: %v", err)
	}
	return d
}

func (b *driftBench) deploy(desired container.ContainersState) {
	b.t.Helper()
	d := b.deployment(desired)
	if err := d.DeployContext(b.t.Context()); err != nil {
		b.t.Fatalf("deploy: %v", err)
	}
	b.previous = d.ToExported().PreviousState
}

// drift returns what differs, as "container field".
func (b *driftBench) drift(desired container.ContainersState) (found []string, plan container.Plan) {
	b.t.Helper()
	plan = b.deployment(desired).Plan()
	for _, h := range plan.Hosts {
		for _, d := range h.Drift {
			for _, drift := range d.Drift {
				found = append(found, d.Container+" "+drift.Field)
			}
		}
	}
	return found, plan
}

// generated is the name of a volume as engines make them up, and is asked for.
var generated = strings.Repeat("a1b2c3d4", 8)

// manySpecs are settings that engines and images complete in all kinds of ways.
func manySpecs(t *testing.T, network, volume, dir string) map[string]func(*types.ContainerConfig) {
	specs := processSpecs()
	maps.Copy(specs, accessSpecs(t, network, volume, dir))
	for i, policy := range []string{"no", "always", "unless-stopped", "on-failure", "on-failure:3", "on-failure:04", "on-failure:+5"} {
		specs[fmt.Sprintf("restart-%d", i)] = func(c *types.ContainerConfig) { c.Restart = policy }
	}
	for i, mount := range []types.Mount{
		{Target: "/anonymous"},
		{Type: "volume", Target: "/anonymous/"},
		{Source: volume, Target: "/data"},
		{Source: volume, Target: "/data", ReadOnly: true},
		{Source: dir, Target: "/host"},
		{Source: dir + "/", Target: "/host"},
		{Source: dir, Target: "/host/", ReadOnly: true},
		{Source: dir + "/made/", Target: "/made"},
		{Source: dir, Target: "/host", Propagation: "private"},
		{Source: dir, Target: "/host", Propagation: "rprivate"},
		{Source: "/", Target: "/mnt", ReadOnly: true},
		{Source: generated, Target: "/data/"},
	} {
		specs[fmt.Sprintf("mount-%02d", i)] = func(c *types.ContainerConfig) { c.Mounts = []types.Mount{mount} }
	}
	return specs
}

// processSpecs say what runs, as whom and with which limits.
func processSpecs() map[string]func(*types.ContainerConfig) {
	return map[string]func(*types.ContainerConfig){
		"plain":         func(*types.ContainerConfig) {},
		"args":          func(c *types.ContainerConfig) { c.Args = []string{"a", "b c"} },
		"entrypoint":    func(c *types.ContainerConfig) { c.Entrypoint = []string{"/probe", "x"} },
		"both":          func(c *types.ContainerConfig) { c.Entrypoint, c.Args = []string{"/probe"}, []string{"y"} },
		"env":           func(c *types.ContainerConfig) { c.Env = map[string]string{"A": "1", "B": "a=b c", "EMPTY": ""} },
		"env-override":  func(c *types.ContainerConfig) { c.Env = map[string]string{"VERSION": "2", "PATH": "/usr/bin"} },
		"labels":        func(c *types.ContainerConfig) { c.Labels = map[string]string{"team": "shop", "empty": ""} },
		"user":          func(c *types.ContainerConfig) { c.User = "1234" },
		"user-name":     func(c *types.ContainerConfig) { c.User = "app" },
		"user-group":    func(c *types.ContainerConfig) { c.User, c.Group = "1234", "2345" },
		"workdir":       func(c *types.ContainerConfig) { c.Workdir = "/etc" },
		"workdir-slash": func(c *types.ContainerConfig) { c.Workdir = "/etc/" },
		"hostname":      func(c *types.ContainerConfig) { c.Hostname = "box" },
		"cap-add":       func(c *types.ContainerConfig) { c.CapAdd = []string{"NET_ADMIN", "cap_sys_time"} },
		"cap-drop":      func(c *types.ContainerConfig) { c.CapDrop = []string{"ALL"} },
		"cap-both":      func(c *types.ContainerConfig) { c.CapAdd, c.CapDrop = []string{"CHOWN"}, []string{"all"} },
		"memory":        func(c *types.ContainerConfig) { c.Memory = 64 << 20 },
		"cpus":          func(c *types.ContainerConfig) { c.CPUs = 0.75 },
		"cpus-long":     func(c *types.ContainerConfig) { c.CPUs = 0.33333333333 },
		"cap-twice":     func(c *types.ContainerConfig) { c.CapAdd = []string{"NET_ADMIN", "cap_net_admin", "CHOWN"} },
		"desktop":       func(c *types.ContainerConfig) { c.Labels = map[string]string{"desktop.docker.io/x": "y"} },
		"hosts-twice": func(c *types.ContainerConfig) {
			c.ExtraHosts = []string{"b:::1", "a:10.0.0.1", "b:0:0::1", "a:10.0.0.1"}
		},
		"tmpfs-order": func(c *types.ContainerConfig) {
			c.Tmpfs = map[string]string{"/run/": "size=1m,noexec,mode=1777,size=2m"}
		},
		"limits":       func(c *types.ContainerConfig) { c.Memory, c.CPUs = 100<<20, 1.5 },
		"stop":         func(c *types.ContainerConfig) { c.StopTimeout = types.Duration(1500 * time.Millisecond) },
		"extra-hosts":  func(c *types.ContainerConfig) { c.ExtraHosts = []string{"b:10.0.0.2", "a:10.0.0.1"} },
		"host-gateway": func(c *types.ContainerConfig) { c.ExtraHosts = []string{"up:host-gateway"} },
		"tmpfs":        func(c *types.ContainerConfig) { c.Tmpfs = map[string]string{"/tmp": "", "/run": "size=1m,mode=1777"} },
	}
}

// accessSpecs say what a container reaches, and who reaches it.
func accessSpecs(t *testing.T, network, volume, dir string) map[string]func(*types.ContainerConfig) {
	return map[string]func(*types.ContainerConfig){
		"net-host":    func(c *types.ContainerConfig) { c.NetworkMode, c.Env = "host", map[string]string{"PORT": "0"} },
		"net-none":    func(c *types.ContainerConfig) { c.NetworkMode = "none" },
		"net-bridge":  func(c *types.ContainerConfig) { c.NetworkMode = "bridge" },
		"net-default": func(c *types.ContainerConfig) { c.NetworkMode = "default" },
		"net-own":     func(c *types.ContainerConfig) { c.NetworkMode = network },
		"net-alias":   func(c *types.ContainerConfig) { c.NetworkMode, c.NetworkAliases = network, []string{"www", "api"} },
		"net-names": func(c *types.ContainerConfig) {
			c.NetworkMode, c.Hostname, c.NetworkAliases = network, "inside", append(strings.Split("0123456789abcdef", ""), c.Name, "inside", "www", "www")
		},
		"net-hostname":  func(c *types.ContainerConfig) { c.NetworkMode, c.Hostname = network, "inside" },
		"pid-host":      func(c *types.ContainerConfig) { c.PidMode = "host" },
		"ipc-host":      func(c *types.ContainerConfig) { c.IpcMode = "host" },
		"ipc-private":   func(c *types.ContainerConfig) { c.IpcMode = "private" },
		"ipc-shareable": func(c *types.ContainerConfig) { c.IpcMode = "shareable" },
		"ipc-none":      func(c *types.ContainerConfig) { c.IpcMode = "none" },
		"port": func(c *types.ContainerConfig) {
			c.Ports = []types.PortMap{{IP: "127.0.0.1", Port: 80, HostPort: freePort(t)}}
		},
		"port-all": func(c *types.ContainerConfig) { c.Ports = []types.PortMap{{Port: 80, HostPort: freePort(t)}} },
		"port-zero": func(c *types.ContainerConfig) {
			c.Ports = []types.PortMap{{IP: "0.0.0.0", Port: 80, HostPort: freePort(t)}}
		},
		"port-udp": func(c *types.ContainerConfig) {
			c.Ports = []types.PortMap{{IP: "127.0.0.1", Port: 53, HostPort: freePort(t), Protocol: "udp"}}
		},
		"ports": func(c *types.ContainerConfig) {
			c.Ports = []types.PortMap{{IP: "127.0.0.2", Port: 80, HostPort: freePort(t)}, {IP: "127.0.0.3", Port: 80, HostPort: freePort(t)}}
		},
		"health": func(c *types.ContainerConfig) {
			c.Healthcheck = &types.Healthcheck{Test: []string{"CMD", "/probe", "check"}, Interval: types.Duration(time.Second), Retries: 9}
		},
		"health-all": func(c *types.ContainerConfig) {
			second := types.Duration(time.Second)
			c.Healthcheck = &types.Healthcheck{Test: []string{"CMD", "/probe", "check"}, Interval: second, Timeout: 2 * second, StartPeriod: 3 * second, Retries: 4}
		},
		"health-none": func(c *types.ContainerConfig) { c.Healthcheck = &types.Healthcheck{Test: []string{"NONE"}} },
		"mixed": func(c *types.ContainerConfig) {
			c.Restart, c.Env, c.Workdir, c.User = "always", map[string]string{"A": "1", "PORT": "8080"}, "/etc", "app"
			c.Mounts = []types.Mount{{Source: volume, Target: "/data"}, {Source: dir, Target: "/host", ReadOnly: true}}
		},
	}
}

// What engines and images fill in is no drift.
func TestAContainerThatWasJustDeployedHasNotDrifted(t *testing.T) {
	// It goes after the containers.
	network := dockertest.Network(t)
	b := newDriftBench(t)
	volume := b.name + "-volume"
	b.volumes[volume], b.volumes[generated] = true, true
	desired := container.ContainersState{}
	for key, change := range manySpecs(t, network, volume, t.TempDir()) {
		desired[key] = b.spec(key, change)
	}
	for _, ns := range []string{"pid", "ipc", "net"} {
		owner := b.spec(ns+"-owner", func(c *types.ContainerConfig) { c.IpcMode = "shareable" })
		desired[ns+"-owner"] = owner
		desired[ns+"-sharer"] = b.spec(ns+"-sharer", func(c *types.ContainerConfig) {
			mode := "container:" + owner.Container.Config.Name
			switch ns {
			case "pid":
				c.PidMode = mode
			case "ipc":
				c.IpcMode = mode
			default:
				c.NetworkMode, c.Env = mode, map[string]string{"PORT": "8181"}
			}
		})
	}
	// It does not start in a machine that is a container itself, and is compared all the
	// same.
	privileged := b.spec("privileged", func(c *types.ContainerConfig) { c.Privileged = true })
	if len(desired) < 60 {
		t.Fatalf("only %d specs", len(desired))
	}
	b.deploy(desired)
	// As if somebody had made them anew, just as they were: then all is compared.
	for _, c := range b.previous {
		c.Container.Status.ID = strings.Repeat("0", 64)
	}
	if found, plan := b.drift(desired); len(found) > 0 || !plan.Empty() {
		t.Errorf("drift %q, plan:\n%s", found, plan)
	}
	desired["privileged"] = privileged
	_ = b.deployment(desired).DeployContext(t.Context())
	if found, plan := b.drift(desired); len(found) > 0 {
		t.Errorf("drift %q, plan:\n%s", found, plan)
	}
}

// byHand is something that a person does with the docker command. NAME is the container.
type byHand struct {
	name     string
	commands []string
	// field is what must be named, and left what is still there after the repair.
	field string
	// kept says that the repair must not replace the container.
	kept bool
	left bool
}

func handiwork(network, image2 string) []byHand {
	again := func(options string) []string {
		return []string{`labels=$(docker inspect -f '{{range $k, $v := .Config.Labels}} -l {{$k}}={{$v}}{{end}}' NAME) && docker rm -f NAME >/dev/null && docker run -d --name NAME $labels ` +
			"--restart unless-stopped -e A=1 -m 64m --cpus 0.5 -p 127.0.0.1:PORT:80 --stop-timeout 1 " + options + " >/dev/null"}
	}
	return []byHand{
		{name: "removed", commands: []string{"docker rm -f NAME"}, field: "status"},
		{name: "stopped", commands: []string{"docker stop NAME"}, field: "status", kept: true},
		{name: "killed", commands: []string{"docker kill NAME"}, field: "status", kept: true},
		{name: "paused", commands: []string{"docker pause NAME"}, field: "status", kept: true},
		{name: "renamed", commands: []string{"docker rename NAME NAME-other"}, field: "name", kept: true},
		{name: "given more memory", commands: []string{"docker update --memory 128m --memory-swap 256m NAME"}, field: "memory", kept: true},
		{name: "given another CPU limit", commands: []string{"docker update --cpus 1 NAME"}, field: "cpus", kept: true},
		{name: "given another restart policy", commands: []string{"docker update --restart no NAME"}, field: "restart", kept: true},
		{name: "given CPU shares", commands: []string{"docker update --cpu-shares 512 NAME"}, field: "cpuShares"},
		{name: "given a limit of processes", commands: []string{"docker update --pids-limit 100 NAME"}, field: "pidsLimit", kept: true},
		{name: "connected to a network", commands: []string{"docker network connect " + network + " NAME"}, field: "networks", kept: true},
		{name: "disconnected", commands: []string{"docker network disconnect bridge NAME"}, field: "networks", kept: true},
		{name: "made anew with another image", commands: again(image2), field: "image"},
		{name: "made anew with another variable", commands: again("-e B=2 IMAGE"), field: "env.B"},
		{name: "made anew with the host's files", commands: again("-v /etc:/host IMAGE"), field: "mounts./host"},
		{name: "made anew as another user", commands: again("--user 1234 IMAGE"), field: "user"},
		{name: "made anew with another command", commands: again("IMAGE other"), field: "args"},
		{name: "made anew with another entry point", commands: again("--entrypoint /probe IMAGE other"), field: "args"},
		{name: "made anew with privileges", commands: []string{strings.Replace(again("--privileged IMAGE")[0], "docker run -d", "docker create", 1)}, field: "privileged"},
		{name: "made anew with a capability", commands: again("--cap-add NET_ADMIN IMAGE"), field: "capAdd"},
		{name: "made anew with a device", commands: again("--device /dev/null:/dev/x IMAGE"), field: "devices"},
		{name: "made anew with a port more", commands: again("-p 127.0.0.1::81 IMAGE"), field: "ports"},
		{name: "made anew with a label", commands: again("-l mine=1 IMAGE"), field: "labels.mine"},
		{name: "made anew with a health check", commands: again("--health-cmd true IMAGE"), field: "healthcheck"},
		{name: "made anew with another host name", commands: again("--hostname other IMAGE"), field: "hostname"},
		{name: "made anew in the host's process space", commands: again("--pid host IMAGE"), field: "pidMode"},
		{name: "made anew with a read-only root", commands: again("--read-only IMAGE"), field: "readOnly"},
		{name: "made anew with a tmpfs", commands: again("--tmpfs /scratch IMAGE"), field: "tmpfs./scratch"},
		{name: "made anew with other DNS", commands: again("--dns 127.0.0.9 IMAGE"), field: "dns"},
		{name: "made anew with a host entry", commands: again("--add-host a:127.0.0.9 IMAGE"), field: "extraHosts"},
		{name: "copied with its labels", commands: []string{"docker run -d --name NAME-twin $(docker inspect -f '{{range $k, $v := .Config.Labels}} -l {{$k}}={{$v}}{{end}}' NAME) IMAGE >/dev/null"}, field: "duplicate", left: true, kept: true},
	}
}

func TestWhatTheDockerCommandDoesIsFoundAndRepaired(t *testing.T) {
	network := dockertest.Network(t)
	b := newDriftBench(t)
	image2 := dockertest.Image(t, b.engine, "VERSION=2")
	port := freePort(t)
	desired := container.ContainersState{"web": b.spec("web", func(c *types.ContainerConfig) {
		c.Env, c.Memory, c.CPUs = map[string]string{"A": "1"}, 64<<20, 0.5
		c.Ports = []types.PortMap{{IP: "127.0.0.1", Port: 80, HostPort: port}}
	})}
	name := desired["web"].Container.Config.Name
	for _, hand := range handiwork(network, image2) {
		t.Run(hand.name, func(t *testing.T) {
			b.t = t
			b.deploy(desired)
			before := b.previous["web"].Container.Status.ID
			for _, command := range hand.commands {
				command = strings.NewReplacer("NAME", name, "IMAGE", b.image, "PORT", fmt.Sprint(port)).Replace(command)
				if out, err := exec.CommandContext(t.Context(), "sh", "-c", command).CombinedOutput(); err != nil {
					t.Fatalf("%s: %v: %s", command, err, out)
				}
			}
			if hand.left {
				t.Cleanup(func() { _ = exec.Command("docker", "rm", "-f", "-v", name+"-twin").Run() })
			}
			found, plan := b.drift(desired)
			if !slices.Contains(found, "web "+hand.field) {
				t.Fatalf("drift %q, want %s; plan:\n%s", found, hand.field, plan)
			}
			b.deploy(desired)
			if found, plan := b.drift(desired); (len(found) > 0) != hand.left || !plan.Empty() {
				t.Errorf("drift after the repair: %q, plan:\n%s", found, plan)
			}
			if after := b.previous["web"].Container.Status.ID; hand.kept != (after == before) {
				t.Errorf("container %s became %s, to be kept: %v", before, after, hand.kept)
			}
		})
	}
}

// A name of an image that leads to another one by now does not hide what runs.
func TestAContainerMadeAnewOfAnotherImageWithTheSameNameIsFound(t *testing.T) {
	b := newDriftBench(t)
	desired := container.ContainersState{"web": b.spec("web", func(*types.ContainerConfig) {})}
	b.deploy(desired)
	name := desired["web"].Container.Config.Name
	other := dockertest.Image(t, b.engine, "VERSION=2")
	script := fmt.Sprintf(`set -e
labels=$(docker inspect -f '{{range $k, $v := .Config.Labels}} -l {{$k}}={{$v}}{{end}}' %[1]s)
docker tag %[2]s gitsync-test/keep:%[4]s
docker tag %[3]s %[2]s
docker run -d --name %[1]s-x $labels --restart unless-stopped --stop-timeout 1 -e VERSION=1 %[2]s
docker rm -f %[1]s
docker rename %[1]s-x %[1]s
docker tag gitsync-test/keep:%[4]s %[2]s
docker rmi gitsync-test/keep:%[4]s`, name, b.image, other, strings.ToLower(filepath.Base(b.name)))
	if out, err := exec.CommandContext(t.Context(), "sh", "-c", script).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	found, plan := b.drift(desired)
	if !slices.Contains(found, "web image") {
		t.Fatalf("drift %q, plan:\n%s", found, plan)
	}
	b.deploy(desired)
	if found, plan := b.drift(desired); len(found) > 0 {
		t.Errorf("drift after the repair: %q, plan:\n%s", found, plan)
	}
}

func TestFilesThatChangeOnTheHostAreNamed(t *testing.T) {
	b := newDriftBench(t)
	dir := t.TempDir()
	path := filepath.Join(dir, "web.conf")
	web := b.spec("web", func(*types.ContainerConfig) {})
	web.ConfigFiles = map[string]string{path: "a secret"}
	desired := container.ContainersState{"web": web}
	for _, hand := range []struct {
		name  string
		do    func() error
		found string
	}{
		{"removed", func() error { return os.Remove(path) }, "missing"},
		{"changed", func() error { return os.WriteFile(path, []byte("other"), 0o600) }, "other content (5 bytes)"},
		{"opened to all", func() error { return os.Chmod(path, 0o666) }, "mode 0666"},
		{"given away", func() error { return os.Chown(path, 1234, 1234) }, "owner 1234:1234"},
	} {
		t.Run(hand.name, func(t *testing.T) {
			b.t = t
			b.deploy(desired)
			if err := hand.do(); err != nil {
				t.Fatal(err)
			}
			_, plan := b.drift(desired)
			drift := plan.Hosts[0].Drift
			if len(drift) != 1 || len(drift[0].Drift) != 1 || drift[0].Drift[0].Found != hand.found || drift[0].Drift[0].Field != "configFiles."+path {
				t.Fatalf("drift %+v, want %s", drift, hand.found)
			}
			b.deploy(desired)
			if found, plan := b.drift(desired); len(found) > 0 {
				t.Errorf("drift after the repair: %q, plan:\n%s", found, plan)
			}
		})
	}
}
