package container_test

import "testing"

// handOvers are deploys in which containers hand on what they have: one that leaves, one
// that moves, and a new one, and the owner of a namespace with who shares it.
var handOvers = []change{
	{
		name:   "ports that go on to a container that moves, and to a new one",
		before: func() specs { return specs{spec("p1", port(80)), spec("q0", port(81), volume("", "/cache"))} },
		after: func() specs {
			return specs{spec("q0", port(80), image("nginx:1.27"), volume("", "/cache")), spec("r1", port(81))}
		},
		want:  []string{"q0=nginx:1.27", "r1=nginx:1.26"},
		check: func(t *testing.T, w *world) { w.wantData("q0", "/cache") },
	},
	{
		name:  "ports that go on, and an update that is rolled back",
		fails: true,
		before: func() specs {
			return specs{spec("p1", port(80)), spec("q0", port(81), recreatedBy("/etc/q0.conf", "old"), volume("", "/cache"))}
		},
		after: func() specs {
			return specs{spec("q0", port(80), image("crash:1"), recreatedBy("/etc/q0.conf", "new"), volume("", "/cache")), spec("r1", port(81))}
		},
		want: []string{"p1=nginx:1.26", "q0=nginx:1.26"},
		check: func(t *testing.T, w *world) {
			w.wantFile("/etc/q0.conf", "old")
			w.wantData("q0", "/cache")
		},
	},
	{
		name:   "ports that go on, and a new container that never gets healthy",
		fails:  true,
		before: func() specs { return specs{spec("p1", port(80)), spec("q0", port(81))} },
		after: func() specs {
			return specs{spec("q0", port(80), image("nginx:1.27")), spec("r1", port(81), image("sick:1"))}
		},
		want: []string{"p1=nginx:1.26", "q0=nginx:1.26"},
	},
	{
		name:   "a volume that another container takes over, and fails",
		fails:  true,
		before: func() specs { return specs{spec("p1", volume("data", "/data"))} },
		after:  func() specs { return specs{spec("r1", volume("data", "/data"), image("sick:1"))} },
		want:   []string{"p1=nginx:1.26"},
		check:  func(t *testing.T, w *world) { w.wantData("p1", "/data") },
	},
	{
		name:   "the owner of a namespace and who shares it",
		before: func() specs { return specs{spec("vpn"), spec("guest", network("container:vpn"))} },
		after:  func() specs { return specs{spec("vpn", image("nginx:1.27")), spec("guest", network("container:vpn"))} },
		want:   []string{"vpn=nginx:1.27", "guest=nginx:1.26"},
	},
	{
		name:   "the owner of a namespace, and who shares it fails",
		fails:  true,
		before: func() specs { return specs{spec("vpn"), spec("guest", network("container:vpn"))} },
		after: func() specs {
			return specs{spec("vpn", image("nginx:1.27")), spec("guest", network("container:vpn"), image("sick:1"))}
		},
		want: []string{"vpn=nginx:1.26", "guest=nginx:1.26"},
	},
	{
		name:   "the owner of a namespace that starts first, and who shares it fails",
		fails:  true,
		before: func() specs { return specs{spec("vpn", startFirst), spec("guest", network("container:vpn"))} },
		after: func() specs {
			return specs{spec("vpn", startFirst, image("nginx:1.27")), spec("guest", network("container:vpn"), image("crash:1"))}
		},
		want: []string{"vpn=nginx:1.26", "guest=nginx:1.26"},
	},
}
