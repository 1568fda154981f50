package container_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gitsync/gitsync/container"
	"github.com/gitsync/gitsync/container/types"
	"github.com/gitsync/gitsync/runtime"
	"github.com/gitsync/gitsync/runtime/runtimetest"
)

// nested is a machine on which the container app may write data, and web mounts data/media.
type nested struct {
	*machineOf
	app, web *container.HostConfiguredContainer
	media    string
}

func newNested(t *testing.T) *nested {
	m := newMachineOf(t)
	media := filepath.Join(m.data, "media")
	return &nested{m, m.spec("app", bind(m.data, "/data")), m.spec("web", bind(media, "/media")), media}
}

// plant replaces what web mounts by a link, and real takes that back.
func (n *nested) plant() {
	_ = os.RemoveAll(n.media)
	if err := os.Symlink(n.denied, n.media); err != nil {
		n.t.Error(err)
	}
}

func (n *nested) real() {
	_ = os.RemoveAll(n.media)
	if err := os.Mkdir(n.media, 0o755); err != nil {
		n.t.Error(err)
	}
}

// deployAs deploys with what the policy says of nested mounts.
func (n *nested) deployAs(policy container.NestedMounts, desired ...*container.HostConfiguredContainer) error {
	n.t.Helper()
	c := n.containers(desired...)
	c.NestedMounts = policy
	if desired[0] == n.web {
		// The repo has dropped app, and a person keeps it running.
		c.Suspended = map[string]string{n.app.Container.Config.Name: "a person looks at it"}
	}
	err := c.DeployContext(n.t.Context())
	n.previous = c.PreviousState
	return err
}

// wantRefused checks that a deployment failed for its mounts, and that web does not run.
func (n *nested) wantRefused(when string, err error) {
	n.t.Helper()
	if !errors.Is(err, container.ErrNestedMount) || !strings.Contains(err.Error(), n.media) {
		n.t.Errorf("%s: %v, want an error that names %s", when, err, n.media)
	}
	n.wantWeb(when, false)
}

func (n *nested) wantWeb(when string, runs bool) {
	n.t.Helper()
	row, err := n.engine.Find(n.t.Context(), n.web.Container.Config.Name)
	if err != nil && !errors.Is(err, runtime.ErrNotFound) {
		n.t.Fatal(err)
	}
	if got := row.Status == types.StatusRunning; got != runs {
		n.t.Errorf("%s: web runs: %v, want %v", when, got, runs)
	}
}

func TestALinkBelowAnotherContainersMountIsNotMounted(t *testing.T) {
	n := newNested(t)
	n.real()
	if err := n.deployAs(container.NestedChecked, n.app); err != nil {
		t.Fatal(err)
	}
	n.plant()
	n.wantRefused("a link before the creation", n.deployAs(container.NestedChecked, n.app, n.web))

	// Whoever swaps it once is found after the start, in a new container and in one that
	// is only started again.
	n.real()
	engine := n.hooks
	n.watch(&runtimetest.Watched{Before: func(_ int, method, _ string) error {
		if method == "start" {
			n.plant()
		}
		return nil
	}})
	watched := n.hooks
	n.hooks = func(rt runtime.Runtime) runtime.Runtime { return watched(engine(rt)) }
	n.wantRefused("a link before the start", n.deployAs(container.NestedChecked, n.app, n.web))

	n.hooks = engine
	n.real()
	if err := n.deployAs(container.NestedChecked, n.app, n.web); err != nil {
		t.Errorf("a directory: %v", err)
	}
	n.wantWeb("a directory", true)
	n.plant()
	if err := n.deployAs(container.NestedAllowed, n.app, n.web); err != nil {
		t.Errorf("where it is allowed: %v", err)
	}
}

func TestWhereNestedMountsAreDeniedNoContainerThatIsDroppedLeavesALink(t *testing.T) {
	n := newNested(t)
	n.real()
	if err := n.deployAs(container.NestedDenied, n.app); err != nil {
		t.Fatal(err)
	}
	// The next commit has web instead of app, which still runs.
	n.wantRefused("with a directory, and app", n.deployAs(container.NestedDenied, n.web))
	// And then app is gone, and has left a link.
	n.mustDeploy()
	n.plant()
	n.wantRefused("with a link, and without app", n.deployAs(container.NestedDenied, n.web))
	n.real()
	if err := n.deployAs(container.NestedDenied, n.web); err != nil {
		t.Errorf("with a directory, and without app: %v", err)
	}
	n.wantWeb("with a directory, and without app", true)
}

// /etc/os-release, which the strict profile allows, is a link on most machines.
func TestALinkInEtcIsMountedWhereNestedMountsAreDenied(t *testing.T) {
	m := newMachineOf(t)
	release := m.spec("web", func(c *container.HostConfiguredContainer) {
		c.Container.Config.Mounts = []types.Mount{{Source: "/etc/os-release", Target: "/etc/os-release", ReadOnly: true}}
	})
	c := m.containers(release)
	c.NestedMounts = container.NestedDenied
	if err := c.DeployContext(t.Context()); err != nil {
		t.Error(err)
	}
}
