package layout

import (
	"go.yaml.in/yaml/v3"

	"github.com/gitsync/gitsync/container"
	"github.com/gitsync/gitsync/container/types"
)

// entry is a container as containers.yaml has it.
type entry struct {
	config types.ContainerConfig
	// at is the position of the container's key.
	at position
	// portsAt holds the position of each of config.Ports.
	portsAt []position
	// mountsAt holds the position of each of config.Mounts.
	mountsAt []position
	files    []configFile
	update   *container.Update
	// updateAt is the position of what update holds.
	updateAt                    position
	dependsOn                   []dependency
	oneShot, preDeploy, protect bool
	drift                       *container.DriftPolicy
	long                        *longForm
	// node is what was decoded, as long as the host is loaded.
	node *yaml.Node
	// secrets are the digests of those that the container refers to.
	secrets map[string]string
}

// configFile is an entry of configFiles.
type configFile struct {
	path string
	at   position
	// source is the file in the host's directory that holds the content; empty
	// when the content is inline.
	source     string
	sourceAt   position
	content    string
	attributes container.FileAttributes
	// isSealed says that the content is a reference to an encrypted file.
	isSealed bool
}

// updateKeys are those that say how a container is updated, not what it is.
var updateKeys = schema[entry]{
	{key: "update", decode: decodeUpdate, aka: []string{"updateConfig", "update_config"}},
	{key: "dependsOn", decode: decodeDependsOn, aka: []string{"depends_on", "after"}},
	{key: "oneShot", decode: boolean(func(e *entry) *bool { return &e.oneShot }), aka: []string{"job"}},
	{key: "preDeploy", decode: boolean(func(e *entry) *bool { return &e.preDeploy }), aka: []string{"migration"}},
	{key: "drift", decode: decodeDrift, aka: []string{"driftPolicy"}},
	{key: "protect", decode: boolean(func(e *entry) *bool { return &e.protect }), aka: []string{"protected", "preventDestroy"}},
}

// containerSchema lists the keys of a container. Its names are the JSON names of
// types.ContainerConfig and of container.HostConfiguredContainer; a test compares
// them.
var containerSchema = append(schema[entry]{
	{key: "image", decode: text(func(e *entry) *string { return &e.config.Image }, imageReference)},
	{key: "args", decode: command(func(e *entry) *[]string { return &e.config.Args }), aka: []string{"command", "cmd"}},
	{key: "entrypoint", decode: command(func(e *entry) *[]string { return &e.config.Entrypoint })},
	{key: "ports", decode: decodePorts, aka: []string{"publish", "expose"}},
	{key: "mounts", decode: decodeMounts, aka: []string{"volumes", "binds"}},
	{key: "privileged", decode: boolean(func(e *entry) *bool { return &e.config.Privileged })},
	{key: "networkMode", decode: text(func(e *entry) *string { return &e.config.NetworkMode }, networkMode), aka: []string{"network", "networks", "net"}},
	{key: "networkAliases", decode: scalars(func(e *entry) *[]string { return &e.config.NetworkAliases }, lookupName), aka: []string{"aliases", "alias"}},
	{key: "pidMode", decode: text(func(e *entry) *string { return &e.config.PidMode }, namespace("host")), aka: []string{"pid"}},
	{key: "ipcMode", decode: text(func(e *entry) *string { return &e.config.IpcMode }, namespace("none", "private", "shareable", "host")), aka: []string{"ipc"}},
	{key: "user", decode: scalar(func(e *entry) *string { return &e.config.User }, account)},
	{key: "group", decode: scalar(func(e *entry) *string { return &e.config.Group }, account)},
	{key: "env", decode: decodeEnv, aka: []string{"environment"}},
	{key: "labels", decode: decodeLabels},
	{key: "restart", decode: text(func(e *entry) *string { return &e.config.Restart }, restartPolicy), aka: []string{"restartPolicy"}},
	{key: "workdir", decode: text(func(e *entry) *string { return &e.config.Workdir }, absolutePath), aka: []string{"workingDir", "working_dir"}},
	{key: "hostname", decode: scalar(func(e *entry) *string { return &e.config.Hostname }, hostname)},
	{key: "healthcheck", decode: decodeHealthcheck, aka: []string{"health"}},
	{key: "capAdd", decode: scalars(func(e *entry) *[]string { return &e.config.CapAdd }, capability), aka: []string{"capabilities"}},
	{key: "capDrop", decode: scalars(func(e *entry) *[]string { return &e.config.CapDrop }, capability)},
	{key: "memory", decode: decodeMemory, aka: []string{"mem_limit", "memoryLimit"}},
	{key: "cpus", decode: decodeCPUs, aka: []string{"cpu"}},
	{key: "extraHosts", decode: decodeExtraHosts},
	{key: "tmpfs", decode: decodeTmpfs},
	{key: "stopTimeout", decode: decodeStopTimeout, aka: []string{"stop_grace_period"}},
	{key: "configFiles", decode: decodeConfigFiles, aka: []string{"configs", "files"}},
	{key: "secretFiles", decode: decodeSecretFiles, aka: []string{"secrets", "secret"}},
}, updateKeys...)

