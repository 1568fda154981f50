package docker

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/mount"
)

// setting is a field of the engine's answer for which gitsync has no key: what it is where
// nobody asked for anything is known, and anything else is drift.
type setting struct {
	// field is its path in [container.InspectResponse], without the names of embedded
	// structs.
	field string
	// key is the field of a drift: the API's own name, in camel case.
	key string
	// is returns what the engine has, and nothing where that is the default.
	is func(c container.InspectResponse, image imageSettings) string
}

// imageSettings are what an image fills in, beside the settings that gitsync knows.
type imageSettings struct {
	known             bool
	stopSignal, shell string
}

// host makes a setting of a field of the host config that is compared with nothing.
func host[T any](field, key string, get func(*container.HostConfig) T) setting {
	return setting{"HostConfig." + field, key, func(c container.InspectResponse, _ imageSettings) string { return plain(get(c.HostConfig)) }}
}

// own makes a setting of a field of the container's config that is compared with nothing.
func own[T any](field, key string, get func(*container.Config) T) setting {
	return setting{"Config." + field, key, func(c container.InspectResponse, _ imageSettings) string { return plain(get(c.Config)) }}
}

// unasked are the settings for which nobody can ask in containers.yaml, and that no
// configuration of an engine fills in.
func unasked() []setting { return slices.Concat(unaskedOfProcess(), unaskedOfHost(), unaskedLimits()) }

func unaskedOfProcess() []setting {
	return []setting{
		{"Config.Domainname", "domainname", func(c container.InspectResponse, _ imageSettings) string {
			if c.HostConfig.NetworkMode.IsContainer() {
				return "" // that of the other container
			}
			return c.Config.Domainname
		}},
		own("Tty", "tty", func(c *container.Config) bool { return c.Tty }),
		own("OpenStdin", "openStdin", func(c *container.Config) bool { return c.OpenStdin }),
		own("StdinOnce", "stdinOnce", func(c *container.Config) bool { return c.StdinOnce }),
		own("NetworkDisabled", "networkDisabled", func(c *container.Config) bool { return c.NetworkDisabled }),
		own("MacAddress", "macAddress", func(c *container.Config) string { return c.MacAddress }), //nolint:staticcheck // engines of all versions have what was asked for here
		{"Config.StopSignal", "stopSignal", func(c container.InspectResponse, image imageSettings) string {
			if !image.known || signal(c.Config.StopSignal) == signal(image.stopSignal) {
				return ""
			}
			return c.Config.StopSignal
		}},
		{"Config.Shell", "shell", func(c container.InspectResponse, image imageSettings) string {
			if is := strings.Join(c.Config.Shell, " "); image.known && is != image.shell {
				return is
			}
			return ""
		}},
	}
}

// signal is the default where there is none, in one spelling.
func signal(name string) string {
	name = strings.TrimPrefix(strings.ToUpper(name), "SIG")
	if name == "" || name == "15" {
		return "TERM"
	}
	return name
}

func unaskedOfHost() []setting {
	return []setting{
		host("AutoRemove", "autoRemove", func(h *container.HostConfig) bool { return h.AutoRemove }),
		host("VolumeDriver", "volumeDriver", func(h *container.HostConfig) string { return h.VolumeDriver }),
		host("VolumesFrom", "volumesFrom", func(h *container.HostConfig) []string { return h.VolumesFrom }),
		host("Annotations", "annotations", func(h *container.HostConfig) string { return hidden(len(h.Annotations)) }),
		host("DNS", "dns", func(h *container.HostConfig) []string { return slices.Concat(h.DNS, h.DNSSearch, h.DNSOptions) }),
		host("GroupAdd", "groupAdd", func(h *container.HostConfig) []string { return h.GroupAdd }),
		host("Cgroup", "cgroup", func(h *container.HostConfig) string { return string(h.Cgroup) }),
		host("Links", "links", func(h *container.HostConfig) []string { return h.Links }),
		host("OomScoreAdj", "oomScoreAdj", func(h *container.HostConfig) int { return h.OomScoreAdj }),
		host("PublishAllPorts", "publishAllPorts", func(h *container.HostConfig) bool { return h.PublishAllPorts }),
		host("ReadonlyRootfs", "readOnly", func(h *container.HostConfig) bool { return h.ReadonlyRootfs }),
		host("SecurityOpt", "securityOpt", func(h *container.HostConfig) []string {
			// The engine's own, where a namespace of the host or of another container is shared.
			return slices.DeleteFunc(slices.Clone(h.SecurityOpt), func(s string) bool { return s == "label=disable" })
		}),
		host("StorageOpt", "storageOpt", func(h *container.HostConfig) map[string]string { return h.StorageOpt }),
		host("UTSMode", "utsMode", func(h *container.HostConfig) string { return without(string(h.UTSMode), "private") }),
		host("UsernsMode", "usernsMode", func(h *container.HostConfig) string { return without(string(h.UsernsMode), "private") }),
		host("Sysctls", "sysctls", func(h *container.HostConfig) map[string]string { return h.Sysctls }),
		{"HostConfig.Init", "init", func(c container.InspectResponse, _ imageSettings) string {
			// Where nobody asked it is nil, whatever the engine's configuration says.
			if c.HostConfig.Init == nil {
				return ""
			}
			return strconv.FormatBool(*c.HostConfig.Init)
		}},
		host("Mounts", "mountOptions", func(h *container.HostConfig) string { return mountOptions(h.Mounts) }),
	}
}

