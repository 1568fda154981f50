package container_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/gitsync/gitsync/container"
	"github.com/gitsync/gitsync/container/types"
	"github.com/gitsync/gitsync/runtime/memory"
	"github.com/gitsync/gitsync/runtime/runtimetest"
)

// failures are those of single containers in an error.
func failures(err error) []*container.Failure {
	var out []*container.Failure
	if f := (*container.Failure)(nil); errors.As(err, &f) {
		if joined, ok := err.(interface{ Unwrap() []error }); ok {
			for _, e := range joined.Unwrap() {
				out = append(out, failures(e)...)
			}
			return out
		}
		return []*container.Failure{f}
	}
	return nil
}

// hold holds back what failed, as long as nothing is tried again.
func (w *world) hold(err error) {
	w.held = map[string]string{}
	for _, f := range failures(err) {
		w.held[f.Container] = "it failed"
	}
}

type option = func(*container.HostConfiguredContainer)

func aliases(names ...string) option {
	return func(m *container.HostConfiguredContainer) {
		network("backend")(m)
		m.Container.Config.NetworkAliases = names
	}
}

// handedOn are all the things that one container can hand on to another one: of each kind
// two, and one that is free.
var handedOn = map[string][3]option{
	"a host port":          {port(80), port(81), port(82)},
	"a name on a network":  {aliases("one"), aliases("two"), aliases("three")},
	"a volume":             {volume("one", "/data"), volume("two", "/data"), volume("three", "/data")},
	"a directory":          {volume("/srv/one", "/data"), volume("/srv/two/", "/data"), volume("/srv/three", "/data")},
	"a config file's path": {file("/etc/one", "1"), file("/etc/two", "2"), file("/etc/three", "3")},
	"a volume and a port":  {both(port(80), volume("one", "/data")), both(port(81), volume("two", "/data")), both(port(82), volume("three", "/data"))},
	"two host ports":       {ports(80, 90), ports(81, 91), ports(82, 92)},
}

func both(a, b option) option { return func(m *container.HostConfiguredContainer) { a(m); b(m) } }

func ports(ps ...int) option {
	return func(m *container.HostConfiguredContainer) {
		for _, p := range ps {
			m.Container.Config.Ports = append(m.Container.Config.Ports, types.PortMap{Port: p})
		}
	}
}

func (w *world) brokenImages() {
	w.Behave("crash:1", memory.Behaviour{Ends: true, ExitCode: 3})
	w.Behave("sick:1", memory.Behaviour{Health: types.HealthUnhealthy})
	w.Behave("refused:1", memory.Behaviour{Refuses: "no such program"})
}

func TestWhatAFailedUpdateHandedOnIsTakenBackWithIt(t *testing.T) {
	for name, thing := range handedOn {
		for shape, tt := range map[string]struct {
			before, after func(bad string) specs
			failed        string
		}{
			"a container that leaves, one that moves, and a new one": {
				func(string) specs { return specs{spec("p1", thing[0]), spec("q0", thing[1])} },
				func(bad string) specs { return specs{spec("q0", thing[0], image(bad)), spec("r1", thing[1])} }, "q0",
			},
			"one that moves away, one that moves, and a new one": {
				func(string) specs { return specs{spec("p1", thing[0]), spec("q0", thing[1])} },
				func(bad string) specs {
					return specs{spec("p1", thing[2]), spec("q0", thing[0], image(bad)), spec("r1", thing[1])}
				}, "q0",
			},
			"a container that another one takes the place of": {
				func(string) specs { return specs{spec("p1", thing[0])} },
				func(bad string) specs { return specs{spec("r1", thing[0], image(bad))} }, "r1",
			},
			"two that swap": {
				func(string) specs { return specs{spec("p1", thing[0]), spec("q0", thing[1])} },
				func(bad string) specs { return specs{spec("p1", thing[1]), spec("q0", thing[0], image(bad))} }, "q0",
			},
			"a new one that fails": {
				func(string) specs { return specs{spec("p1", thing[0]), spec("q0", thing[1])} },
				func(bad string) specs {
					return specs{spec("q0", thing[0], env("A", "b")), spec("r1", thing[1], image(bad))}
				}, "r1",
			},
		} {
			for _, bad := range []string{"crash:1", "sick:1", "refused:1"} {
				t.Run(name+": "+shape+": "+bad, func(t *testing.T) {
					t.Parallel()
					w := newWorld(t)
					w.brokenImages()
					w.mustDeploy(tt.before(bad)...)
					w.takenBack(tt.before(bad), tt.after(bad), tt.failed)
					w.Behave(bad, memory.Behaviour{})
					w.held = nil
					w.oneUser("one", "two", "three", "/srv/one", "/srv/two/")
					w.mustDeploy(tt.after(bad)...)
					w.want(images(tt.after(bad))...)
				})
			}
		}
	}
}

