package container

import (
	"fmt"
	"slices"
	"strings"

	"github.com/gitsync/gitsync/container/types"
)

// Depth says how deep one must look to see a drift.
type Depth string

// The depths.
const (
	// Presence is what a list of containers shows: missing, stopped, paused, restarting,
	// unhealthy, renamed, there twice.
	Presence Depth = "presence"
	// Configuration is what the runtime says about a container's settings.
	Configuration Depth = "configuration"
	// Files is what the host has in the place of config files.
	Files Depth = "files"
)

// Drift is one difference between what was deployed and what is there, which no commit
// explains.
type Drift struct {
	Depth Depth `json:"depth"`
	// Field is a key in containers.yaml, such as image, env.TZ, mounts./data or
	// configFiles./etc/web.conf; or what the runtime tells beside that: status, health,
	// name, duplicate, unexplained, networks, limits of its own.
	Field string `json:"field"`
	// Wanted and Found are texts for people. A value that may be secret is in neither.
	Wanted string `json:"wanted"`
	Found  string `json:"found"`
	// Repair says that the plan puts it right.
	Repair bool `json:"repair"`
}

// String returns the difference as a phrase, such as "memory: 1GiB instead of 512MiB".
func (d Drift) String() string {
	return fmt.Sprintf("%s: %s instead of %s", d.Field, d.Found, d.Wanted)
}

// Drifted is a container that differs from what was deployed.
type Drifted struct {
	Container string `json:"container"`
	// Policy is the one in force: [Repair] or [Report].
	Policy string `json:"policy"`
	// Left says why it is not repaired although the policy would have it: it is
	// suspended, or somebody undoes the repairs.
	Left  string  `json:"left,omitempty"`
	Drift []Drift `json:"drift"`
}

// Repaired says whether the plan puts all of it right.
func (d Drifted) Repaired() bool {
	return !slices.ContainsFunc(d.Drift, func(d Drift) bool { return !d.Repair })
}

// Fate says what becomes of one of the differences.
func (d Drifted) Fate(drift Drift) string {
	switch {
	case drift.Repair:
		return "to be repaired"
	case d.Left != "":
		return "left: " + d.Left
	case d.Policy == ReportOnly:
		return "reported only"
	}
	return "not for gitsync to repair"
}

// The policies for drift.
const (
	// Repair puts it right.
	Repair = "repair"
	// ReportOnly tells of it, and leaves it.
	ReportOnly = "report"
	// Ignore does not look.
	Ignore = "ignore"
)

// DriftPolicy says what happens when a container differs from what was deployed. The
// zero value repairs all of it. It is not part of the spec digest.
type DriftPolicy struct {
	// Policy is [Repair] (the default), [ReportOnly] or [Ignore].
	Policy string `json:"policy,omitempty"`
	// Ignore are fields that may differ, by their names or the beginnings of these: env
	// or env.TZ.
	Ignore []string `json:"ignore,omitempty"`
}

// DriftFields are the fields, or their beginnings, in which containers differ: keys of
// containers.yaml, what a runtime tells beside them, and settings that only it has.
var DriftFields = []string{
	"annotations", "args", "autoRemove", "blkioDeviceReadBps", "blkioDeviceReadIOps", "blkioDeviceWriteBps",
	"blkioDeviceWriteIOps", "blkioWeight", "blkioWeightDevice", "capAdd", "capDrop", "cgroup", "cgroupParent",
	"cgroupnsMode", "configFiles", "cpuCount", "cpuPercent", "cpuPeriod", "cpuQuota", "cpuRealtimePeriod",
	"cpuRealtimeRuntime", "cpuShares", "cpus", "cpuset", "cpusetMems", "deviceCgroupRules", "deviceRequests", "devices",
	"dns", "domainname", "duplicate", "entrypoint", "env", "extraHosts", "groupAdd", "health", "healthcheck",
	"hostname", "image", "init", "ioMaximumBandwidth", "ioMaximumIOps", "ipcMode", "isolation", "kernelMemory",
	"kernelMemoryTCP", "labels", "links", "logConfig", "macAddress", "maskedPaths", "memory", "memoryReservation",
	"memorySwap", "memorySwappiness", "mountOptions", "mounts", "name", "networkDisabled", "networkMode", "networks",
	"oomKillDisable", "oomScoreAdj", "openStdin", "pidMode", "pidsLimit", "ports", "privileged", "publishAllPorts",
	"readOnly", "readonlyPaths", "restart", "runtime", "securityOpt", "shell", "shmSize", "status", "stdinOnce",
	"stopSignal", "stopTimeout", "storageOpt", "sysctls", "tmpfs", "tty", "ulimits", "unexplained", "user",
	"usernsMode", "utsMode", "volumeDriver", "volumesFrom", "workdir",
}

