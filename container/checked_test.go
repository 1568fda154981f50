package container_test

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gitsync/gitsync/container"
	"github.com/gitsync/gitsync/container/types"
)

// notCompared is a check that left something out.
type notCompared struct {
	change func(m *container.HostConfiguredContainer, c *container.Current)
	want   []container.Unchecked
}

// withFacts makes a check that found other facts.
func withFacts(change func(*types.ContainerFacts), want container.Unchecked) notCompared {
	return notCompared{func(_ *container.HostConfiguredContainer, c *container.Current) {
		f := c.Facts["web"]
		change(&f)
		c.Facts["web"] = f
	}, []container.Unchecked{want}}
}

// withoutFiles makes a check that did not read all files.
func withoutFiles(change func(*container.Current), want container.Unchecked) notCompared {
	return notCompared{func(_ *container.HostConfiguredContainer, c *container.Current) { change(c) }, []container.Unchecked{want}}
}

func checksThatLeaveOut() map[string]notCompared {
	all := func(why string, depths ...container.Depth) []container.Unchecked {
		var left []container.Unchecked
		for _, depth := range depths {
			left = append(left, container.Unchecked{Container: "web", Depth: depth, Why: why})
		}
		return left
	}
	settings := all("this check did not ask for its settings", container.Configuration)
	return map[string]notCompared{
		"everything was": {func(*container.HostConfiguredContainer, *container.Current) {}, nil},
		"settings were not asked for": {
			func(_ *container.HostConfiguredContainer, c *container.Current) { c.Facts = nil }, settings,
		},
		"another container's settings": withFacts(func(f *types.ContainerFacts) { f.ID = "another" }, settings[0]),
		"the engine does not tell": withFacts(func(f *types.ContainerFacts) { f.Unknown = []string{"tmpfs"} },
			container.Unchecked{Container: "web", Depth: container.Configuration, Fields: []string{"tmpfs"}, Why: "the engine does not tell it as it was asked for"}),
		"no sample": withFacts(func(f *types.ContainerFacts) { f.Filled = map[string]string{"shmSize": "1"} },
			container.Unchecked{Container: "web", Depth: container.Configuration, Fields: []string{"shmSize"}, Why: "what the engine fills in could not be found out", Failed: true}),
		"a file was not read": withoutFiles(func(c *container.Current) { delete(c.Files, "/etc/b") },
			container.Unchecked{Container: "web", Depth: container.Files, Fields: []string{"configFiles./etc/b"}, Why: "this check did not read config files"}),
		"files cannot be read": withoutFiles(func(c *container.Current) {
			c.Files, c.FileErrors = nil, map[string]string{"web": "the disk is broken"}
		},
			container.Unchecked{Container: "web", Depth: container.Files, Fields: []string{"configFiles./etc/a", "configFiles./etc/b"}, Why: "the disk is broken", Failed: true}),
		"it is missing": {
			func(_ *container.HostConfiguredContainer, c *container.Current) { *c = found() },
			all("it is missing", container.Configuration, container.Files),
		},
		"a commit changes it": {
			func(m *container.HostConfiguredContainer, _ *container.Current) { m.Container.Config.Image = "nginx:2" },
			all("a commit changes it", container.Presence, container.Configuration, container.Files),
		},
		"nothing is to be compared": {
			func(m *container.HostConfiguredContainer, c *container.Current) {
				m.Drift, c.Facts = &container.DriftPolicy{Policy: container.Ignore}, nil
			},
			nil,
		},
	}
}

// Everything that a check did not compare is named in the plan, with the reason.
func TestAPlanNamesWhatWasNotCompared(t *testing.T) {
	t.Parallel()
	for name, tt := range checksThatLeaveOut() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := spec("web", func(m *container.HostConfiguredContainer) {
				m.ConfigFiles = map[string]string{"/etc/a": "x", "/etc/b": "x"}
			})
			previous, current := recorded(m), found(row(m))
			current.Facts, current.Files = map[string]types.ContainerFacts{"web": facts(m)}, map[string]*types.File{}
			for path, content := range m.ConfigFiles {
				current.Files[path] = &types.File{Path: path, Content: content, Mode: 0o600, User: "0", Group: "0"}
			}
			tt.change(m, &current)
			plan := container.MakePlan("web1", state(m), previous, current, container.PlanOptions{})
			if diff := cmp.Diff(tt.want, plan.Unchecked); diff != "" {
				t.Errorf("not compared (-want +got):\n%s", diff)
			}
			for field, word := range map[string]string{"status": "", "env.A": "", "tmpfs./x": "tmpfs", "shmSize": "shmSize", "configFiles./etc/b": "configFiles./etc/b"} {
				unchecked := slices.ContainsFunc(tt.want, func(u container.Unchecked) bool {
					return u.Depth == container.DepthOf(field) && (u.Fields == nil || slices.Contains(u.Fields, word))
				})
				if plan.Checked("web", field) == unchecked {
					t.Errorf("%s is said to have been checked: %v", field, !unchecked)
				}
			}
		})
	}
}