func images(all specs) []string {
	var out []string
	for _, m := range all {
		out = append(out, m.Container.Config.Name+"="+m.Container.Config.Image)
	}
	return out
}

// takenBack deploys what fails, and looks whether all is as it was before, and stays so as
// long as nothing is tried again.
func (w *world) takenBack(before, after specs, failed string) {
	w.t.Helper()
	was := w.Containers()
	err := w.deploy(after...)
	if f := failures(err); len(f) == 0 || f[0].Container != failed {
		w.t.Fatalf("deploy: %v, want a failure of %s", err, failed)
	}
	for range 2 {
		w.want(images(before)...)
		for name, row := range was {
			if got := w.Containers()[name].ID; got != row.ID {
				w.t.Errorf("%s is %q, want the one that was there, %s", name, got, row.ID)
			}
		}
		for _, m := range before {
			for path, content := range m.ConfigFiles {
				w.wantFile(path, content)
			}
		}
		w.hold(err)
		if err := w.deploy(after...); !errors.Is(err, container.ErrHeld) {
			w.t.Errorf("deploy while it is held back: %v, want ErrHeld", err)
		}
	}
}

// oneUser fails the test when a volume that goes from one container to another has two
// users at the same time.
func (w *world) oneUser(volumes ...string) {
	w.watch(&runtimetest.Watched{After: func(_ int, method, _ string) error {
		for _, v := range volumes {
			if users := w.Users(v); method == "start" && len(users) > 1 {
				w.t.Errorf("%s is used by %v at the same time", v, users)
			}
		}
		return nil
	}})
}

// The owner of a namespace hands it on to its next container, and with it goes who shares it.
func TestTheOwnerOfANamespaceIsTakenBackWithWhoSharesIt(t *testing.T) {
	for kind, join := range map[string]func(string) option{
		"network": func(owner string) option { return network("container:" + owner) },
		"pid": func(owner string) option {
			return func(m *container.HostConfiguredContainer) { m.Container.Config.PidMode = "container:" + owner }
		},
		"ipc": func(owner string) option {
			return func(m *container.HostConfiguredContainer) { m.Container.Config.IpcMode = "container:" + owner }
		},
	} {
		guest, deep := join("vpn"), join("guest")
		for name, tt := range map[string]struct {
			before, after specs
			failed        string
		}{
			"the guest fails with its owner's update": {
				specs{spec("vpn"), spec("guest", guest)}, specs{spec("vpn", image("vpn:2")), spec("guest", guest, image("crash:1"))}, "guest",
			},
			"the owner fails": {
				specs{spec("vpn"), spec("guest", guest)}, specs{spec("vpn", image("crash:1")), spec("guest", guest)}, "vpn",
			},
			"the owner starts first": {
				specs{spec("vpn", startFirst), spec("guest", guest)},
				specs{spec("vpn", startFirst, image("vpn:2")), spec("guest", guest, image("crash:1"))}, "guest",
			},
			"the owner leaves": {
				specs{spec("vpn"), spec("guest", guest)}, specs{spec("guest", image("crash:1"))}, "guest",
			},
			"the guest goes to a new owner": {
				specs{spec("vpn"), spec("guest", guest)}, specs{spec("other"), spec("guest", join("other"), image("crash:1"))}, "guest",
			},
			"a guest of the guest fails": {
				specs{spec("vpn"), spec("guest", guest), spec("deep", deep)},
				specs{spec("vpn", image("vpn:2")), spec("guest", guest), spec("deep", deep, image("crash:1"))}, "deep",
			},
			"one of two guests fails, and a port goes on": {
				specs{spec("vpn", port(80)), spec("guest", guest), spec("second", guest), spec("web", port(81))},
				specs{spec("vpn", port(81)), spec("guest", guest), spec("second", guest, image("crash:1")), spec("fresh", port(80))}, "second",
			},
		} {
			t.Run(kind+": "+name, func(t *testing.T) {
				t.Parallel()
				w := newWorld(t)
				w.brokenImages()
				w.mustDeploy(tt.before...)
				if strings.Contains(name, "new owner") {
					w.mustDeploy(append(tt.before, spec("other"))...)
					tt.before = append(tt.before, spec("other"))
				}
				w.takenBack(tt.before, tt.after, tt.failed)
				w.Behave("crash:1", memory.Behaviour{})
				w.held = nil
				w.mustDeploy(tt.after...)
				w.want(images(tt.after)...)
				if plan := w.plan(tt.after...); !plan.Empty() {
					t.Errorf("there is more to do:\n%s", plan)
				}
			})
		}
	}
}

