package pin_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	stdsync "sync"
	"testing"

	"github.com/gitsync/gitsync/pin"
)

// copyOf makes a working copy.
func copyOf(t *testing.T, files map[string]string) (dir string, root *os.Root) {
	t.Helper()
	dir = t.TempDir()
	for name, content := range files {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = root.Close() })
	return dir, root
}

func read(t *testing.T, dir, name string) string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// tags answers what a registry would, and counts.
type tags struct {
	mu    stdsync.Mutex
	asked []string
}

func digestOf(image string) string { return "sha256:" + fmt.Sprintf("%064x", len(image)) }

func (s *tags) resolve(_ context.Context, image string) (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked = append(s.asked, image)
	if strings.HasPrefix(image, "gone") {
		return "", errors.New("ask docker.io for " + image + ": no such image")
	}
	return digestOf(image), nil
}

// said is a line for each result.
func said(results []pin.Result) []string {
	lines := make([]string, 0, len(results))
	for _, r := range results {
		lines = append(lines, fmt.Sprintf("%s %s %s", r.File, r.Image, r.Status))
	}
	return lines
}

const web, db, base = "hosts/web1/containers.yaml", "hosts/db1/containers.yaml", "groups/base/containers.yaml"

func TestImagesOfHostsAndGroupsArePinnedAndEachTagIsAskedForOnce(t *testing.T) {
	dir, root := copyOf(t, map[string]string{
		web:  "containers:\n  web: {image: nginx:1.27} # web\n  other: {image: nginx:1.27}\n",
		db:   "containers: {db: {image: postgres}, old: {image: 'old:1@" + digest + "'}, fixed: {image: 'fixed@" + digest + "'}}\n",
		base: "containers: {agent: {image: nginx:1.27}}\n",
	})
	if err := os.Chmod(filepath.Join(dir, web), 0o640); err != nil {
		t.Fatal(err)
	}
	s := &tags{}
	results, err := pin.Run(t.Context(), root, s.resolve, pin.Options{})
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(s.asked)
	if got := fmt.Sprint(s.asked); got != "[nginx:1.27 postgres]" {
		t.Errorf("asked for %s", got)
	}
	nginx := "nginx:1.27@" + digestOf("nginx:1.27")
	for name, want := range map[string]string{
		web:  "containers:\n  web: {image: " + nginx + "} # web\n  other: {image: " + nginx + "}\n",
		db:   "containers: {db: {image: postgres:latest@" + digestOf("postgres") + "}, old: {image: 'old:1@" + digest + "'}, fixed: {image: 'fixed@" + digest + "'}}\n",
		base: "containers: {agent: {image: " + nginx + "}}\n",
	} {
		if got := read(t, dir, name); got != want {
			t.Errorf("%s is\n%s\nwant\n%s", name, got, want)
		}
	}
	if info, err := os.Stat(filepath.Join(dir, web)); err != nil || info.Mode().Perm() != 0o640 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	if len(results) != 6 {
		t.Errorf("results %v", said(results))
	}
	left, err := filepath.Glob(filepath.Join(dir, "*/*/.gitsync*"))
	if err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
	s.asked = nil
	if _, err := pin.Run(t.Context(), root, s.resolve, pin.Options{}); err != nil || len(s.asked) > 0 {
		t.Errorf("again: %v, asked for %v", err, s.asked)
	}
}

func TestUpdateCheckAndDryRun(t *testing.T) {
	files := map[string]string{web: "containers:\n  a: {image: 'old:1@" + digest + "'}\n  b: {image: 'now:1@" + digestOf("now:1") + "'}\n  c: {image: new:1}\n"}
	for name, c := range map[string]struct {
		opts  pin.Options
		want  string
		after string
	}{
		"nothing":        {pin.Options{}, "current current pinned", "old:1@" + digest},
		"update":         {pin.Options{Update: true}, "updated current pinned", "old:1@" + digestOf("old:1")},
		"update dry run": {pin.Options{Update: true, DryRun: true}, "updated current pinned", ""},
		"check":          {pin.Options{Check: true}, "moved current unpinned", ""},
	} {
		t.Run(name, func(t *testing.T) {
			dir, root := copyOf(t, files)
			results, err := pin.Run(t.Context(), root, (&tags{}).resolve, c.opts)
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, r := range results {
				got = append(got, string(r.Status))
			}
			if strings.Join(got, " ") != c.want {
				t.Errorf("got %v, want %s", got, c.want)
			}
			text := read(t, dir, web)
			if c.after == "" && text != files[web] || c.after != "" && !strings.Contains(text, c.after) {
				t.Errorf("the file is\n%s", text)
			}
			if pin.Worst(results) != strings.ContainsAny(c.want, "ml") && name == "check" {
				t.Error("the check is content")
			}
		})
	}
}

