package e2e_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/gitsync/gitsync/container"
	"github.com/gitsync/gitsync/container/types"
	"github.com/gitsync/gitsync/host"
	"github.com/gitsync/gitsync/host/direct"
	"github.com/gitsync/gitsync/internal/dockertest"
	"github.com/gitsync/gitsync/runtime/docker"
)

// changed is what somebody does to a setting of a container with the docker command. NAME
// is the container, NET its network, IMAGE the image, PEER another container on NET.
type changed struct {
	key string
	// limited says that the container has limits of memory and CPUs.
	limited bool
	// own says that the container is connected to NET, as www.
	own     bool
	command string
	field   string
	// kept says that the repair must not replace the container.
	kept bool
}

// again makes the container of a case anew, with its labels and these options. Some of
// them the kernel of a test machine may refuse: then it is there, and does not run.
func again(c changed, options string) changed {
	network := ""
	if c.own {
		network = "--network NET --network-alias www "
	}
	c.command = `labels=$(docker inspect -f '{{range $k, $v := .Config.Labels}} -l {{$k}}={{$v}}{{end}}' NAME) && docker rm -f NAME >/dev/null && ` +
		"docker create --name NAME $labels --restart unless-stopped --stop-timeout 1 " + network + options + " IMAGE >/dev/null && (docker start NAME || true)"
	return c
}

// updates are all flags of docker update, and of docker network connect.
func updates() []changed {
	reconnect := "docker network disconnect NET NAME && docker network connect "
	return []changed{
		{key: "swap", limited: true, command: "docker update --memory-swap -1 NAME", field: "memorySwap", kept: true},
		{key: "swap-more", limited: true, command: "docker update --memory-swap 1g NAME", field: "memorySwap", kept: true},
		{key: "memory", limited: true, command: "docker update --memory 96m NAME", field: "memory", kept: true},
		{key: "memory-new", command: "docker update --memory 64m --memory-swap 128m NAME", field: "memory"},
		{key: "pids", command: "docker update --pids-limit 2048 NAME", field: "pidsLimit", kept: true},
		{key: "reservation", command: "docker update --memory-reservation 32m NAME", field: "memoryReservation"},
		{key: "shares", command: "docker update --cpu-shares 512 NAME", field: "cpuShares"},
		{key: "quota", command: "docker update --cpu-period 50000 --cpu-quota 25000 NAME", field: "cpuQuota"},
		{key: "period", command: "docker update --cpu-period 50000 NAME", field: "cpuPeriod"},
		{key: "cpus", limited: true, command: "docker update --cpus 1 NAME", field: "cpus", kept: true},
		{key: "cpuset", command: "docker update --cpuset-cpus 0 NAME", field: "cpuset"},
		{key: "mems", command: "docker update --cpuset-mems 0 NAME", field: "cpusetMems"},
		{key: "restart", command: "docker update --restart always NAME", field: "restart", kept: true},
		{key: "ip", own: true, command: reconnect + "--alias www --ip ADDRESS NET NAME", field: "networks", kept: true},
		{key: "alias", own: true, command: reconnect + "--alias www --alias more NET NAME", field: "networks", kept: true},
		{key: "link", own: true, command: reconnect + "--alias www --link PEER:peer NET NAME", field: "networks", kept: true},
		{key: "driver-opt", own: true, command: reconnect + "--alias www --driver-opt some=value NET NAME", field: "networks", kept: true},
	}
}

