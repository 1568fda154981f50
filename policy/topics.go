package policy

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/distribution/reference"

	"github.com/gitsync/gitsync/container"
	"github.com/gitsync/gitsync/container/types"
)

// subject is a container that is judged.
type subject struct {
	c *container.HostConfiguredContainer
	// own are the names of all containers that are judged with it.
	own map[string]bool
	// writers are, by path of the host, those that may write there.
	writers map[string]string
}

// value is one thing that a container asks for.
type value struct {
	// path is that of [Violation].
	path string
	// text is what patterns are compared with, and word the one of the policy's own words
	// that it is called by.
	text, word string
	// parts are the names that a path is made of.
	parts []string
	// tagged is an image with its tag.
	tagged string
	// found is the value for people, and allow the entry that is about just this value.
	found, allow string
	// below says below what a nested mount is.
	below        string
	readOnly     bool
	ip, protocol string
	port         int
}

// form is how a topic is written in a policy file.
type form int

const (
	// list is {allow: […], deny: […]}.
	list form = iota
	// verdict is allow or deny.
	verdict
	// requirement is true or false.
	requirement
	// check is allow, checked or deny.
	check
)

// topic is one thing that a policy is about.
type topic struct {
	// key is the one of containers.yaml where there is one.
	key  string
	form form
	// what begins the sentence that denies a value; paths says that there are some below
	// others.
	what  string
	paths bool
	// values are what a container asks for.
	values func(s subject) []value
	// read makes a pattern of an entry. The problem follows the entry in a sentence.
	read func(text string) (p pattern, problem, hint string)
}

// topics are all that a policy is about, in the order in which violations are told.
var topics = []topic{
	{key: "address", what: "reached at", values: addressValues, read: readText},
	{key: "image", what: "image", values: imageValues, read: readImage},
	{key: "requireDigest", form: requirement, values: digestValues},
	{key: "privileged", form: verdict, values: privilegedValues},
	{key: "networkMode", what: "networkMode", values: modes("networkMode", func(c *types.ContainerConfig) string { return c.NetworkMode }), read: readWords(foreign)},
	{key: "pidMode", what: "pidMode", values: modes("pidMode", func(c *types.ContainerConfig) string { return c.PidMode }), read: readWords(foreign)},
	{key: "ipcMode", what: "ipcMode", values: modes("ipcMode", func(c *types.ContainerConfig) string { return c.IpcMode }), read: readWords(foreign)},
	{key: "capAdd", what: "capAdd", values: capabilityValues, read: readCapability},
	{key: "user", what: "user", values: userValues, read: readWords(rootUser, imageUser, numberUser)},
	{key: "mounts", what: "mounts", paths: true, values: mountValues, read: readPath},
	{key: nestedMounts, form: check, values: nestedValues},
	{key: "propagation", what: "a mount with propagation", values: propagationValues, read: readText},
	{key: "volumes", what: "volume", values: volumeValues, read: readText},
	{key: "ports", what: "published port", values: portValues, read: readPorts},
	{key: configFiles, what: configFiles, paths: true, values: configFileValues, read: readPath},
	{key: "labels", what: "label", values: labelValues, read: readText},
}

func readText(text string) (pattern, string, string) { return textPattern{newGlob(text)}, "", "" }

// addressValues is where the machine is: the repo says it, so that the name of a host alone
// is no proof of which machine it is.
func addressValues(s subject) []value {
	text := s.c.Host.Address()
	if d := s.c.Container.Runtime.Docker; d != nil && cmp.Or(d.Host, d.Context) != "" {
		text += " " + cmp.Or(d.Host, "context "+d.Context)
	}
	return []value{textValue(HostFile, text)}
}

func textValue(path, text string) value {
	return value{path: path, text: text, found: text, allow: escaped(text)}
}

