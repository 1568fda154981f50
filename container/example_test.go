package container_test

import (
	"context"
	"fmt"
	"log"
	"time"

	"github.com/gitsync/gitsync/container"
	"github.com/gitsync/gitsync/container/types"
	"github.com/gitsync/gitsync/host"
	"github.com/gitsync/gitsync/host/direct"
	"github.com/gitsync/gitsync/runtime/memory"
)

// Deploy a container, change it, and print the plan of the change. A real program
// has Docker: &docker.Config{} in the place of Memory.
func Example() {
	machine := container.RuntimeConfig{Memory: &memory.Config{}}
	web := &container.HostConfiguredContainer{
		Container: container.Container{
			Config:  types.ContainerConfig{Name: "web", Image: "nginx:1.26"},
			Runtime: machine,
		},
		Host:   host.Host{DirectConfig: &direct.Config{}},
		Update: &container.Update{Monitor: types.Duration(time.Second)},
	}
	c := &container.Containers{DesiredState: container.ContainersState{"web": web}}
	if err := c.DeployContext(context.Background()); err != nil {
		log.Fatal(err)
	}

	web.Container.Config.Image = "nginx:1.27"
	c.DesiredState = container.ContainersState{"web": web}
	d, err := c.Deployment()
	if err != nil {
		log.Fatal(err)
	}
	if err := d.CheckCurrentState(); err != nil {
		log.Fatal(err)
	}
	for _, change := range d.Plan().Hosts[0].Changes {
		fmt.Println(change.Kind, change.Container, change.Causes)
	}
	// Output: replace web [image nginx:1.26 → 1.27]
}

// Keep what was deployed as YAML, and start from it the next time.
func ExampleFromYaml() {
	state := []byte(`
previousState:
  web:
    container:
      config: {name: web, image: "nginx:1.27"}
      status: {id: 0123456789ab}
      runtime: {docker: {}}
    host: {direct: {}}
`)
	c, err := container.FromYaml(state)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(c.ToExported().PreviousState["web"].Container.Config.Image)
	// Output: nginx:1.27
}