// command decodes what replaces a part of the image's command. An empty list replaces
// nothing, which is not what it says elsewhere.
func command(at func(*entry) *[]string) decode[entry] {
	return func(d *decoder, what string, n *yaml.Node, e *entry) {
		if n = resolve(n); n.Kind == yaml.SequenceNode && len(n.Content) == 0 {
			d.warn(n, "leave it out", "%s: [] stands for the image's, and does not clear it", what)
		}
		scalars(at, anything)(d, what, n, e)
	}
}

// containersOf returns the mapping of containers in the root of a containers.yaml,
// which is nil when there is a mistake.
func containersOf(d *decoder, root *yaml.Node, file string) *yaml.Node {
	const none = "write containers: {} for a host without containers"
	if root == nil {
		d.badAt(position{line: 1, column: 1, file: file}, none, "the file is empty")
		return nil
	}
	if root.Kind != yaml.MappingNode {
		d.bad(root, "write containers: and below it the containers by their names", "the file must be a mapping, not %s", kind(root))
		return nil
	}
	var list *yaml.Node
	for _, p := range d.pairs("the file", root) {
		switch {
		case p.key.Value == "containers":
			list = p.value
			if resolve(p.value).ShortTag() == "!!null" {
				d.bad(p.key, none, "containers has no value")
				return nil
			}
		case len(p.key.Value) > 2 && p.key.Value[:2] == "x-":
			// As in Compose files: a place for anchors, and nothing else.
		default:
			d.bad(p.key, "the one key of the file is containers", "unknown key %s", quoted(p.key.Value))
		}
	}
	if list == nil {
		d.bad(root, none, "the key containers is missing")
		return nil
	}
	return list
}

// decodeEntries reads the containers.
func decodeEntries(d *decoder, list *yaml.Node) []*entry {
	pairs := d.pairs("containers", list)
	if len(pairs) > MaxContainers {
		d.bad(pairs[MaxContainers].key, "use several hosts", "there are more than %d containers", MaxContainers)
		pairs = nil
	}
	var entries []*entry
	for _, p := range pairs {
		e := &entry{at: d.at(p.key), node: p.value}
		if check(containerName).run(d, "the container's name", p.key, p.key.Value) {
			e.config.Name = p.key.Value
		}
		entries = append(entries, e)
		what := "container " + quoted(p.key.Value)
		if resolve(p.value).ShortTag() == "!!null" {
			d.bad(p.key, "write below it for example image: nginx:1.27", "%s has no settings", what)
			continue
		}
		fields := d.pairs(what, p.value)
		if d.over() {
			break
		}
		if isLong(fields) {
			decodeLong(d, fields, e)
		} else {
			containerSchema.decodePairs(d, "", fields, e)
		}
		if resolve(p.value).Kind == yaml.MappingNode && !d.partial {
			checkEntry(d, what, e, fields)
		}
	}
	return entries
}

// checkEntry looks for what is wrong between the keys of one container.
func checkEntry(d *decoder, what string, e *entry, fields []pair) {
	if e.config.Image == "" && !isLong(fields) && !hasKey(fields, "image") {
		d.badAt(e.at, "write for example image: nginx:1.27", "%s has no image", what)
	}
	targets := map[string]bool{}
	for path := range e.config.Tmpfs {
		targets[path] = true
	}
	for i, m := range e.config.Mounts {
		if targets[m.Target] {
			d.badAt(e.mountsAt[i], "keep one of them", "two mounts of %s have the target %s", what, quoted(m.Target))
		}
		targets[m.Target] = true
	}
	if e.config.Group != "" && e.config.User == "" && !hasKey(fields, "user") {
		d.badAt(e.at, "write user too", "%s has a group and no user", what)
	}
	checkNetworkMode(d, what, e)
	checkUpdate(d, what, e)
}

func hasKey(pairs []pair, key string) bool {
	for _, p := range pairs {
		if p.key.Value == key {
			return true
		}
	}
	return false
}
