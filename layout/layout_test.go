package layout_test

import (
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"strings"
	stdsync "sync"
	"testing"
	"testing/fstest"

	"github.com/gitsync/gitsync/layout"
)

// tree makes a file system of paths and contents.
func tree(files map[string]string) fstest.MapFS {
	m := fstest.MapFS{}
	for path, content := range files {
		m[path] = &fstest.MapFile{Data: []byte(content), Mode: 0o644}
	}
	return m
}

// someSecrets are defined for all hosts of the tests.
func someSecrets(string) []string {
	return []string{"registry", "other-registry", "hub", "db.password", "token"}
}

func load(t *testing.T, fsys fs.FS) *layout.Repo {
	t.Helper()
	repo, err := layout.NewLoader().Load(context.Background(), fsys, layout.Options{ExternalSecrets: someSecrets})
	if err != nil {
		t.Fatalf("load: %v", err)
	}
	return repo
}

// loadOne loads a valid repo with the one host web1.
func loadOne(t *testing.T, files map[string]string) layout.Host {
	t.Helper()
	repo := load(t, tree(files))
	if err := repo.Mistakes().Err(); err != nil || len(repo.Hosts) != 1 {
		t.Fatalf("got %d hosts and the mistakes %v, want one host and none", len(repo.Hosts), err)
	}
	return repo.Hosts[0]
}

func asJSON(t *testing.T, v any) string {
	t.Helper()
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// counting counts what is opened, and knows tree hashes when it is given some.
type counting struct {
	fs.FS
	hashes map[string]string

	mu     stdsync.Mutex
	opened []string
}

func (c *counting) Open(name string) (fs.File, error) {
	c.mu.Lock()
	c.opened = append(c.opened, name)
	c.mu.Unlock()
	return c.FS.Open(name)
}

// Stat reads nothing of a file.
func (c *counting) Stat(name string) (fs.FileInfo, error) { return fs.Stat(c.FS, name) }

func (c *counting) TreeHash(path string) (string, error) {
	if hash, ok := c.hashes[path]; ok {
		return hash, nil
	}
	return "", fs.ErrNotExist
}

// below returns what was opened in a directory, and forgets all.
func (c *counting) below(dir string) []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	var found []string
	for _, name := range c.opened {
		if name == dir || strings.HasPrefix(name, dir+"/") {
			found = append(found, name)
		}
	}
	c.opened = nil
	return found
}

func TestAnUnchangedHostIsNotReadAgain(t *testing.T) {
	files := tree(map[string]string{
		"hosts/web1/containers.yaml": "containers: {web: {image: nginx, configFiles: {/etc/x: {file: files/x}}}}",
		"hosts/web1/files/x":         "x",
		"hosts/web2/containers.yaml": "containers: {other: {image: nginx}}",
		"hosts/bad/containers.yaml":  "containers: {other: {}}",
	})
	fsys := &counting{FS: files, hashes: map[string]string{"hosts/web1": "1", "hosts/web2": "1", "hosts/bad": "1"}}
	loader := layout.NewLoader()
	reload := func() *layout.Repo {
		repo, err := loader.Load(context.Background(), fsys, layout.Options{})
		if err != nil {
			t.Fatal(err)
		}
		return repo
	}
	first := reload()
	if got := fsys.below("hosts/web1"); len(got) == 0 {
		t.Fatal("the first load did not read hosts/web1")
	}
	fsys.hashes["hosts/web2"] = "2"
	files["hosts/web2/containers.yaml"] = &fstest.MapFile{Data: []byte("containers: {changed: {image: nginx}}")}

	second := reload()
	for _, name := range fsys.below("hosts") {
		if name != "hosts" && !strings.HasPrefix(name, "hosts/web2") {
			t.Errorf("%s was read again", name)
		}
	}
	if got := second.Hosts[1].Containers["changed"]; got == nil || second.Hosts[1].Tree != "2" {
		t.Errorf("got %v, want the changed host with tree 2", asJSON(t, second.Hosts[1]))
	}
	if first.Hosts[0].Containers["web"] != second.Hosts[0].Containers["web"] {
		t.Error("an unchanged container takes its memory again with each load")
	}
	if got := len(second.Invalid); got != 1 {
		t.Errorf("got %d invalid hosts, want the one from memory", got)
	}
}

