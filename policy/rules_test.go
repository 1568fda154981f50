package policy_test

import (
	"strings"
	"testing"

	"github.com/gitsync/gitsync/container"
	"github.com/gitsync/gitsync/container/types"
	"github.com/gitsync/gitsync/host"
	"github.com/gitsync/gitsync/host/ssh"
	"github.com/gitsync/gitsync/policy"
	"github.com/gitsync/gitsync/runtime/docker"
)

const digest = "@sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"

func label(name string) *container.HostConfiguredContainer {
	return config(func(c *types.ContainerConfig) { c.Labels = map[string]string{name: "x"} })
}

func at(h host.Host, engine string) *container.HostConfiguredContainer {
	return web(func(c *container.HostConfiguredContainer) {
		c.Host, c.Container.Runtime.Docker = h, &docker.Config{Host: engine}
	})
}

var remote = host.Host{SSHConfig: &ssh.Config{Address: "10.0.0.7"}}

var ruleCases = []struct {
	policy string
	c      *container.HostConfiguredContainer
	want   string
}{
	{`image: {deny: ["*"], allow: [ghcr.io/acme/**]}`, image("ghcr.io/acme/team/app:1"), ""},
	{`image: {deny: ["*"], allow: [ghcr.io/acme/**]}`, image("ghcr.io/acmeevil/app:1"), "image.deny"},
	{`image: {deny: ["*"], allow: [ghcr.io/acme/*]}`, image("ghcr.io/acme/team/app"), "image.deny"},
	{`image: {deny: ["*"], allow: [ghcr.io/]}`, image("ghcr.io/any/thing" + digest), ""},
	{`image: {deny: ["*"], allow: [ghcr.io/]}`, image("ghcr.io.evil.example/any/thing"), "image.deny"},
	{`image: {deny: ["*"], allow: [nginx]}`, image("nginx:1.27"), ""},
	{`image: {deny: ["*"], allow: [nginx]}`, image("docker.io/library/nginx"), ""},
	{`image: {deny: ["*"], allow: [nginx]}`, image("evil/nginx"), "image.deny"},
	{`image: {deny: ["*"], allow: [nginx]}`, image("localhost:5000/nginx"), "image.deny"},
	{`image: {deny: ["*"], allow: [acme/*]}`, image("acme/app"), ""},
	{`image: {deny: ["*:latest"]}`, image("nginx"), "image.deny"},
	{`image: {deny: ["**:latest"]}`, image("ghcr.io/x/y"), "image.deny"},
	{`image: {deny: ["**:latest"]}`, image("ghcr.io/x/y:1"), ""},
	{`image: {deny: ["*"], allow: ["localhost:5000/**"]}`, image("localhost:5000/nginx"), ""},
	{`requireDigest: true`, image("nginx:1.27"), "requireDigest"},
	{`requireDigest: true`, image("nginx:1.27" + digest), ""},
	{`requireDigest: false`, image("nginx:1.27"), ""},
	{`privileged: deny`, config(func(c *types.ContainerConfig) { c.Privileged = true }), "privileged"},
	{`user: {deny: [root, image]}`, user(""), "user.deny"},
	{`user: {deny: [root, image]}`, user("root"), "user.deny"},
	{`user: {deny: [root, image]}`, user("00"), "user.deny"},
	{`user: {deny: [root, image]}`, user("+0"), "user.deny"},
	{`user: {deny: [root, image]}`, user("0:1000"), "user.deny"},
	{`user: {deny: [root, image]}`, user("1000"), ""},
	{`user: {deny: [root, image]}`, user("www-data"), ""},
	{`user: {deny: ["*"], allow: [number]}`, user("1000"), ""},
	{`user: {deny: ["*"], allow: [number]}`, user("0"), "user.deny"},
	{`user: {deny: ["*"], allow: [number]}`, user("number"), "user.deny"},
	{`user: {deny: ["*"], allow: [number]}`, user(""), "user.deny"},
	{`ports: {deny: [1-1023]}`, port(types.PortMap{Port: 80}), "ports.deny"},
	{`ports: {deny: [1-1023]}`, port(types.PortMap{Port: 80, HostPort: 8080}), ""},
	{`ports: {deny: [53/udp]}`, port(types.PortMap{Port: 53}), ""},
	{`ports: {deny: [53/udp]}`, port(types.PortMap{Port: 53, Protocol: "udp"}), "ports.deny"},
	{`ports: {deny: ["*"], allow: ["127.0.0.1:*"]}`, port(types.PortMap{IP: "127.0.0.1", Port: 80}), ""},
	{`ports: {deny: ["*"], allow: ["127.0.0.1:*"]}`, port(types.PortMap{Port: 80}), "ports.deny"},
	{`ports: {deny: ["0.0.0.0:*"]}`, port(types.PortMap{IP: "::", Port: 80}), "ports.deny"},
	{`ports: {deny: ["0.0.0.0:*"]}`, port(types.PortMap{Port: 80}), "ports.deny"},
	{`ports: {deny: ["0.0.0.0:*"]}`, port(types.PortMap{IP: "10.0.0.1", Port: 80}), ""},
	{`ports: {deny: ["203.0.113.5:22"]}`, port(types.PortMap{Port: 22}), "ports.deny"},
	{`ports: {deny: ["[::1]:22"]}`, port(types.PortMap{IP: "0:0::1", Port: 22}), "ports.deny"},
	{`ports: {deny: ["*"], allow: ["80"]}`, port(types.PortMap{IP: "10.0.0.1", Port: 80}), ""},
	{`networkMode: {deny: [host]}`, config(func(c *types.ContainerConfig) { c.NetworkMode = "host" }), "networkMode.deny"},
	{`capAdd: {deny: [NET_ADMIN]}`, caps("ALL"), "capAdd.deny"},
	{`capAdd: {deny: [cap_net_admin]}`, caps("NET_ADMIN"), "capAdd.deny"},
	{`capAdd: {deny: ["SYS_*"], allow: [SYS_NICE]}`, caps("SYS_NICE"), ""},
	{`volumes: {deny: ["*"], allow: ["web-*"]}`, mount("web-data"), ""},
	{`volumes: {deny: ["*"], allow: ["web-*"]}`, mount("db-data"), "volumes.deny"},
	{`labels: {deny: ["traefik.*"]}`, label("traefik.enable"), "labels.deny"},
	{`labels: {deny: ["traefik.*"]}`, label("team"), ""},
	{`address: {deny: ["*"], allow: ["ssh://10.0.0.7:22"]}`, at(remote, ""), ""},
	{`address: {deny: ["*"], allow: ["ssh://10.0.0.7:22"]}`, at(remote, "tcp://10.0.0.8:2375"), "address.deny"},
	{`address: {deny: ["*"], allow: ["ssh://10.0.0.7:22"]}`, at(host.Host{SSHConfig: &ssh.Config{Address: "10.0.0.8"}}, ""), "address.deny"},
	{`mounts: {deny: [/], allow: [/srv]}`, mount("/srv/web"), ""},
	{`mounts: {deny: [/], allow: [/srv]}`, mount("/srv"), ""},
	{`mounts: {deny: [/], allow: [/srv]}`, mount("/srv2"), "mounts.deny"},
	{`mounts: {deny: [/], allow: [/srv]}`, mount("/"), "mounts.deny"},
	{`mounts: {deny: [/], allow: [/srv]}`, mount("/srv/../etc"), "mounts.deny"},
	{`mounts: {allow: [/srv], deny: [/srv/private]}`, mount("/srv"), "mounts.deny"},
	{`mounts: {allow: [/srv], deny: [/srv/private]}`, mount("/srv/private/x"), "mounts.deny"},
	{`mounts: {allow: [/srv], deny: [/srv/private]}`, mount("/srv/public"), ""},
	{`mounts: {deny: ["/srv/**/secret"]}`, mount("/srv/a/b/secret/x"), "mounts.deny"},
	{`mounts: {deny: ["/srv/**/secret"]}`, mount("/srv/a"), "mounts.deny"},
	{`mounts: {deny: ["/srv/**/secret"]}`, mount("/opt"), ""},
	{`mounts: {deny: [/proc], allow: ["/proc:ro"]}`, mount("/proc", readOnly), ""},
	{`mounts: {deny: [/proc], allow: ["/proc:ro"]}`, mount("/proc"), "mounts.deny"},
	{`mounts: {deny: [/var/run/x]}`, mount("/run/x"), "mounts.deny"},
	{`mounts: {deny: ['/srv/\*']}`, mount("/srv/web"), ""},
	{`mounts: {deny: ['/srv/\*']}`, mount("/srv/*"), "mounts.deny"},
	{`configFiles: {deny: [/], allow: [/srv/config]}`, file("/etc/web.conf"), "configFiles.deny"},
	{`configFiles: {deny: [/], allow: [/srv/config]}`, file("/srv/config/web.conf"), ""},
}