// A restart hands the owner's namespace on too.
func TestARestartOfAnOwnerIsTakenBackWithWhoSharesItsNamespace(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	guest := func() *container.HostConfiguredContainer { return spec("guest", network("container:vpn")) }
	w.mustDeploy(spec("vpn", file("/etc/vpn.conf", "old"), image("vpn:1")), guest())
	vpn, started := w.Containers()["vpn"].ID, w.Started("guest")
	w.watch(&runtimetest.Watched{After: func(_ int, method, _ string) error {
		if f, _ := w.HostFile("/etc/vpn.conf"); method == "copy" {
			w.Behave("nginx:1.26", map[bool]memory.Behaviour{true: {Health: types.HealthUnhealthy}}[f.Content == "new"])
		}
		return nil
	}})
	if err := w.deploy(spec("vpn", file("/etc/vpn.conf", "new"), image("vpn:1")), guest()); !errors.Is(err, container.ErrNotReady) {
		t.Fatalf("deploy: %v, want ErrNotReady", err)
	}
	w.want("vpn=vpn:1", "guest=nginx:1.26")
	w.wantFile("/etc/vpn.conf", "old")
	if w.Containers()["vpn"].ID != vpn || !w.Started("guest").After(started) || w.Started("guest").Before(w.Started("vpn")) {
		t.Errorf("the guest was started at %s, the owner at %s", w.Started("guest"), w.Started("vpn"))
	}
}

// A container that is only restarted hands on the config files that it no longer has.
func TestAConfigFileThatARestartHandsOnComesBack(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.mustDeploy(spec("q0", file("/etc/two", "2")))
	id := w.Containers()["q0"].ID
	w.watch(&runtimetest.Watched{After: func(_ int, method, _ string) error {
		if f, _ := w.HostFile("/etc/one"); method == "copy" && f.Content == "bad" {
			w.Behave("nginx:1.26", memory.Behaviour{Health: types.HealthUnhealthy})
		}
		return nil
	}})
	err := w.deploy(spec("q0", file("/etc/one", "bad")), spec("r1", file("/etc/two", "3"), image("nginx:1.27")))
	if !errors.Is(err, container.ErrNotReady) {
		t.Fatalf("deploy: %v, want ErrNotReady", err)
	}
	w.want("q0=nginx:1.26")
	w.wantFile("/etc/two", "2")
	if got := w.Containers()["q0"].ID; got != id {
		t.Errorf("q0 is %s, want %s", got, id)
	}
}

