package layout_test

import (
	"context"
	"io/fs"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gitsync/gitsync/layout"
)

func TestAHostsOwnEntryOverridesItsGroups(t *testing.T) {
	host := loadOne(t, map[string]string{
		"groups/base/containers.yaml": `
x-env: &env {TZ: UTC, LEVEL: info}
containers:
  web:
    image: nginx:1
    env: {<<: *env, FROM: base}
    ports: ["80:80"]
    restart: always
    configFiles:
      /etc/kept: {file: files/kept, mode: "0640"}
      /etc/text: {file: files/kept, mode: "0600"}
    healthcheck: {test: /probe, interval: 5s}
  gone: {image: gone}
  base-only: {image: base}`,
		"groups/base/files/kept":      "from base",
		"groups/edge/containers.yaml": `containers: {web: {image: nginx:2, env: {FROM: edge, EDGE: yes}}, edge-only: {image: edge}}`,
		"hosts/web1/host.yaml":        "groups: [base, edge]",
		"hosts/web1/containers.yaml": `
containers:
  gone: null
  web:
    env: {TZ: null, OWN: 1}
    ports: ["8080:80"]
    restart: null
    configFiles: {/etc/text: {content: own}}
    healthcheck: {disable: true}
  own: {image: own}`,
	})
	var names []string
	for name := range host.Containers {
		names = append(names, name)
	}
	slices.Sort(names)
	if diff := cmp.Diff(names, []string{"base-only", "edge-only", "own", "web"}); diff != "" {
		t.Errorf("containers differ (-got +want):\n%s", diff)
	}
	web := host.Containers["web"]
	got := asJSON(t, web.Container.Config)
	want := `{"name":"web","image":"nginx:2","ports":[{"port":80,"hostPort":8080}],"env":{"EDGE":"yes","FROM":"edge","LEVEL":"info","OWN":"1"},"healthcheck":{"test":["NONE"]}}`
	if got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if diff := cmp.Diff(web.ConfigFiles, map[string]string{"/etc/kept": "from base", "/etc/text": "own"}); diff != "" {
		t.Errorf("config files differ (-got +want):\n%s", diff)
	}
	if got := web.ConfigFileAttributes["/etc/text"].Mode; got != 0o600 {
		t.Errorf("got the mode %o, want the group's", got)
	}
}

func TestAHostWithGroupsNeedsNoContainersOfItsOwn(t *testing.T) {
	host := loadOne(t, map[string]string{
		"groups/base/containers.yaml": "containers: {web: {image: nginx}}",
		"hosts/web1/host.yaml":        "groups: [base]",
	})
	if host.Containers["web"] == nil || !slices.Equal(host.Groups, []string{"base"}) {
		t.Errorf("got %v of the groups %v, want web of base", host.Containers, host.Groups)
	}
}

