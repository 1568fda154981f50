package container_test

import (
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/gitsync/gitsync/container"
	"github.com/gitsync/gitsync/container/resource"
	"github.com/gitsync/gitsync/container/types"
	"github.com/gitsync/gitsync/host"
	"github.com/gitsync/gitsync/host/direct"
	"github.com/gitsync/gitsync/host/ssh"
	"github.com/gitsync/gitsync/runtime"
	"github.com/gitsync/gitsync/runtime/docker"
)

// The public face of the library, as it is documented: that this file compiles is
// the test. Code that was written against it must go on to compile.

const (
	_ string = container.ConfigMountpoint
	_ string = container.StatusMissing
)

var (
	_ = container.Container{Config: types.ContainerConfig{}, Status: &types.ContainerStatus{}, Runtime: container.RuntimeConfig{}}
	_ = container.Containers{PreviousState: container.ContainersState{}, DesiredState: container.ContainersState{}}
	_ = container.ContainersState{"key": &container.HostConfiguredContainer{}}
	_ = container.HostConfiguredContainer{Container: container.Container{}, Host: host.Host{}, ConfigFiles: map[string]string{}, Hooks: &container.Hooks{}}
	_ = container.Hooks{PostStart: new(container.Hook)}
	_ = container.RuntimeConfig{Docker: &docker.Config{}}
	_ = host.Host{DirectConfig: &direct.Config{}, SSHConfig: &ssh.Config{}}
	_ = resource.Containers{State: container.ContainersState{}, Containers: container.ContainersState{}}
	_ = types.File{Path: "", Content: "", Mode: 0, User: "", Group: ""}
	_ = types.PortMap{IP: "", Port: 0, Protocol: ""}
	_ = types.Mount{Source: "", Target: "", Propagation: ""}

	_ func() error = container.Hook(nil)

	_ func(*container.Containers) error                                                            = (*container.Containers).CheckCurrentState
	_ func(*container.Containers) error                                                            = (*container.Containers).Deploy
	_ func(*container.Containers) (container.ContainersInterface, error)                           = (*container.Containers).New
	_ func(*container.Containers) error                                                            = (*container.Containers).Validate
	_ func(*container.Containers) *container.Containers                                            = (*container.Containers).ToExported
	_ func(container.ContainersState) (container.ContainersStateInterface, error)                  = container.ContainersState.New
	_ func(*container.HostConfiguredContainer) (container.HostConfiguredContainerInterface, error) = (*container.HostConfiguredContainer).New
	_ func(*container.HostConfiguredContainer) error                                               = (*container.HostConfiguredContainer).Validate
	_ func(*container.Container) (container.Interface, error)                                      = (*container.Container).New
	_ func(*container.Container) error                                                             = (*container.Container).Validate
	_ func([]byte) (container.ContainersInterface, error)                                          = container.FromYaml
	_ func(*resource.Containers) (types.Resource, error)                                           = (*resource.Containers).New
	_ func(*types.ContainerStatus) bool                                                            = (*types.ContainerStatus).Exists
	_ func(*types.ContainerStatus) bool                                                            = (*types.ContainerStatus).Running
	_ func(*types.ContainerStatus) bool                                                            = (*types.ContainerStatus).Restarting
	_ interface{ runtime.Config }                                                                  = (*docker.Config)(nil)
)

// The interfaces have exactly these methods: one more would break who implements
// them.
type (
	containersInterface interface {
		CheckCurrentState() error
		Deploy() error
		StateToYaml() ([]byte, error)
		ToExported() *container.Containers
		DesiredState() container.ContainersState
		Containers() container.ContainersInterface
	}
	containersStateInterface interface {
		CheckState() error
		RemoveContainer(string) error
		CreateAndStart(string) error
		Export() container.ContainersState
	}
	hostConfiguredContainerInterface interface {
		ConfigurationStatus() error
		Configure([]string) error
		Create() error
		Status() error
		Start() error
		Stop() error
		Delete() error
	}
	instanceInterface interface {
		Status() (types.ContainerStatus, error)
		Read([]string) ([]*types.File, error)
		Copy([]*types.File) error
		Stat([]string) (map[string]os.FileMode, error)
		Start() error
		Stop() error
		Delete() error
	}
	containerInterface interface {
		Create() (container.InstanceInterface, error)
		FromStatus() (container.InstanceInterface, error)
		UpdateStatus() error
		Start() error
		Stop() error
		Delete() error
		Status() *types.ContainerStatus
		Config() types.ContainerConfig
		RuntimeConfig() runtime.Config
		Runtime() runtime.Runtime
		SetRuntime(runtime.Runtime)
		SetStatus(types.ContainerStatus)
	}
	resourceInstance interface {
		ToHostConfiguredContainer() (*container.HostConfiguredContainer, error)
	}
)

func TestInterfacesAreAsDocumented(t *testing.T) {
	for name, pair := range map[string][2]reflect.Type{
		"ContainersInterface":              {reflect.TypeFor[container.ContainersInterface](), reflect.TypeFor[containersInterface]()},
		"ContainersStateInterface":         {reflect.TypeFor[container.ContainersStateInterface](), reflect.TypeFor[containersStateInterface]()},
		"HostConfiguredContainerInterface": {reflect.TypeFor[container.HostConfiguredContainerInterface](), reflect.TypeFor[hostConfiguredContainerInterface]()},
		"InstanceInterface":                {reflect.TypeFor[container.InstanceInterface](), reflect.TypeFor[instanceInterface]()},
		"Interface":                        {reflect.TypeFor[container.Interface](), reflect.TypeFor[containerInterface]()},
		"ResourceInstance":                 {reflect.TypeFor[container.ResourceInstance](), reflect.TypeFor[resourceInstance]()},
	} {
		if got, want := pair[0], pair[1]; !got.Implements(want) || !want.Implements(got) {
			t.Errorf("%s has other methods than documented", name)
		}
	}
}

func TestFieldsHaveTheirDocumentedNamesInJSON(t *testing.T) {
	for _, tt := range []struct {
		of   reflect.Type
		want []string
	}{
		{reflect.TypeFor[container.Container](), []string{"Config=config", "Status=status,omitempty", "Runtime=runtime,omitempty"}},
		{reflect.TypeFor[container.Containers](), []string{"PreviousState=previousState,omitempty", "DesiredState=desiredState,omitempty"}},
		{reflect.TypeFor[container.HostConfiguredContainer](), []string{"Container=container", "Host=host", "ConfigFiles=configFiles,omitempty", "Hooks=-"}},
		{reflect.TypeFor[container.RuntimeConfig](), []string{"Docker=docker,omitempty"}},
		{reflect.TypeFor[host.Host](), []string{"DirectConfig=direct,omitempty", "SSHConfig=ssh,omitempty"}},
		{reflect.TypeFor[resource.Containers](), []string{"State=state,omitempty", "Containers=containers,omitempty"}},
		{reflect.TypeFor[types.File](), []string{"Path=path", "Content=content", "Mode=mode", "User=uid", "Group=gid"}},
	} {
		var got []string
		for i := range tt.of.NumField() {
			f := tt.of.Field(i)
			got = append(got, f.Name+"="+f.Tag.Get("json"))
		}
		for _, want := range tt.want {
			if !slices.Contains(got, want) {
				t.Errorf("%s has no field %s, only %s", tt.of, want, strings.Join(got, " "))
			}
		}
	}
}