func TestAnOldContainerThatCannotBeRemovedTakesNothingBack(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.mustDeploy(spec("p1", port(80)), spec("q0", port(81)))
	w.failOn("delete", func(name string) bool { return name == "q0.gitsync-old" })
	after := specs{spec("q0", port(80)), spec("r1", port(81))}
	if f := failures(w.deploy(after...)); len(f) != 1 || f[0].Container != "q0" {
		t.Errorf("failures %v, want one of q0", f)
	}
	w.want("q0=nginx:1.26", "q0.gitsync-old=nginx:1.26(exited)", "r1=nginx:1.26")
	w.hooks = nil
	w.mustDeploy(after...)
	w.want("q0=nginx:1.26", "r1=nginx:1.26")
}

func TestAContainerIsKeptUntilTheOneThatGetsWhatItHasCanBeCreated(t *testing.T) {
	for name, tt := range map[string]struct {
		held, blocked map[string]string
		depends       option
	}{
		"it failed":                   {held: map[string]string{"r1": "it failed"}},
		"what it depends on failed":   {held: map[string]string{"db": "it failed"}, depends: dependsOn("db", container.Healthy)},
		"a person must act before it": {blocked: map[string]string{"r1": "it must not be created here"}},
	} {
		for kind, thing := range handedOn {
			t.Run(name+": "+kind, func(t *testing.T) {
				t.Parallel()
				w := newWorld(t)
				w.mustDeploy(spec("p1", thing[0]), spec("db"), spec("unrelated"))
				r1 := spec("r1", thing[0])
				if tt.depends != nil {
					tt.depends(r1)
				}
				c := w.containers(r1, spec("db"))
				c.Held, c.Blocked = tt.held, tt.blocked
				if err := c.DeployContext(t.Context()); err == nil {
					t.Error("nothing says that the new container is missing")
				}
				w.want("p1=nginx:1.26", "db=nginx:1.26")
				w.previous = c.PreviousState
				w.mustDeploy(r1, spec("db"))
				w.want("r1=nginx:1.26", "db=nginx:1.26")
			})
		}
	}
}

// The library's containers may have names that are not their keys.
func TestANameThatWasHandedOnComesBack(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.brokenImages()
	deploy := func(s container.ContainersState) error {
		c := w.containers()
		c.DesiredState = s
		err := c.DeployContext(context.Background())
		w.previous = c.PreviousState
		return err
	}
	if err := deploy(container.ContainersState{"p1": spec("one"), "q0": spec("two")}); err != nil {
		t.Fatal(err)
	}
	was := w.Containers()
	err := deploy(container.ContainersState{"q0": spec("one", image("crash:1")), "r1": spec("two")})
	if !errors.Is(err, container.ErrNotReady) {
		t.Fatalf("deploy: %v, want ErrNotReady", err)
	}
	w.want("one=nginx:1.26", "two=nginx:1.26")
	for name, row := range was {
		if got := w.Containers()[name].ID; got != row.ID {
			t.Errorf("%s is %s, want %s", name, got, row.ID)
		}
	}
	w.Behave("crash:1", memory.Behaviour{})
	if err := deploy(container.ContainersState{"q0": spec("one", image("crash:1")), "r1": spec("two")}); err != nil {
		t.Fatal(err)
	}
	w.want("one=crash:1", "two=nginx:1.26")
}

// A new container whose old one somebody removed takes its name, and its place in the record.
func TestWhatTakesTheNameOfAContainerThatIsGoneIsRecorded(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.mustDeploy(spec("web"))
	w.watch(&runtimetest.Watched{Before: func(_ int, method, subject string) error {
		if method == "rename" || method == "delete" || method == "stop" {
			return errKilled
		}
		return nil
	}})
	_ = w.deploy(spec("web", startFirst, image("nginx:1.27")))
	w.hooks = nil
	w.Remove("web")
	w.want("web.gitsync-new=nginx:1.27")
	w.mustDeploy(spec("web", startFirst, image("nginx:1.27")))
	w.want("web=nginx:1.27")
	if got := w.previous["web"]; got.Container.Config.Image != "nginx:1.27" || got.Container.Status.ID != w.Containers()["web"].ID {
		t.Errorf("the record has %s, %+v", got.Container.Config.Image, got.Container.Status)
	}
}
