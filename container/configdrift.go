package container

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/gitsync/gitsync/container/types"
)

// changeable are the settings that a container can get while it exists. All others are
// what they were at its creation.
var changeable = []string{
	"blkioWeight", "cpuPeriod", "cpuQuota", "cpuRealtimePeriod", "cpuRealtimeRuntime", "cpuShares", "cpus", "cpuset", "cpusetMems",
	"kernelMemory", "memory", "memoryReservation", "memorySwap", "networks", "pidsLimit", "restart",
}

// configurationDrift compares what was asked for with what the runtime says, field by
// field. What nobody asked for must be what the image or the runtime fill in. A container
// that is the recorded one can differ only in what is changeable: a difference in anything
// else would be a runtime that says it in other words. Without a record the label is all
// there is to know.
func (d *decision) configurationDrift(facts types.ContainerFacts, current Current) []Drift {
	c := &comparison{facts: facts, is: canonical(facts.Config), want: canonical(d.desired.Container.Config), current: current}
	c.image(d)
	c.process()
	c.maps()
	c.access()
	c.limits()
	c.network()
	for _, field := range sortedKeys(facts.Other) {
		c.add(field, "the default", facts.Other[field])
	}
	c.filled()
	if recorded := idOf(d.previous); recorded == "" || recorded == facts.ID {
		c.found = slices.DeleteFunc(c.found, func(drift Drift) bool {
			// To ask for the private one makes no other digest, where the default is another.
			asked := drift.Field == "ipcMode" && c.want.IpcMode == "private"
			return !asked && !slices.Contains(changeable, drift.Field)
		})
	}
	return c.found
}

// comparison is one container's configuration, wanted and found.
type comparison struct {
	facts    types.ContainerFacts
	want, is types.ContainerConfig
	current  Current
	found    []Drift
}

func (c *comparison) add(field, wanted, found string) {
	if name, _, _ := strings.Cut(field, "."); slices.Contains(c.facts.Unknown, name) {
		return
	}
	c.found = append(c.found, Drift{Depth: Configuration, Field: field, Wanted: wanted, Found: found})
}

// text compares what may be printed.
func (c *comparison) text(field, wanted, found string) {
	if wanted != found {
		c.add(field, orDefault(wanted), orDefault(found))
	}
}

// hidden compares what may be secret.
func (c *comparison) hidden(field string, same bool) {
	if !same {
		c.add(field, "the deployed value", "another value")
	}
}

// image compares the name, and what it led to when the container was deployed.
func (c *comparison) image(d *decision) {
	if c.want.Image != c.is.Image {
		c.add("image", d.desired.Container.Config.Image, c.facts.Config.Image)
		return
	}
	if d.previous == nil || d.previous.Container.Status == nil || !d.wasDeployed() {
		return
	}
	if deployed := d.previous.Container.Status.ImageID; deployed != "" && deployed != c.facts.ImageID {
		c.add("image", shortImage(deployed), shortImage(c.facts.ImageID))
	}
}

func shortImage(id string) string { return short(strings.TrimPrefix(id, "sha256:")) }

// process compares what runs, as whom and where.
func (c *comparison) process() {
	if c.facts.Defaults != nil || len(c.want.Entrypoint) > 0 {
		wantEntrypoint, wantArgs := c.command()
		c.hidden("entrypoint", slices.Equal(wantEntrypoint, c.is.Entrypoint))
		c.hidden("args", slices.Equal(wantArgs, c.is.Args))
	}
	defaults := c.defaults()
	if wantUser := accountText(c.want); wantUser != "" {
		c.text("user", wantUser, accountText(c.is))
	} else if c.facts.Defaults != nil {
		c.text("user", accountText(defaults), accountText(c.is))
	}
	if c.want.Workdir != "" || c.facts.Defaults != nil {
		c.text("workdir", orElse(orElse(c.want.Workdir, defaults.Workdir), "/"), orElse(c.is.Workdir, "/"))
	}
	c.hostname()
	c.healthcheck()
	c.text("stopTimeout", stopText(c.want.StopTimeout), stopText(c.is.StopTimeout))
	c.text("restart", orElse(c.want.Restart, "unless-stopped"), orElse(c.is.Restart, "unless-stopped"))
}

