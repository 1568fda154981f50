package container

import (
	"errors"
	"fmt"
)

// ContainersStateInterface is a validated set of containers.
type ContainersStateInterface interface {
	// CheckState asks for the status of each container that has an ID; one that its
	// runtime does not know becomes [StatusMissing].
	CheckState() error
	// RemoveContainer stops and removes a container, and forgets it.
	RemoveContainer(name string) error
	// CreateAndStart writes the config files of a container, creates and starts it.
	CreateAndStart(name string) error
	// Export returns the set as it is now.
	Export() ContainersState
}

// New validates, and returns the set for use. What is passed in is copied.
func (s ContainersState) New() (ContainersStateInterface, error) {
	if err := s.Validate(); err != nil {
		return nil, err
	}
	set := containersState{}
	for key, m := range s {
		set[key] = &hosted{HostConfiguredContainer: m.clone(), connect: Connect}
	}
	return set, nil
}

// containersState implements ContainersStateInterface.
type containersState map[string]*hosted

func (s containersState) CheckState() error {
	var errs []error
	for _, key := range sortedKeys(s) {
		h := s[key]
		if !h.Container.Status.Exists() {
			continue
		}
		if err := h.Status(); err != nil {
			// The ID is kept: not to be reached is not the same as gone.
			h.Container.Status.Status = StatusUnknown
			errs = append(errs, fmt.Errorf("container %s: %w", key, err))
		}
	}
	return errors.Join(errs...)
}

func (s containersState) RemoveContainer(name string) error {
	h, ok := s[name]
	if !ok {
		return fmt.Errorf("remove container %s: there is none of this name", name)
	}
	if h.Container.Status.Exists() {
		if err := h.Stop(); err != nil {
			return err
		}
	}
	if h.Container.Status.Exists() {
		if err := h.Delete(); err != nil {
			return err
		}
	}
	delete(s, name)
	return nil
}

func (s containersState) CreateAndStart(name string) error {
	h, ok := s[name]
	if !ok {
		return fmt.Errorf("create container %s: there is none of this name", name)
	}
	if err := h.Configure(sortedKeys(h.ConfigFiles)); err != nil {
		return err
	}
	if err := h.Create(); err != nil {
		return err
	}
	return h.Start()
}

func (s containersState) Export() ContainersState {
	exported := ContainersState{}
	for key, h := range s {
		exported[key] = h.clone()
	}
	return exported
}
