package types

import "strings"

// ContainerConfig says, independently of the runtime, how to run a container.
//
// A zero field means "the runtime's or the image's default". Fields may be
// added, but each new one is omitted from JSON when it is zero: the spec digest
// depends on that, so that an upgrade of gitsync re-creates nothing.
type ContainerConfig struct {
	// Name is the container's name on its host.
	Name string `json:"name"`
	// Image is an image reference: name, name:tag or name@digest.
	Image string `json:"image"`
	// Args replace the image's command (Docker: CMD).
	Args []string `json:"args,omitempty"`
	// Entrypoint replaces the image's entry point.
	Entrypoint []string `json:"entrypoint,omitempty"`
	// Ports are published on the host.
	Ports []PortMap `json:"ports,omitempty"`
	// Mounts are bind mounts and named volumes.
	Mounts []Mount `json:"mounts,omitempty"`
	// Privileged gives the container all capabilities and devices.
	Privileged bool `json:"privileged,omitempty"`
	// NetworkMode is bridge, host, none, container:<name> or a network's name.
	NetworkMode string `json:"networkMode,omitempty"`
	// NetworkAliases are names of the container on the network that NetworkMode
	// names, beside its own.
	NetworkAliases []string `json:"networkAliases,omitempty"`
	// PidMode is host or container:<name>.
	PidMode string `json:"pidMode,omitempty"`
	// IpcMode is none, private, shareable, host or container:<name>.
	IpcMode string `json:"ipcMode,omitempty"`
	// User is a name or uid that the process runs as.
	User string `json:"user,omitempty"`
	// Group is a name or gid that the process runs as.
	Group string `json:"group,omitempty"`
	// Env holds environment variables.
	Env map[string]string `json:"env,omitempty"`
	// Labels are the user's own; the prefix io.gitsync. is reserved.
	Labels map[string]string `json:"labels,omitempty"`
	// Restart is no, always, unless-stopped (the default) or
	// on-failure[:max-retries].
	Restart string `json:"restart,omitempty"`
	// Workdir is the working directory of the process.
	Workdir string `json:"workdir,omitempty"`
	// Hostname is the container's own host name.
	Hostname string `json:"hostname,omitempty"`
	// Healthcheck replaces the image's health check.
	Healthcheck *Healthcheck `json:"healthcheck,omitempty"`
	// CapAdd and CapDrop change the Linux capabilities (NET_ADMIN or
	// CAP_NET_ADMIN, or ALL).
	CapAdd  []string `json:"capAdd,omitempty"`
	CapDrop []string `json:"capDrop,omitempty"`
	// Memory is the limit in bytes; 0 is unlimited.
	Memory Bytes `json:"memory,omitempty"`
	// CPUs is the limit in units of one CPU (1.5 = one and a half); 0 is
	// unlimited.
	CPUs float64 `json:"cpus,omitempty"`
	// ExtraHosts are lines for /etc/hosts, as "name:address".
	ExtraHosts []string `json:"extraHosts,omitempty"`
	// Tmpfs maps a path in the container to mount options ("size=64m,mode=1777"),
	// which may be empty.
	Tmpfs map[string]string `json:"tmpfs,omitempty"`
	// StopTimeout is how long a stop waits before it kills; 0 means
	// [DefaultStopTimeout]. Runtimes round it up to whole seconds.
	StopTimeout Duration `json:"stopTimeout,omitempty"`
}

// PortMap publishes a port of the container on the host.
type PortMap struct {
	// IP is the host's address to bind; empty means all of them.
	IP string `json:"ip,omitempty"`
	// Port is the container's port.
	Port int `json:"port"`
	// HostPort is the host's port; 0 means the same as Port.
	HostPort int `json:"hostPort,omitempty"`
	// Protocol is tcp (the default), udp or sctp.
	Protocol string `json:"protocol,omitempty"`
}

// Published returns the port on the host.
func (p PortMap) Published() int {
	if p.HostPort != 0 {
		return p.HostPort
	}
	return p.Port
}

// Proto returns the protocol, with its default filled in.
func (p PortMap) Proto() string {
	if p.Protocol == "" {
		return "tcp"
	}
	return p.Protocol
}

// Conflicts says whether both cannot be published on one machine. All addresses of IPv4
// (0.0.0.0) and all of IPv6 (::) do not meet; no address is both.
func (p PortMap) Conflicts(q PortMap) bool {
	return p.Published() == q.Published() && p.Proto() == q.Proto() &&
		(p.IP == q.IP || p.covers(q.IP) || q.covers(p.IP))
}

// covers says whether the port is published on the given address among others.
func (p PortMap) covers(ip string) bool {
	isV6 := strings.Contains(ip, ":")
	switch p.IP {
	case "":
		return true
	case "0.0.0.0":
		return !isV6
	case "::":
		return isV6
	}
	return false
}

// Mount types.
const (
	MountBind   = "bind"
	MountVolume = "volume"
)

// Mount puts a path of the host, or a named volume, into the container.
type Mount struct {
	// Type is bind or volume; empty is derived from Source by [Mount.Kind].
	Type string `json:"type,omitempty"`
	// Source is an absolute path on the host or a volume's name. A path that
	// ends in "/" is created on the host as a directory (mode 0700) when it is
	// missing. An empty source is an anonymous volume.
	Source string `json:"source"`
	// Target is the absolute path in the container.
	Target string `json:"target"`
	// ReadOnly forbids writes through this mount.
	ReadOnly bool `json:"readOnly,omitempty"`
	// Propagation is private, rprivate (the engine's default), shared, rshared,
	// slave or rslave; bind mounts only.
	Propagation string `json:"propagation,omitempty"`
}

// Kind returns the mount's type, derived from its source when it is not set: a
// source that begins with "/" is a bind mount, any other a volume.
func (m Mount) Kind() string {
	if m.Type != "" {
		return m.Type
	}
	if len(m.Source) > 0 && m.Source[0] == '/' {
		return MountBind
	}
	return MountVolume
}

// Healthcheck is a command that the runtime runs in the container to tell
// whether it works. Zero fields are the runtime's defaults.
type Healthcheck struct {
	// Test is ["CMD", arg…], ["CMD-SHELL", line] or ["NONE"], which switches the
	// image's check off.
	Test []string `json:"test,omitempty"`
	// Interval is the time between two checks.
	Interval Duration `json:"interval,omitempty"`
	// Timeout is how long one check may take.
	Timeout Duration `json:"timeout,omitempty"`
	// StartPeriod is the time to start up in which failures do not count.
	StartPeriod Duration `json:"startPeriod,omitempty"`
	// Retries is the number of failures in a row that mean unhealthy.
	Retries int `json:"retries,omitempty"`
}
