package layout_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/gitsync/gitsync/layout"
)

const withConfigFile = "containers:\n  web: {image: nginx, configFiles: {/srv/x: {file: files/x.conf}}}\n"

// mistakesOf loads a tree with one host, web1.
func mistakesOf(t *testing.T, files map[string]string) string {
	t.Helper()
	repo, err := layout.NewLoader().Load(context.Background(), tree(files), layout.Options{})
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	for _, m := range repo.Mistakes() {
		lines = append(lines, m.Error())
	}
	return strings.Join(lines, "\n")
}

func TestAFileThatAWorkTreeShowsOtherwiseIsRefused(t *testing.T) {
	crypt := "\x00GITCRYPT\x00\x01\x02binary"
	lfs := "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n"
	const inConfig, inYAML = "hosts/web1/containers.yaml:2:52: ", "hosts/web1/containers.yaml:1:1: "
	for name, c := range map[string]struct {
		files map[string]string
		want  string
	}{
		"git-crypt, a config file":             {map[string]string{"hosts/web1/files/x.conf": crypt}, inConfig + `"files/x.conf" is encrypted by git-crypt`},
		"git-crypt, containers.yaml":           {map[string]string{"hosts/web1/containers.yaml": crypt}, inYAML + `"containers.yaml" is encrypted by git-crypt`},
		"git-crypt, host.yaml":                 {map[string]string{"hosts/web1/host.yaml": crypt}, `hosts/web1/host.yaml:1:1: "host.yaml" is encrypted by git-crypt`},
		"git-crypt, gitsync.yaml":              {map[string]string{"gitsync.yaml": crypt}, `gitsync.yaml:1:1: "gitsync.yaml" is encrypted by git-crypt`},
		"LFS, a config file":                   {map[string]string{"hosts/web1/files/x.conf": lfs}, inConfig + `"files/x.conf" is a Git LFS pointer`},
		"LFS, containers.yaml":                 {map[string]string{"hosts/web1/containers.yaml": lfs}, inYAML + `"containers.yaml" is a Git LFS pointer`},
		"a filter, by the root":                {map[string]string{".gitattributes": "# c\n*.conf filter=vault diff=x\n"}, inConfig + `"x.conf" goes through the filter "vault" (.gitattributes:2)`},
		"a filter, by hosts/":                  {map[string]string{"hosts/.gitattributes": "web1/files/* filter=vault\n"}, inConfig + `"x.conf" goes through the filter "vault" (hosts/.gitattributes:1)`},
		"a filter, by the host":                {map[string]string{"hosts/web1/.gitattributes": "/files/** filter=vault\n"}, inConfig + `"x.conf" goes through the filter "vault" (hosts/web1/.gitattributes:1)`},
		"a filter, by files/":                  {map[string]string{"hosts/web1/files/.gitattributes": "x.conf\tfilter=vault\n"}, inConfig + `"x.conf" goes through the filter "vault" (hosts/web1/files/.gitattributes:1)`},
		"a filter on YAML":                     {map[string]string{".gitattributes": "*.yaml filter=vault"}, inYAML + `"containers.yaml" goes through the filter "vault"`},
		"a filter by a macro":                  {map[string]string{".gitattributes": "[attr]secret filter=vault -diff\n**/files/* secret\n"}, `(.gitattributes:2)`},
		"a quoted pattern":                     {map[string]string{".gitattributes": "\"x.con\\146\" filter=vault\n"}, `"vault"`},
		"an encoding":                          {map[string]string{".gitattributes": "*.conf working-tree-encoding=UTF-16LE-BOM\n"}, inConfig + `"x.conf" has the working-tree-encoding "UTF-16LE-BOM" (.gitattributes:1)`},
		"the last rule of several":             {map[string]string{".gitattributes": "*.conf -filter\n*.conf filter=vault\n"}, `"vault"`},
		"no filter: taken back":                {map[string]string{".gitattributes": "*.conf filter=vault\n", "hosts/web1/.gitattributes": "*.conf -filter\n"}, ""},
		"no filter: taken back in one file":    {map[string]string{".gitattributes": "* filter=vault\n*.conf !filter\n*.yaml !filter\n"}, ""},
		"no filter: another file":              {map[string]string{".gitattributes": "*.key filter=vault\nfiles/* filter=vault\n/x.conf filter=vault\nhosts/ filter=vault\n"}, ""},
		"no filter: one without a name":        {map[string]string{".gitattributes": "*.conf filter\n"}, ""},
		"no encoding: UTF-8":                   {map[string]string{".gitattributes": "*.conf working-tree-encoding=utf-8\n"}, ""},
		"no rule: line ends":                   {map[string]string{".gitattributes": "* text=auto eol=lf\n*.conf text\n"}, ""},
		"a macro below the root, as for Git":   {map[string]string{"hosts/.gitattributes": "[attr]secret filter=vault\n* secret\n"}, ""},
		"an attribute file that is a mistake?": {map[string]string{".gitattributes": "\x00\xff[[[ filter=\n!x filter=vault\n\"open filter=vault\n"}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			files := map[string]string{"hosts/web1/containers.yaml": withConfigFile, "hosts/web1/files/x.conf": "plain"}
			for name, content := range c.files {
				files[name] = content
			}
			got := mistakesOf(t, files)
			if c.want == "" && got != "" || !strings.Contains(got, c.want) {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
		})
	}
}

