package main

import (
	"bytes"
	"context"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/gitsync/gitsync/layout"
	"github.com/gitsync/gitsync/policy"
	"github.com/gitsync/gitsync/sync"
)

// What we show to newcomers, and what our own tests deploy, needs no policy file.
func TestTheDefaultProfileAllowsAllExamples(t *testing.T) {
	dirs := []string{"scaffold", "../../examples/repo", "../../examples/fleet"}
	tests, err := filepath.Glob("../../e2e/testdata/*/*")
	if err != nil || len(tests) < 10 {
		t.Fatalf("found %d repos of tests: %v", len(tests), err)
	}
	for _, dir := range append(dirs, tests...) {
		if _, err := os.Stat(filepath.Join(dir, "hosts")); err != nil {
			t.Fatal(err)
		}
		repo, err := layout.NewLoader(sync.PolicyCheck(policy.Default())).Load(context.Background(), withDirectory(t, dir), layout.Options{})
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range repo.Mistakes() {
			if strings.Contains(m.Message, "(rule ") {
				t.Errorf("%s: %v", dir, m)
			}
		}
	}
}

// The repo in dir, with a place that is allowed where tests write their own directory.
func withDirectory(t *testing.T, dir string) fs.FS {
	files := fstest.MapFS{}
	err := fs.WalkDir(os.DirFS(dir), ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		data, err := os.ReadFile(filepath.Join(dir, name))
		files[name] = &fstest.MapFile{Data: bytes.ReplaceAll(data, []byte("DIR/"), []byte("/srv/DIR/"))}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

func TestTheExamplePolicyIsOne(t *testing.T) {
	if _, err := readPolicy("../../examples/policy.yaml"); err != nil {
		t.Error(err)
	}
}