func TestEachRuleDecidesAsItSays(t *testing.T) {
	for _, c := range ruleCases {
		p := parse(t, "extends: none\nhosts: {web1: {"+c.policy+"}}")
		found := check(p, "web1", c.c)
		for _, v := range found {
			if v.Container != "web" {
				continue // the sibling's own
			}
			if v.Rule != c.want {
				t.Errorf("%s: got %v, want %q", c.policy, v, c.want)
			}
		}
		if c.want != "" && !strings.Contains(rules(found), c.want) {
			t.Errorf("%s: got %q, want %s", c.policy, rules(found), c.want)
		}
	}
}

func TestTheBestNameOfAHostWeighsMost(t *testing.T) {
	privileged := config(func(c *types.ContainerConfig) { c.Privileged = true })
	const text = `
hosts:
  build1: {privileged: allow}
  "*": {privileged: deny}
  "build*": {privileged: allow}
  "build-old*": {privileged: deny}
  "w?b1": {privileged: deny}
  "w*b1": {privileged: allow}
`
	p := parse(t, text)
	for host, want := range map[string]string{
		"build1": "", "build7": "", "build-old3": "privileged", "db1": "privileged", "web1": "",
	} {
		if got := rules(check(p, host, privileged)); got != want {
			t.Errorf("%s: got %q, want %q", host, got, want)
		}
	}
}