// creations are what can only be had when a container is created.
func creations() []changed {
	var all []changed
	for _, c := range [][2]string{
		{"--init", "init"}, {"-t", "tty"}, {"-i", "openStdin"}, {"--stop-signal SIGUSR1", "stopSignal"}, {"--oom-score-adj 100", "oomScoreAdj"},
		{"--cgroupns private", "cgroupnsMode"}, {"--userns host", "usernsMode"}, {"--uts host", "utsMode"},
		{"--security-opt systempaths=unconfined", "maskedPaths"}, {"--security-opt systempaths=unconfined", "readonlyPaths"},
		{"--security-opt seccomp=unconfined", "securityOpt"}, {"--device-cgroup-rule 'c 1:3 rwm'", "deviceCgroupRules"},
		{"--ulimit nofile=1024:2048", "ulimits"}, {"--log-driver none", "logConfig"}, {"--log-opt max-size=3m", "logConfig.options"},
		{"--shm-size 32m", "shmSize"}, {"--ipc shareable", "ipcMode"}, {"--cgroup-parent /gitsync-test", "cgroupParent"},
		{"--domainname example.org", "domainname"}, {"--read-only", "readOnly"},
		{"--sysctl net.ipv4.ip_unprivileged_port_start=0", "sysctls"}, {"--group-add 99", "groupAdd"}, {"--memory-swappiness 10", "memorySwappiness"},
		{"--device-read-bps /dev/null:1mb", "blkioDeviceReadBps"}, {"--oom-kill-disable -m 64m", "oomKillDisable"}, {"-P", "publishAllPorts"},
		{"--mount type=tmpfs,dst=/scratch,tmpfs-size=1m", "mountOptions"}, {"--runtime io.containerd.runc.v2", "runtime"},
		{"--cpuset-cpus 0", "cpuset"}, {"--pids-limit 2048", "pidsLimit"},
	} {
		all = append(all, again(changed{key: fmt.Sprintf("again-%02d", len(all)), field: c[1]}, c[0]))
	}
	return append(all,
		again(changed{key: "again-ip", own: true, field: "networks"}, "--ip ADDRESS"),
		again(changed{key: "again-link", own: true, field: "networks"}, "--link PEER:peer"),
		again(changed{key: "again-swap", limited: true, field: "memorySwap"}, "-m 64m --cpus 0.5 --memory-swap -1"),
	)
}

// subnet makes a network with addresses of its own, of those that RFC 2544 sets aside for
// tests, and returns its name and one of the addresses.
func subnet(t *testing.T) (name string, address func() string) {
	name = dockertest.Name("subnet")
	for range 20 {
		n := rand.IntN(256)
		prefix := fmt.Sprintf("198.19.%d.", n)
		out, err := exec.CommandContext(t.Context(), "docker", "network", "create", "--subnet", prefix+"0/24", name).CombinedOutput()
		if err != nil {
			t.Logf("%s: %s", prefix, out)
			continue
		}
		id := strings.TrimSpace(string(out))
		t.Cleanup(func() {
			if out, err := exec.Command("docker", "network", "rm", id).CombinedOutput(); err != nil {
				t.Errorf("clean up: %v: %s", err, out)
			}
		})
		last := 200
		return name, func() string { last++; return fmt.Sprint(prefix, last) }
	}
	t.Fatal("no network with a subnet of its own can be made")
	return "", nil
}

// Whatever the docker command can change of a container, or ask for when it creates one,
// is found by its name, and put right; and nothing of it is found where nobody did anything.
func TestEverySettingThatTheDockerCommandChangesIsFoundAndRepaired(t *testing.T) {
	t.Parallel()
	dockertest.Require(t)
	network, address := subnet(t)
	b := newDriftBench(t)
	cases := slices.Concat(updates(), creations())
	desired := container.ContainersState{"peer": b.spec("peer", func(c *types.ContainerConfig) { c.NetworkMode = network })}
	for _, c := range cases {
		desired[c.key] = b.spec(c.key, func(config *types.ContainerConfig) {
			if c.limited {
				config.Memory, config.CPUs = 64<<20, 0.5
			}
			if c.own {
				config.NetworkMode, config.NetworkAliases = network, []string{"www"}
			}
		})
	}
	b.deploy(desired)
	if found, plan := b.drift(desired); len(found) > 0 || !plan.Empty() {
		t.Fatalf("drift of what was just deployed: %q, plan:\n%s", found, plan)
	}
	before := map[string]string{}
	group, ctx := errgroup.WithContext(t.Context())
	group.SetLimit(4)
	for _, c := range cases {
		before[c.key] = b.previous[c.key].Container.Status.ID
		command := strings.NewReplacer("NAME", desired[c.key].Container.Config.Name, "IMAGE", b.image, "NET", network,
			"PEER", desired["peer"].Container.Config.Name, "ADDRESS", address()).Replace(c.command)
		group.Go(func() error { return shell(ctx, command) })
	}
	if err := group.Wait(); err != nil {
		t.Fatal(err)
	}
	found, plan := b.drift(desired)
	for _, c := range cases {
		if !slices.Contains(found, c.key+" "+c.field) {
			t.Errorf("%s: %s is not found\n%s", c.key, c.field, c.command)
		}
	}
	if t.Failed() {
		t.Fatalf("found %q, plan:\n%s", found, plan)
	}
	b.deploy(desired)
	if found, plan := b.drift(desired); len(found) > 0 || !plan.Empty() {
		t.Errorf("drift after the repair: %q, plan:\n%s", found, plan)
	}
	for _, c := range cases {
		if after := b.previous[c.key].Container.Status.ID; c.kept != (after == before[c.key]) {
			t.Errorf("%s: container %s became %s, to be kept: %v", c.key, before[c.key], after, c.kept)
		}
	}
}

