package container

import (
	"context"
	"errors"
	"fmt"

	"github.com/gitsync/gitsync/container/types"
	"github.com/gitsync/gitsync/runtime"
)

// ResourceInstance is anything that can be run as a container on a host.
type ResourceInstance interface {
	ToHostConfiguredContainer() (*HostConfiguredContainer, error)
}

// HostConfiguredContainerInterface is one validated container on a host.
type HostConfiguredContainerInterface interface {
	// ConfigurationStatus replaces the contents of the config files by those that
	// the host has; a missing file is dropped.
	ConfigurationStatus() error
	// Configure writes the config files with the given paths. A path that is no
	// config file is an error.
	Configure(paths []string) error
	// Create creates the container, and the directories of its bind mounts.
	Create() error
	// Status asks for the container's status. One without ID is an error.
	Status() error
	// Start starts the container, and calls the post-start hook.
	Start() error
	// Stop stops the container.
	Stop() error
	// Delete removes the container.
	Delete() error
}

// New validates, and returns the container for use. What is passed in is copied.
func (m *HostConfiguredContainer) New() (HostConfiguredContainerInterface, error) {
	if err := m.Validate(); err != nil {
		return nil, fmt.Errorf("validate container: %w", err)
	}
	return &hosted{HostConfiguredContainer: m.clone(), connect: Connect}, nil
}

// hosted implements HostConfiguredContainerInterface. Each method has a
// connection of its own.
type hosted struct {
	*HostConfiguredContainer
	connect Connector
}

func (h *hosted) with(ctx context.Context, action func(runtime.Runtime) error) error {
	rt, release, err := h.connect(ctx, h.Host, h.Container.Runtime)
	if err != nil {
		return err
	}
	defer release()
	return action(rt)
}

func (h *hosted) withFiles(ctx context.Context, action func(runtime.Runtime, *hostFiles) error) error {
	return h.with(ctx, func(rt runtime.Runtime) error {
		files := newHostFiles(rt, nil)
		return joinErrors(action(rt, files), files.close(ctx))
	})
}

func (h *hosted) ConfigurationStatus() error {
	ctx := context.Background()
	return h.withFiles(ctx, func(_ runtime.Runtime, files *hostFiles) error {
		found, err := files.read(ctx, sortedKeys(h.ConfigFiles))
		if err != nil {
			return err
		}
		h.ConfigFiles = map[string]string{}
		for p, file := range found {
			if file != nil {
				h.ConfigFiles[p] = file.Content
			}
		}
		return nil
	})
}

func (h *hosted) Configure(paths []string) error {
	for _, p := range paths {
		if _, ok := h.ConfigFiles[p]; !ok {
			return fmt.Errorf("%s is no config file of container %s", p, h.Container.Config.Name)
		}
	}
	ctx := context.Background()
	return h.withFiles(ctx, func(_ runtime.Runtime, files *hostFiles) error {
		var write []*types.File
		for _, p := range paths {
			file, err := files.numbered(ctx, h.Container.Config.Image, h.desiredFile(p))
			if err != nil {
				return err
			}
			write = append(write, file)
		}
		return files.write(ctx, write)
	})
}

func (h *hosted) Create() error {
	if len(h.Secrets) > 0 {
		return fmt.Errorf("create container %s: %w", h.Container.Config.Name, ErrNoSecrets)
	}
	ctx := context.Background()
	return h.withFiles(ctx, func(rt runtime.Runtime, files *hostFiles) error {
		if err := files.makeMountDirs(ctx, h.Container.Config); err != nil {
			return err
		}
		id, err := rt.Create(ctx, &h.Container.Config)
		if err != nil {
			return fmt.Errorf("create container %s: %w", h.Container.Config.Name, err)
		}
		h.Container.Status = &types.ContainerStatus{ID: id, Status: types.StatusCreated}
		return nil
	})
}

func (h *hosted) Status() error {
	return h.change("look at", func(context.Context, runtime.Runtime, string) error { return nil })
}

func (h *hosted) Start() error {
	err := h.change("start", func(ctx context.Context, rt runtime.Runtime, id string) error { return rt.Start(ctx, id) })
	if err != nil || !h.hasPostStart() {
		return err
	}
	return (*h.Hooks.PostStart)()
}

func (h *hosted) Stop() error {
	return h.change("stop", func(ctx context.Context, rt runtime.Runtime, id string) error { return rt.Stop(ctx, id) })
}

// change does something with the container, and updates its status.
func (h *hosted) change(verb string, action func(context.Context, runtime.Runtime, string) error) error {
	name := h.Container.Config.Name
	if !h.Container.Status.Exists() {
		return fmt.Errorf("%s container %s: its status has no ID, so it does not exist", verb, name)
	}
	ctx := context.Background()
	return h.with(ctx, func(rt runtime.Runtime) error {
		id := h.Container.Status.ID
		if err := action(ctx, rt, id); err != nil {
			return fmt.Errorf("%s container %s: %w", verb, name, err)
		}
		status, err := rt.Status(ctx, id)
		if err != nil {
			return fmt.Errorf("look at container %s: %w", name, err)
		}
		if !status.Exists() {
			status.Status = StatusMissing
		}
		h.Container.Status = &status
		return nil
	})
}

func (h *hosted) Delete() error {
	name := h.Container.Config.Name
	if !h.Container.Status.Exists() {
		return fmt.Errorf("remove container %s: its status has no ID, so it does not exist", name)
	}
	ctx := context.Background()
	return h.with(ctx, func(rt runtime.Runtime) error {
		err := rt.Delete(ctx, h.Container.Status.ID)
		if err != nil && !errors.Is(err, runtime.ErrNotFound) {
			return fmt.Errorf("remove container %s: %w", name, err)
		}
		h.Container.Status = &types.ContainerStatus{}
		return nil
	})
}
