package layout_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/gitsync/gitsync/layout"
)

// onlyMistake loads a repo whose host web1 has one mistake, and returns it.
func onlyMistake(t *testing.T, fsys fs.FS) string {
	t.Helper()
	repo := load(t, fsys)
	if len(repo.Invalid) != 1 || repo.Invalid[0].Name != "web1" || len(repo.Invalid[0].Mistakes) != 1 {
		t.Fatalf("got %v, want one mistake in web1", repo.Mistakes())
	}
	return repo.Mistakes().Error()
}

func TestLinksAndSubmodulesAreNeverFollowed(t *testing.T) {
	const file = "containers: {web: {image: nginx, configFiles: {/etc/x: {file: files/sub/x}}}}"
	link := func(target string) *fstest.MapFile {
		return &fstest.MapFile{Mode: fs.ModeSymlink, Data: []byte(target)}
	}
	submodule := &fstest.MapFile{Mode: fs.ModeIrregular}
	cases := map[string]struct {
		path string
		file *fstest.MapFile
		want string
	}{
		"the host is a link":         {"hosts/web1", link("good"), `hosts/web1: "web1" is a symbolic link, and a host is a directory (write hosts/<host>/containers.yaml)`},
		"the host is a submodule":    {"hosts/web1", submodule, `hosts/web1: "web1" is a submodule, and a host is a directory (write hosts/<host>/containers.yaml)`},
		"containers.yaml is a link":  {"hosts/web1/containers.yaml", link("../good/containers.yaml"), `hosts/web1/containers.yaml: "containers.yaml" is a symbolic link, not a file (put a plain file there)`},
		"host.yaml is a submodule":   {"hosts/web1/host.yaml", submodule, `hosts/web1/host.yaml: "host.yaml" is a submodule, not a file (put a plain file there)`},
		"the config file is a link":  {"hosts/web1/files/sub/x", link("/etc/passwd"), `hosts/web1/containers.yaml:1:63: "files/sub/x" is a symbolic link, not a file (put a plain file there)`},
		"a directory is a link":      {"hosts/web1/files/sub", link("/etc"), `hosts/web1/containers.yaml:1:63: "files/sub" is a symbolic link, not a directory (put a directory there)`},
		"a directory is a submodule": {"hosts/web1/files", submodule, `hosts/web1/containers.yaml:1:63: "files" is a submodule, not a directory (put a directory there)`},
		"a checked-out submodule":    {"hosts/web1/files/sub/.git", &fstest.MapFile{Data: []byte("gitdir: x")}, `hosts/web1/containers.yaml:1:63: "hosts/web1/files/sub" is a submodule (put its files into this repo)`},
		"the config file is a pipe":  {"hosts/web1/files/sub/x", &fstest.MapFile{Mode: fs.ModeNamedPipe}, `hosts/web1/containers.yaml:1:63: "files/sub/x" is neither a file nor a directory, not a file (put a plain file there)`},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			files := tree(map[string]string{
				"hosts/good/containers.yaml": "containers: {}",
				"hosts/web1/containers.yaml": file,
				"hosts/web1/files/sub/x":     "x",
			})
			for path := range files {
				if strings.HasPrefix(path, c.path+"/") {
					delete(files, path)
				}
			}
			files[c.path] = c.file
			if got := onlyMistake(t, files); got != c.want {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
		})
	}
}

func TestLimits(t *testing.T) {
	many := func(count int, format string) string {
		var b strings.Builder
		for i := range count {
			fmt.Fprintf(&b, format, i)
		}
		return b.String()
	}
	large := strings.Repeat("x", layout.MaxFileBytes)
	cases := map[string]struct {
		files map[string]string
		want  string
	}{
		"containers.yaml": {map[string]string{"containers.yaml": "#" + strings.Repeat("x", layout.MaxYAMLBytes)},
			`hosts/web1/containers.yaml: "containers.yaml" has 1048577 bytes, more than the limit of 1MiB (make it smaller)`},
		"containers": {map[string]string{"containers.yaml": "containers:\n" + many(layout.MaxContainers+1, " c%d: {image: x}\n")},
			"hosts/web1/containers.yaml:10002:2: there are more than 10000 containers (use several hosts)"},
		"ports": {map[string]string{"containers.yaml": "containers: {web: {image: x, ports: [1-20000, 20001]}}"},
			"hosts/web1/containers.yaml:1:47: the host publishes more than 20000 ports (publish fewer, or use networkMode: host)"},
		"config file": {map[string]string{"containers.yaml": "containers: {web: {image: x, configFiles: {/x: {file: x}}}}", "x": large + "x"},
			`hosts/web1/containers.yaml:1:55: "x" has 1048577 bytes, more than the limit of 1MiB (make it smaller)`},
		"config files": {map[string]string{
			"containers.yaml": "containers: {web: {image: x, configFiles: {\n" + many(17, "/x%d: {file: x},\n") + "}}}", "x": large},
			"hosts/web1/containers.yaml:18:1: the config files of the host have more than 16777216 bytes in all (put large files into an image or a volume)"},
		"values": {map[string]string{"containers.yaml": "containers: {web: {image: x, args: [" + strings.Repeat("a,", layout.MaxYAMLNodes) + "]}}"},
			"hosts/web1/containers.yaml:1:1: the file holds more than 500000 values, aliases expanded (use fewer aliases)"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			files := map[string]string{"hosts/good/containers.yaml": "containers: {}"}
			for path, content := range c.files {
				files["hosts/web1/"+path] = content
			}
			if got := onlyMistake(t, tree(files)); got != c.want {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
		})
	}
}

func TestTooManyHostsAndMistakes(t *testing.T) {
	files := map[string]string{}
	for i := range layout.MaxHosts + 1 {
		files[fmt.Sprintf("hosts/h%d/containers.yaml", i)] = "containers: {}"
	}
	_, err := layout.NewLoader().Load(context.Background(), tree(files), layout.Options{})
	if want := "load the repo: hosts/ has 10001 entries, more than the limit of 10000: split the repo"; !errors.Is(err, layout.ErrTooLarge) || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}

	mistakes := load(t, tree(map[string]string{
		"hosts/web1/containers.yaml": "containers:\n" + strings.Repeat("  x: {}\n", 3000),
	})).Mistakes()
	if got := len(mistakes); got != 1001 {
		t.Fatalf("got %d mistakes, want 1001", got)
	}
	want := "hosts/web1/containers.yaml:1001:3: there are 2001 more mistakes from here on (correct the ones above first)"
	if got := mistakes[1000].Error(); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}
