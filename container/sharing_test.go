package container_test

import (
	"reflect"
	"testing"

	"github.com/gitsync/gitsync/container"
	"github.com/gitsync/gitsync/container/types"
	"github.com/gitsync/gitsync/host"
	"github.com/gitsync/gitsync/host/ssh"
)

func TestWhatIsEqualIsSharedAndNothingChanges(t *testing.T) {
	state := func(image string) container.ContainersState {
		one := func(name string) *container.HostConfiguredContainer {
			return &container.HostConfiguredContainer{
				Container:   container.Container{Config: types.ContainerConfig{Name: name, Image: image, Env: map[string]string{"A": name}}},
				Host:        host.Host{SSHConfig: &ssh.Config{Address: "web1"}},
				ConfigFiles: map[string]string{"/srv/" + name: "x"},
			}
		}
		return container.ContainersState{"a": one("a"), "b": one("b"), image: one(image)}
	}
	desired, recorded := state("nginx:1"), state("nginx:1")
	recorded["b"].Container.Config.Image = "nginx:2"
	recorded["b"].ConfigFiles["/srv/b"] = "y"
	recorded["a"].Container.Status = &types.ContainerStatus{ID: "0815"}
	before := state("nginx:1")
	before["b"].Container.Config.Image, before["b"].ConfigFiles["/srv/b"] = "nginx:2", "y"
	before["a"].Container.Status = &types.ContainerStatus{ID: "0815"}
	recorded.ShareWith(desired)
	if !reflect.DeepEqual(recorded, before) {
		t.Errorf("got %+v, want %+v", recorded, before)
	}
	same := func(a, b map[string]string) bool {
		return reflect.ValueOf(a).UnsafePointer() == reflect.ValueOf(b).UnsafePointer()
	}
	if !same(recorded["a"].Container.Config.Env, desired["a"].Container.Config.Env) || !same(recorded["a"].ConfigFiles, desired["a"].ConfigFiles) {
		t.Error("what is equal is held twice")
	}
	if same(recorded["b"].Container.Config.Env, desired["b"].Container.Config.Env) || same(recorded["b"].ConfigFiles, desired["b"].ConfigFiles) {
		t.Error("what differs is shared")
	}
	if recorded["a"].Host.SSHConfig != recorded["b"].Host.SSHConfig {
		t.Error("the way to the machine is held for each container")
	}
	container.ContainersState{"a": recorded["a"], "c": recorded["b"]}.ShareWith(nil)
}
