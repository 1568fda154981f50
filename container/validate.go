package container

import (
	"errors"
	"fmt"
	"path"
	"strings"

	"github.com/gitsync/gitsync/runtime"
)

// Validate reports all mistakes at once: name, image and one runtime must be set.
func (c *Container) Validate() error {
	var errs []error
	if c.Config.Name == "" {
		errs = append(errs, errors.New("name must be set"))
	}
	if strings.Contains(c.Config.Name, ReservedInfix) {
		errs = append(errs, fmt.Errorf("name %q contains %q, which is reserved for containers that are being replaced",
			c.Config.Name, ReservedInfix))
	}
	if c.Config.Image == "" {
		errs = append(errs, errors.New("image must be set"))
	}
	for i, m := range c.Config.Mounts {
		if m.Target == "" {
			errs = append(errs, fmt.Errorf("mount %d: target must be set", i+1))
		}
	}
	for label := range c.Config.Labels {
		if strings.HasPrefix(label, LabelPrefix) {
			errs = append(errs, fmt.Errorf("label %s: the prefix %s is reserved", label, LabelPrefix))
		}
	}
	if _, err := c.Runtime.selected(); err != nil {
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// selected returns the one runtime that is set.
func (r RuntimeConfig) selected() (runtime.Config, error) {
	switch {
	case r.Docker != nil && r.Memory != nil:
		return nil, errors.New("runtime: set either docker or memory, not both")
	case r.Docker != nil:
		return r.Docker, nil
	case r.Memory != nil:
		return r.Memory, nil
	}
	return nil, errors.New("runtime must be set")
}

// Validate reports all mistakes at once.
func (m *HostConfiguredContainer) Validate() error {
	if m == nil {
		return errors.New("container must be set")
	}
	errs := []error{m.Container.Validate(), m.Host.Validate(), m.validateUpdate()}
	for _, p := range sortedKeys(m.ConfigFiles) {
		if !path.IsAbs(p) || path.Clean(p) != p || p == "/" {
			errs = append(errs, fmt.Errorf("config file %q: the path must be absolute and clean", p))
		}
	}
	for _, p := range sortedKeys(m.ConfigFileAttributes) {
		if _, ok := m.ConfigFiles[p]; !ok {
			errs = append(errs, fmt.Errorf("config file %s has attributes and no content", p))
		}
	}
	return errors.Join(errs...)
}

// Validate reports all mistakes at once, each with the key of its container.
func (s ContainersState) Validate() error {
	var errs []error
	for _, key := range sortedKeys(s) {
		if err := s[key].Validate(); err != nil {
			errs = append(errs, fmt.Errorf("container %s: %w", key, err))
		}
	}
	return errors.Join(errs...)
}

// Validate reports all mistakes at once. A previous or a desired state must be
// there, and hold a container, unless a machine is named.
func (c *Containers) Validate() error {
	if c == nil || len(c.PreviousState)+len(c.DesiredState) == 0 && c.Machine == nil {
		return errors.New("a previous or a desired state with a container in it must be set")
	}
	var errs []error
	if err := c.PreviousState.Validate(); err != nil {
		errs = append(errs, fmt.Errorf("previous state: %w", err))
	}
	if err := c.DesiredState.Validate(); err != nil {
		errs = append(errs, fmt.Errorf("desired state: %w", err))
	}
	for _, err := range c.DesiredState.validateOrder() {
		errs = append(errs, fmt.Errorf("desired state: %w", err))
	}
	return errors.Join(errs...)
}
