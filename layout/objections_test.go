package layout_test

import (
	"context"
	"strings"
	"testing"

	"github.com/gitsync/gitsync/container"
	"github.com/gitsync/gitsync/layout"
)

// objecting objects to these keys of each container that has the image nginx.
func objecting(keys ...string) layout.Check {
	return func(host string, containers container.ContainersState) []layout.Objection {
		var found []layout.Objection
		for name, c := range containers {
			if c.Container.Config.Image != "nginx" {
				continue
			}
			for _, key := range keys {
				found = append(found, layout.Objection{Container: name, Path: key, Message: host + " " + key, Hint: "do not"})
			}
		}
		return found
	}
}

func loadChecked(t *testing.T, files map[string]string, checks ...layout.Check) *layout.Repo {
	t.Helper()
	repo, err := layout.NewLoader(checks...).Load(context.Background(), tree(files), layout.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return repo
}

func places(m layout.Mistakes) string {
	var all []string
	for _, mistake := range m {
		all = append(all, mistake.Position()+" "+mistake.Message)
	}
	return strings.Join(all, "\n")
}

func TestAnObjectionIsAMistakeAtThePlaceOfItsKey(t *testing.T) {
	repo := loadChecked(t, map[string]string{
		"groups/base/containers.yaml": "containers:\n  web:\n    image: nginx\n    capAdd: [CHOWN, KILL]\n    mounts: [/a:/a, /b:/b]\n",
		"hosts/web1/host.yaml":        "groups: [base]\nvars: {mode: host}\n",
		"hosts/web1/containers.yaml": `containers:
  web:
    privileged: true
    networkMode: ${vars.mode}
    labels: {a: 1, b: 2}
    configFiles: {/etc/x: x}
`,
		"hosts/web2/containers.yaml": `containers:
  web:
    container: {config: {image: nginx, privileged: true, ports: ["80-81:80-81", "90"]}}
    configFiles:
      /etc/x: x
  other: {image: other}
`,
	}, objecting("privileged", "networkMode", "capAdd[1]", "mounts[1]", "ports[1]", "labels.b", "configFiles./etc/x", "user", "host.yaml"))
	want := `groups/base/containers.yaml:4:21 container "web": web1 capAdd[1]
groups/base/containers.yaml:5:21 container "web": web1 mounts[1]
hosts/web1/containers.yaml:2:3 container "web": web1 ports[1]
hosts/web1/containers.yaml:2:3 container "web": web1 user
hosts/web1/containers.yaml:3:17 container "web": web1 privileged
hosts/web1/containers.yaml:4:18 container "web": web1 networkMode
hosts/web1/containers.yaml:5:23 container "web": web1 labels.b
hosts/web1/containers.yaml:6:19 container "web": web1 configFiles./etc/x
hosts/web1/host.yaml web1 host.yaml
hosts/web2/containers.yaml:2:3 container "web": web2 capAdd[1]
hosts/web2/containers.yaml:2:3 container "web": web2 labels.b
hosts/web2/containers.yaml:2:3 container "web": web2 mounts[1]
hosts/web2/containers.yaml:2:3 container "web": web2 networkMode
hosts/web2/containers.yaml:2:3 container "web": web2 user
hosts/web2/containers.yaml:3:52 container "web": web2 privileged
hosts/web2/containers.yaml:3:66 container "web": web2 ports[1]
hosts/web2/containers.yaml:5:7 container "web": web2 configFiles./etc/x
hosts/web2/host.yaml web2 host.yaml`
	if got := places(repo.Mistakes()); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	if len(repo.Hosts) != 0 || len(repo.Invalid) != 2 {
		t.Errorf("got %d valid hosts, want none", len(repo.Hosts))
	}
}

func TestObjectionsAreToldBesideMistakes(t *testing.T) {
	repo := loadChecked(t, map[string]string{
		"hosts/web1/containers.yaml": "containers:\n  web: {image: nginx, privileged: true, usr: x}\n  db: {image: NGINX}\n",
	}, objecting("privileged", "user"))
	want := `hosts/web1/containers.yaml:2:35 container "web": web1 privileged
hosts/web1/containers.yaml:2:41 unknown key "usr"
hosts/web1/containers.yaml:3:15 image "NGINX" is no image reference: the name must be lower case`
	if got := places(repo.Mistakes()); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestAnObjectionToADeployedFileIsAWarning(t *testing.T) {
	loader := layout.NewLoader(func(_ string, containers container.ContainersState) []layout.Objection {
		var found []layout.Objection
		for path := range containers["web"].ConfigFiles {
			found = append(found, layout.Objection{Container: "web", Path: "configFiles." + path, Message: "no", Hint: "line", Former: path})
		}
		return found
	})
	fsys := &counting{
		FS: tree(map[string]string{
			"hosts/web1/containers.yaml": "containers: {web: {image: nginx, configFiles: {/etc/a: a, /etc/b: b}}}",
			"hosts/web2/containers.yaml": "containers: {web: {image: nginx, configFiles: {/etc/a: a}}}",
			"hosts/web2/host.yaml":       "docker: {host: tcp://10.0.0.7:2375}",
		}),
		hashes: map[string]string{"hosts/web1": "1", "hosts/web2": "2"},
	}
	load := func(deployed map[string]bool) *layout.Repo {
		t.Helper()
		repo, err := loader.Load(t.Context(), fsys, layout.Options{Deployed: func(host, path string) bool { return deployed[host+path] }})
		if err != nil {
			t.Fatal(err)
		}
		return repo
	}
	// What is deployed changes without a change of the tree.
	for _, c := range []struct {
		deployed         map[string]bool
		mistakes, warned int
	}{
		{nil, 3, 0},
		{map[string]bool{"web1/etc/a": true}, 2, 1},
		{map[string]bool{"web1/etc/a": true, "web1/etc/b": true, "web2/etc/a": true}, 0, 3},
		{map[string]bool{"web2/etc/a": true}, 2, 1},
	} {
		repo := load(c.deployed)
		if len(repo.Mistakes()) != c.mistakes || len(repo.Warnings) != c.warned || len(repo.Invalid)+len(repo.Hosts) != 2 {
			t.Errorf("%v: got the mistakes\n%v\nand the warnings\n%v", c.deployed, repo.Mistakes(), repo.Warnings)
		}
		for _, w := range repo.Warnings {
			if w.Hint != "line" || w.Line != 1 {
				t.Errorf("got the warning %v, want the place and the hint", w)
			}
		}
	}
}

func TestAHostFromMemoryIsStillObjectedTo(t *testing.T) {
	asked := 0
	loader := layout.NewLoader(func(string, container.ContainersState) []layout.Objection {
		asked++
		return []layout.Objection{{Container: "web", Path: "image", Message: "no"}}
	})
	fsys := &counting{
		FS:     tree(map[string]string{"hosts/web1/containers.yaml": "containers: {web: {image: nginx}}"}),
		hashes: map[string]string{"hosts/web1": "1"},
	}
	for range 2 {
		repo, err := loader.Load(context.Background(), fsys, layout.Options{})
		if err != nil || len(repo.Invalid) != 1 || len(repo.Hosts) != 0 {
			t.Fatalf("got %+v and %v, want one invalid host", repo, err)
		}
	}
	if asked != 1 {
		t.Errorf("asked %d times, want once", asked)
	}
}
