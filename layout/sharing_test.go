package layout_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gitsync/gitsync/container/types"
)

func TestMergeKeys(t *testing.T) {
	host := loadOne(t, map[string]string{"hosts/web1/containers.yaml": `
x-a: &a {image: a, user: a, env: {A: a}}
x-b: &b {<<: *a, image: b, hostname: b}
containers:
  own-first: {image: own, <<: *b}
  own-last: {<<: *b, image: own}
  list: {<<: [*a, *b]}
  inline: {<<: {image: c, env: &env {<<: {A: b}, B: c}}}
  alias: {image: d, env: *env}
`})
	for name, want := range map[string]string{
		"own-first": `{"user":"a","env":{"A":"a"},"hostname":"b"}`,
		"own-last":  `{"user":"a","env":{"A":"a"},"hostname":"b"}`,
		"list":      `{"user":"a","env":{"A":"a"},"hostname":"b"}`,
		"inline":    `{"env":{"A":"b","B":"c"}}`,
		"alias":     `{"env":{"A":"b","B":"c"}}`,
	} {
		config := host.Containers[name].Container.Config
		if got := withoutNameAndImage(t, config); got != want {
			t.Errorf("%s: got %s, want %s", name, got, want)
		}
	}
	if got := host.Containers["own-last"].Container.Config.Image + host.Containers["list"].Container.Config.Image; got != "owna" {
		t.Errorf("got the images %s, want own and a", got)
	}
}

func TestASimilarKeyIsSuggested(t *testing.T) {
	for key, want := range map[string]string{
		"image ": "image", "Ports": "ports", "cap-add": "capAdd", "environmnt": "env", "commnad": "args", "restrat": "restart",
		"heathcheck": "healthcheck", "mem_limit": "memory", "working_dir": "workdir", "zzzz": "", strings.Repeat("x", 500): "",
		"configFile": "configFiles", "extra_hosts": "extraHosts", "": "", "ümage": "image",
	} {
		repo := load(t, tree(map[string]string{
			"hosts/web1/containers.yaml": "containers: {web: {image: nginx, \"" + key + "\": x}}",
		}))
		hint := "repo-layout.md lists what there is"
		if want != "" {
			hint = `did you mean "` + want + `"?`
		}
		if got := repo.Mistakes(); len(got) != 1 || got[0].Hint != hint {
			t.Errorf("%q: got %v, want the hint %s", key, got, hint)
		}
	}
}

// TestPortsConflictAsTheLibrarySays compares the layout's own bookkeeping with
// the rule that the runtimes go by.
func TestPortsConflictAsTheLibrarySays(t *testing.T) {
	ips := []string{"", "0.0.0.0", "::", "127.0.0.1", "10.0.0.1", "::1"}
	for _, first := range ips {
		for _, second := range ips {
			for _, protocol := range []string{"tcp", "udp"} {
				a, b := types.PortMap{IP: first, Port: 80}, types.PortMap{IP: second, Port: 81, HostPort: 80, Protocol: protocol}
				repo := load(t, tree(map[string]string{
					"hosts/web1/containers.yaml": "containers: {aa: {image: a, ports: [" + asJSON(t, a) + "]}, bb: {image: b, ports: [" + asJSON(t, b) + "]}}",
				}))
				if got, want := len(repo.Mistakes()) == 1, a.Conflicts(b); got != want {
					t.Errorf("%+v and %+v: got conflict %v, want %v", a, b, got, want)
				}
			}
		}
	}
}

func TestACheckoutOnDiskIsReadWithoutFollowingLinks(t *testing.T) {
	dir := t.TempDir()
	secret := filepath.Join(t.TempDir(), "secret")
	write := func(path, content string) {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(secret, "s3cret")
	write(filepath.Join(dir, ".git", "config"), "")
	write(filepath.Join(dir, "hosts/good/containers.yaml"), "containers: {web: {image: nginx}}")
	write(filepath.Join(dir, "hosts/web1/containers.yaml"),
		"containers: {web: {image: nginx, hostname: w, configFiles: {/a: {file: link}, /b: {file: dir/secret}}}}")
	for link, target := range map[string]string{"link": secret, "dir": filepath.Dir(secret)} {
		if err := os.Symlink(target, filepath.Join(dir, "hosts/web1", link)); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink("good", filepath.Join(dir, "hosts/copy")); err != nil {
		t.Fatal(err)
	}
	repo := load(t, os.DirFS(dir))
	want := `hosts/copy: "copy" is a symbolic link, and a host is a directory (write hosts/<host>/containers.yaml)
hosts/web1/containers.yaml:1:72: "link" is a symbolic link, not a file (put a plain file there)
hosts/web1/containers.yaml:1:90: "dir" is a symbolic link, not a directory (put a directory there)`
	if got := repo.Mistakes().Error(); got != want || len(repo.Hosts) != 1 {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}
