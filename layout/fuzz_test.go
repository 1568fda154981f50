package layout_test

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"

	"github.com/gitsync/gitsync/layout"
)

// FuzzLoadContainers loads any bytes as containers.yaml. There is no panic, every
// mistake has a position inside the file, and what is valid is so again when it
// is written down in the long form.
func FuzzLoadContainers(f *testing.F) {
	addCases(f, "containers.yaml")
	f.Fuzz(func(t *testing.T, data []byte) {
		repo := loadBytes(t, "containers.yaml", data)
		if len(repo.Invalid) > 0 {
			return
		}
		host := repo.Hosts[0]
		if len(host.Containers) > 0 {
			if err := host.Containers.Validate(); err != nil {
				t.Fatalf("the result is not valid: %v", err)
			}
		}
		long := map[string]any{}
		for name, c := range host.Containers {
			files := map[string]string{}
			for path, content := range c.ConfigFiles {
				if utf8.ValidString(content) {
					files[path] = content
				}
			}
			long[name] = map[string]any{"container": map[string]any{"config": plainValue(t, c.Container.Config)}, "configFiles": files}
		}
		text, err := yaml.Marshal(map[string]any{"containers": long})
		if err != nil {
			t.Fatal(err)
		}
		if len(text) > layout.MaxYAMLBytes {
			return
		}
		again := loadBytes(t, "containers.yaml", text)
		if len(again.Invalid) > 0 {
			t.Fatalf("valid once, and then not:\n%v\n%s", again.Mistakes(), text)
		}
		for name, c := range host.Containers {
			got, want := asJSON(t, again.Hosts[0].Containers[name].Container), asJSON(t, c.Container)
			if got != want {
				t.Fatalf("got  %s\nwant %s", got, want)
			}
		}
	})
}

// FuzzGroup loads any bytes as the containers.yaml of a group and of a host that names
// it. There is no panic, and what is valid is rendered as YAML that gives the same.
func FuzzGroup(f *testing.F) {
	for _, pair := range [][2]string{
		{"containers: {web: {image: nginx, env: {A: a}}}", "containers: {web: {env: {A: null, B: '${vars.x}'}}}"},
		{"containers: {web: {image: nginx, configFiles: {/a: {file: files/web.conf}}}}", "containers: {web: {configFiles: {/a: {content: a}}}, db: {image: '${host.name}'}}"},
		{"x-a: &a {image: a}\ncontainers: {web: *a, db: {<<: *a, healthcheck: {test: x}}}", "containers: {web: null, db: {healthcheck: {disable: true}}}"},
	} {
		f.Add([]byte(pair[0]), []byte(pair[1]))
	}
	f.Fuzz(func(t *testing.T, group, host []byte) {
		files := fstest.MapFS{
			"groups/base/containers.yaml": {Data: group},
			"groups/base/files/web.conf":  {Data: []byte("listen ${vars.x}")},
			"hosts/web1/host.yaml":        {Data: []byte("groups: [base]\nvars: {x: 1}")},
			"hosts/web1/containers.yaml":  {Data: host},
		}
		repo, err := layout.NewLoader().Load(context.Background(), files, layout.Options{Explain: true})
		if err != nil {
			t.Fatal(err)
		}
		if len(repo.Invalid) > 0 {
			return
		}
		_ = repo.Hosts[0].Merged.Origins()
		text, err := repo.Hosts[0].Merged.YAML()
		if err != nil {
			t.Fatal(err)
		}
		if len(text) > layout.MaxYAMLBytes {
			return
		}
		again := loadBytes(t, "containers.yaml", text)
		if len(again.Invalid) > 0 {
			t.Fatalf("valid once, and then not:\n%v\n%s", again.Mistakes(), text)
		}
		if got, want := asJSON(t, again.Hosts[0].Containers), asJSON(t, repo.Hosts[0].Containers); got != want {
			t.Fatalf("got  %s\nwant %s\n%s", got, want, text)
		}
	})
}

// FuzzHostYAML loads any bytes as host.yaml.
func FuzzHostYAML(f *testing.F) {
	addCases(f, "host.yaml")
	f.Fuzz(func(t *testing.T, data []byte) {
		for _, h := range loadBytes(t, "host.yaml", data).Hosts {
			if err := h.Host.Validate(); err != nil {
				t.Fatalf("the result is not valid: %v", err)
			}
			if h.Host.SSHConfig != nil && h.Host.SSHConfig.Password+h.Host.SSHConfig.PrivateKey != "" {
				t.Fatal("the result holds a credential")
			}
		}
	})
}

// addCases makes seeds of the files with this name in testdata.
func addCases(f *testing.F, name string) {
	f.Helper()
	paths, err := filepath.Glob("testdata/*/hosts/*/" + name)
	if err != nil || len(paths) == 0 {
		f.Fatalf("find seeds: %v", err)
	}
	for _, path := range paths {
		data, err := os.ReadFile(path)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
}

// loadBytes loads a host with one file of the given content, and checks where
// the mistakes are.
func loadBytes(t *testing.T, name string, data []byte) *layout.Repo {
	t.Helper()
	files := fstest.MapFS{
		"hosts/web1/containers.yaml": {Data: []byte("containers: {web: {image: nginx}}")},
		"hosts/web1/files/web.conf":  {Data: []byte("listen 80")},
	}
	files["hosts/web1/"+name] = &fstest.MapFile{Data: data}
	repo, err := layout.NewLoader().Load(context.Background(), files, layout.Options{})
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range repo.Mistakes() {
		if m.Message == "" || strings.Contains(m.Error(), "\n") || !utf8.ValidString(m.Error()) {
			t.Fatalf("mistake %q is no line of text", m.Error())
		}
		if m.Line != 0 && !inside(m, string(data)) && !inside(m, yamlBreaks.Replace(string(data))) {
			t.Fatalf("mistake %q is outside of the file", m.Error())
		}
	}
	return repo
}

// yamlBreaks are the line breaks of YAML that no editor counts as such.
var yamlBreaks = strings.NewReplacer("\r\n", "\n", "\r", "\n", "\u0085", "\n", "\u2028", "\n", "\u2029", "\n")

// inside says whether the position is in the text, or right behind a line.
func inside(m layout.Mistake, text string) bool {
	lines := strings.Split(text, "\n")
	return m.Line <= len(lines) && m.Column >= 1 && m.Column <= utf8.RuneCountInString(lines[m.Line-1])+1
}

// plainValue returns a value as YAML would hold it, with numbers as text.
func plainValue(t *testing.T, v any) any {
	t.Helper()
	decoder := json.NewDecoder(strings.NewReader(asJSON(t, v)))
	decoder.UseNumber()
	var generic any
	if err := decoder.Decode(&generic); err != nil {
		t.Fatal(err)
	}
	return generic
}