func TestAFileThatSaysNothingIsTheDefaultProfile(t *testing.T) {
	for _, text := range []string{"", "# nothing\n", "extends: default", "hosts: {}", "extends: default\nhosts: {web1: {}}"} {
		if got := rules(check(parse(t, text), "web1", mount("/etc"))); got != "mounts.deny" {
			t.Errorf("%q: got %q, want mounts.deny", text, got)
		}
	}
	if got := check(parse(t, "extends: none"), "web1", mount("/etc")); len(got) > 0 {
		t.Errorf("extends: none: got %v", got)
	}
}

func TestARuleOfTheFileIsNamedByItsPlace(t *testing.T) {
	p := parse(t, "hosts:\n  \"*\":\n    image: {deny: [\"*\"], allow: [ghcr.io/acme/**]}\n")
	found := check(p, "web1", image("nginx:1.27"))[1:]
	want := `container "web": image "nginx:1.27" is not allowed by the policy at policy.yaml:3:20 (rule image.deny) ` +
		`(to allow it on this host alone, put into the agent's policy.yaml: hosts: {web1: {image: {allow: ["docker.io/library/nginx"]}}})`
	if len(found) != 1 || found[0].Error() != want {
		t.Errorf("got  %v\nwant %s", found, want)
	}
	p = parse(t, "hosts: {web1: {image: {deny: [nginx]}}}")
	if found := check(p, "web1", image("nginx")); len(found) != 2 || found[1].Hint != "change that rule in the agent's policy" || found[1].Allow != "" {
		t.Errorf("got %+v, want a hint to change the rule", found)
	}
	if got := policy.DefaultProfile(); !strings.Contains(string(got), "privileged: deny") {
		t.Error("the default profile is not what it says")
	}
}
