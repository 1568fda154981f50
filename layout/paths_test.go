package layout_test

import (
	"io/fs"
	"slices"
	"strings"
	stdsync "sync"
	"testing"
	"testing/fstest"

	"github.com/gitsync/gitsync/layout"
)

// recorder notes which files are read, and of which ones more than the name is asked for.
type recorder struct {
	fstest.MapFS
	mu   *stdsync.Mutex
	read map[string]bool
}

func (r recorder) note(name string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.read[name] = true
}

func (r recorder) Open(name string) (fs.File, error) {
	r.note(name)
	return r.MapFS.Open(name)
}

func (r recorder) ReadFile(name string) ([]byte, error) {
	r.note(name)
	return r.MapFS.ReadFile(name)
}

func (r recorder) Stat(name string) (fs.FileInfo, error) {
	r.note(name)
	return r.MapFS.Stat(name)
}

func (r recorder) ReadDir(name string) ([]fs.DirEntry, error) {
	if name != "." {
		r.note(name)
	}
	return r.MapFS.ReadDir(name)
}

// What is not in these places is not fetched: whoever reads more must say so there.
func TestNothingIsReadBesideThePaths(t *testing.T) {
	file := func(content string) *fstest.MapFile { return &fstest.MapFile{Data: []byte(content)} }
	repo := recorder{fstest.MapFS{
		"gitsync.yaml":                    file("pruneLimit: 50%\n"),
		"gitsync.yml":                     file("x"),
		".gitattributes":                  file("*.png binary\n"),
		"README.md":                       file("x"),
		"video/big":                       file("x"),
		"hosts/web1/containers.yaml":      file("containers: {web: {image: \"nginx:1\", configFiles: {/srv/web/x: {file: files/x}}}}\n"),
		"hosts/web1/host.yaml":            file("groups: [base]\n"),
		"hosts/web1/files/x":              file("x"),
		"groups/base/containers.yaml":     file("containers: {log: {image: \"log:1\"}}\n"),
		"groups/unused/containers.yaml":   file("containers: {}\n"),
		"scripts/containers.yaml":         file("x"),
		"hosts/.gitattributes":            file("x"),
		"hosts/web1/files/.gitattributes": file("x"),
	}, &stdsync.Mutex{}, map[string]bool{}}
	if _, err := layout.NewLoader().Load(t.Context(), repo, layout.Options{}); err != nil {
		t.Fatal(err)
	}
	if !repo.read["hosts/web1/containers.yaml"] {
		t.Error("the recorder notes nothing")
	}
	for name := range repo.read {
		if top, _, _ := strings.Cut(name, "/"); !slices.Contains(layout.Paths(), top) {
			t.Errorf("%s is read, and not among the paths %v", name, layout.Paths())
		}
	}
}
