package container

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/gitsync/gitsync/container/types"
	"github.com/gitsync/gitsync/runtime"
)

// Interface is one validated container, which may or may not exist.
type Interface interface {
	// Create creates the container, and does not start it.
	Create() (InstanceInterface, error)
	// FromStatus returns the container that the status names. A status without ID
	// is an error.
	FromStatus() (InstanceInterface, error)
	// UpdateStatus asks the runtime for the status. One without ID is an error.
	UpdateStatus() error
	// Start starts the container and updates its status.
	Start() error
	// Stop stops the container and updates its status.
	Stop() error
	// Delete removes the container, and the ID from its status.
	Delete() error
	// Status returns the last status that is known.
	Status() *types.ContainerStatus
	// Config returns the container's settings.
	Config() types.ContainerConfig
	// RuntimeConfig returns the settings of its runtime.
	RuntimeConfig() runtime.Config
	// Runtime returns the runtime in use.
	Runtime() runtime.Runtime
	// SetRuntime replaces the runtime in use.
	SetRuntime(runtime.Runtime)
	// SetStatus replaces the status.
	SetStatus(types.ContainerStatus)
}

// InstanceInterface is a container that exists.
type InstanceInterface interface {
	// Status asks the runtime for the status.
	Status() (types.ContainerStatus, error)
	// Read returns those of the files that exist.
	Read(paths []string) ([]*types.File, error)
	// Copy writes files into the container.
	Copy(files []*types.File) error
	// Stat returns the modes of those of the paths that exist.
	Stat(paths []string) (map[string]os.FileMode, error)
	// Start starts the container.
	Start() error
	// Stop stops the container.
	Stop() error
	// Delete removes the container.
	Delete() error
}

// New validates, and returns the container for use with its configured runtime.
func (c *Container) New() (Interface, error) {
	if err := c.Validate(); err != nil {
		return nil, fmt.Errorf("validate container: %w", err)
	}
	config, err := c.Runtime.selected()
	if err != nil {
		return nil, err
	}
	rt, err := config.New()
	if err != nil {
		return nil, fmt.Errorf("open the runtime: %w", err)
	}
	n := &single{config: c.Config, runtimeConfig: config, runtime: rt}
	if c.Status != nil {
		n.status = *c.Status
	}
	return n, nil
}

// single implements Interface.
type single struct {
	config        types.ContainerConfig
	runtimeConfig runtime.Config
	runtime       runtime.Runtime
	status        types.ContainerStatus
}

func (c *single) Create() (InstanceInterface, error) {
	id, err := c.runtime.Create(context.Background(), &c.config)
	if err != nil {
		return nil, fmt.Errorf("create container %s: %w", c.config.Name, err)
	}
	c.status = types.ContainerStatus{ID: id, Status: types.StatusCreated}
	return &instance{rt: c.runtime, id: id}, nil
}

func (c *single) FromStatus() (InstanceInterface, error) {
	if !c.status.Exists() {
		return nil, fmt.Errorf("container %s: its status has no ID, so it does not exist", c.config.Name)
	}
	return &instance{rt: c.runtime, id: c.status.ID}, nil
}

func (c *single) UpdateStatus() error {
	i, err := c.FromStatus()
	if err != nil {
		return err
	}
	status, err := i.Status()
	if err != nil {
		return fmt.Errorf("container %s: %w", c.config.Name, err)
	}
	if !status.Exists() {
		status.Status = StatusMissing
	}
	c.status = status
	return nil
}

func (c *single) Start() error { return c.change("start", InstanceInterface.Start) }
func (c *single) Stop() error  { return c.change("stop", InstanceInterface.Stop) }

func (c *single) change(verb string, action func(InstanceInterface) error) error {
	i, err := c.FromStatus()
	if err != nil {
		return err
	}
	if err := action(i); err != nil {
		return fmt.Errorf("%s container %s: %w", verb, c.config.Name, err)
	}
	return c.UpdateStatus()
}

func (c *single) Delete() error {
	i, err := c.FromStatus()
	if err != nil {
		return err
	}
	if err := i.Delete(); err != nil && !errors.Is(err, runtime.ErrNotFound) {
		return fmt.Errorf("remove container %s: %w", c.config.Name, err)
	}
	c.status = types.ContainerStatus{}
	return nil
}

func (c *single) Status() *types.ContainerStatus         { return &c.status }
func (c *single) Config() types.ContainerConfig          { return c.config }
func (c *single) RuntimeConfig() runtime.Config          { return c.runtimeConfig }
func (c *single) Runtime() runtime.Runtime               { return c.runtime }
func (c *single) SetRuntime(rt runtime.Runtime)          { c.runtime = rt }
func (c *single) SetStatus(status types.ContainerStatus) { c.status = status }

// instance implements InstanceInterface.
type instance struct {
	rt runtime.Runtime
	id string
}

func (i *instance) Status() (types.ContainerStatus, error) {
	return i.rt.Status(context.Background(), i.id)
}

func (i *instance) Read(paths []string) ([]*types.File, error) {
	return i.rt.Read(context.Background(), i.id, paths)
}

func (i *instance) Copy(files []*types.File) error {
	return i.rt.Copy(context.Background(), i.id, files)
}

func (i *instance) Stat(paths []string) (map[string]os.FileMode, error) {
	return i.rt.Stat(context.Background(), i.id, paths)
}

func (i *instance) Start() error  { return i.rt.Start(context.Background(), i.id) }
func (i *instance) Stop() error   { return i.rt.Stop(context.Background(), i.id) }
func (i *instance) Delete() error { return i.rt.Delete(context.Background(), i.id) }
