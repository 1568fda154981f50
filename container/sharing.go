package container

import (
	"maps"
	"reflect"
)

// ShareWith makes the container hold what is equal in another one by reference, so that what
// is desired and what is recorded of thousands of containers takes its memory once. It says
// the same before and after. What both hold must not be changed from then on.
func (m *HostConfiguredContainer) ShareWith(other *HostConfiguredContainer) {
	if m == nil || other == nil {
		return
	}
	if reflect.DeepEqual(m.Host, other.Host) {
		m.Host = other.Host
	}
	if reflect.DeepEqual(m.Container.Runtime, other.Container.Runtime) {
		m.Container.Runtime = other.Container.Runtime
	}
	if reflect.DeepEqual(m.Container.Config, other.Container.Config) {
		m.Container.Config = other.Container.Config
	}
	if len(m.ConfigFiles) > 0 && maps.Equal(m.ConfigFiles, other.ConfigFiles) {
		m.ConfigFiles = other.ConfigFiles
	}
	if len(m.DependsOn) > 0 && maps.Equal(m.DependsOn, other.DependsOn) {
		m.DependsOn = other.DependsOn
	}
}

// ShareWith is [HostConfiguredContainer.ShareWith] for each container of the same key; how
// their machine is reached the containers share among each other too.
func (s ContainersState) ShareWith(other ContainersState) {
	var first *HostConfiguredContainer
	for key, m := range s {
		m.ShareWith(other[key])
		if first == nil {
			first = m
		} else {
			m.ShareWith(first)
		}
	}
}
