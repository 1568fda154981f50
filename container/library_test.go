package container_test

import (
	"errors"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/gitsync/gitsync/container"
	"github.com/gitsync/gitsync/container/resource"
	"github.com/gitsync/gitsync/container/types"
	"github.com/gitsync/gitsync/host"
	"github.com/gitsync/gitsync/host/direct"
	"github.com/gitsync/gitsync/runtime/memory"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// inMemory is a container on a machine in memory, as a user of the library writes
// it.
func inMemory(world *memory.World, name, image string) *container.HostConfiguredContainer {
	return &container.HostConfiguredContainer{
		Container: container.Container{
			Config:  types.ContainerConfig{Name: name, Image: image},
			Runtime: container.RuntimeConfig{Memory: &memory.Config{World: world}},
		},
		Host:   host.Host{DirectConfig: &direct.Config{}},
		Update: &container.Update{Monitor: 1},
	}
}

func TestStateGoesToYAMLAndBack(t *testing.T) {
	world := &memory.World{}
	c := &container.Containers{DesiredState: container.ContainersState{"web": inMemory(world, "web", "nginx:1.26")}}
	if err := c.Deploy(); err != nil {
		t.Fatal(err)
	}
	d, err := c.New()
	if err != nil {
		t.Fatal(err)
	}
	yaml, err := d.StateToYaml()
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(yaml), "desiredState") {
		t.Errorf("the state holds more than the previous state:\n%s", yaml)
	}
	back, err := container.FromYaml(yaml)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := back.ToExported().PreviousState["web"].Container.Status.ID, world.Containers()["web"].ID; got != want {
		t.Errorf("ID %s came back, want %s", got, want)
	}
}

func TestAStoredIDThatIsNotFoundIsGoneAndCreatedAgain(t *testing.T) {
	world := &memory.World{}
	c := &container.Containers{DesiredState: container.ContainersState{"web": inMemory(world, "web", "nginx:1.26")}}
	if err := c.Deploy(); err != nil {
		t.Fatal(err)
	}
	world.Remove("web")
	if err := c.CheckCurrentState(); err != nil {
		t.Fatal(err)
	}
	if got := *c.PreviousState["web"].Container.Status; got.Status != container.StatusMissing || got.Exists() {
		t.Errorf("status %+v, want gone", got)
	}
	if err := c.Deploy(); err != nil {
		t.Fatal(err)
	}
	if got := world.Containers()["web"]; got.Status != types.StatusRunning {
		t.Errorf("web: %+v", got)
	}
}

func TestDesiredStateDiffersFromThePreviousOneOnlyInWhatMatters(t *testing.T) {
	world := &memory.World{}
	c := &container.Containers{DesiredState: container.ContainersState{"web": inMemory(world, "web", "nginx:1.26")}}
	if err := c.Deploy(); err != nil {
		t.Fatal(err)
	}
	d, err := c.New()
	if err != nil {
		t.Fatal(err)
	}
	got := *d.DesiredState()["web"].Container.Status
	if want := *c.PreviousState["web"].Container.Status; got != want {
		t.Errorf("status %+v, want %+v", got, want)
	}
}

func TestAContainerThatOnlyChangesItsAddressIsNotMoved(t *testing.T) {
	world := &memory.World{}
	c := &container.Containers{DesiredState: container.ContainersState{"web": inMemory(world, "web", "nginx:1.26")}}
	if err := c.Deploy(); err != nil {
		t.Fatal(err)
	}
	id := world.Containers()["web"].ID
	other := inMemory(world, "web", "nginx:1.26")
	other.Container.Runtime.Memory.File = "another address of the same machine"
	c.DesiredState["web"] = other
	if err := c.Deploy(); err != nil {
		t.Fatal(err)
	}
	if got := world.Containers()["web"].ID; got != id {
		t.Errorf("web is %s, want the same %s", got, id)
	}
}

