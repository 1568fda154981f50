package docker_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sync/errgroup"

	"github.com/gitsync/gitsync/container/types"
	"github.com/gitsync/gitsync/internal/dockertest"
)

func TestAReaderNeverSeesHalfAFile(t *testing.T) {
	engine := dockertest.Require(t)
	dir, err := os.MkdirTemp("", "gitsync-test-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	id, err := engine.Create(t.Context(), &types.ContainerConfig{
		Name: dockertest.Name("staged"), Image: dockertest.Image(t, engine), Mounts: []types.Mount{{Source: "/", Target: "/mnt/host"}},
		Labels: map[string]string{"io.gitsync.test": dir},
	})
	if err != nil {
		t.Fatal(err)
	}
	dockertest.RemoveLabelled(t, engine, map[string]string{"io.gitsync.test": dir})
	const size = 1 << 20
	file := filepath.Join(dir, "app.conf")
	done := make(chan struct{})
	var group errgroup.Group
	group.Go(func() error {
		for {
			select {
			case <-done:
				return nil
			default:
			}
			content, err := os.ReadFile(file)
			switch {
			case errors.Is(err, fs.ErrNotExist):
			case err != nil:
				return err
			case len(content) != size || strings.Trim(string(content), string(content[:1])) != "":
				return errors.New("a part of the file was seen")
			}
		}
	})
	for i := range 30 {
		content := strings.Repeat(string(rune('a'+i%2)), size)
		err := engine.CopyStaged(t.Context(), id, "/mnt/host"+filepath.Join(dir, "staging"), []*types.File{{Path: "/mnt/host" + file, Content: content, Mode: 0o644}})
		if err != nil {
			t.Error(err)
		}
	}
	close(done)
	if err := group.Wait(); err != nil {
		t.Error(err)
	}
}
