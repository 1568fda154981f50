package policy_test

import (
	"strings"
	"testing"

	"github.com/gitsync/gitsync/container"
	"github.com/gitsync/gitsync/container/types"
	"github.com/gitsync/gitsync/policy"
)

// besides judges a container beside one that mounts sources to write.
func besides(p *policy.Policy, c *container.HostConfiguredContainer, sources ...string) []policy.Violation {
	app := config(func(c *types.ContainerConfig) {
		c.Name = "app"
		for _, source := range sources {
			c.Mounts = append(c.Mounts, types.Mount{Source: source, Target: "/data"})
		}
	})
	var found []policy.Violation
	for _, v := range p.Check("web1", container.ContainersState{"app": app, "web": c}) {
		if v.Container == "web" {
			found = append(found, v)
		}
	}
	return found
}

func TestTheStrictProfileDeniesEachAttackByItsRule(t *testing.T) {
	for _, a := range attacks {
		found := check(policy.Strict(), "web1", a.c)
		if len(found) != 1 || found[0].Rule != a.rule || found[0].Path != a.path {
			t.Errorf("%s: got %+v, want one violation of %s at %s", a.name, found, a.rule, a.path)
		}
	}
}

// What the default profile lets pass since it is common, or since no list can be complete.
func TestTheStrictProfileDeniesWhatOnlyAGuardRailAllows(t *testing.T) {
	twice := config(func(c *types.ContainerConfig) {
		c.Mounts = []types.Mount{{Source: "/data/media", Target: "/media"}, {Source: "/data/", Target: "/data"}}
	})
	for name, c := range map[string]struct {
		c     *container.HostConfiguredContainer
		above []string
		rule  string
	}{
		"below another one's mount":    {mount("/data/media"), []string{"/data"}, "nestedMounts"},
		"to read, below it":            {mount("/data/media", readOnly), []string{"/data/"}, "nestedMounts"},
		"deep below it":                {mount("/data/media/films/new/"), []string{"/data"}, "nestedMounts"},
		"below it, by a detour":        {mount("/data/x/../media"), []string{"/srv/../data"}, "nestedMounts"},
		"a file below it":              {mount("/srv/app/a.conf"), []string{"/srv/app"}, "nestedMounts"},
		"below its own mount":          {twice, nil, "nestedMounts"},
		"the host's network":           {config(func(c *types.ContainerConfig) { c.NetworkMode = "host" }), nil, "networkMode.deny"},
		"a place that no list knows":   {mount("/var/lib/new-daemon"), nil, "mounts.deny"},
		"a directory of logs":          {mount("/var/log"), nil, "mounts.deny"},
		"a directory beside all known": {mount("/new"), nil, "mounts.deny"},
	} {
		if found := besides(policy.Default(), c.c, c.above...); len(found) > 0 {
			t.Errorf("%s: the default profile: %+v", name, found)
		}
		found := besides(policy.Strict(), c.c, c.above...)
		if len(found) != 1 || found[0].Rule != c.rule || !strings.Contains(found[0].Message, "by the strict profile (rule "+c.rule+")") {
			t.Fatalf("%s: got %+v, want one violation of %s", name, found, c.rule)
		}
		if found := besides(parse(t, "extends: strict\n"+found[0].Allow), c.c, c.above...); len(found) > 0 {
			t.Errorf("%s: what the hint says does not allow it: %+v", name, found)
		}
	}
}

func TestWhatIsNotNestedIsAllowedByTheStrictProfile(t *testing.T) {
	for name, c := range map[string]struct {
		c     *container.HostConfiguredContainer
		above []string
	}{
		"the same directory":         {mount("/data"), []string{"/data"}},
		"above it":                   {mount("/data"), []string{"/data/media"}},
		"a name that begins alike":   {mount("/srv/database"), []string{"/srv/data"}},
		"a volume":                   {mount("data"), []string{"/data"}},
		"a config file":              {file("/srv/web/a.conf"), nil},
		"the clock":                  {mount("/etc/localtime", readOnly), nil},
		"a directory of its own":     {mount("/srv/web"), []string{"/srv/app"}},
		"a directory of a user":      {mount("/home/bob/web"), nil},
		"a directory below /opt":     {mount("/opt/app/data"), nil},
		"the network of a container": {config(func(c *types.ContainerConfig) { c.NetworkMode = "container:app" }), nil},
	} {
		if found := besides(policy.Strict(), c.c, c.above...); len(found) > 0 {
			t.Errorf("%s: %+v", name, found)
		}
	}
	reader := config(func(c *types.ContainerConfig) {
		c.Name, c.Mounts = "app", []types.Mount{{Source: "/data", Target: "/data", ReadOnly: true}}
	})
	if found := policy.Strict().Check("web1", container.ContainersState{"app": reader, "web": mount("/data/media")}); len(found) > 0 {
		t.Errorf("below what is only read: %+v", found)
	}
}

func TestWhatBecomesOfNestedMountsIsSaidByHost(t *testing.T) {
	for text, want := range map[string]container.NestedMounts{
		"":                                      container.NestedChecked,
		"extends: strict":                       container.NestedDenied,
		"extends: none":                         container.NestedAllowed,
		"hosts: {web1: {nestedMounts: deny}}":   container.NestedDenied,
		"hosts: {web1: {nestedMounts: allow}}":  container.NestedAllowed,
		"hosts: {\"*\": {nestedMounts: allow}}": container.NestedAllowed,
		"extends: strict\nhosts: {web1: {nestedMounts: checked}}": container.NestedChecked,
		"hosts: {web2: {nestedMounts: deny}}":                     container.NestedChecked,
	} {
		if got := parse(t, text).NestedMounts("web1"); got != want {
			t.Errorf("%q: got %s, want %s", text, got, want)
		}
	}
}
