package layout_test

import (
	"fmt"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/gitsync/gitsync/container"
	"github.com/gitsync/gitsync/container/types"
	"github.com/gitsync/gitsync/host/ssh"
	"github.com/gitsync/gitsync/layout"
)

// manual returns repo-layout.md.
func manual(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile("../repo-layout.md")
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// jsonNames returns the JSON names of a struct's fields, sorted.
func jsonNames(v any) []string {
	var names []string
	for i := range reflect.TypeOf(v).NumField() {
		if name, _, _ := strings.Cut(reflect.TypeOf(v).Field(i).Tag.Get("json"), ","); name != "-" {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

func TestEverySettingHasAKey(t *testing.T) {
	cases := map[string]struct {
		settings any
		more     []string // what the format has beside the settings
	}{
		"container":   {types.ContainerConfig{}, []string{"configFiles", "update", "dependsOn", "oneShot", "preDeploy", "drift", "protect", "secretFiles"}},
		"update":      {container.Update{}, nil},
		"drift":       {container.DriftPolicy{}, nil},
		"host drift":  {container.DriftPolicy{}, []string{"interval"}},
		"port":        {types.PortMap{}, nil},
		"mount":       {types.Mount{}, nil},
		"healthcheck": {types.Healthcheck{}, []string{"disable"}},
		"ssh":         {ssh.Config{}, nil},
	}
	for mapping, c := range cases {
		want := append(jsonNames(c.settings), c.more...)
		if mapping == "container" {
			want = slices.DeleteFunc(want, func(name string) bool { return name == "name" }) // the entry's key
		}
		got := layout.Keys()[mapping]
		slices.Sort(got)
		slices.Sort(want)
		if !slices.Equal(got, want) {
			t.Errorf("%s: got the keys %v, want %v", mapping, got, want)
		}
	}
}

func TestEveryKeyIsInTheManual(t *testing.T) {
	text := manual(t)
	for mapping, keys := range layout.Keys() {
		for _, key := range keys {
			if key == "password" || key == "privateKey" {
				continue // these are refused
			}
			if !strings.Contains(text, "\n| `"+key+"` |") {
				t.Errorf("repo-layout.md has no row for the key %s of a %s", key, mapping)
			}
		}
	}
}

func TestTheManualKnowsTheLimits(t *testing.T) {
	text := manual(t)
	comma := func(n int) string { return fmt.Sprintf("%d,%03d", n/1000, n%1000) }
	millions := func(n int) string { return fmt.Sprintf("%d,%03d,%03d", n/1_000_000, n/1000%1000, n%1000) }
	for _, want := range []string{
		"| hosts | " + comma(layout.MaxHosts) + " |",
		fmt.Sprintf("| groups that a host names | %d |", layout.MaxGroups),
		"| containers on a host | " + comma(layout.MaxContainers) + " |",
		"counted port by port | " + comma(layout.MaxPorts) + " |",
		fmt.Sprintf("| `containers.yaml`, `host.yaml` | %d MiB each |", layout.MaxYAMLBytes>>20),
		"published ports | " + millions(layout.MaxHostSteps) + " |",
		"| steps that the load of all hosts takes | " + millions(layout.MaxLoadSteps) + " |",
		"| names that a load compares to find hints | " + comma(layout.MaxComparisons) + " |",
		fmt.Sprintf("| directories that a config file's path has | %d |", layout.MaxPathDepth),
		"aliases counted each time | " + comma(layout.MaxYAMLNodes) + " |",
		fmt.Sprintf("| nesting in a YAML file | %d levels |", layout.MaxYAMLDepth),
		fmt.Sprintf("| a config file | %d MiB |", layout.MaxFileBytes>>20),
		fmt.Sprintf("| all config files of a host | %d MiB |", layout.MaxFilesBytes>>20),
		"| containers on all hosts | " + comma(layout.MaxRepoContainers) + " |",
		fmt.Sprintf("counted for each host | %d MiB |", layout.MaxRepoBytes>>20),
		fmt.Sprintf("counted likewise | %d million |", layout.MaxRepoNodes/1_000_000),
		fmt.Sprintf("| values in the files of all groups | %d million |", layout.MaxGroupNodes/1_000_000),
	} {
		if !strings.Contains(text, want) {
			t.Errorf("repo-layout.md lacks %q", want)
		}
	}
}

var yamlBlock = regexp.MustCompile("(?s)```yaml\n(.*?)```")

func TestTheExamplesOfTheManualAreValid(t *testing.T) {
	files := map[string]string{"hosts/web1/files/nginx.conf": "events {}"}
	for i, block := range yamlBlock.FindAllStringSubmatch(manual(t), -1) {
		name := fmt.Sprintf("hosts/example%d/containers.yaml", i)
		if first, _, _ := strings.Cut(block[1], "\n"); strings.HasPrefix(first, "# hosts/") || strings.HasPrefix(first, "# groups/") || first == "# gitsync.yaml" {
			name = strings.TrimPrefix(first, "# ")
		}
		files[name] = block[1]
	}
	if len(files) < 4 {
		t.Fatalf("got %d files, want the three examples and nginx.conf", len(files))
	}
	if err := load(t, tree(files)).Mistakes().Err(); err != nil {
		t.Error(err)
	}
}

func TestTheMistakesInTheManualAreReal(t *testing.T) {
	got := load(t, tree(map[string]string{"hosts/web1/containers.yaml": `containers:
  web:
    image: nginx
    volumes: []
    ports: ["8080:80"]
  other:
    image: nginx
    ports:
    -       8080:80
`})).Mistakes().Error()
	if !strings.Contains(manual(t), "\n"+got+"\n") {
		t.Errorf("repo-layout.md lacks\n%s", got)
	}
}
