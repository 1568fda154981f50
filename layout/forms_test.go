package layout_test

import (
	"encoding/json"
	"maps"
	"testing"

	"github.com/gitsync/gitsync/container/types"
)

type form struct{ yaml, want string }

// networkForms are the ways to write what a container offers and mounts.
func networkForms() map[string]form {
	return map[string]form{
		"port":                           {`ports: ["8080:80"]`, `{"ports":[{"port":80,"hostPort":8080}]}`},
		"port with address and protocol": {`ports: ["127.0.0.1:8080:80/udp"]`, `{"ports":[{"ip":"127.0.0.1","port":80,"hostPort":8080,"protocol":"udp"}]}`},
		"port alone":                     {`ports: ["80"]`, `{"ports":[{"port":80,"hostPort":80}]}`},
		"port as a number":               {`ports: [80]`, `{"ports":[{"port":80,"hostPort":80}]}`},
		"port without quotes is no time": {`ports: [22:22]`, `{"ports":[{"port":22,"hostPort":22}]}`},
		"port with an IPv6 address":      {`ports: ["[::1]:8080:80"]`, `{"ports":[{"ip":"::1","port":80,"hostPort":8080}]}`},
		"port range":                     {`ports: ["8000-8001:90-91/tcp"]`, `{"ports":[{"port":90,"hostPort":8000,"protocol":"tcp"},{"port":91,"hostPort":8001,"protocol":"tcp"}]}`},
		"port range alone":               {`ports: ["90-91"]`, `{"ports":[{"port":90,"hostPort":90},{"port":91,"hostPort":91}]}`},
		"port as a mapping":              {`ports: [{ip: "::1", port: 80, hostPort: "8080", protocol: sctp}]`, `{"ports":[{"ip":"::1","port":80,"hostPort":8080,"protocol":"sctp"}]}`},
		"volume":                         {`mounts: ["data:/data/"]`, `{"mounts":[{"source":"data","target":"/data"}]}`},
		"bind mount":                     {`mounts: ["/etc/x:/etc/y:ro,rslave"]`, `{"mounts":[{"source":"/etc/x","target":"/etc/y","readOnly":true,"propagation":"rslave"}]}`},
		"bind mount that is created":     {`mounts: ["/srv/x/:/x:rw"]`, `{"mounts":[{"source":"/srv/x/","target":"/x"}]}`},
		"root of the host":               {`mounts: ["/:/host:ro"]`, `{"mounts":[{"source":"/","target":"/host","readOnly":true}]}`},
		"anonymous volume":               {`mounts: [/data]`, `{"mounts":[{"source":"","target":"/data"}]}`},
		"mount as a mapping":             {`mounts: [{type: bind, source: /a, target: /b, readOnly: true, propagation: shared}]`, `{"mounts":[{"type":"bind","source":"/a","target":"/b","readOnly":true,"propagation":"shared"}]}`},
	}
}