func TestAFilterThatIsAddedAboveAHostIsHeeded(t *testing.T) {
	files := tree(map[string]string{"hosts/web1/containers.yaml": withConfigFile, "hosts/web1/files/x.conf": "plain"})
	fsys := &counting{FS: files, hashes: map[string]string{"hosts/web1": "1"}}
	loader := layout.NewLoader()
	for _, c := range []struct {
		attributes string
		mistakes   int
	}{{"", 0}, {"*.conf filter=vault", 1}, {"*.conf -filter", 0}} {
		files[".gitattributes"] = &fstest.MapFile{Data: []byte(c.attributes)}
		repo, err := loader.Load(context.Background(), fsys, layout.Options{})
		if err != nil || len(repo.Mistakes()) != c.mistakes {
			t.Errorf("%q: got %v and %v", c.attributes, repo.Mistakes(), err)
		}
	}
}

func TestTheEffortForAttributesIsBounded(t *testing.T) {
	got := mistakesOf(t, map[string]string{
		"hosts/web1/containers.yaml": withConfigFile, "hosts/web1/files/x.conf": "plain", ".gitattributes": strings.Repeat("*.x filter=y\n", 201),
	})
	if !strings.Contains(got, "more than 200 rules") {
		t.Errorf("got %s", got)
	}
	files := map[string]string{".gitattributes": strings.Repeat("**/a*/**/b*/** filter=y\n", 200)}
	for i := range 30 {
		var text strings.Builder
		text.WriteString("containers:\n  web:\n    image: x\n    configFiles:\n")
		for j := range 250 {
			fmt.Fprintf(&text, "      /srv/%d: {file: x%d}\n", j, j)
			files[fmt.Sprintf("hosts/h%d/x%d", i, j)] = "x"
		}
		files[fmt.Sprintf("hosts/h%d/containers.yaml", i)] = text.String()
	}
	deep := strings.Repeat("a/", 60)
	for name, files := range map[string]map[string]string{
		"many files": files,
		"one pattern": {
			"hosts/h/containers.yaml": "containers: {web: {image: x, configFiles: {/srv/x: {file: " + deep + "x}}}}", "hosts/h/" + deep + "x": "x",
			".gitattributes": strings.Repeat("**/a/", 30) + "b filter=y\n",
		},
	} {
		_, err := layout.NewLoader().Load(context.Background(), tree(files), layout.Options{})
		if err == nil || !strings.Contains(err.Error(), "patterns of .gitattributes") {
			t.Errorf("%s: got %v", name, err)
		}
	}
}