func stopText(d types.Duration) string {
	return time.Duration(orDuration(d, types.Duration(types.DefaultStopTimeout))).String()
}

func (c *comparison) defaults() types.ContainerConfig {
	if c.facts.Defaults == nil {
		return types.ContainerConfig{}
	}
	return canonical(*c.facts.Defaults)
}

// command follows the engine: an entry point of one's own takes the image's command away.
// https://docs.docker.com/reference/dockerfile/#understand-how-cmd-and-entrypoint-interact
func (c *comparison) command() (entrypoint, args []string) {
	defaults := c.defaults()
	entrypoint, args = c.want.Entrypoint, c.want.Args
	if len(entrypoint) == 0 {
		entrypoint = defaults.Entrypoint
		if len(args) == 0 {
			args = defaults.Args
		}
	}
	return entrypoint, args
}

func accountText(c types.ContainerConfig) string {
	if c.Group != "" {
		return c.User + ":" + c.Group
	}
	return c.User
}

func orElse(s, other string) string {
	if s == "" {
		return other
	}
	return s
}

// hostname is the beginning of the ID where nobody asked for another one and the
// container has a network of its own.
func (c *comparison) hostname() {
	want := c.want.Hostname
	if want == "" {
		if c.want.NetworkMode == "host" || strings.HasPrefix(c.want.NetworkMode, "container:") {
			return
		}
		want = short(c.facts.ID)
	}
	c.text("hostname", want, c.is.Hostname)
}

// healthcheck fills in, as the engine does, what the image says where the config says
// nothing. A check that is switched off has no other settings that matter.
func (c *comparison) healthcheck() {
	want, is := c.want.Healthcheck, c.is.Healthcheck
	if c.facts.Defaults == nil && want == nil {
		return
	}
	if image := c.defaults().Healthcheck; want == nil {
		want = image
	} else if image != nil {
		merged := *want
		if len(merged.Test) == 0 {
			merged.Test = image.Test
		}
		merged.Interval, merged.Timeout = orDuration(merged.Interval, image.Interval), orDuration(merged.Timeout, image.Timeout)
		merged.StartPeriod = orDuration(merged.StartPeriod, image.StartPeriod)
		if merged.Retries == 0 {
			merged.Retries = image.Retries
		}
		want = &merged
	}
	if noCheck(want) && noCheck(is) {
		return
	}
	c.hidden("healthcheck", reflect.DeepEqual(want, is))
}

func orDuration(d, other types.Duration) types.Duration {
	if d == 0 {
		return other
	}
	return d
}

func noCheck(h *types.Healthcheck) bool {
	return h == nil || len(h.Test) == 0 || h.Test[0] == "NONE"
}

// maps compares environment variables and labels, the image's included.
func (c *comparison) maps() {
	c.entries("env", c.want.Env, c.defaults().Env, c.is.Env)
	c.entries("labels", c.want.Labels, foreignLabels(c.defaults().Labels), foreignLabels(c.is.Labels))
}

func (c *comparison) entries(field string, want, defaults, is map[string]string) {
	all := maps.Clone(defaults)
	if all == nil {
		all = map[string]string{}
	}
	maps.Copy(all, want)
	for _, key := range sortedKeys(all, is) {
		wanted, wants := all[key]
		found, has := is[key]
		switch {
		case !has:
			c.add(field+"."+key, "the deployed value", "missing")
		case !wants && field == "labels" && strings.HasPrefix(key, desktopPrefix):
		case !wants && c.facts.Defaults != nil:
			c.add(field+"."+key, "(none)", "a value")
		case wants && wanted != found:
			c.hidden(field+"."+key, false)
		}
	}
}