// settingForms are the ways to write the other settings.
func settingForms() map[string]form {
	return map[string]form{
		"env as a mapping keeps text":      {`env: {A: yes, B: 1.10, C: 0x1F, D: true, E: "", F: 2026-01-01, G: no, H: 1_000}`, `{"env":{"A":"yes","B":"1.10","C":"0x1F","D":"true","E":"","F":"2026-01-01","G":"no","H":"1_000"}}`},
		"env as a list":                    {`env: ["A=b=c", "B="]`, `{"env":{"A":"b=c","B":""}}`},
		"labels as a mapping":              {`labels: {a.b/c: d, e: , f: 1}`, `{"labels":{"a.b/c":"d","e":"","f":"1"}}`},
		"labels as a list":                 {`labels: [a=b, c]`, `{"labels":{"a":"b","c":""}}`},
		"args keep text":                   {`args: [-v, 1.10, true, ""]`, `{"args":["-v","1.10","true",""]}`},
		"entrypoint":                       {`entrypoint: [/bin/sh, -c]`, `{"entrypoint":["/bin/sh","-c"]}`},
		"memory":                           {`memory: 512m`, `{"memory":536870912}`},
		"memory in bytes":                  {`memory: 10485760`, `{"memory":10485760}`},
		"memory with a fraction":           {`memory: 1.5GiB`, `{"memory":1610612736}`},
		"cpus":                             {`cpus: 1.5`, `{"cpus":1.5}`},
		"stopTimeout":                      {`stopTimeout: 1m30s`, `{"stopTimeout":"1m30s"}`},
		"stopTimeout in seconds":           {`stopTimeout: 90`, `{"stopTimeout":"1m30s"}`},
		"tmpfs as a list":                  {`tmpfs: [/run, "/tmp/:size=64m,mode=1777"]`, `{"tmpfs":{"/run":"","/tmp":"size=64m,mode=1777"}}`},
		"tmpfs as a mapping":               {`tmpfs: {/run: , /tmp: size=64m}`, `{"tmpfs":{"/run":"","/tmp":"size=64m"}}`},
		"health check":                     {`healthcheck: {test: ["CMD", "/probe", "-x"], interval: 5s, timeout: 1, startPeriod: 1m, retries: 3}`, `{"healthcheck":{"test":["CMD","/probe","-x"],"interval":"5s","timeout":"1s","startPeriod":"1m0s","retries":3}}`},
		"health check as a shell line":     {`healthcheck: {test: curl -f localhost || exit 1}`, `{"healthcheck":{"test":["CMD-SHELL","curl -f localhost || exit 1"]}}`},
		"health check switched off":        {`healthcheck: {disable: true}`, `{"healthcheck":{"test":["NONE"]}}`},
		"only the interval of the image's": {`healthcheck: {disable: false, interval: 5s}`, `{"healthcheck":{"interval":"5s"}}`},
		"restart no needs no quotes":       {`restart: no`, `{"restart":"no"}`},
		"restart with retries":             {`restart: on-failure:5`, `{"restart":"on-failure:5"}`},
		"capabilities":                     {`{capAdd: [NET_ADMIN, cap_chown], capDrop: [ALL]}`, `{"capAdd":["NET_ADMIN","cap_chown"],"capDrop":["ALL"]}`},
		"extraHosts as a list":             {`extraHosts: ["b:10.0.0.1", "a:::1", "gw:host-gateway"]`, `{"extraHosts":["b:10.0.0.1","a:::1","gw:host-gateway"]}`},
		"extraHosts as a mapping":          {`extraHosts: {b: 10.0.0.1, a: "::1"}`, `{"extraHosts":["a:::1","b:10.0.0.1"]}`},
		"extraHosts with more addresses":   {`extraHosts: {b_2: [10.0.0.2, "fd00::1", 10.0.0.1], a: "[::1]"}`, `{"extraHosts":["a:::1","b_2:10.0.0.2","b_2:fd00::1","b_2:10.0.0.1"]}`},
		"extraHosts with a name twice":     {`extraHosts: ["b:10.0.0.2", "b:10.0.0.1"]`, `{"extraHosts":["b:10.0.0.2","b:10.0.0.1"]}`},
		"ports of both families":           {`ports: ["0.0.0.0:8080:80", "[::]:8080:80"]`, `{"ports":[{"ip":"0.0.0.0","port":80,"hostPort":8080},{"ip":"::","port":80,"hostPort":8080}]}`},
		"names with underscores":           {`{hostname: my_web, networkMode: n, networkAliases: [_db, db_2]}`, `{"networkMode":"n","networkAliases":["_db","db_2"],"hostname":"my_web"}`},
		"user and group":                   {`{user: 1000, group: www-data}`, `{"user":"1000","group":"www-data"}`},
		"modes":                            {`{networkMode: my-net, pidMode: host, ipcMode: "container:db", privileged: true}`, `{"privileged":true,"networkMode":"my-net","pidMode":"host","ipcMode":"container:db"}`},
		"workdir and hostname":             {`{workdir: /srv/app, hostname: web.example.com}`, `{"workdir":"/srv/app","hostname":"web.example.com"}`},
		"empty lists and mappings":         {`{args: [], ports: [], env: {}, labels: [], mounts: [], tmpfs: {}}`, `{}`},
	}
}

// TestForms holds every way to write a key, and what it means. The container's
// name and image are left out of the results.
func TestForms(t *testing.T) {
	cases := networkForms()
	maps.Copy(cases, settingForms())
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			body := c.yaml
			if body[0] != '{' {
				body = "{" + body + "}"
			}
			file := "x-it: &it " + body + "\ncontainers:\n  web:\n    <<: *it\n    image: nginx\n"
			host := loadOne(t, map[string]string{"hosts/web1/containers.yaml": file})
			config := host.Containers["web"].Container.Config
			if config.Name != "web" || config.Image != "nginx" {
				t.Errorf("got name %q and image %q", config.Name, config.Image)
			}
			if got := withoutNameAndImage(t, config); got != c.want {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
		})
	}
}

func withoutNameAndImage(t *testing.T, config types.ContainerConfig) string {
	t.Helper()
	got := asJSON(t, config)
	prefix := asJSON(t, types.ContainerConfig{Name: config.Name, Image: config.Image})
	prefix = prefix[:len(prefix)-1]
	got = got[len(prefix):]
	if got[0] == ',' {
		got = got[1:]
	}
	if !json.Valid([]byte("{" + got)) {
		t.Fatalf("got %s", got)
	}
	return "{" + got
}