func shell(ctx context.Context, command string) error {
	if out, err := exec.CommandContext(ctx, "sh", "-c", command).CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w: %s", command, err, out)
	}
	return nil
}

// What an engine is configured to fill in is no drift, whoever made the container.
func TestWhatADaemonIsConfiguredToFillInIsNoDrift(t *testing.T) {
	t.Parallel()
	engine := dockertest.StartConfigured(t, `{
		"default-ulimits": {"nofile": {"Name": "nofile", "Soft": 1000, "Hard": 2000}}, "default-shm-size": "32m", "init": true,
		"default-ipc-mode": "shareable", "default-cgroupns-mode": "private", "log-driver": "local", "log-opts": {"max-size": "1m"},
		"cgroup-parent": "/gitsync-test", "dns": ["127.0.0.9"], "no-new-privileges": true}`)
	name, image := dockertest.Name("configured"), dockertest.Image(t, engine.Runtime)
	desired := container.ContainersState{"web": {
		Container: container.Container{
			Config:  types.ContainerConfig{Name: name, Image: image, NetworkMode: "none", Memory: 64 << 20, StopTimeout: types.Duration(time.Second)},
			Runtime: container.RuntimeConfig{Docker: &docker.Config{Host: "unix://" + engine.Socket}},
		},
		Host: host.Host{DirectConfig: &direct.Config{}}, Update: &container.Update{Monitor: 1},
	}}
	dockertest.RemoveLabelled(t, engine.Runtime, map[string]string{container.LabelHost: name})
	var previous container.ContainersState
	check := func() *container.Deployment {
		t.Helper()
		c := &container.Containers{DesiredState: desired, PreviousState: previous, Origin: &container.Origin{Host: name, Owner: "test", Commit: "c1"}}
		d, err := c.Deployment()
		if err != nil {
			t.Fatal(err)
		}
		if err := d.CheckCurrentStateContext(t.Context()); err != nil {
			t.Fatalf("check: %v", err)
		}
		return d
	}
	d := check()
	if err := d.DeployContext(t.Context()); err != nil {
		t.Fatalf("deploy: %v", err)
	}
	previous = d.ToExported().PreviousState
	if plan := check().Plan(); !plan.Empty() || len(plan.Hosts[0].Drift) > 0 {
		t.Errorf("just deployed: %v\n%s", plan.Hosts[0].Drift, plan)
	}
	// As if somebody had made it anew, just as it was: then all is compared.
	previous["web"].Container.Status.ID = strings.Repeat("0", 64)
	if plan := check().Plan(); !plan.Empty() || len(plan.Hosts[0].Drift) > 0 {
		t.Errorf("made anew: %v\n%s", plan.Hosts[0].Drift, plan)
	}
	remake := "export DOCKER_HOST=unix://" + engine.Socket + `; labels=$(docker inspect -f '{{range $k, $v := .Config.Labels}} -l {{$k}}={{$v}}{{end}}' NAME) && docker rm -f NAME >/dev/null && ` +
		"docker create --name NAME $labels --restart unless-stopped --stop-timeout 1 --network none -m 64m --shm-size 64m --ipc private " + image + " && docker start NAME"
	if err := shell(t.Context(), strings.ReplaceAll(remake, "NAME", name)); err != nil {
		t.Fatal(err)
	}
	var fields []string
	for _, d := range check().Plan().Hosts[0].Drift {
		for _, drift := range d.Drift {
			fields = append(fields, drift.Field)
		}
	}
	if !slices.Equal(fields, []string{"ipcMode", "shmSize"}) {
		t.Errorf("made with what Docker itself has for a default: %q, want what differs from this engine's", fields)
	}
}