// without leaves a word out that means the default.
func without(word string, defaults ...string) string {
	if slices.Contains(defaults, word) {
		return ""
	}
	return word
}

// hidden stands for values that may be secret.
func hidden(n int) string {
	if n == 0 {
		return ""
	}
	return fmt.Sprintf("%d other values", n)
}

// mountOptions says which mounts have options that gitsync never sets. The options may
// hold passwords.
func mountOptions(mounts []mount.Mount) string {
	var targets []string
	for _, m := range mounts {
		bind := m.BindOptions != nil && *m.BindOptions != mount.BindOptions{Propagation: m.BindOptions.Propagation}
		volume := m.VolumeOptions != nil && plain(*m.VolumeOptions) != ""
		tmpfs := m.TmpfsOptions != nil && plain(*m.TmpfsOptions) != ""
		if bind || volume || tmpfs || m.ImageOptions != nil && m.ImageOptions.Subpath != "" || m.ClusterOptions != nil {
			targets = append(targets, m.Target)
		}
	}
	slices.Sort(targets)
	if len(targets) == 0 {
		return ""
	}
	return "other options of " + strings.Join(targets, " ")
}

// unaskedLimits are those of the resources. What docker update can change comes to a
// container while it exists.
func unaskedLimits() []setting {
	return []setting{
		host("CPUShares", "cpuShares", func(h *container.HostConfig) int64 { return h.CPUShares }),
		host("BlkioWeight", "blkioWeight", func(h *container.HostConfig) int64 { return int64(h.BlkioWeight) }),
		host("BlkioWeightDevice", "blkioWeightDevice", func(h *container.HostConfig) any { return h.BlkioWeightDevice }),
		host("BlkioDeviceReadBps", "blkioDeviceReadBps", func(h *container.HostConfig) any { return h.BlkioDeviceReadBps }),
		host("BlkioDeviceWriteBps", "blkioDeviceWriteBps", func(h *container.HostConfig) any { return h.BlkioDeviceWriteBps }),
		host("BlkioDeviceReadIOps", "blkioDeviceReadIOps", func(h *container.HostConfig) any { return h.BlkioDeviceReadIOps }),
		host("BlkioDeviceWriteIOps", "blkioDeviceWriteIOps", func(h *container.HostConfig) any { return h.BlkioDeviceWriteIOps }),
		host("CPUPeriod", "cpuPeriod", func(h *container.HostConfig) int64 { return h.CPUPeriod }),
		host("CPUQuota", "cpuQuota", func(h *container.HostConfig) int64 { return h.CPUQuota }),
		host("CPURealtimePeriod", "cpuRealtimePeriod", func(h *container.HostConfig) int64 { return h.CPURealtimePeriod }),
		host("CPURealtimeRuntime", "cpuRealtimeRuntime", func(h *container.HostConfig) int64 { return h.CPURealtimeRuntime }),
		host("CpusetCpus", "cpuset", func(h *container.HostConfig) string { return h.CpusetCpus }),
		host("CpusetMems", "cpusetMems", func(h *container.HostConfig) string { return h.CpusetMems }),
		host("Devices", "devices", func(h *container.HostConfig) []string {
			var devices []string
			for _, d := range h.Devices {
				devices = append(devices, d.PathOnHost)
			}
			return devices
		}),
		host("DeviceCgroupRules", "deviceCgroupRules", func(h *container.HostConfig) []string { return h.DeviceCgroupRules }),
		host("DeviceRequests", "deviceRequests", func(h *container.HostConfig) bool { return len(h.DeviceRequests) > 0 }),
		host("KernelMemory", "kernelMemory", func(h *container.HostConfig) int64 { return h.KernelMemory }),
		host("KernelMemoryTCP", "kernelMemoryTCP", func(h *container.HostConfig) int64 { return h.KernelMemoryTCP }), //nolint:staticcheck // older engines have it
		host("MemoryReservation", "memoryReservation", func(h *container.HostConfig) int64 { return h.MemoryReservation }),
		host("MemorySwappiness", "memorySwappiness", func(h *container.HostConfig) string {
			if h.MemorySwappiness == nil || *h.MemorySwappiness < 0 {
				return ""
			}
			return strconv.FormatInt(*h.MemorySwappiness, 10)
		}),
		host("OomKillDisable", "oomKillDisable", func(h *container.HostConfig) bool { return h.OomKillDisable != nil && *h.OomKillDisable }),
		host("PidsLimit", "pidsLimit", func(h *container.HostConfig) int64 {
			if h.PidsLimit == nil {
				return 0
			}
			return max(0, *h.PidsLimit)
		}),
		host("CPUCount", "cpuCount", func(h *container.HostConfig) int64 { return h.CPUCount }),
		host("CPUPercent", "cpuPercent", func(h *container.HostConfig) int64 { return h.CPUPercent }),
		host("IOMaximumIOps", "ioMaximumIOps", func(h *container.HostConfig) uint64 { return h.IOMaximumIOps }),
		host("IOMaximumBandwidth", "ioMaximumBandwidth", func(h *container.HostConfig) uint64 { return h.IOMaximumBandwidth }),
	}
}