// policy returns the one in force.
func (p *DriftPolicy) policy() string {
	if p == nil || p.Policy == "" {
		return Repair
	}
	return p.Policy
}

// ignores says whether a field may differ.
func (p *DriftPolicy) ignores(field string) bool {
	return p != nil && slices.ContainsFunc(p.Ignore, func(ignored string) bool {
		return field == ignored || strings.HasPrefix(field, ignored+".")
	})
}

// driftOf returns what differs, less what is to be ignored.
func (d *decision) driftOf(current Current) []Drift {
	policy := d.policyFor()
	if policy.policy() == Ignore {
		return nil
	}
	d.compared = true
	found := d.presenceDrift(current)
	if facts, looked := current.Facts[d.key]; looked && d.main != nil && facts.ID == d.main.ID {
		found = append(found, d.configurationDrift(facts, current)...)
	}
	found = append(found, d.filesDrift(current)...)
	return slices.DeleteFunc(found, func(drift Drift) bool { return policy.ignores(drift.Field) })
}

// policyFor is the container's own, or the machine's for one that nothing explains.
func (d *decision) policyFor() *DriftPolicy {
	if d.desired != nil {
		return d.desired.Drift
	}
	return d.opts.Drift
}

// repairs says whether drift of the container is put right.
func (d *decision) repairs() bool {
	switch d.policyFor().policy() {
	case Ignore:
		return false
	case ReportOnly:
		return d.opts.RepairNow
	}
	return d.opts.RepairNow || d.opts.Fights[d.key] == ""
}

// mends says whether this difference is there and is put right, and marks it.
func (d *decision) mends(field string) bool {
	found := false
	for i := range d.drift {
		if d.drift[i].Field == field && d.repairs() {
			d.drift[i].Repair, found = true, true
		}
	}
	return found
}

// mendSettings finds out what puts the container's settings right: an adjustment, or a
// new container. One that has ended and is not to run again is left: a new one would do
// its work again.
func (d *decision) mendSettings() (replace bool) {
	if d.desired.oneShot() || !d.repairs() {
		return false
	}
	for i := range d.drift {
		if d.drift[i].Depth != Configuration {
			continue
		}
		d.drift[i].Repair = true
		d.causes = append(d.causes, Cause{Field: d.drift[i].Field, Text: d.drift[i].String()})
		if d.desired.adjustable(d.drift[i].Field) {
			d.adjust = true
		} else {
			replace = true
		}
	}
	return replace
}

// adjustable says whether a setting can be put right while the container exists. A limit
// cannot be taken away.
func (m *HostConfiguredContainer) adjustable(field string) bool {
	c := m.Container.Config
	switch field {
	case "restart", "networks", "pidsLimit":
		return true
	case "memory", "memorySwap":
		return c.Memory != 0
	}
	return field == "cpus" && c.CPUs != 0
}

