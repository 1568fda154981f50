package layout

import (
	"fmt"
	"path"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/gitsync/gitsync/container"
	"github.com/gitsync/gitsync/container/types"
	"github.com/gitsync/gitsync/secret"
)

const (
	secretsFile = "secrets.yaml"
	// ageSuffix marks a file that age encrypted.
	ageSuffix = ".age"
	// secretFileMode is for their owner alone, who need not change them.
	secretFileMode = 0o400
)

// decodeSecretFiles reads the files that a container gets with secrets in them, by their
// paths in the container. Each becomes a config file in the host's memory, and a mount.
func decodeSecretFiles(d *decoder, what string, n *yaml.Node, e *entry) {
	var files entry
	decodeConfigFiles(d, what, n, &files)
	for _, f := range files.files {
		target := f.path
		if f.attributes.OnChange != "" {
			d.badAt(f.at, "leave it out", "secret file %s: a container whose secret changes is always replaced", quoted(target))
		}
		f.attributes.OnChange = container.OnChangeRecreate
		if f.attributes.Mode == 0 {
			f.attributes.Mode = secretFileMode
		}
		if f.attributes.Mode&0o007 != 0 {
			d.badAt(f.at, `write mode: "0400", or "0440" with a group`, "secret file %s has mode %04o, so that everybody on the host could read it", quoted(target), f.attributes.Mode)
		}
		f.path = path.Join(container.SecretDir, d.host, e.config.Name, target)
		e.files = append(e.files, f)
		e.config.Mounts = append(e.config.Mounts, types.Mount{Type: types.MountBind, Source: f.path, Target: target, ReadOnly: true})
		e.mountsAt = append(e.mountsAt, f.at)
	}
}

// reserved says whether a path of the host is for secret files alone.
func reserved(hostPath string) bool {
	clean := strings.TrimPrefix(path.Clean(hostPath), "/var")
	return clean == container.SecretDir || strings.HasPrefix(clean, container.SecretDir+"/")
}

// readSecrets reads the encrypted files of the host and its groups: the host's own entry
// stands in for a group's.
func (l *loaded) readSecrets(groups []*group, dir *directory) error {
	for _, g := range groups {
		if err := l.readSecretsOf(g.dir); err != nil {
			return err
		}
	}
	return l.readSecretsOf(dir)
}

func (l *loaded) readSecretsOf(dir *directory) error {
	file := path.Join(dir.root, secretsFile)
	d := &decoder{file: file}
	data, err := readYAML(dir, d, secretsFile, false)
	if err != nil {
		return err
	}
	if l.secretMistakes = append(l.secretMistakes, d.mistakes...); data == nil {
		return nil
	}
	l.bytes += len(data)
	entries, mistakes := secret.ParseSOPS(data)
	for _, m := range mistakes {
		l.secretMistakes = append(l.secretMistakes, Mistake{File: file, Line: m.Line, Column: m.Column, Message: m.Message, Hint: m.Hint})
	}
	l.sealed.AddSOPS(file, data, entries)
	return nil
}

// seal makes a file that age encrypted one of the host's secrets, and its content a
// reference to that.
func (l *loaded) seal(f *configFile, dir *directory, d *decoder) {
	if !strings.HasSuffix(f.source, ageSuffix) || f.content == "" {
		return
	}
	name := path.Join(dir.root, f.source)
	if !secret.IsAge([]byte(f.content)) {
		d.badAt(f.sourceAt, "encrypt it: age -r age1… -o "+path.Base(name)+" …; what was pushed in clear text must be changed where it is used",
			"%s is not encrypted by age, as its name says", quoted(f.source))
		return
	}
	l.sealed.AddFile(name, []byte(f.content))
	f.content, f.isSealed = secret.FileReference(name), true
}

// withSecrets are the keys whose values may refer to secrets.
var withSecrets = []string{"env", "args", "entrypoint", "healthcheck", "configFiles", "secretFiles"}