func TestConfigFiles(t *testing.T) {
	host := loadOne(t, map[string]string{
		"hosts/web1/files/a.bin": "\x00\xff",
		"hosts/web1/containers.yaml": `containers:
  web:
    image: nginx
    configFiles:
      /etc/inline: |
        text
      /etc/empty: ""
      /etc/content: {content: "a\0b", user: 1000, group: www-data}
      /etc/file: {file: files/a.bin, mode: "0644"}
      /etc/number: {file: files/a.bin, mode: 0755}
      /etc/plain: {file: files/a.bin, mode: 640}
`})
	web := host.Containers["web"]
	const files = `{"/etc/content":"a\u0000b","/etc/empty":"","/etc/file":"\u0000\ufffd","/etc/inline":"text\n","/etc/number":"\u0000\ufffd","/etc/plain":"\u0000\ufffd"}`
	if got := asJSON(t, web.ConfigFiles); got != files {
		t.Errorf("got  %s\nwant %s", got, files)
	}
	if got := web.ConfigFiles["/etc/file"]; got != "\x00\xff" {
		t.Errorf("got %q, want the bytes of the file", got)
	}
	const attributes = `{"/etc/content":{"user":"1000","group":"www-data"},"/etc/file":{"mode":420},"/etc/number":{"mode":493},"/etc/plain":{"mode":416}}`
	if got := asJSON(t, web.ConfigFileAttributes); got != attributes {
		t.Errorf("got  %s\nwant %s", got, attributes)
	}
}

func TestHostFile(t *testing.T) {
	const local = "direct unix:///var/run/docker.sock"
	cases := map[string]struct{ yaml, host, docker, endpoint string }{
		"none":              {"", `{"direct":{}}`, `{"docker":{}}`, local},
		"a comment":         {"# later", `{"direct":{}}`, `{"docker":{}}`, local},
		"direct":            {"direct: {}", `{"direct":{}}`, `{"docker":{}}`, local},
		"the same socket":   {"docker: {host: unix:///run/docker.sock}", `{"direct":{}}`, `{"docker":{"host":"unix:///run/docker.sock"}}`, local},
		"another socket":    {"docker: {host: unix:///run/user/1000/docker.sock}", `{"direct":{}}`, `{"docker":{"host":"unix:///run/user/1000/docker.sock"}}`, "direct unix:///run/user/1000/docker.sock"},
		"tcp":               {"docker: {host: tcp://10.0.0.7:2376}", `{"direct":{}}`, `{"docker":{"host":"tcp://10.0.0.7:2376"}}`, "direct tcp://10.0.0.7:2376"},
		"ssh":               {"ssh: {address: web.example.com}", `{"ssh":{"address":"web.example.com"}}`, `{"docker":{}}`, "ssh://web.example.com:22 unix:///var/run/docker.sock"},
		"ssh with all keys": {"ssh: {address: 10.0.0.7, port: 2222, user: deploy, connectionTimeout: 5s, retryTimeout: 60, retryInterval: 2s}", `{"ssh":{"address":"10.0.0.7","port":2222,"user":"deploy","connectionTimeout":"5s","retryTimeout":"1m0s","retryInterval":"2s"}}`, `{"docker":{}}`, "ssh://10.0.0.7:2222 unix:///var/run/docker.sock"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			files := map[string]string{"hosts/web1/containers.yaml": "containers: {web: {image: nginx}}"}
			if c.yaml != "" {
				files["hosts/web1/host.yaml"] = c.yaml
			}
			host := loadOne(t, files)
			web := host.Containers["web"]
			for _, got := range []string{asJSON(t, host.Host), asJSON(t, web.Host)} {
				if got != c.host {
					t.Errorf("got host %s, want %s", got, c.host)
				}
			}
			for _, got := range []string{asJSON(t, host.Runtime), asJSON(t, web.Container.Runtime)} {
				if got != c.docker {
					t.Errorf("got runtime %s, want %s", got, c.docker)
				}
			}
			if host.Endpoint != c.endpoint {
				t.Errorf("got endpoint %s, want %s", host.Endpoint, c.endpoint)
			}
		})
	}
}

func TestTheLongFormMeansTheSame(t *testing.T) {
	short := loadOne(t, map[string]string{"hosts/web1/containers.yaml": `containers:
  web: {image: nginx, ports: ["8080:80"], configFiles: {/etc/x: y}}`})
	long := loadOne(t, map[string]string{"hosts/web1/containers.yaml": `containers:
  web:
    container: {config: {name: web, image: nginx, ports: [{port: 80, hostPort: 8080}]}, runtime: {docker: {}}}
    host: {direct: {}}
    configFiles: {/etc/x: y}`})
	if got, want := asJSON(t, long), asJSON(t, short); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}
