package e2e_test

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/gitsync/gitsync/container"
	"github.com/gitsync/gitsync/container/types"
	"github.com/gitsync/gitsync/internal/dockertest"
	"github.com/gitsync/gitsync/layout"
	"github.com/gitsync/gitsync/runtime/docker"
)

// question is a setting that validate and the engine are asked about.
type question struct {
	// yaml is what a person writes beside the image, and set puts the same into a config
	// without asking validate.
	yaml map[string]any
	set  func(c *types.ContainerConfig)
	// starts says that the engine answers only when the container is started.
	starts bool
	// slip is why validate refuses what the engine takes; empty where both must agree.
	slip string
}

// about makes a question for each value of a key.
func about[T any](at func(*types.ContainerConfig) *T, key string, starts bool, slip string, values ...T) []question {
	var questions []question
	for _, value := range values {
		questions = append(questions, question{
			yaml: map[string]any{key: value}, set: func(c *types.ContainerConfig) { *at(c) = value }, starts: starts, slip: slip,
		})
	}
	return questions
}

// with adds what the questions need beside their own keys.
func with(questions []question, yaml map[string]any, set func(c *types.ContainerConfig)) []question {
	for i, q := range questions {
		maps.Copy(q.yaml, yaml)
		questions[i].set = func(c *types.ContainerConfig) {
			set(c)
			q.set(c)
		}
	}
	return questions
}

// label is a part of a name with so many characters.
func label(n int) string { return strings.Repeat("v", n) }

func nameQuestions(network string) []question {
	const slip = "nothing that looks names up asks for such a one"
	hostname := func(c *types.ContainerConfig) *string { return &c.Hostname }
	aliases := func(c *types.ContainerConfig) *[]string { return &c.NetworkAliases }
	hosts := func(c *types.ContainerConfig) *[]string { return &c.ExtraHosts }
	long := label(60) + "." + label(63) + ".eu-west-3." + label(63) + ".example.com"
	onNetwork := func(c *types.ContainerConfig) { c.NetworkMode = network }
	aliased := append(about(aliases, "networkAliases", false, "", []string{"web_1", "_web", "web_", "a__b", "1a", label(63), long, "10.0.0.1"}),
		about(aliases, "networkAliases", false, slip, []string{"a b"}, []string{"a/b"}, []string{"a..b"}, []string{"-a"}, []string{""}, []string{label(64)}, []string{long + "." + long})...)
	questions := with(aliased, map[string]any{"networkMode": network}, onNetwork)
	for _, more := range [][]question{
		about(hostname, "hostname", true, "", "web_1", "_web", "web_1.example.com", label(63), label(64), label(65), label(40)+"."+label(40)),
		about(hostname, "hostname", true, slip, "a b", "a:b", "web-"),
		about(hosts, "extraHosts", false, "",
			[]string{"queue_1:10.0.0.7", "_q:10.0.0.7", long + ":10.0.0.7", label(63) + ":::1"},
			[]string{"queue:10.0.0.7", "queue:10.0.0.8", "queue:fd00::7", "queue:host-gateway"},
			[]string{"queue:10.0.0.256"}, []string{"queue:10.0.0"}, []string{"queue:10.0.0.07"}, []string{"queue:10.0.0.7/8"}, []string{"queue:"}, []string{"queue"},
			[]string{"queue:fe80::7%eth0"}, []string{"queue:fe80::7"}, []string{"queue:[fe80::7"}, []string{"queue:HOST-GATEWAY"}),
		about(hosts, "extraHosts", false, slip, []string{"a b:10.0.0.7"}, []string{".a:10.0.0.7"}, []string{label(64) + ":10.0.0.7"}),
		about(hosts, "extraHosts", false, "the same line twice has no effect", []string{"queue:10.0.0.7", "queue:10.0.0.7"}),
	} {
		questions = append(questions, more...)
	}
	return questions
}