func TestNoHostsIsAnErrorThatSaysSo(t *testing.T) {
	cases := map[string]fs.FS{
		"an empty repo":           tree(nil),
		"a repo without hosts":    tree(map[string]string{"README.md": "x"}),
		"hosts is empty":          fstest.MapFS{"hosts": {Mode: fs.ModeDir}},
		"hosts holds a note only": tree(map[string]string{"hosts/README.md": "x", "hosts/.gitkeep": ""}),
		"hosts is a file":         tree(map[string]string{"hosts": "x"}),
		"hosts is a link":         fstest.MapFS{"hosts": {Mode: fs.ModeSymlink, Data: []byte("elsewhere")}},
		"hosts is a submodule":    fstest.MapFS{"hosts": {Mode: fs.ModeIrregular}},
		"hosts is a checked-out submodule": tree(map[string]string{
			"hosts/.git": "gitdir: x", "hosts/web1/containers.yaml": "containers: {}",
		}),
	}
	for name, fsys := range cases {
		t.Run(name, func(t *testing.T) {
			repo, err := layout.NewLoader().Load(context.Background(), fsys, layout.Options{})
			if !errors.Is(err, layout.ErrNoHosts) || repo != nil {
				t.Fatalf("got %v and %v, want ErrNoHosts", repo, err)
			}
			if !strings.Contains(err.Error(), "nothing removed") {
				t.Errorf("got %q, want it to say that nothing is removed", err)
			}
		})
	}
}

func TestOnlyTheHostsAskedForAreRead(t *testing.T) {
	fsys := &counting{FS: tree(map[string]string{
		"hosts/a/containers.yaml": "containers: {}",
		"hosts/b/containers.yaml": "broken",
		"hosts/c/containers.yaml": "containers: {}",
	}), hashes: map[string]string{"hosts/a": "1", "hosts/b": "2", "hosts/c": "3"}}
	repo, err := layout.NewLoader().Load(context.Background(), fsys, layout.Options{Hosts: []string{"c", "a"}})
	if err != nil || len(repo.Hosts) != 2 || len(repo.Invalid) != 0 {
		t.Fatalf("got %+v and %v, want hosts a and c", repo, err)
	}
	if got := fsys.below("hosts/b"); got != nil {
		t.Errorf("%v was read", got)
	}
	repo, err = layout.NewLoader().Load(context.Background(), fsys, layout.Options{Hosts: []string{"a", "nine"}})
	if err != nil {
		t.Fatal(err)
	}
	err = repo.CheckMatched(nil)
	if want := `unknown host "nine": the repo has a, b, c`; !errors.Is(err, layout.ErrUnknownHost) || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

func TestFailuresToReadAreErrorsAndNoMistakes(t *testing.T) {
	fsys := &counting{FS: tree(map[string]string{"hosts/a/containers.yaml": "containers: {}"})}
	if _, err := layout.NewLoader().Load(context.Background(), fsys, layout.Options{}); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("got %v, want the error of TreeHash", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := layout.NewLoader().Load(ctx, fsys, layout.Options{}); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want context.Canceled", err)
	}
	broken := failing{fsys.FS}
	if _, err := layout.NewLoader().Load(context.Background(), broken, layout.Options{}); !errors.Is(err, errDisk) {
		t.Errorf("got %v, want the error of the file system", err)
	}
}

var errDisk = errors.New("the disk is gone")

// failing fails to open containers.yaml.
type failing struct{ fs.FS }

func (f failing) Open(name string) (fs.File, error) {
	if strings.HasSuffix(name, "containers.yaml") {
		return nil, errDisk
	}
	return f.FS.Open(name)
}

func TestMistakesAreJSON(t *testing.T) {
	repo := load(t, tree(map[string]string{"hosts/web1/containers.yaml": "containers: {web: {imge: x}}"}))
	got := asJSON(t, repo.Mistakes()[1])
	want := `{"file":"hosts/web1/containers.yaml","line":1,"column":20,"message":"unknown key \"imge\"","hint":"did you mean \"image\"?"}`
	if got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if err := (layout.Mistakes{}).Err(); err != nil {
		t.Errorf("got %v, want no error for no mistakes", err)
	}
}
