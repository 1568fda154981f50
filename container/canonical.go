package container

import (
	"maps"
	"math"
	"net/netip"
	"path"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/distribution/reference"

	"github.com/gitsync/gitsync/container/types"
)

// canonical returns the one form of all configs that are the same to the engine: defaults
// left out, what has no order sorted, what is there twice there once, numbers and addresses
// as the engine reads them. What was asked for and what a runtime says are both brought to
// it before they are compared, and the spec digest is made of it.
//
// A change here changes digests: it needs a new [digestVersion].
func canonical(c types.ContainerConfig) types.ContainerConfig {
	c.Image = CanonicalImage(c.Image)
	c.Ports = canonicalPorts(c.Ports)
	c.Mounts = canonicalMounts(c.Mounts)
	c.NetworkMode = canonicalNetwork(c.NetworkMode)
	c.NetworkAliases = set(c.NetworkAliases)
	c.CapAdd, c.CapDrop = canonicalCapabilities(c.CapAdd), canonicalCapabilities(c.CapDrop)
	c.ExtraHosts = canonicalHosts(c.ExtraHosts)
	c.Tmpfs = canonicalTmpfs(c.Tmpfs)
	c.Healthcheck = canonicalCheck(c.Healthcheck)
	c.Restart = canonicalRestart(c.Restart)
	c.StopTimeout = canonicalTimeout(c.StopTimeout)
	// The engine counts billionths of a CPU.
	c.CPUs = math.Round(c.CPUs*1e9) / 1e9
	if c.Workdir != "" {
		c.Workdir = path.Clean(c.Workdir)
	}
	return c
}

// CanonicalImage returns the reference with registry, path and tag spelled out.
// What is no reference is returned as it is.
func CanonicalImage(image string) string {
	named, err := reference.ParseNormalizedNamed(image)
	if err != nil {
		return image
	}
	return reference.TagNameOnly(named).String()
}

// set sorts what has no order, and leaves out what is there already; nil when it is empty.
func set(items []string) []string {
	return slices.Compact(slices.Sorted(slices.Values(items)))
}

// canonicalPorts keeps "every address" and 0.0.0.0 apart: the first one means IPv6 too.
func canonicalPorts(ports []types.PortMap) []types.PortMap {
	ports = slices.Clone(ports)
	for i, p := range ports {
		ports[i].HostPort, ports[i].Protocol = p.Published(), strings.ToLower(p.Proto())
		if ip, err := netip.ParseAddr(p.IP); err == nil {
			ports[i].IP = ip.Unmap().String()
		}
	}
	slices.SortFunc(ports, func(a, b types.PortMap) int { return strings.Compare(portText(a), portText(b)) })
	return slices.Compact(ports)
}

// canonicalMounts leaves out the slash at the end of a source: it says that the directory
// is made where it is missing, and the container is the same.
func canonicalMounts(mounts []types.Mount) []types.Mount {
	mounts = slices.Clone(mounts)
	for i, m := range mounts {
		mounts[i].Type, mounts[i].Target = m.Kind(), path.Clean(m.Target)
		if m.Kind() == types.MountBind && path.IsAbs(m.Source) {
			mounts[i].Source = path.Clean(m.Source)
		}
		if m.Propagation == "rprivate" {
			mounts[i].Propagation = ""
		}
	}
	slices.SortStableFunc(mounts, func(a, b types.Mount) int { return strings.Compare(a.Target, b.Target) })
	return mounts
}

// canonicalNetwork is empty for the engine's default network, which has three names.
func canonicalNetwork(mode string) string {
	if mode == "default" || mode == "bridge" {
		return ""
	}
	return mode
}

func canonicalCapabilities(names []string) []string {
	var out []string
	for _, name := range names {
		out = append(out, strings.TrimPrefix(strings.ToUpper(name), "CAP_"))
	}
	return set(out)
}

// canonicalHosts sorts by names. The addresses of one name keep their order, since some
// programs take the first one.
func canonicalHosts(lines []string) []string {
	var out []string
	for _, line := range lines {
		name, address, _ := strings.Cut(line, ":")
		if ip, err := netip.ParseAddr(address); err == nil {
			line = name + ":" + ip.String()
		}
		if !slices.Contains(out, line) {
			out = append(out, line)
		}
	}
	slices.SortStableFunc(out, func(a, b string) int {
		one, _, _ := strings.Cut(a, ":")
		other, _, _ := strings.Cut(b, ":")
		return strings.Compare(one, other)
	})
	return out
}

func canonicalTmpfs(mounts map[string]string) map[string]string {
	if len(mounts) == 0 {
		return nil
	}
	out := map[string]string{}
	for target, options := range mounts {
		out[path.Clean(target)] = canonicalOptions(options)
	}
	return out
}

// canonicalOptions sorts mount options. Of those that exclude each other, such as ro and
// rw, or size twice, the engine takes the last one.
// https://pkg.go.dev/github.com/moby/sys/mount#MergeTmpfsOptions
func canonicalOptions(options string) string {
	last := map[string]string{}
	for option := range strings.SplitSeq(options, ",") {
		if option != "" && option != "defaults" {
			last[optionGroup(option)] = option
		}
	}
	return strings.Join(slices.Sorted(maps.Values(last)), ",")
}

// optionGroup is the same for mount options that exclude each other.
func optionGroup(option string) string {
	key, _, isData := strings.Cut(option, "=")
	flag, no := strings.CutPrefix(key, "no")
	switch {
	case isData:
		return key + "="
	case no && slices.Contains([]string{"atime", "dev", "diratime", "exec", "mand", "relatime", "strictatime", "suid"}, flag):
		return flag
	case key == "rw":
		return "ro"
	case key == "async":
		return "sync"
	case slices.Contains([]string{"private", "rprivate", "shared", "rshared", "slave", "rslave", "unbindable", "runbindable"}, key):
		return "propagation"
	}
	return key
}

// canonicalCheck leaves out a check that says nothing. One that is switched off has no
// other settings that matter.
func canonicalCheck(h *types.Healthcheck) *types.Healthcheck {
	if h == nil {
		return nil
	}
	check := *h
	check.Test = slices.Concat(h.Test)
	switch {
	case reflect.ValueOf(check).IsZero():
		return nil
	case noCheck(&check) && len(check.Test) > 0:
		return &types.Healthcheck{Test: []string{"NONE"}}
	}
	return &check
}

// canonicalRestart reads the number of retries as the engine's client does.
func canonicalRestart(policy string) string {
	name, retries, _ := strings.Cut(policy, ":")
	if name == "unless-stopped" {
		name = ""
	}
	if n, err := strconv.Atoi(retries); err == nil && n > 0 {
		return name + ":" + strconv.Itoa(n)
	}
	return name
}

// canonicalTimeout is in whole seconds, as runtimes have it; 0 is the default.
func canonicalTimeout(d types.Duration) types.Duration {
	whole := types.Duration((time.Duration(d) + time.Second - 1).Truncate(time.Second))
	if whole == types.Duration(types.DefaultStopTimeout) {
		return 0
	}
	return whole
}
