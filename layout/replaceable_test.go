package layout_test

import (
	"strings"
	"testing"
)

func TestAConfigFileWhoseDirectoryAContainerMayReplaceIsAnError(t *testing.T) {
	const here = "hosts/web1/containers.yaml"
	for name, c := range map[string]struct {
		files map[string]string
		want  string
	}{
		"the container's own mount": {map[string]string{here: `containers:
  web:
    image: nginx
    mounts: ["/srv/web:/data"]
    configFiles: {/srv/web/conf/a.conf: x}
`}, `hosts/web1/containers.yaml:5:19: config file "/srv/web/conf/a.conf" is below /srv/web, which container "web" (hosts/web1/containers.yaml:4:14) may write: it could replace the directory /srv/web/conf by a link to another place (move the file to /srv/web itself or out of it, or make the mount read-only: "/srv/web:/data:ro")`},
		"another container's mount, and a slash": {map[string]string{here: `containers:
  app: {image: nginx, mounts: ["/srv/:/data"]}
  web: {image: nginx, configFiles: {/srv/web/a.conf: x}}
`}, `is below /srv, which container "app" (hosts/web1/containers.yaml:2:32) may write`},
		"the mount of a later container": {map[string]string{here: `containers:
  app: {image: nginx, configFiles: {/srv/web/a.conf: x}}
  web: {image: nginx, mounts: ["/srv:/data"]}
`}, `hosts/web1/containers.yaml:3:32: mount "/srv" may be written, and the directory of config file "/srv/web/a.conf" of container "app" (hosts/web1/containers.yaml:2:37) be replaced by a link to another place (move the file to /srv itself or out of it, or make the mount read-only: "/srv:/data:ro")`},
		"the whole host": {map[string]string{here: `containers:
  app: {image: nginx, mounts: ["/:/host"]}
  web: {image: nginx, configFiles: {/srv/a.conf: x}}
`}, `is below /, which container "app"`},
		"/var/run is /run": {map[string]string{here: `containers:
  app: {image: nginx, mounts: ["/var/run:/host"]}
  web: {image: nginx, configFiles: {/run/web/a.conf: x}}
`}, `is below /run, which container "app"`},
		"secret files": {map[string]string{here: `containers:
  app: {image: nginx, mounts: ["/run:/host"]}
  web: {image: nginx, secretFiles: {/run/secrets/a: x}}
`}, `(make the mount read-only: "/run:/host:ro")`},
		"another host on the same machine": {map[string]string{
			"hosts/web0/containers.yaml": "containers:\n  app: {image: nginx, mounts: [\"/srv:/data\"]}\n",
			here:                         "containers:\n  web: {image: nginx, configFiles: {/srv/web/a.conf: x}}\n",
		}, `container "app" of host web0 (hosts/web0/containers.yaml:2:32), which is the same machine`},
		"directly in what is mounted": {map[string]string{here: `containers:
  app: {image: nginx, mounts: ["/srv/web:/data"], configFiles: {/srv/web/a.conf: x}}
`}, ""},
		"a mount that is read-only": {map[string]string{here: `containers:
  app: {image: nginx, mounts: ["/srv:/data:ro"]}
  web: {image: nginx, configFiles: {/srv/web/a.conf: x}}
`}, ""},
		"a mount of the file": {map[string]string{here: `containers:
  web: {image: nginx, mounts: ["/srv/web/a.conf:/etc/a.conf"], configFiles: {/srv/web/a.conf: x}}
`}, ""},
		"a name that only begins alike": {map[string]string{here: `containers:
  app: {image: nginx, mounts: ["/srv/web:/data"]}
  web: {image: nginx, configFiles: {/srv/website/a/a.conf: x}}
`}, ""},
		"another machine": {map[string]string{
			"hosts/web0/containers.yaml": "containers:\n  app: {image: nginx, mounts: [\"/srv:/data\"]}\n",
			"hosts/web0/host.yaml":       "ssh: {address: 10.0.0.7}\n",
			here:                         "containers:\n  web: {image: nginx, configFiles: {/srv/web/a.conf: x}}\n",
		}, ""},
	} {
		got := load(t, tree(c.files)).Mistakes().Error()
		if c.want == "" && got != "" || !strings.Contains(got, c.want) {
			t.Errorf("%s: got  %s\nwant %s", name, got, c.want)
		}
	}
}