func TestWhenOneTagCannotBeHadNoFileChangesAndAllFailuresAreTold(t *testing.T) {
	files := map[string]string{
		web: "containers:\n  a: {image: nginx:1}\n  b: {image: gone:1}\n",
		db:  "containers:\n  c: {image: gone:2}\n",
	}
	dir, root := copyOf(t, files)
	results, err := pin.Run(t.Context(), root, (&tags{}).resolve, pin.Options{})
	if !errors.Is(err, pin.ErrNotWritten) || len(results) != 3 {
		t.Fatalf("got %v, %v", said(results), err)
	}
	for _, part := range []string{web + ":3:14", "gone:1", db + ":2:14", "gone:2"} {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("%v does not say %s", err, part)
		}
	}
	for name, want := range files {
		if got := read(t, dir, name); got != want {
			t.Errorf("%s became\n%s", name, got)
		}
	}
}

func TestWhenOneFileCannotBeWrittenNoneChanges(t *testing.T) {
	files := map[string]string{web: "containers: {a: {image: nginx:1}}\n", db: "containers: {b: {image: nginx:1}}\n"}
	dir, root := copyOf(t, files)
	// A directory that is not empty is in the way, which stops root too.
	if err := os.MkdirAll(filepath.Join(dir, "hosts/web1/.gitsync-pin-containers.yaml/x"), 0o755); err != nil {
		t.Fatal(err)
	}
	if _, err := pin.Run(t.Context(), root, (&tags{}).resolve, pin.Options{}); !errors.Is(err, pin.ErrNotWritten) || !strings.Contains(err.Error(), web) {
		t.Errorf("got %v", err)
	}
	for name, want := range files {
		if got := read(t, dir, name); got != want {
			t.Errorf("%s became\n%s", name, got)
		}
	}
}