func TestAMovedContainerIsRemovedWhereItWas(t *testing.T) {
	from, to := &memory.World{}, &memory.World{}
	c := &container.Containers{DesiredState: container.ContainersState{"web": inMemory(from, "web", "nginx:1.26")}}
	if err := c.Deploy(); err != nil {
		t.Fatal(err)
	}
	moved := inMemory(to, "web", "nginx:1.26")
	moved.Container.Runtime.Memory.File = "elsewhere"
	c.DesiredState["web"] = moved
	if err := c.Deploy(); err != nil {
		t.Fatal(err)
	}
	if len(from.Containers()) != 0 || len(to.Containers()) != 1 || len(c.PreviousState) != 1 {
		t.Errorf("from %v, to %v, state %v", from.Containers(), to.Containers(), c.PreviousState)
	}
}

func TestOneContainerByHand(t *testing.T) {
	world := &memory.World{}
	m := inMemory(world, "web", "nginx:1.26")
	m.ConfigFiles = map[string]string{"/etc/a": "a", "/etc/b": "b"}
	h, err := m.New()
	if err != nil {
		t.Fatal(err)
	}
	if err := h.Status(); err == nil {
		t.Error("status of a container without ID is no error")
	}
	if err := errors.Join(h.Configure(nil), h.Configure([]string{"/etc/a"})); err != nil {
		t.Fatal(err)
	}
	if err := h.Configure([]string{"/etc/c"}); err == nil {
		t.Error("configuring a file that is none is no error")
	}
	if _, there := world.HostFile("/etc/b"); there {
		t.Error("a file was written that nobody asked for")
	}
	if err := errors.Join(h.ConfigurationStatus(), h.Create(), h.Start(), h.Stop(), h.Delete()); err != nil {
		t.Fatal(err)
	}
	if got := len(world.Containers()); got != 0 {
		t.Errorf("%d containers are left", got)
	}
}

func TestAStateByHand(t *testing.T) {
	world := &memory.World{}
	s, err := container.ContainersState{"web": inMemory(world, "web", "nginx:1.26")}.New()
	if err != nil {
		t.Fatal(err)
	}
	if s.CreateAndStart("x") == nil || s.RemoveContainer("x") == nil {
		t.Error("an unknown name is no error")
	}
	if err := errors.Join(s.CreateAndStart("web"), s.CheckState()); err != nil {
		t.Fatal(err)
	}
	if !s.Export()["web"].Container.Status.Running() {
		t.Errorf("status %+v", s.Export()["web"].Container.Status)
	}
	if err := s.RemoveContainer("web"); err != nil || len(s.Export()) != 0 || len(world.Containers()) != 0 {
		t.Errorf("remove: %v, left %v", err, world.Containers())
	}
}

func TestResourceKeepsItsStateUnderItsOwnKey(t *testing.T) {
	world := &memory.World{}
	r, err := (&resource.Containers{Containers: container.ContainersState{"web": inMemory(world, "web", "nginx:1.26")}}).New()
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(r.CheckCurrentState(), r.Deploy()); err != nil {
		t.Fatal(err)
	}
	yaml, err := r.StateToYaml()
	if err != nil || !strings.HasPrefix(string(yaml), "state:\n") {
		t.Errorf("state %s, %v", yaml, err)
	}
	if _, err := resource.FromYaml(yaml); err != nil {
		t.Errorf("read it back: %v", err)
	}
}

func TestValidationTellsAllMistakesAtOnce(t *testing.T) {
	c := &container.Containers{DesiredState: container.ContainersState{
		"a": {}, "b": {Container: container.Container{Config: types.ContainerConfig{Name: "b.gitsync-old"}}}, "c": nil,
	}}
	err := c.Validate()
	for _, want := range []string{"container a: name must be set", "image must be set", "runtime must be set", "set direct or ssh", "reserved", "container c: container must be set"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("validate: %v, want it to say %q", err, want)
		}
	}
	if (&container.Containers{}).Validate() == nil || (*container.Containers)(nil).Validate() == nil {
		t.Error("nothing at all is valid")
	}
}
