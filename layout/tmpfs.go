package layout

import (
	"path"
	"regexp"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// tmpfsFlags are the options without a value that Docker, or Podman, takes for a tmpfs,
// less those that make no tmpfs of it (bind, remount).
var tmpfsFlags = strings.Fields(`ro rw suid nosuid dev nodev exec noexec sync async dirsync mand nomand
	atime noatime diratime nodiratime relatime norelatime strictatime nostrictatime defaults
	private rprivate shared rshared slave rslave unbindable runbindable tmpcopyup notmpcopyup`)

// tmpfsValues are the options with a value, and what Linux takes for them.
var tmpfsValues = map[string]*regexp.Regexp{
	"size": regexp.MustCompile(`^[0-9]+[kmgtpeKMGTPE%]?$`), "nr_blocks": regexp.MustCompile(`^[0-9]+[kmgtpeKMGTPE]?$`),
	"nr_inodes": regexp.MustCompile(`^[0-9]+[kmgtpeKMGTPE]?$`), "mode": regexp.MustCompile(`^[0-7]+$`),
	"uid": regexp.MustCompile(`^[0-9]+$`), "gid": regexp.MustCompile(`^[0-9]+$`), "mpol": regexp.MustCompile(`^[a-z0-9=:,-]+$`),
}

// tmpfsOptions says whether an engine takes the options. The empty text is none.
func tmpfsOptions(text string) bool {
	if text == "" {
		return true
	}
	for option := range strings.SplitSeq(text, ",") {
		name, value, hasValue := strings.Cut(option, "=")
		if form := tmpfsValues[name]; hasValue && (form == nil || !form.MatchString(value)) || !hasValue && !slices.Contains(tmpfsFlags, name) {
			return false
		}
	}
	return true
}

func decodeTmpfs(d *decoder, what string, n *yaml.Node, e *entry) {
	for _, it := range d.items(what, n, ":", false) {
		target := path.Clean(it.name)
		if problem, hint := absolutePath(it.name); problem != "" {
			d.bad(it.node, hint, "%s %s %s", what, quoted(it.name), problem)
			continue
		}
		if !tmpfsOptions(it.value) {
			d.bad(it.node, "write for example size=64m,mode=1777", "%s %s has broken options %s", what, quoted(it.name), quoted(it.value))
			continue
		}
		if _, twice := e.config.Tmpfs[target]; twice || target == "/" {
			d.bad(it.node, "", "%s %s is there twice, or is the root directory", what, quoted(it.name))
			continue
		}
		put(&e.config.Tmpfs, target, it.value)
	}
}