// filled are the settings that an engine's own configuration (daemon.json), or its version,
// fills in where nobody asked. A container for which nothing was asked tells what that is.
func filled() []setting {
	return []setting{
		{"HostConfig.LogConfig", "logConfig", func(c container.InspectResponse, _ imageSettings) string { return c.HostConfig.LogConfig.Type }},
		// They may hold a token: only whether they are others is told.
		{"HostConfig.LogConfig", "logConfig.options", func(c container.InspectResponse, _ imageSettings) string {
			return plain(c.HostConfig.LogConfig.Config)
		}},
		host("CgroupnsMode", "cgroupnsMode", func(h *container.HostConfig) string { return string(h.CgroupnsMode) }),
		host("IpcMode", "ipcMode", func(h *container.HostConfig) string { return string(h.IpcMode) }),
		host("ShmSize", "shmSize", func(h *container.HostConfig) int64 { return h.ShmSize }),
		host("Runtime", "runtime", func(h *container.HostConfig) string { return h.Runtime }),
		host("Isolation", "isolation", func(h *container.HostConfig) string { return string(h.Isolation) }),
		host("CgroupParent", "cgroupParent", func(h *container.HostConfig) string { return h.CgroupParent }),
		host("Ulimits", "ulimits", func(h *container.HostConfig) []string {
			var limits []string
			for _, l := range h.Ulimits {
				limits = append(limits, fmt.Sprintf("%s=%d:%d", l.Name, l.Soft, l.Hard))
			}
			slices.Sort(limits)
			return limits
		}),
		host("MaskedPaths", "maskedPaths", func(h *container.HostConfig) []string { return sortedWords(h.MaskedPaths) }),
		host("ReadonlyPaths", "readonlyPaths", func(h *container.HostConfig) []string { return sortedWords(h.ReadonlyPaths) }),
	}
}

// DriftFields are the names of the settings that [types.ContainerFacts] has beside the
// config.
func DriftFields() []string {
	fields := []string{"memorySwap"}
	for _, s := range slices.Concat(unasked(), filled()) {
		name, _, _ := strings.Cut(s.key, ".")
		fields = append(fields, name)
	}
	slices.Sort(fields)
	return slices.Compact(fields)
}

func sortedWords(words []string) []string { return slices.Sorted(slices.Values(words)) }

// otherSettings returns what differs from the default among the settings that gitsync
// never makes.
func otherSettings(c container.InspectResponse, image imageSettings) map[string]string {
	return told(unasked(), c, image)
}

func told(settings []setting, c container.InspectResponse, image imageSettings) map[string]string {
	texts := map[string]string{}
	for _, s := range settings {
		if text := s.is(c, image); text != "" {
			texts[s.key] = text
		}
	}
	return texts
}

// plain puts a value into words; a zero value into none.
func plain(value any) string {
	switch v := value.(type) {
	case string:
		return v
	case []string:
		return strings.Join(v, " ")
	case map[string]string:
		return strings.Join(pairsOf(v), " ")
	}
	text, err := json.Marshal(value)
	if err != nil || slices.Contains([]string{"null", "[]", "false", "0", "{}", `""`}, string(text)) {
		return ""
	}
	return string(text)
}
