package container

import (
	"github.com/gitsync/gitsync/container/types"
	"github.com/gitsync/gitsync/host"
	"github.com/gitsync/gitsync/runtime/docker"
	"github.com/gitsync/gitsync/runtime/memory"
)

// Container is one container on a runtime that can be reached directly.
type Container struct {
	// Config says what the container looks like.
	Config types.ContainerConfig `json:"config"`
	// Status is what was last known of it; nil when it was never created.
	Status *types.ContainerStatus `json:"status,omitempty"`
	// Runtime says what runs it.
	Runtime RuntimeConfig `json:"runtime,omitempty"`
}

// RuntimeConfig says which runtime runs a container. Exactly one field is set.
type RuntimeConfig struct {
	// Docker is a Docker Engine, or what speaks its API.
	Docker *docker.Config `json:"docker,omitempty"`
	// Memory runs nothing and remembers everything: for trials and tests.
	Memory *memory.Config `json:"memory,omitempty"`
}

// HostConfiguredContainer is a container on a host, with the config files that
// it needs there.
type HostConfiguredContainer struct {
	// Container is the container itself.
	Container Container `json:"container"`
	// Host says how its machine is reached.
	Host host.Host `json:"host"`
	// ConfigFiles maps a path on the host to the content that it must have. The
	// content may be any bytes.
	ConfigFiles map[string]string `json:"configFiles,omitempty"`
	// ConfigFileAttributes holds what differs from the defaults, by the path in
	// ConfigFiles.
	ConfigFileAttributes map[string]FileAttributes `json:"configFileAttributes,omitempty"`
	// Update says how a changed container takes the old one's place; nil means the
	// defaults.
	Update *Update `json:"update,omitempty"`
	// Drift says what happens when the container differs from what was deployed; nil
	// means that it is repaired.
	Drift *DriftPolicy `json:"drift,omitempty"`
	// DependsOn names the containers of the same machine, by key, that must come
	// first, and what is waited for.
	DependsOn map[string]Condition `json:"dependsOn,omitempty"`
	// OneShot says that the container is meant to end, and is ready when it ended
	// with 0. Its restart policy must be "no".
	OneShot bool `json:"oneShot,omitempty"`
	// PreDeploy makes the container a one-shot job that runs before the containers
	// that depend on it are changed, once for each change of theirs or its own.
	PreDeploy bool `json:"preDeploy,omitempty"`
	// Protect keeps the container from being removed, or moved to another machine,
	// as long as it is deployed with it.
	Protect bool `json:"protect,omitempty"`
	// DependantSpecs is a digest of the containers that depend on a PreDeploy job. A
	// deployment fills it in; it is part of the job's spec digest.
	DependantSpecs string `json:"dependantSpecs,omitempty"`
	// Dependants is the same as releases made it whose labels begin with "v2:".
	Dependants string `json:"dependants,omitempty"`
	// ReadyPending is recorded while the container was started and has not been
	// ready since, so that the next deploy looks again.
	ReadyPending bool `json:"readyPending,omitempty"`
	// PostStartPending is recorded while the post-start hook has not succeeded, so
	// that the next deploy calls it again.
	PostStartPending bool `json:"postStartPending,omitempty"`
	// Secrets are the versions of the secrets that the container refers to as
	// ${secret.name}, by name. Where it is empty such a text is nothing but text.
	Secrets map[string]string `json:"secrets,omitempty"`
	// Hooks are called while the container is deployed.
	Hooks *Hooks `json:"-"`
}

// FileAttributes are the mode and the owner of a config file.
type FileAttributes struct {
	// Mode holds the permission bits; 0 means 0600.
	Mode int64 `json:"mode,omitempty"`
	// User is a uid, or a name in the image's /etc/passwd; empty means the
	// container's user.
	User string `json:"user,omitempty"`
	// Group is a gid, or a name in the image's /etc/group; empty means the
	// container's group.
	Group string `json:"group,omitempty"`
	// OnChange is what happens to the container when the file changes: one of
	// OnChange…, or the name of a signal, such as SIGHUP; empty means
	// [OnChangeRestart].
	OnChange string `json:"onChange,omitempty"`
}

// ContainersState is a set of containers by their keys. The key names the
// container for the user; its name on the host is Container.Config.Name.
type ContainersState map[string]*HostConfiguredContainer

// Hook is an action of the caller's own.
type Hook func() error

// Hooks are called while a container is deployed.
type Hooks struct {
	// PostStart is called after the container was started. Its error fails the
	// deploy, and the hook is called again by the next one.
	PostStart *Hook
}

func (m *HostConfiguredContainer) hasPostStart() bool {
	return m != nil && m.Hooks != nil && m.Hooks.PostStart != nil
}
