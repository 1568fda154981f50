package layout_test

import (
	"strings"
	"testing"
)

func TestNamesThatLookAlikeAreShownEscaped(t *testing.T) {
	for name, c := range map[string]struct {
		files map[string]string
		want  []string
	}{
		"a file in another Unicode form": {
			map[string]string{
				"hosts/web1/containers.yaml":       "containers: {web: {image: x, configFiles: {/srv/x: {file: \"files/caf\u00e9.conf\"}}}}",
				"hosts/web1/files/cafe\u0301.conf": "x",
			},
			[]string{`"files/caf\u00e9.conf" is written, and there is "files/cafe\u0301.conf"`},
		},
		"a container with a letter of another script": {
			map[string]string{"hosts/web1/containers.yaml": "containers: {\"w\u0435b\": {image: x}}"},
			[]string{`"w\u0435b"`},
		},
		"a dependency on one": {
			map[string]string{"hosts/web1/containers.yaml": "containers:\n  web: {image: x}\n  app: {image: x, dependsOn: [\"w\u0435b\"]}\n"},
			[]string{`"w\u0435b"`, `did you mean "web"?`},
		},
		"a host": {
			map[string]string{"hosts/w\u0435b/containers.yaml": "containers: {}", "hosts/web/containers.yaml": "containers: {}"},
			[]string{`"w\u0435b" is no name for a host`},
		},
		"a group": {
			map[string]string{"hosts/web/host.yaml": "groups: [\"b\u0430se\"]", "groups/base/containers.yaml": "containers: {}"},
			[]string{`there is no group "b\u0430se"`, `They look alike: "b\u0430se" is written, and there is "base"`},
		},
		"an umlaut is what it looks like": {
			map[string]string{"hosts/web1/containers.yaml": "containers: {web: {image: x, configFiles: {/srv/x: {file: \"files/größe\"}}}}"},
			[]string{`"files/größe"`},
		},
	} {
		t.Run(name, func(t *testing.T) {
			got := mistakesOf(t, c.files)
			for _, want := range c.want {
				if !strings.Contains(got, want) {
					t.Errorf("got  %s\nwant %s", got, want)
				}
			}
		})
	}
}