// desktopPrefix begins the labels that Docker Desktop adds by itself.
const desktopPrefix = "desktop.docker.io/"

// foreignLabels leaves out those that gitsync writes.
func foreignLabels(labels map[string]string) map[string]string {
	out := maps.Clone(labels)
	maps.DeleteFunc(out, func(key, _ string) bool { return strings.HasPrefix(key, LabelPrefix) })
	return out
}

// access compares what the container can reach, and who can reach it.
func (c *comparison) access() {
	c.text("privileged", strconv.FormatBool(c.want.Privileged), strconv.FormatBool(c.is.Privileged))
	c.text("capAdd", words(c.want.CapAdd), words(c.is.CapAdd))
	c.text("capDrop", words(c.want.CapDrop), words(c.is.CapDrop))
	c.text("ports", portTexts(c.want.Ports), portTexts(c.is.Ports))
	c.text("extraHosts", words(c.want.ExtraHosts), words(c.is.ExtraHosts))
	c.mode("pidMode", c.want.PidMode, c.is.PidMode, "private")
	c.mode("ipcMode", c.want.IpcMode, c.is.IpcMode, "private", "shareable")
	for _, target := range sortedKeys(c.want.Tmpfs, c.is.Tmpfs) {
		want, wants := c.want.Tmpfs[target]
		is, has := c.is.Tmpfs[target]
		if wants != has || want != is {
			c.add("tmpfs."+target, tmpfsText(want, wants), tmpfsText(is, has))
		}
	}
	c.mounts()
}

func tmpfsText(options string, there bool) string {
	if !there {
		return "(none)"
	}
	return "tmpfs " + options
}

// portTexts are the published ports, without an address where it is all of them.
func portTexts(ports []types.PortMap) string {
	var texts []string
	for _, p := range ports {
		if p.IP == "0.0.0.0" {
			p.IP = ""
		}
		texts = append(texts, portText(p))
	}
	return words(sorted(texts))
}

func sorted(items []string) []string { return slices.Sorted(slices.Values(items)) }

// mode compares a namespace; where none was asked for it may be any of the runtime's
// defaults, of which the first one is that of most.
func (c *comparison) mode(field, want, is string, defaults ...string) {
	if want == "" && slices.Contains(defaults, is) || is == "" && (want == "" || want == defaults[0]) || c.sameNamespace(want, is) {
		return
	}
	c.add(field, orDefault(want), orDefault(is))
}

// sameNamespace says whether both name the same thing. A runtime may say the ID of a
// container where its name was asked for.
func (c *comparison) sameNamespace(want, is string) bool {
	name, shares := strings.CutPrefix(want, "container:")
	id, shared := strings.CutPrefix(is, "container:")
	if !shares || !shared || name == id {
		return want == is
	}
	for _, i := range c.current.Containers {
		if i.Main != nil && i.Main.Name == name {
			return i.Main.ID == id
		}
	}
	// It is not one of ours: nothing here knows its ID.
	return true
}

// mounts compares by their places in the container. A volume without a name that nobody
// asked for is the image's, or was carried over.
func (c *comparison) mounts() {
	want, is := map[string]types.Mount{}, map[string]types.Mount{}
	for _, m := range c.want.Mounts {
		want[m.Target] = m
	}
	for _, m := range c.is.Mounts {
		is[m.Target] = m
	}
	for _, target := range sortedKeys(want, is) {
		wanted, wants := want[target]
		found, has := is[target]
		_, isTmpfs := c.want.Tmpfs[target]
		switch {
		case !wants && (anonymous(found) || isTmpfs):
		case !wants:
			c.add("mounts."+target, "(none)", foundMount(found))
		case !has:
			c.add("mounts."+target, mountText(wanted), "(none)")
		case !sameMount(wanted, found):
			c.add("mounts."+target, mountText(wanted), foundMount(found))
		}
	}
}

