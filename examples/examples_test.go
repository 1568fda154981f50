package examples_test

import (
	"context"
	"io/fs"
	"strings"
	"testing"

	"github.com/gitsync/gitsync/examples"
	"github.com/gitsync/gitsync/layout"
)

func TestTheExampleIsValidAndStaysOnThisMachine(t *testing.T) {
	repo, err := layout.NewLoader().Load(context.Background(), examples.Repo(), layout.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := repo.Mistakes().Err(); err != nil {
		t.Fatal(err)
	}
	if got := len(repo.Hosts); got != 3 {
		t.Errorf("got %d hosts, want 3", got)
	}
	files := 0
	for _, host := range repo.Hosts {
		if host.Host.DirectConfig == nil {
			t.Errorf("host %s is not this machine", host.Name)
		}
		for name, c := range host.Containers {
			files += len(c.ConfigFiles)
			if got := c.Container.Config.Image; got != examples.Image {
				t.Errorf("container %s has the image %s, want %s", name, got, examples.Image)
			}
			for _, p := range c.Container.Config.Ports {
				if p.IP != "127.0.0.1" {
					t.Errorf("container %s publishes a port on %q, want loopback", name, p.IP)
				}
			}
			for path := range c.ConfigFiles {
				if !strings.HasPrefix(path, "/srv/gitsync-example/") {
					t.Errorf("container %s writes %s", name, path)
				}
			}
		}
	}
	if files != 2 {
		t.Errorf("got %d config files, want an inline one and one by file", files)
	}
}

// TestTheImageIsAPlainSubstitution keeps the promise of examples.Image: whoever
// replaces that text changes every image, and nothing else.
func TestTheImageIsAPlainSubstitution(t *testing.T) {
	err := fs.WalkDir(examples.Repo(), ".", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		content, err := fs.ReadFile(examples.Repo(), path)
		if got, want := strings.Count(string(content), "image:"), strings.Count(string(content), "image: "+examples.Image+"\n"); got != want {
			t.Errorf("%s has %d images, and %d of them are %s", path, got, want, examples.Image)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}