func imageValues(s subject) []value {
	image := s.c.Container.Config.Image
	v := value{path: "image", text: image, tagged: image, found: image, allow: escaped(image)}
	named, err := reference.ParseNormalizedNamed(image)
	if err != nil {
		return []value{v}
	}
	v.text, v.tagged = named.Name(), named.Name()
	if tagged, ok := reference.TagNameOnly(named).(reference.Tagged); ok {
		v.tagged += ":" + tagged.Tag()
	}
	v.allow = escaped(v.text)
	return []value{v}
}

// readImage completes a pattern as the engine completes a name: nginx is
// docker.io/library/nginx, ghcr.io/ all of a registry.
func readImage(text string) (pattern, string, string) {
	if text == "*" {
		return imagePattern{glob: newGlob("**")}, "", ""
	}
	full := text
	first, _, more := strings.Cut(full, "/")
	switch {
	case strings.ContainsAny(text, "@ "):
		return nil, "holds a digest, or a space", "write a name such as ghcr.io/acme/**, with or without a tag"
	case strings.HasPrefix(text, "**"):
		// Any registry.
	case !more:
		full = "docker.io/library/" + full
	case !strings.ContainsAny(first, ".:*") && first != "localhost":
		full = "docker.io/" + full
	}
	if strings.HasSuffix(full, "/") {
		full += "**"
	}
	_, last, _ := cutLast(full, "/")
	return imagePattern{newGlob(full), strings.Contains(last, ":")}, "", ""
}

func cutLast(s, separator string) (before, after string, found bool) {
	i := strings.LastIndex(s, separator)
	return s[:max(i, 0)], s[i+1:], i >= 0
}

func digestValues(s subject) []value {
	image := s.c.Container.Config.Image
	if named, err := reference.ParseNormalizedNamed(image); err == nil {
		if _, ok := named.(reference.Digested); ok {
			return nil
		}
	}
	return []value{{path: "image", found: image}}
}

func privilegedValues(s subject) []value {
	if !s.c.Container.Config.Privileged {
		return nil
	}
	return []value{{path: "privileged", found: "true"}}
}

// foreign is the word for the namespace of a container that is not one of the host's own
// in the repo.
const foreign = "foreign"

// modes are the namespaces that a container shares.
func modes(key string, of func(*types.ContainerConfig) string) func(s subject) []value {
	return func(s subject) []value {
		mode := of(&s.c.Container.Config)
		if mode == "" {
			return nil
		}
		v := textValue(key, mode)
		// The engine takes a whole ID before a name.
		if owner, shares := strings.CutPrefix(mode, "container:"); shares && (!s.own[owner] || isID(owner)) {
			v.word = foreign
		}
		return []value{v}
	}
}

func isID(name string) bool {
	return len(name) == 64 && strings.Trim(name, "0123456789abcdef") == ""
}

func capabilityValues(s subject) []value {
	var all []value
	for i, name := range s.c.Container.Config.CapAdd {
		v := textValue(fmt.Sprintf("capAdd[%d]", i), capabilityName(name))
		v.found = name
		all = append(all, v)
	}
	return all
}

func capabilityName(name string) string { return strings.TrimPrefix(strings.ToUpper(name), "CAP_") }

func readCapability(text string) (pattern, string, string) {
	return capPattern{textPattern{newGlob(capabilityName(text))}}, "", ""
}

// The words for users. A container that names none has the image's, which may be root.
const (
	rootUser   = "root"
	imageUser  = "image"
	numberUser = "number"
)

func userValues(s subject) []value {
	// A user may come with a group here, where somebody wrote a record by hand.
	name, _, _ := strings.Cut(s.c.Container.Config.User, ":")
	v := textValue("user", name)
	n, err := strconv.Atoi(name)
	switch {
	case name == "":
		v.word, v.found, v.allow = imageUser, imageUser, imageUser
	case name == rootUser, err == nil && n == 0:
		v.text, v.word, v.allow = rootUser, rootUser, rootUser
	case err == nil:
		v.text, v.word, v.allow = strconv.Itoa(n), numberUser, strconv.Itoa(n)
	}
	return []value{v}
}

