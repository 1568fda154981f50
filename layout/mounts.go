package layout

import (
	"fmt"
	"path"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/gitsync/gitsync/container/types"
)

const mountForms = `write "name:/path" for a volume, "/on/host:/path[:ro]" for a path of the host`

var propagations = []string{"private", "rprivate", "shared", "rshared", "slave", "rslave"}

// longMount is a mount as a mapping.
var longMount = schema[types.Mount]{
	{key: "type", decode: text(func(m *types.Mount) *string { return &m.Type }, mountType)},
	{key: "source", decode: text(func(m *types.Mount) *string { return &m.Source }, anything), aka: []string{"src"}},
	{key: "target", decode: text(func(m *types.Mount) *string { return &m.Target }, anything), aka: []string{"dst", "destination"}},
	{key: "readOnly", decode: boolean(func(m *types.Mount) *bool { return &m.ReadOnly }), aka: []string{"ro"}},
	{key: "propagation", decode: text(func(m *types.Mount) *string { return &m.Propagation }, propagation)},
}

func decodeMounts(d *decoder, what string, n *yaml.Node, e *entry) {
	for _, item := range d.list(what, n) {
		item = resolve(item)
		before := len(d.mistakes)
		m := types.Mount{}
		if item.Kind == yaml.MappingNode {
			longMount.decode(d, what, item, &m)
		} else if s, ok := d.scalar("a mount", item); ok {
			shortMount(d, item, s, &m)
		}
		if len(d.mistakes) == before {
			checkMount(d, item, &m)
		}
		if len(d.mistakes) == before {
			e.config.Mounts = append(e.config.Mounts, m)
			e.mountsAt = append(e.mountsAt, d.at(item))
		}
	}
}

// shortMount reads [source:]target[:options].
func shortMount(d *decoder, n *yaml.Node, s string, m *types.Mount) {
	parts := strings.Split(s, ":")
	switch len(parts) {
	case 1:
		m.Target = parts[0]
		return
	case 2, 3:
		m.Source, m.Target = parts[0], parts[1]
	default:
		d.bad(n, mountForms, "mount %s has more than two colons", quoted(s))
		return
	}
	if m.Source == "" {
		d.bad(n, mountForms, "mount %s has no source before the colon", quoted(s))
		return
	}
	if len(parts) == 3 {
		for option := range strings.SplitSeq(parts[2], ",") {
			mountOption(d, n, option, m)
		}
	}
}

func mountOption(d *decoder, n *yaml.Node, option string, m *types.Mount) {
	switch {
	case option == "ro":
		m.ReadOnly = true
	case option == "rw":
		m.ReadOnly = false
	case slices.Contains(propagations, option):
		m.Propagation = option
	default:
		d.bad(n, "there are ro, rw, "+strings.Join(propagations, ", "), "unknown mount option %s", quoted(option))
	}
}

// checkMount checks a mount as a whole, and cleans its target.
func checkMount(d *decoder, n *yaml.Node, m *types.Mount) {
	if m.Target == "" {
		d.bad(n, mountForms, "the mount has no target")
		return
	}
	if problem, hint := absolutePath(m.Target); problem != "" {
		if m.Source == "" && n.Kind == yaml.ScalarNode {
			hint = mountForms
		}
		d.bad(n, hint, "the mount's target %s %s", quoted(m.Target), problem)
		return
	}
	m.Target = path.Clean(m.Target)
	if m.Target == "/" {
		d.bad(n, "", "the mount's target is the container's root directory")
	}
	if problem, hint := mountSource(m); problem != "" {
		d.bad(n, hint, "the mount's source %s %s", quoted(m.Source), problem)
	}
	if m.Propagation != "" && m.Kind() != types.MountBind {
		d.bad(n, "leave it out", "propagation is for paths of the host, not for volumes")
	}
}

func mountSource(m *types.Mount) (problem, hint string) {
	s := m.Source
	switch {
	case m.Kind() == types.MountBind && reserved(s):
		return "is where gitsync keeps secret files", "write it into secretFiles"
	case m.Kind() == types.MountBind && strings.Count(s, "/") > MaxPathDepth:
		return fmt.Sprintf("is below more than %d directories", MaxPathDepth), ""
	case m.Kind() == types.MountBind && strings.HasPrefix(s, "/"):
		return absolutePath(s)
	case m.Type == types.MountVolume && strings.HasPrefix(s, "/"):
		return "is a path, not a volume's name", "write type: bind"
	case s == "" && m.Kind() == types.MountVolume, m.Kind() == types.MountVolume && nameOnHost.MatchString(s):
		return "", ""
	case strings.HasPrefix(s, "~"):
		return "begins with ~, which nothing expands on the host", "write the path in full"
	case strings.ContainsAny(s, "/") || strings.HasPrefix(s, "."):
		return "is relative, and there is no work tree on the host", "write an absolute path, or put the file into configFiles and mount that"
	case m.Kind() == types.MountBind:
		return "is not an absolute path", "begin it with /"
	}
	return "is no volume's name", "use two or more of a-z, A-Z, 0-9, _, . and -"
}

func mountType(s string) (problem, hint string) {
	switch s {
	case types.MountBind, types.MountVolume:
		return "", ""
	case "tmpfs":
		return "is not a type of mount", `write tmpfs: ["/run"] beside mounts`
	}
	return "is not one of bind, volume", ""
}

func propagation(s string) (problem, hint string) {
	if slices.Contains(propagations, s) {
		return "", ""
	}
	return "is not one of " + strings.Join(propagations, ", "), ""
}