// anonymous says whether a mount is a volume that nobody may have named.
func anonymous(m types.Mount) bool {
	return m.Kind() == types.MountVolume && (m.Source == "" || types.GeneratedVolume(m.Source))
}

func sameMount(want, is types.Mount) bool {
	source := want.Source == is.Source || want.Source == "" && anonymous(want) && anonymous(is)
	// The engine has another default where the source is above its own data.
	propagation := want.Propagation == is.Propagation || want.Propagation == "" && is.Propagation == "rslave"
	return want.Kind() == is.Kind() && source && want.ReadOnly == is.ReadOnly && propagation
}

// foundMount leaves out what the runtime called a volume that nobody named.
func foundMount(m types.Mount) string {
	if anonymous(m) {
		m.Source = ""
	}
	return m.Kind() + " " + mountText(m)
}

func (c *comparison) limits() {
	c.text("memory", memoryText(c.want.Memory), memoryText(c.is.Memory))
	c.text("cpus", number(c.want.CPUs), number(c.is.CPUs))
	// The engine's own limit where nobody can ask for another: as much swap again.
	swap := 2 * int64(c.want.Memory)
	if is := c.facts.MemorySwap; is != swap && is != 0 && (swap != 0 || is > 0) {
		c.add("memorySwap", swapText(swap), swapText(is))
	}
}

func swapText(swap int64) string {
	if swap <= 0 {
		return "(unlimited)"
	}
	return memoryText(types.Bytes(swap))
}

// filled compares what an engine's own configuration fills in with what it filled in for a
// container for which nothing was asked. One with privileges is not masked, and its
// namespaces follow other rules.
func (c *comparison) filled() {
	if c.current.Filled == nil {
		return
	}
	for _, field := range sortedKeys(c.facts.Filled, c.current.Filled) {
		want, is := c.current.Filled[field], c.facts.Filled[field]
		switch {
		case field == "ipcMode" && c.want.IpcMode != "", field == "cgroupnsMode" && c.want.Privileged:
			continue
		case field == "maskedPaths" && c.want.Privileged, field == "readonlyPaths" && c.want.Privileged:
			want = ""
		}
		switch {
		case want == is:
		case strings.HasSuffix(field, "Paths"):
			c.add(field, "those of the engine", "others")
		case strings.Contains(field, ".options"):
			c.hidden(field, false)
		default:
			c.text(field, want, is)
		}
	}
}

// network compares the mode where it is no network, and otherwise what the container is
// connected to.
func (c *comparison) network() {
	want := orElse(c.want.NetworkMode, "bridge")
	if want == "host" || want == "none" || strings.HasPrefix(want, "container:") {
		if !c.sameNamespace(want, c.is.NetworkMode) {
			c.add("networkMode", want, orDefault(c.is.NetworkMode))
		}
		return
	}
	var names []string
	asked := types.FindNetwork(c.facts.Networks, want)
	for _, name := range sortedKeys(c.facts.Networks) {
		network := c.facts.Networks[name]
		aliases := network.OtherThanGiven(c.want.NetworkAliases)
		if name == asked {
			name = want
		}
		if name == want && (len(network.Settings) > 0 || !slices.Equal(aliases, c.want.NetworkAliases)) {
			name = connectionText(name, aliases, network.Settings)
		}
		names = append(names, name)
	}
	wanted := want
	if len(names) != 1 || names[0] != want {
		if len(c.want.NetworkAliases) > 0 {
			wanted = fmt.Sprintf("%s as %s", want, words(c.want.NetworkAliases))
		}
		c.add("networks", wanted, words(names))
	}
}

// connectionText says how a container is connected to a network.
func connectionText(name string, aliases []string, settings map[string]string) string {
	if len(aliases) > 0 || len(settings) == 0 {
		name = fmt.Sprintf("%s as %s", name, words(aliases))
	}
	for _, setting := range sortedKeys(settings) {
		name += fmt.Sprintf(" with %s %s", setting, settings[setting])
	}
	return name
}