func accessQuestions() []question {
	user := func(c *types.ContainerConfig) *string { return &c.User }
	group := func(c *types.ContainerConfig) *string { return &c.Group }
	capDrop := func(c *types.ContainerConfig) *[]string { return &c.CapDrop }
	numbers := []string{"0", "007", "65534", "2147483646", "2147483648", "4294967295", "4294967296", "-1", "-2147483648", "99999999999999999999", "app"}
	groups := with(about(group, "group", true, "", numbers...), map[string]any{"user": "app"}, func(c *types.ContainerConfig) { c.User = "app" })
	questions := append(groups, about(user, "user", true, "", numbers...)...)
	for _, more := range [][]question{
		about(user, "user", true, "Linux's last number is kept free", "2147483647"),
		about(group, "group", false, "", "app"), // without a user
		about(capDrop, "capDrop", false, "", []string{"ALL"}, []string{"all"}, []string{"CAP_ALL"}, []string{"cap_all"}, []string{"Cap_All"}, []string{"CAP_NET_RAW", "net_raw"},
			[]string{"CAP_CAP_CHOWN"}, []string{"NET-RAW"}, []string{""}, []string{"CHOWN "}, []string{"EVERYTHING"}),
		about(func(c *types.ContainerConfig) *map[string]string { return &c.Env }, "env", false, "",
			map[string]string{"Logging:Level": "1", "com.example/app[0]": "2", "naïve": "3", "a-b.c": ""}, map[string]string{"": "1"}),
		about(func(c *types.ContainerConfig) *map[string]string { return &c.Env }, "env", false, "most likely a slip of the hand",
			map[string]string{"A B": "1"}, map[string]string{"7A": "1"}),
	} {
		questions = append(questions, more...)
	}
	return questions
}

func limitQuestions() []question {
	tmpfs := func(c *types.ContainerConfig) *map[string]string { return &c.Tmpfs }
	restart := func(c *types.ContainerConfig) *string { return &c.Restart }
	workdir := func(c *types.ContainerConfig) *string { return &c.Workdir }
	on := func(options string) map[string]string { return map[string]string{"/cache": options} }
	var questions []question
	for _, more := range [][]question{
		about(tmpfs, "tmpfs", true, "", map[string]string{
			"/a": "", "/b": "size=2m,mode=0700,uid=1,gid=1", "/c": "size=10%", "/d": "rw,noexec,nosuid,nodev", "/e": "exec,suid,dev", "/f": "nr_inodes=2k,noatime",
		}, on("size=2mb"), on("size=1.5m"), on("size="), on("SIZE=2m"), on("mode=899"), on("uid=app"), on("sice=2m"), on("fast"), on("size=2m,"), on("remount")),
		about(restart, "restart", false, "", "no", "always", "unless-stopped", "on-failure", "on-failure:7", "on-failure:-1", "always:3", "no:1", "On-Failure", "never"),
		about(workdir, "workdir", false, "", "/srv/app", "srv/app", "/"+label(200), "/"+label(256)),
		about(func(c *types.ContainerConfig) *types.Bytes { return &c.Memory }, "memory", false, "", 6<<20, 6<<20-1, 1<<40),
		about(func(c *types.ContainerConfig) *float64 { return &c.CPUs }, "cpus", true, "", 0.01, 0.009, 1, -1),
	} {
		questions = append(questions, more...)
	}
	return questions
}

// portQuestions are the pairs of addresses that one port may be asked for on.
func portQuestions(t *testing.T, hasV6 bool) []question {
	addresses := []string{"", "0.0.0.0", "127.0.0.1", "127.0.0.2", "::", "::1"}
	var questions []question
	for i, first := range addresses {
		for _, second := range addresses[i:] {
			if !hasV6 && strings.Contains(first+second, ":") {
				continue
			}
			port := freePort(t)
			questions = append(questions, about(func(c *types.ContainerConfig) *[]types.PortMap { return &c.Ports }, "ports", true, "",
				[]types.PortMap{{IP: first, Port: 80, HostPort: port}, {IP: second, Port: 81, HostPort: port}})...)
		}
	}
	return questions
}

// publishesV6 says whether this machine has IPv6.
func publishesV6() bool {
	listener, err := (&net.ListenConfig{}).Listen(context.Background(), "tcp6", "[::1]:0")
	if err != nil {
		return false
	}
	_ = listener.Close()
	return true
}