// drifted returns what is told of the container, nil when there is nothing.
func (d *decision) drifted() *Drifted {
	if len(d.drift) == 0 {
		return nil
	}
	report := &Drifted{Container: d.key, Policy: d.policyFor().policy(), Drift: slices.Clone(d.drift)}
	if d.kind == Hold || d.kind == Blocked || d.kind == Suspended {
		for i := range report.Drift {
			report.Drift[i].Repair = false
		}
	}
	if why := d.opts.suspension(d.key); why != "" {
		report.Left = why
	} else if d.kind == Hold || d.kind == Blocked {
		report.Left = Change{Causes: d.causes}.Why()
	} else if why := d.opts.Fights[d.key]; why != "" && !report.Repaired() {
		report.Left = why
	}
	return report
}

func (d *decision) presenceDrift(current Current) []Drift {
	var found []Drift
	add := func(field, wanted, is string) {
		found = append(found, Drift{Depth: Presence, Field: field, Wanted: wanted, Found: is})
	}
	for _, row := range current.Containers[d.key].Duplicates {
		add("duplicate", "(none)", fmt.Sprintf("%s (%s)", row.Name, short(row.ID)))
	}
	if d.main == nil {
		if d.wasDeployed() {
			add("status", types.StatusRunning, "missing")
		}
		return found
	}
	if d.renamed() {
		add("name", d.desired.Container.Config.Name, d.main.Name)
	}
	switch {
	case d.main.Status == types.StatusPaused:
		add("status", types.StatusRunning, types.StatusPaused)
	case d.stoppedByHand():
		add("status", types.StatusRunning, d.main.Status)
	case d.main.Status == types.StatusRestarting:
		add("status", types.StatusRunning, types.StatusRestarting)
	case strings.Contains(d.main.Detail, "("+types.HealthUnhealthy+")"):
		add("health", types.HealthHealthy, types.HealthUnhealthy)
	}
	return found
}

// wasDeployed says whether the record has the container as the repo wants it. One that is
// gone since an earlier look has no ID there any more.
func (d *decision) wasDeployed() bool {
	return d.previous != nil && d.desired != nil && SameSpec(d.previous, d.desired)
}

// stoppedByHand says whether the container ended after it was deployed well. One that
// never ran, or was not ready, is a deployment that is not done.
func (d *decision) stoppedByHand() bool {
	return d.main.Status == types.StatusExited && d.stoppedText() != "" && !d.desired.oneShot() &&
		(d.previous == nil || !d.previous.ReadyPending)
}

// filesDrift is what differs on the host and did not change in the repo, by the record.
func (d *decision) filesDrift(current Current) []Drift {
	var found []Drift
	if d.desired == nil {
		return nil
	}
	for _, path := range sortedKeys(d.desired.ConfigFiles) {
		if file, looked := current.Files[path]; looked && d.fileDrifted(path, file) {
			wanted, is := fileStates(d.desired, path, file)
			found = append(found, Drift{Depth: Files, Field: "configFiles." + path, Wanted: wanted, Found: is})
		}
	}
	return found
}

// fileDrifted says whether a config file differs on the host, and no commit explains it.
func (d *decision) fileDrifted(path string, found *types.File) bool {
	return d.previous != nil && !d.changedInRepo(path) && fileDifference(d.desired.desiredFile(path), found) != ""
}

// fileStates says how a config file should be, and how it is; without its content, which
// may be secret.
func fileStates(m *HostConfiguredContainer, path string, found *types.File) (wanted, is string) {
	want := m.desiredFile(path)
	switch {
	case found == nil:
		return "a file", "missing"
	case found.Content != want.Content:
		return "the deployed content", fmt.Sprintf("other content (%d bytes)", len(found.Content))
	case found.Mode&0o7777 != want.Mode:
		return fmt.Sprintf("mode %04o", want.Mode), fmt.Sprintf("mode %04o", found.Mode&0o7777)
	}
	return "owner " + zeroID(want.User) + ":" + zeroID(want.Group), "owner " + zeroID(found.User) + ":" + zeroID(found.Group)
}