// checkSecrets looks for references to secrets where there can be none, and for those that
// are not defined.
func (l *loaded) checkSecrets(d, settings *decoder, merged *yaml.Node, external []string) {
	c := &secretCheck{decoder: d, loaded: l, names: slices.Concat(l.sealed.Names(), external), known: map[string]bool{}}
	for _, name := range c.names {
		c.known[name] = true
	}
	for _, name := range l.sealed.Names() {
		if slices.Contains(external, name) {
			l.secretMistakes = append(l.secretMistakes, Mistake{File: l.sealed.Entries[name].File,
				Message: fmt.Sprintf("secret %s is here, and in the agent's own configuration too", name), Hint: "rename one of them"})
		}
	}
	for _, r := range settings.references {
		c.text(r.at, r.text)
	}
	if merged != nil {
		for _, p := range d.keys(merged) {
			for _, field := range d.keys(p.value) {
				c.field(field)
			}
		}
	}
	for _, e := range l.entries {
		for i := range e.files {
			if f := &e.files[i]; f.source != "" && !f.isSealed {
				c.text(f.sourceAt, f.content)
			}
		}
		l.settle(e)
	}
}

// referenceAt is a text that refers to secrets, and where it is.
type referenceAt struct {
	text string
	at   position
}

// secretCheck walks the values of one host.
type secretCheck struct {
	*decoder
	loaded *loaded
	// names are those of the secrets that the host may use, and known holds them.
	names []string
	known map[string]bool
}

// field checks one key of a container, in the short form or the long one.
func (c *secretCheck) field(p pair) {
	switch {
	case p.key.Value == "container" || p.key.Value == "config":
		for _, inner := range c.keys(p.value) {
			c.field(inner)
		}
	case slices.Contains(withSecrets, p.key.Value):
		c.walk(p.value, func(n *yaml.Node) { c.text(c.at(n), n.Value) })
	default:
		c.walk(p.value, func(n *yaml.Node) {
			if len(secret.Names(n.Value)) > 0 {
				c.bad(n, "secrets can be in "+strings.Join(withSecrets, ", "), "there are no secrets in %s, which everybody sees", p.key.Value)
			}
		})
	}
}

// walk calls f for all values below and with n, and reports references in keys.
func (c *secretCheck) walk(n *yaml.Node, f func(*yaml.Node)) {
	n = resolve(n)
	switch n.Kind {
	case yaml.ScalarNode:
		f(n)
	case yaml.MappingNode:
		for _, p := range c.keys(n) {
			if secret.Refers(p.key.Value) {
				c.bad(p.key, "write the key as it is", "%s: there are no secrets in keys", quoted(p.key.Value))
			}
			c.walk(p.value, f)
		}
	default:
		for _, child := range n.Content {
			c.walk(child, f)
		}
	}
}

// text checks the references in one text.
func (c *secretCheck) text(at position, text string) {
	if unclosed := secret.Open(text); unclosed != "" {
		c.badAt(at, "write ${secret.name}, or $${ for the text itself", "%s is not closed", quoted(unclosed))
	}
	for _, name := range secret.Names(text) {
		if c.known[name] || c.full() {
			continue
		}
		hint := fmt.Sprintf("add it: sops edit %s/%s/%s; write $${ for the text itself", hostsDir, c.loaded.name, secretsFile)
		g := c.guess(name, c.names, func(best string) string { return fmt.Sprintf("did you mean ${secret.%s}?", best) })
		c.unknown(at, g, hint, "secret %s is not defined for host %s", quoted(name), c.loaded.name)
	}
}

// settle writes down which secrets a container uses. In one that uses none the escaped
// references become the texts that they stand for.
func (l *loaded) settle(e *entry) {
	uses := l.container(e).SecretUses()
	if len(uses) == 0 {
		c := l.container(e)
		c.MapTexts(func(_, text string) string { return secret.Unescape(text) })
		e.config = c.Container.Config
		for i := range e.files {
			e.files[i].content = c.ConfigFiles[e.files[i].path]
		}
		return
	}
	e.secrets = map[string]string{}
	for name := range uses {
		e.secrets[name] = l.sealed.Entries[name].Digest
	}
}