// A value that validate takes is one that the engine takes, and the other way round: a
// mistake is told with its place before anything is deployed, and no other spec is refused.
func TestValidateSaysWhatTheEngineSays(t *testing.T) {
	t.Parallel()
	engine := dockertest.Require(t)
	image, network := dockertest.Image(t, engine), dockertest.Network(t)
	questions := nameQuestions(network)
	for _, more := range [][]question{accessQuestions(), limitQuestions(), portQuestions(t, publishesV6())} {
		questions = append(questions, more...)
	}
	var group errgroup.Group
	group.SetLimit(8)
	for _, q := range questions {
		group.Go(func() error {
			mistakes := validate(t, image, q.yaml)
			config := types.ContainerConfig{Name: dockertest.Name("rule"), Image: image, StopTimeout: types.Duration(time.Millisecond)}
			q.set(&config)
			refusal := ask(engine, &config, q.starts)
			wantMistake := refusal != nil || q.slip != ""
			if (len(mistakes) > 0) != wantMistake || q.slip != "" && refusal != nil {
				t.Errorf("%.200s:\nvalidate says: %v\nthe engine says: %v", fmt.Sprint(q.yaml), mistakes, refusal)
			}
			for _, m := range mistakes {
				if m.Line == 0 || m.File != "hosts/h/containers.yaml" {
					t.Errorf("%.200s: the mistake %v has no place", fmt.Sprint(q.yaml), m)
				}
			}
			return nil
		})
	}
	_ = group.Wait()
}

// loadRule reads a host with one container.
func loadRule(t *testing.T, image string, settings map[string]any) *layout.Repo {
	t.Helper()
	settings = maps.Clone(settings)
	settings["image"] = image
	text, err := json.Marshal(map[string]any{"containers": map[string]any{"it": settings}})
	if err != nil {
		t.Error(err)
	}
	repo, err := layout.NewLoader().Load(t.Context(), fstest.MapFS{"hosts/h/containers.yaml": {Data: text, Mode: 0o644}}, layout.Options{})
	if err != nil {
		t.Error(err)
		return &layout.Repo{}
	}
	return repo
}

func validate(t *testing.T, image string, settings map[string]any) layout.Mistakes {
	t.Helper()
	return loadRule(t, image, settings).Mistakes()
}

// ask creates a container, and starts it where that is asked for. Nothing of it stays.
func ask(engine *docker.Runtime, config *types.ContainerConfig, start bool) error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	id, err := engine.Create(ctx, config)
	if err != nil {
		return err
	}
	if start {
		err = engine.Start(ctx, id)
		_ = engine.Signal(ctx, id, "SIGKILL")
		_ = engine.Stop(ctx, id)
	}
	if removal := engine.Delete(ctx, id); removal != nil {
		return fmt.Errorf("remove it: %w", removal)
	}
	return err
}

// What validate takes since it goes by the engine's rules is deployed once, and then no
// drift: nothing is left to do.
func TestWhatTheEngineTakesIsDeployedOnce(t *testing.T) {
	t.Parallel()
	network := dockertest.Network(t)
	b := newDriftBench(t)
	desired := container.ContainersState{}
	both := freePort(t)
	ports := []string{fmt.Sprintf("0.0.0.0:%d:80", both), fmt.Sprintf("127.0.0.1:%d:81", freePort(t))}
	if publishesV6() {
		ports = append(ports, fmt.Sprintf("[::]:%d:80", both))
	}
	for key, settings := range map[string]map[string]any{
		"capabilities": {"capDrop": []string{"cap_all"}, "capAdd": []string{"CAP_SETUID", "kill"}},
		"names": {
			"networkMode": network, "networkAliases": []string{"_queue", "queue_" + label(40) + "." + label(63) + ".internal"}, "hostname": "queue_1",
			"extraHosts": map[string]any{label(61) + "." + label(20) + ".example.com": "10.9.0.1", "old_queue": []string{"10.9.0.3", "10.9.0.2"}, "v6": "fd00::1"},
		},
		"ports": {"ports": ports},
		"env":   {"env": map[string]string{"Logging:Level": "Warning"}},
	} {
		repo := loadRule(t, b.image, settings)
		if err := repo.Mistakes().Err(); err != nil {
			t.Fatalf("%s: %v", key, err)
		}
		loaded := repo.Hosts[0].Containers["it"].Container.Config
		desired[key] = b.spec(key, func(c *types.ContainerConfig) {
			name, image := c.Name, c.Image
			*c = loaded
			c.Name, c.Image = name, image
		})
	}
	b.deploy(desired)
	found, plan := b.drift(desired)
	if len(found) > 0 || !plan.Empty() {
		t.Errorf("right after the deployment: drift %v, and to do:\n%s", found, plan)
	}
}
