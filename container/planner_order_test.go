package container_test

import (
	"testing"

	"github.com/gitsync/gitsync/container"
	"github.com/gitsync/gitsync/container/types"
)

var severalContainers = []planCase{
	{
		name:    "a renamed key hands its port over: the old one stops before the new one starts, and goes last",
		desired: state(spec("new", port(80))), previous: state(deployed(spec("old", port(80)))), current: found(row(spec("old", port(80)))),
		want: `
			web1:
			  create new: new container
			  remove old: no longer desired
			    1. pull nginx:1.26 unless present
			    2. create new
			    3. stop old
			    4. start new
			    5. wait until new is ready
			    6. remove old
			`,
	},
	{
		name:     "two containers that swap ports both stop before either starts",
		desired:  state(spec("a", port(81)), spec("b", port(80))),
		previous: state(deployed(spec("a", port(80))), deployed(spec("b", port(81)))),
		current:  found(row(spec("a", port(80))), row(spec("b", port(81)))),
		want: `
			web1:
			  replace a: ports 80:80 → 81:81
			  replace b: ports 81:81 → 80:80
			    1. pull nginx:1.26 unless present
			    2. create a.gitsync-new
			    3. create b.gitsync-new
			    4. rename a to a.gitsync-old
			    5. rename b to b.gitsync-old
			    6. rename a.gitsync-new to a
			    7. rename b.gitsync-new to b
			    8. stop a.gitsync-old
			    9. stop b.gitsync-old
			    10. start a
			    11. start b
			    12. wait until a is ready
			    13. wait until b is ready
			    14. remove a.gitsync-old
			    15. remove b.gitsync-old
			`,
	},
	{
		name:     "who shares a namespace is created anew with its owner, in one update",
		desired:  state(spec("a-sidecar", network("container:vpn")), spec("vpn", image("vpn:2"))),
		previous: state(deployed(spec("a-sidecar", network("container:vpn"))), deployed(spec("vpn", image("vpn:1")))),
		current:  found(row(spec("a-sidecar", network("container:vpn"))), row(spec("vpn", image("vpn:1")))),
		want: `
			web1:
			  replace a-sidecar: it shares a namespace with vpn, which is created anew
			  replace vpn: image vpn:1 → 2
			    1. pull nginx:1.26 unless present
			    2. pull vpn:2 unless present
			    3. create vpn.gitsync-new
			    4. rename vpn to vpn.gitsync-old
			    5. rename vpn.gitsync-new to vpn
			    6. create a-sidecar.gitsync-new
			    7. rename a-sidecar to a-sidecar.gitsync-old
			    8. rename a-sidecar.gitsync-new to a-sidecar
			    9. stop a-sidecar.gitsync-old
			    10. stop vpn.gitsync-old
			    11. start vpn
			    12. start a-sidecar
			    13. wait until vpn is ready
			    14. wait until a-sidecar is ready
			    15. remove a-sidecar.gitsync-old
			    16. remove vpn.gitsync-old
			`,
	},
}

func TestPlanOfSeveralContainers(t *testing.T) { runPlanCases(t, severalContainers) }

func TestPlanOfConfigFiles(t *testing.T) {
	conf := spec("web", file("/etc/web.conf", "new"))
	look := func(f *types.File) container.Current {
		c := found(row(spec("web", file("/etc/web.conf", "new"))))
		c.Files["/etc/web.conf"] = f
		return c
	}
	rewrite := func(cause string) string {
		return "\nweb1:\n  restart web: " + cause + "\n    1. stop web\n    2. write /etc/web.conf\n    3. start web\n    4. wait until web is ready\n"
	}
	runPlanCases(t, []planCase{
		{
			name:    "a file that is as desired needs nothing",
			desired: state(conf), current: look(&types.File{Path: "/etc/web.conf", Content: "new", Mode: 0o600}),
		},
		{
			name:    "a file that was not looked at needs nothing",
			desired: state(conf), current: found(row(conf)),
		},
		{
			name:    "a changed file is written and the container restarted",
			desired: state(conf), current: look(&types.File{Path: "/etc/web.conf", Content: "other", Mode: 0o600}),
			want: rewrite("config file /etc/web.conf differs on the host"),
		},
		{
			name:    "a missing file is written",
			desired: state(conf), current: look(nil),
			want: rewrite("config file /etc/web.conf is missing on the host"),
		},
		{
			name:    "a changed mode is set right",
			desired: state(conf), current: look(&types.File{Path: "/etc/web.conf", Content: "new", Mode: 0o644}),
			want: rewrite("config file /etc/web.conf has mode 0644 on the host instead of 0600"),
		},
		{
			name:    "a stopped container whose file drifted is started too",
			desired: state(conf), current: func() container.Current {
				c := look(nil)
				c.Containers["web"].Main.Status = types.StatusExited
				return c
			}(),
			want: `
			web1:
			  start web: config file /etc/web.conf is missing on the host; container is stopped
			    1. write /etc/web.conf
			    2. start web
			    3. wait until web is ready
			`,
		},
	})
}

