package layout

import (
	"fmt"
	"io/fs"
	"path"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// configFileSchema lists the keys of a config file that is more than its content.
var configFileSchema = schema[configFile]{
	{key: "content", decode: decodeContent},
	{key: "file", decode: decodeSource, aka: []string{"source", "src", "path"}},
	{key: "mode", decode: decodeMode},
	{key: "user", decode: scalar(func(f *configFile) *string { return &f.attributes.User }, account), aka: []string{"owner", "uid"}},
	{key: "group", decode: scalar(func(f *configFile) *string { return &f.attributes.Group }, account), aka: []string{"gid"}},
	{key: "onChange", decode: decodeOnChange},
}

func decodeConfigFiles(d *decoder, what string, n *yaml.Node, e *entry) {
	for _, p := range d.pairs(what, n) {
		f := configFile{path: p.key.Value, at: d.at(p.key)}
		hostPath(d, p.key)
		name := "config file " + quoted(f.path)
		value := resolve(p.value)
		if value.Kind == yaml.MappingNode {
			configFileSchema.decode(d, name, value, &f)
			content, file := hasKey(d.keys(value), "content"), hasKey(d.keys(value), "file")
			if content == file {
				d.bad(p.key, "write content: … or file: files/…", "%s needs either content or file", name)
			}
		} else {
			decodeContent(d, name, value, &f)
		}
		e.files = append(e.files, f)
	}
}

// keys returns the entries of a mapping whose mistakes are already reported.
func (d *decoder) keys(n *yaml.Node) []pair {
	silent := decoder{file: d.file}
	return silent.pairs("", n)
}

// hostPath checks the path of a config file on the host.
func hostPath(d *decoder, n *yaml.Node) {
	problem, hint := absolutePath(n.Value)
	switch {
	case problem != "":
	case strings.HasSuffix(n.Value, "/"):
		problem, hint = "is a directory", "write the path of a file"
	case reserved(n.Value):
		problem, hint = "is where gitsync keeps secret files", "choose another path, or write it into secretFiles"
	case strings.Count(n.Value, "/") > MaxPathDepth:
		problem = fmt.Sprintf("is below more than %d directories", MaxPathDepth)
	case strings.ContainsAny(n.Value, "\n\r"):
		problem = "has a line break in it"
	}
	if problem != "" {
		d.bad(n, hint, "the config file's path %s %s", quoted(n.Value), problem)
	}
}

func decodeContent(d *decoder, what string, n *yaml.Node, f *configFile) {
	n = resolve(n)
	switch {
	case n.Kind != yaml.ScalarNode:
		d.bad(n, "write text, {content: …} or {file: files/…}", "%s must be text, not %s", what, kind(n))
	case n.ShortTag() == "!!null":
		d.bad(n, `write "" for an empty file`, "%s has no content", what)
	case n.ShortTag() == "!!int", n.ShortTag() == "!!float", n.ShortTag() == "!!bool":
		d.bad(n, "put it in quotes", "%s must be text, not %s", what, kind(n))
	default:
		f.content = n.Value
	}
}

// decodeSource takes a path inside the host's directory.
func decodeSource(d *decoder, what string, n *yaml.Node, f *configFile) {
	const form = "write a path such as files/web.conf"
	s, ok := d.text(what, n)
	if !ok {
		return
	}
	n = resolve(n)
	switch {
	case path.IsAbs(s):
		d.bad(n, form, "%s %s is absolute, and must be a path inside the host's directory", what, quoted(s))
	case s == ".." || strings.HasPrefix(path.Clean(s), "../"):
		d.bad(n, form, "%s %s leads out of the host's directory", what, quoted(s))
	case s == "." || !fs.ValidPath(s):
		d.bad(n, form, "%s %s is no clean path inside the host's directory", what, quoted(s))
	default:
		f.source, f.sourceAt = s, d.at(n)
	}
}

// decodeMode reads octal digits as chmod does, with or without quotes.
func decodeMode(d *decoder, what string, n *yaml.Node, f *configFile) {
	s, ok := d.scalar(what, n)
	if !ok {
		return
	}
	mode, err := strconv.ParseUint(strings.TrimPrefix(s, "0o"), 8, 16)
	if err != nil || mode == 0 || mode > 0o777 || len(s) < 3 {
		d.bad(resolve(n), `write octal digits as for chmod, such as "0644"`, "%s %s is no file mode from 0001 to 0777", what, quoted(s))
		return
	}
	f.attributes.Mode = int64(mode)
}
