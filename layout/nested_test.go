package layout_test

import (
	"context"
	"strings"
	"testing"

	"github.com/gitsync/gitsync/layout"
)

func TestAMountBelowThatOfAnotherHostOnTheMachineIsJudgedByTheHostThatHasIt(t *testing.T) {
	writes, nested := "containers:\n  app: {image: nginx, mounts: [\"/data:/data\"]}\n", "containers:\n  web: {image: nginx, mounts: [\"/data/media:/media:ro\"]}\n"
	for name, c := range map[string]struct {
		files  map[string]string
		strict string
		want   string
	}{
		"the later one is below": {map[string]string{"hosts/a/containers.yaml": writes, "hosts/b/containers.yaml": nested}, "b",
			`hosts/b/containers.yaml:2:32: host b, container "web": /data/media is below /data (writable by container "app" of host a (hosts/a/containers.yaml:2:32), which is the same machine)`},
		"the earlier one is below": {map[string]string{"hosts/a/containers.yaml": nested, "hosts/b/containers.yaml": writes}, "a",
			`hosts/b/containers.yaml:2:32: host a, container "web": /data/media is below /data`},
		"the one that is above is strict": {map[string]string{"hosts/a/containers.yaml": writes, "hosts/b/containers.yaml": nested}, "a", ""},
		"another machine":                 {map[string]string{"hosts/a/containers.yaml": writes, "hosts/a/host.yaml": "ssh: {address: 10.0.0.7}\n", "hosts/b/containers.yaml": nested}, "b", ""},
		"one host alone":                  {map[string]string{"hosts/b/containers.yaml": writes + "  web: {image: nginx, mounts: [\"/data/media:/media\"]}\n"}, "b", ""},
	} {
		repo, err := layout.NewLoader().Load(context.Background(), tree(c.files), layout.Options{Nested: func(m layout.NestedMount) *layout.Objection {
			if m.Host != c.strict {
				return nil
			}
			return &layout.Objection{Message: m.Source + " is below " + m.By}
		}})
		if err != nil {
			t.Fatal(err)
		}
		if got := repo.Mistakes().Error(); c.want == "" && got != "" || !strings.Contains(got, c.want) {
			t.Errorf("%s: got  %s\nwant %s", name, got, c.want)
		}
	}
}