// readWords makes a reader of texts, some of which are words of the policy's own.
func readWords(words ...string) func(text string) (pattern, string, string) {
	return func(text string) (pattern, string, string) {
		if slices.Contains(words, text) {
			return wordPattern(text), "", ""
		}
		return readText(text)
	}
}

func mountValues(s subject) []value {
	own := map[string]bool{}
	for path := range s.c.ConfigFiles {
		own[joined(path)] = true
	}
	var all []value
	for i, m := range s.c.Container.Config.Mounts {
		// A config file is judged as that: what is in it the repo says anyway.
		if !strings.HasPrefix(m.Source, "/") || own[joined(m.Source)] {
			continue
		}
		v := value{path: fmt.Sprintf("mounts[%d]", i), parts: pathParts(m.Source), found: m.Source, allow: pathEntry(m.Source), readOnly: m.ReadOnly}
		if m.ReadOnly {
			v.allow += ":ro"
		}
		all = append(all, v)
	}
	return all
}

func joined(path string) string { return "/" + strings.Join(pathParts(path), "/") }

// pathEntry returns the entry for a path.
func pathEntry(path string) string {
	entry := escaped(joined(path))
	if strings.HasSuffix(entry, ":ro") {
		entry = strings.TrimSuffix(entry, ":ro") + `\:ro`
	}
	return entry
}

func readPath(text string) (pattern, string, string) {
	deep := 0
	for _, part := range strings.Split(text, "/") {
		if part == ".." {
			return nil, "has .. in it", "write the path in full"
		}
		if part == "**" {
			deep++
		}
	}
	switch {
	case deep > 2:
		return nil, "has ** in it more than twice", ""
	case !strings.HasPrefix(text, "/") && !strings.HasPrefix(text, "**/"):
		return nil, "is not absolute", "begin it with /, or with **/ for a name anywhere"
	}
	return newPathPattern(text), "", ""
}

func propagationValues(s subject) []value {
	var all []value
	for i, m := range s.c.Container.Config.Mounts {
		if m.Propagation != "" {
			all = append(all, textValue(fmt.Sprintf("mounts[%d]", i), m.Propagation))
		}
	}
	return all
}

func volumeValues(s subject) []value {
	var all []value
	for i, m := range s.c.Container.Config.Mounts {
		if m.Kind() == types.MountVolume && m.Source != "" && m.Source[0] != '/' {
			all = append(all, textValue(fmt.Sprintf("mounts[%d]", i), m.Source))
		}
	}
	return all
}

func portValues(s subject) []value {
	var all []value
	for i, p := range s.c.Container.Config.Ports {
		v := portValue(p)
		v.path = fmt.Sprintf("ports[%d]", i)
		all = append(all, v)
	}
	return all
}

func readPorts(text string) (pattern, string, string) {
	p, err := readPort(text)
	if err != nil {
		return nil, "is no port: " + err.Error(), `write "22", "1-1023/tcp", "127.0.0.1:*" or "0.0.0.0:*"`
	}
	return p, "", ""
}

// configFiles is the topic whose places the default profile names one by one.
const configFiles = "configFiles"

func configFileValues(s subject) []value {
	var all []value
	for _, path := range sortedKeys(s.c.ConfigFiles) {
		if s.isSecretFile(path) {
			continue
		}
		all = append(all, value{path: "configFiles." + path, parts: pathParts(path), found: path, allow: pathEntry(path)})
	}
	return all
}

// isSecretFile says whether a path is where gitsync keeps this container's secret files,
// and nothing else does.
func (s subject) isSecretFile(path string) bool {
	parts, dir := pathParts(path), pathParts(container.SecretDir)
	return len(parts) > len(dir)+2 && slices.Equal(parts[:len(dir)], dir) && parts[len(dir)+1] == s.c.Container.Config.Name
}

func labelValues(s subject) []value {
	var all []value
	for _, name := range sortedKeys(s.c.Container.Config.Labels) {
		all = append(all, textValue("labels."+name, name))
	}
	return all
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