func TestVariablesArePinnedWhereAllHostsAgree(t *testing.T) {
	dir, root := copyOf(t, map[string]string{
		base:                        "containers:\n  same: {image: 'same:${vars.tag}'}\n  differs: {image: 'differs:${vars.own}'}\n  digest: {image: '${vars.pinned}'}\n",
		web:                         "containers: {ww: {image: '${vars.image}'}, unknown: {image: plain:1}}\n",
		"hosts/web1/host.yaml":      "groups: [base]\nvars: {tag: '1', own: a, image: nginx, pinned: 'x:1@" + digest + "'}\n",
		"hosts/db1/host.yaml":       "groups: [base]\ndocker: {host: 'tcp://db1:2376'}\nvars: {tag: '1', own: b, pinned: 'x:1@" + digest + "'}\n",
		"hosts/bad/host.yaml":       "drct: {}\n",
		"hosts/bad/containers.yaml": "containers: {zz: {image: 'z:${vars.z}'}}\n",
	})
	// As long as a host does not validate, nobody knows what it makes of a group.
	first, err := pin.Run(t.Context(), root, (&tags{}).resolve, pin.Options{DryRun: true, Select: []string{"base"}})
	if err != nil || len(first) != 3 || first[0].Status != pin.Left || !strings.Contains(first[0].Reason, "bad") {
		t.Errorf("with a host that does not validate: %v, %v", said(first), err)
	}
	if err := os.RemoveAll(filepath.Join(dir, "hosts/bad")); err != nil {
		t.Fatal(err)
	}
	results, err := pin.Run(t.Context(), root, (&tags{}).resolve, pin.Options{})
	if err != nil {
		t.Fatal(err)
	}
	why := map[string]string{}
	for _, r := range results {
		why[r.Image] = string(r.Status) + " " + r.Reason
	}
	for image, want := range map[string]string{
		"same:${vars.tag}": "pinned", "differs:${vars.own}": "left its variables differ: it is differs:", "${vars.pinned}": "current",
		"${vars.image}": "pinned", "plain:1": "pinned",
	} {
		if !strings.HasPrefix(why[image], want) {
			t.Errorf("%s: %s, want %s", image, why[image], want)
		}
	}
	if got, want := read(t, dir, web), "'${vars.image}:latest@"+digestOf("nginx")+"'"; !strings.Contains(got, want) {
		t.Errorf("got %s, want %s", got, want)
	}
	if got, want := read(t, dir, base), "'same:${vars.tag}@"+digestOf("same:1")+"'"; !strings.Contains(got, want) {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestSelectorsNameHostsContainersOrImages(t *testing.T) {
	files := map[string]string{
		web:  "containers:\n  web: {image: nginx:1}\n  app: {image: registry.example.com/team/app:1}\n",
		db:   "containers:\n  db: {image: postgres:1}\n",
		base: "containers:\n  agent: {image: registry.example.com/team/agent:1}\n",
	}
	for pattern, want := range map[string]string{
		"web1": "nginx:1 registry.example.com/team/app:1", "web1/web": "nginx:1", "*/db": "postgres:1", "nginx": "nginx:1",
		"docker.io/library/postgres": "postgres:1", "registry.example.com/team/*": "registry.example.com/team/agent:1 registry.example.com/team/app:1",
		"base": "registry.example.com/team/agent:1",
	} {
		_, root := copyOf(t, files)
		results, err := pin.Run(t.Context(), root, (&tags{}).resolve, pin.Options{Select: []string{pattern}, DryRun: true})
		var got []string
		for _, r := range results {
			got = append(got, r.Image)
		}
		slices.Sort(got)
		if err != nil || strings.Join(got, " ") != want {
			t.Errorf("%s selects %v, %v, want %s", pattern, got, err, want)
		}
	}
	_, root := copyOf(t, files)
	if _, err := pin.Run(t.Context(), root, (&tags{}).resolve, pin.Options{Select: []string{"nginx", "ngnix"}}); err == nil || !strings.Contains(err.Error(), "ngnix") {
		t.Errorf("a slip of the hand: %v", err)
	}
}

func TestLinksAreRefused(t *testing.T) {
	outside := t.TempDir()
	target := filepath.Join(outside, "containers.yaml")
	const content = "containers: {a: {image: nginx:1}}\n"
	if err := os.WriteFile(target, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
	for name, link := range map[string]func(dir string) error{
		"the file": func(dir string) error { return os.Symlink(target, filepath.Join(dir, "hosts/link/containers.yaml")) },
		"the file, inside": func(dir string) error {
			return os.Symlink("../web1/containers.yaml", filepath.Join(dir, "hosts/link/containers.yaml"))
		},
		"the host":             func(dir string) error { return os.Symlink(outside, filepath.Join(dir, "hosts/other")) },
		"the groups":           func(dir string) error { return os.Symlink("hosts", filepath.Join(dir, "groups")) },
		"a directory in place": func(dir string) error { return os.Mkdir(filepath.Join(dir, "hosts/link/containers.yaml"), 0o755) },
	} {
		dir, root := copyOf(t, map[string]string{web: content})
		if err := errors.Join(os.Mkdir(filepath.Join(dir, "hosts/link"), 0o755), link(dir)); err != nil {
			t.Fatal(err)
		}
		if _, err := pin.Run(t.Context(), root, (&tags{}).resolve, pin.Options{}); err == nil {
			t.Errorf("%s: it was followed", name)
		}
		if read(t, dir, web) != content || read(t, outside, "containers.yaml") != content {
			t.Errorf("%s: a file was changed", name)
		}
	}
	_, root := copyOf(t, map[string]string{"README.md": "nothing"})
	if _, err := pin.Run(t.Context(), root, (&tags{}).resolve, pin.Options{}); err == nil {
		t.Error("an empty directory is fine")
	}
}