func TestVariablesAreReplacedInValues(t *testing.T) {
	host := loadOne(t, map[string]string{
		"hosts/web1/host.yaml": `
vars: {tag: 1.10, port: 8080, flag: true, quoted: "007", empty: "", here: "on ${host.name}"}
ssh: {address: "${host.name}.example.com", port: "${vars.port}"}`,
		"hosts/web1/containers.yaml": `
containers:
  web:
    image: app:${vars.tag}
    privileged: ${vars.flag}
    hostname: ${host.name}
    ports: ["${vars.port}:80"]
    args: ["$${vars.tag} ${HOME} $HOME $(x)", "${vars.empty}", 'a ${vars.tag} b ${vars.tag}']
    env:
      QUOTED: ${vars.quoted}
      HERE: ${vars.here}
      BLOCK: |
        port ${vars.port}`,
	})
	if got := host.Host.SSHConfig.HostPort(); got != "web1.example.com:8080" {
		t.Errorf("got the address %s", got)
	}
	got := asJSON(t, host.Containers["web"].Container.Config)
	want := `{"name":"web","image":"app:1.10","args":["${vars.tag} ${HOME} $HOME $(x)","","a 1.10 b 1.10"],"ports":[{"port":80,"hostPort":8080}],"privileged":true,"env":{"BLOCK":"port 8080","HERE":"on web1","QUOTED":"007"},"hostname":"web1"}`
	if got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestAMistakeInAGroupIsToldOnceAndStopsEachHostThatNamesIt(t *testing.T) {
	repo := load(t, tree(map[string]string{
		"groups/base/containers.yaml": "containers: {web: {imge: nginx}}",
		"hosts/a/host.yaml":           "groups: [base]",
		"hosts/b/host.yaml":           "groups: [base]",
		"hosts/c/containers.yaml":     "containers: {}",
	}))
	if len(repo.Hosts) != 1 || len(repo.Invalid) != 2 {
		t.Errorf("got %d valid and %d invalid hosts, want 1 and 2", len(repo.Hosts), len(repo.Invalid))
	}
	if got := strings.Count(repo.Mistakes().Error(), "unknown key"); got != 1 {
		t.Errorf("got it %d times:\n%v", got, repo.Mistakes())
	}
}

func TestAGroupThatNoHostNamesStopsNoHost(t *testing.T) {
	files := map[string]string{
		"groups/base/containers.yaml": "containers: {web: {imge: nginx}}",
		"hosts/a/containers.yaml":     "containers: {}",
	}
	repo := load(t, tree(files))
	if len(repo.Hosts) != 1 || len(repo.Unnamed) != 1 || len(repo.Mistakes()) != 1 {
		t.Errorf("got %d hosts and the mistakes %v, want one of each", len(repo.Hosts), repo.Mistakes())
	}
	some, err := layout.NewLoader().Load(context.Background(), tree(files), layout.Options{Hosts: []string{"a"}})
	if err != nil || len(some.Mistakes()) != 0 {
		t.Errorf("got %v and %v, want nothing: who names the group is not known", some.Mistakes(), err)
	}
}

func TestChangingAGroupChangesJustTheHostsThatNameIt(t *testing.T) {
	files := map[string]string{
		"groups/base/containers.yaml": "containers: {web: {image: nginx:1}}",
		"hosts/a/host.yaml":           "groups: [base]",
		"hosts/b/containers.yaml":     "containers: {}",
	}
	fsys := &counting{FS: tree(files), hashes: map[string]string{"hosts/a": "1", "hosts/b": "2", "groups/base": "3", "groups": "4"}}
	loader := layout.NewLoader()
	load := func() (trees [2]string, image string, read []string) {
		t.Helper()
		fsys.below("hosts")
		repo, err := loader.Load(context.Background(), fsys, layout.Options{})
		if err != nil || len(repo.Hosts) != 2 {
			t.Fatalf("got %+v and %v", repo, err)
		}
		for i, h := range repo.Hosts {
			trees[i] = h.Tree
			if again, err := layout.Tree(fsys, h.Name, h.Groups); err != nil || again != h.Tree {
				t.Errorf("Tree of %s is %s and %v, want %s", h.Name, again, err, h.Tree)
			}
		}
		found, err := layout.NewLoader().Trees(context.Background(), fsys, repo.Names)
		if diff := cmp.Diff(found, map[string]string{"a": trees[0], "b": trees[1]}); diff != "" || err != nil {
			t.Errorf("trees differ (-got +want), error %v:\n%s", err, diff)
		}
		return trees, repo.Hosts[0].Containers["web"].Container.Config.Image, fsys.below("groups")
	}
	before, _, _ := load()
	if before[1] != "2" {
		t.Errorf("got the tree %s for a host without groups, want its directory's hash", before[1])
	}
	if _, _, read := load(); len(read) != 0 {
		t.Errorf("%v was read again", read)
	}
	files["groups/base/containers.yaml"] = "containers: {web: {image: nginx:2}}"
	fsys.FS, fsys.hashes["groups/base"] = tree(files), "5"
	after, image, _ := load()
	if after[0] == before[0] || after[1] != before[1] || image != "nginx:2" {
		t.Errorf("got the trees %v after %v and %s, want that of a changed, and nginx:2", after, before, image)
	}
}

func TestGlobsSelectHosts(t *testing.T) {
	files := tree(map[string]string{
		"hosts/web-1/containers.yaml": "containers: {}", "hosts/web-2/containers.yaml": "containers: {}", "hosts/db/containers.yaml": "containers: {}",
	})
	repo, err := layout.NewLoader().Load(context.Background(), files, layout.Options{Hosts: []string{"web-*", "[", "x*", "db"}})
	if err != nil || len(repo.Hosts) != 3 || !slices.Equal(repo.Unmatched(), []string{"[", "x*"}) {
		t.Fatalf("got %d hosts, unmatched %v and %v", len(repo.Hosts), repo.Unmatched(), err)
	}
	if err := repo.CheckMatched(func(pattern string) bool { return pattern == "[" }); err == nil || err.Error() != `unknown host "x*": the repo has db, web-1, web-2` {
		t.Errorf("got %v", err)
	}
}

// merged loads a host with what it was made of.
func merged(t *testing.T, fsys fs.FS) *layout.Merged {
	t.Helper()
	repo, err := layout.NewLoader().Load(context.Background(), fsys, layout.Options{Explain: true})
	if err != nil || len(repo.Hosts) != 1 {
		t.Fatalf("got %+v and %v", repo, err)
	}
	return repo.Hosts[0].Merged
}

func TestExplainSaysWhereEachValueComesFrom(t *testing.T) {
	m := merged(t, tree(map[string]string{
		"groups/base/containers.yaml": "containers:\n  web:\n    image: nginx:${vars.tag}\n    env: {A: a, B: b}\n    ports: [\"80:80\"]\n",
		"hosts/web1/host.yaml":        "groups: [base]\nvars: {tag: 2}",
		"hosts/web1/containers.yaml":  "containers:\n  web:\n    env: {A: null, B: own}\n",
	}))
	var got []string
	for _, o := range m.Origins() {
		line := strings.Join(o.Path, ".") + " = " + o.Value + " at " + o.Place.String()
		if o.Removed {
			line = strings.Join(o.Path, ".") + " removed at " + o.Place.String()
		}
		for _, p := range o.Overrides {
			line += " over " + p.String()
		}
		for _, v := range o.Vars {
			line += " with " + v.Name + " at " + v.Place.String()
		}
		got = append(got, line)
	}
	want := []string{
		"web.image = nginx:2 at groups/base/containers.yaml:3:12 with vars.tag at hosts/web1/host.yaml:2:8",
		"web.env.B = own at hosts/web1/containers.yaml:3:23 over groups/base/containers.yaml:4:20",
		`web.ports = ["80:80"] at groups/base/containers.yaml:5:12`,
		"web.env.A removed at hosts/web1/containers.yaml:3:14 over groups/base/containers.yaml:4:14",
	}
	if diff := cmp.Diff(got, want); diff != "" {
		t.Errorf("origins differ (-got +want):\n%s", diff)
	}
}

func TestRenderedYAMLGivesTheSameContainers(t *testing.T) {
	files := map[string]string{
		"groups/base/containers.yaml": `
x-a: &a {memory: 512m, env: {N: 010, T: "true", F: 1.10, E: ""}}
containers:
  web:
    <<: *a
    image: nginx
    args: ["a: b", "# c", "- d", "null", "${host.name}", "$${vars.x}", "\ttab\n\n", " lead\nline ", "é\u2028\U0001F600"]
    configFiles:
      /etc/text: {file: files/text, mode: "0644"}
      /etc/inline: "a\n  b\n\n# c\n"
    labels: {a: null, b: yes}
  empty: {image: x, env: {}, ports: []}`,
		"groups/base/files/text":     "server {\n\n  listen ${vars.x};\n}\n",
		"hosts/web1/host.yaml":       "groups: [base]",
		"hosts/web1/containers.yaml": `containers: {web: {configFiles: {/etc/own: {file: files/own}}}}`,
		"hosts/web1/files/own":       "own",
	}
	text, err := merged(t, tree(files)).YAML()
	if err != nil {
		t.Fatal(err)
	}
	want := loadOne(t, files).Containers
	got := loadOne(t, map[string]string{"hosts/web1/containers.yaml": string(text), "hosts/web1/files/own": "own"}).Containers
	if asJSON(t, got) != asJSON(t, want) {
		t.Errorf("the rendered YAML gives\n%s\nand not\n%s\n%s", asJSON(t, got), asJSON(t, want), text)
	}
	if !strings.Contains(string(text), "content: |\n          server {\n\n            listen $${vars.x};\n") {
		t.Errorf("the group's file is not inline as a block:\n%s", text)
	}
}