func TestPlanAfterTheOldContainerVanished(t *testing.T) {
	newSpec := spec("web", image("nginx:1.27"))
	runPlanCases(t, []planCase{
		{
			name:    "a new container whose old one is gone takes the name, since it alone has the data",
			desired: state(newSpec), previous: state(deployed(spec("web"))),
			current: container.Current{Containers: map[string]container.Instances{
				"web": {New: row(newSpec, named("id-new", "web.gitsync-new"), status(types.StatusExited))},
			}},
			want: `
			web1:
			  start web: an interrupted update left web.gitsync-new in place of web; container is stopped
			    1. rename web.gitsync-new to web
			    2. start web
			    3. wait until web is ready
			`,
		},
	})
}

func TestPlanAfterACrash(t *testing.T) {
	oldSpec, newSpec := spec("web"), spec("web", image("nginx:1.27"))
	after := func(i container.Instances) container.Current {
		return container.Current{Containers: map[string]container.Instances{"web": i}}
	}
	runPlanCases(t, []planCase{
		{
			name:    "a replacement that took no name is removed, and the update begins anew",
			desired: state(newSpec), previous: state(deployed(spec("web"))),
			current: after(container.Instances{Main: row(oldSpec), New: row(newSpec, named("id-new", "web.gitsync-new"), status(types.StatusCreated))}),
			want: `
			web1:
			  replace web: an interrupted update left web.gitsync-new behind; image nginx:1.26 → 1.27
			    1. stop web.gitsync-new
			    2. remove web.gitsync-new
			    3. pull nginx:1.27 unless present
			    4. create web.gitsync-new
			    5. rename web to web.gitsync-old
			    6. rename web.gitsync-new to web
			    7. stop web.gitsync-old
			    8. start web
			    9. wait until web is ready
			    10. remove web.gitsync-old
			`,
		},
		{
			name:    "an old container beside a running new one is removed",
			desired: state(newSpec), previous: state(deployed(spec("web"))),
			current: after(container.Instances{Main: row(newSpec, named("id-new", "web")), Old: row(oldSpec, named("id-web", "web.gitsync-old"), status(types.StatusExited))}),
			want: `
			web1:
			  recover web: an interrupted update left it before it was ready
			    1. wait until web is ready
			    2. remove web.gitsync-old
			`,
		},
		{
			name:    "an old container that nothing replaced takes its name back and runs while the update begins anew",
			desired: state(newSpec), previous: state(deployed(spec("web"))),
			current: after(container.Instances{
				New: row(newSpec, named("id-new", "web.gitsync-new"), status(types.StatusCreated)),
				Old: row(oldSpec, named("id-web", "web.gitsync-old"), status(types.StatusExited)),
			}),
			want: `
			web1:
			  replace web: an interrupted update left web.gitsync-old in place of web; an interrupted update left web.gitsync-new behind; image nginx:1.26 → 1.27
			    1. rename web.gitsync-old to web
			    2. stop web.gitsync-new
			    3. remove web.gitsync-new
			    4. start web
			    5. pull nginx:1.27 unless present
			    6. create web.gitsync-new
			    7. rename web to web.gitsync-old
			    8. rename web.gitsync-new to web
			    9. stop web.gitsync-old
			    10. start web
			    11. wait until web is ready
			    12. remove web.gitsync-old
			`,
		},
	})
}
