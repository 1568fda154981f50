package layout_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gitsync/gitsync/container"
	"github.com/gitsync/gitsync/layout"
)

// TestTreesKeepTheirDigests loads every tree of hosts that testdata/digests.golden names,
// and compares the spec digests with those of the release that wrote it. A difference where
// the tree itself did not change means that an upgrade re-creates containers.
func TestTreesKeepTheirDigests(t *testing.T) {
	t.Parallel()
	got := map[string]*container.HostConfiguredContainer{}
	for _, pattern := range []string{"testdata/*/hosts", "../examples/*/hosts", "../cmd/gitsync/scaffold/hosts"} {
		trees, err := filepath.Glob(pattern)
		if err != nil || len(trees) == 0 {
			t.Fatalf("find the trees %s: %v", pattern, err)
		}
		for _, tree := range trees {
			repo, err := layout.NewLoader().Load(context.Background(), os.DirFS(filepath.Dir(tree)), layout.Options{ExternalSecrets: someSecrets})
			if err != nil {
				t.Fatal(err)
			}
			for _, host := range repo.Hosts {
				for key, m := range host.Containers {
					got[fmt.Sprintf("%s %s %s", filepath.ToSlash(filepath.Dir(tree)), host.Name, key)] = m
				}
			}
		}
	}
	golden, err := os.ReadFile("testdata/digests.golden")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(golden)) {
		line = strings.TrimSpace(line)
		name := line[:strings.LastIndex(line, " ")]
		if digest := strings.TrimPrefix(line, name+" "); got[name] == nil || !got[name].HasSpecDigest(digest) {
			t.Errorf("%s does not have digest %s any more: an upgrade would re-create it (remove the line where the tree itself changed)", name, digest)
		}
	}
}
