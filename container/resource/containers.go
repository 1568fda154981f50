package resource

import (
	"fmt"

	"sigs.k8s.io/yaml"

	"github.com/gitsync/gitsync/container"
	"github.com/gitsync/gitsync/container/types"
	"github.com/gitsync/gitsync/internal/yamlout"
)

// Containers is a set of containers in the words of a resource.
type Containers struct {
	// State is what was deployed last.
	State container.ContainersState `json:"state,omitempty"`
	// Containers is what should run.
	Containers container.ContainersState `json:"containers,omitempty"`
}

var (
	_ types.ResourceConfig          = (*Containers)(nil)
	_ types.Resource                = (*containers)(nil)
	_ container.ContainersInterface = (*containers)(nil)
)

// New validates, and returns the resource. It is a [container.ContainersInterface]
// too.
func (c *Containers) New() (types.Resource, error) {
	inner, err := c.states().New()
	if err != nil {
		return nil, err
	}
	return &containers{inner}, nil
}

// Validate reports all mistakes at once.
func (c *Containers) Validate() error { return c.states().Validate() }

func (c *Containers) states() *container.Containers {
	return &container.Containers{PreviousState: c.State, DesiredState: c.Containers}
}

// FromYaml restores what StateToYaml returned, together with the containers that
// should run.
func FromYaml(data []byte) (types.Resource, error) {
	c := &Containers{}
	if err := yaml.Unmarshal(data, c); err != nil {
		return nil, fmt.Errorf("parse containers: %w", err)
	}
	return c.New()
}

// containers is a resource made of container.Containers.
type containers struct {
	container.ContainersInterface
}

// StateToYaml returns the state under the key that the resource reads it from.
func (c *containers) StateToYaml() ([]byte, error) {
	return yamlout.Marshal(&Containers{State: c.ToExported().PreviousState})
}
