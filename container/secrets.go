package container

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/rs/zerolog"

	"github.com/gitsync/gitsync/container/types"
	"github.com/gitsync/gitsync/secret"
)

// Secrets open what containers refer to as ${secret.name}. A state holds the references;
// values are put in their places when a container is created, a config file written, or
// what is there compared.
type Secrets interface {
	// Version returns what stands for the value that Open returns now, and tells nothing
	// of it; empty when there is no such secret.
	Version(name string) string
	// Open returns values by their names. Its error names those that cannot be opened.
	Open(ctx context.Context, names []string) (map[string]string, error)
	// Redact returns a text without any value that was opened. One that has a method
	// RedactCut of the same kind is asked by that where a text was cut: it may begin or end
	// in the middle of a value.
	Redact(text string) string
}

// SecretDir is where files with secrets are on hosts: in memory. Below it each container
// has a directory, by the names of the host and the container.
const SecretDir = "/run/gitsync" //nolint:gosec // It is a directory.

// ErrNoSecrets means that a container refers to secrets, and nothing was given that opens
// them.
var ErrNoSecrets = errors.New("it refers to secrets, and there is nothing that opens them")

// templates calls f for each text that may refer to secrets, with its name in
// containers.yaml, and puts what f returns in its place.
func templates(c *types.ContainerConfig, f func(field, text string) string) {
	if len(c.Env) > 0 {
		c.Env = maps.Clone(c.Env)
		for _, key := range sortedKeys(c.Env) {
			c.Env[key] = f("env."+key, c.Env[key])
		}
	}
	list := func(field string, items *[]string) {
		*items = slices.Clone(*items)
		for i, item := range *items {
			(*items)[i] = f(field, item)
		}
	}
	list("args", &c.Args)
	list("entrypoint", &c.Entrypoint)
	if c.Healthcheck != nil {
		check := *c.Healthcheck
		list("healthcheck", &check.Test)
		c.Healthcheck = &check
	}
}

// MapTexts calls f for each text of the container that may refer to secrets, with the
// field of containers.yaml that it is in, such as env.PASSWORD or
// configFiles./etc/web.conf, and puts what f returns in its place. Maps and slices are
// replaced, not changed.
func (m *HostConfiguredContainer) MapTexts(f func(field, text string) string) {
	templates(&m.Container.Config, f)
	if len(m.ConfigFiles) == 0 {
		return
	}
	m.ConfigFiles = maps.Clone(m.ConfigFiles)
	for _, path := range sortedKeys(m.ConfigFiles) {
		m.ConfigFiles[path] = f("configFiles."+path, m.ConfigFiles[path])
	}
}

// SecretUses says, by the name of each secret that the container refers to, in which
// fields.
func (m *HostConfiguredContainer) SecretUses() map[string][]string {
	uses := map[string][]string{}
	c := *m
	c.MapTexts(func(field, text string) string {
		for _, name := range secret.Names(text) {
			if !slices.Contains(uses[name], field) {
				uses[name] = append(uses[name], field)
			}
		}
		return text
	})
	return uses
}

// specSecrets are the versions of the secrets that are part of the spec: not those that
// only config files use that do not re-create the container.
func (m *HostConfiguredContainer) specSecrets() map[string]string {
	if len(m.Secrets) == 0 {
		return nil
	}
	versions := map[string]string{}
	for name, fields := range m.SecretUses() {
		for _, field := range fields {
			path, isFile := strings.CutPrefix(field, "configFiles.")
			if !isFile || m.onChange(path) == OnChangeRecreate {
				versions[name] = m.Secrets[name]
			}
		}
	}
	return versions
}

// fileVersion tells two contents of a config file apart, by the secrets in it too.
func (m *HostConfiguredContainer) fileVersion(path string) string {
	content := m.ConfigFiles[path]
	if len(m.Secrets) == 0 {
		return content
	}
	for _, name := range secret.Names(content) {
		content += "\x00" + name + "\x00" + m.Secrets[name]
	}
	return content
}

// secretCauses says which secrets changed, and what uses them.
func secretCauses(from, to *HostConfiguredContainer) []Cause {
	was, is := from.specSecrets(), to.specSecrets()
	var causes []Cause
	uses := to.SecretUses()
	for _, name := range sortedKeys(is) {
		if before, known := was[name]; known && before != is[name] {
			causes = append(causes, cause("secrets."+name, "secret %s changed (used by %s)", name, places(uses[name])))
		}
	}
	return causes
}

// places names fields for people: secret files by where the container has them.
func places(fields []string) string {
	var names []string
	for _, field := range fields {
		if inDir, ok := strings.CutPrefix(field, "configFiles."+SecretDir+"/"); ok {
			// Below it are the host's name, the container's, and the path in the container.
			if parts := strings.SplitN(inDir, "/", 3); len(parts) == 3 {
				field = "secretFiles./" + parts[2]
			}
		}
		names = append(names, field)
	}
	return strings.Join(names, ", ")
}

// open returns the container with the values in the place of the references: the
// container itself when there are none.
func (m *machine) open(ctx context.Context, c *HostConfiguredContainer) (*HostConfiguredContainer, error) {
	if c == nil || len(c.Secrets) == 0 {
		return c, nil
	}
	if m.secrets == nil {
		return nil, ErrNoSecrets
	}
	values, err := m.secrets.Open(ctx, sortedKeys(c.Secrets))
	if err != nil {
		return nil, err
	}
	opened := c.clone()
	var errs []error
	expand := func(field, text string) string {
		expanded, err := secret.Expand(text, values)
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", field, err))
		}
		return expanded
	}
	opened.MapTexts(expand)
	return opened, errors.Join(errs...)
}

// redact returns an error without secrets, which is one as the given one is.
func (m *machine) redact(err error) error {
	if err == nil || m.secrets == nil {
		return err
	}
	if text := m.secrets.Redact(err.Error()); text != err.Error() {
		return &redacted{text, err}
	}
	return err
}

// redacted is an error whose text held a secret.
type redacted struct {
	text string
	err  error
}

func (r *redacted) Error() string { return r.text }
func (r *redacted) Unwrap() error { return r.err }

// redactReport takes secrets out of what a container said.
func (m *machine) redactReport(r Report) Report {
	if m.secrets == nil {
		return r
	}
	r.HealthLog = slices.Clone(r.HealthLog)
	for i := range r.HealthLog {
		r.HealthLog[i].Output = m.redactCut(r.HealthLog[i].Output)
	}
	// A secret of several lines is one text.
	if len(r.LastLines) > 0 {
		r.LastLines = strings.Split(m.redactCut(strings.Join(r.LastLines, "\n")), "\n")
	}
	return r
}

// redactCut takes secrets out of a text that somebody cut: runtimes keep and return no more
// than so much of what a container said.
func (m *machine) redactCut(text string) string {
	if secrets, ok := m.secrets.(interface{ RedactCut(text string) string }); ok {
		return secrets.RedactCut(text)
	}
	return m.secrets.Redact(text)
}

// seal puts the references back in the place of the values that a look found, so that
// nothing after it sees a value, and desired and found can be compared. What cannot be
// compared, since a secret cannot be opened or is not the deployed one any more, is taken
// to be right.
func (m *machine) seal(ctx context.Context) {
	for _, key := range sortedKeys(m.desired) {
		desired := m.desired[key]
		if len(desired.Secrets) == 0 {
			continue
		}
		facts, looked := m.current.Facts[key]
		_, read := m.readFile(desired)
		if !looked && !read {
			continue
		}
		values := m.valuesFor(ctx, desired)
		if looked {
			sealFacts(&facts, desired, values)
			m.current.Facts[key] = facts
		}
		m.sealFiles(desired, values)
	}
	m.hideFormer()
}

// hideFormer hides what is in config files that held a secret by the record, and hold none
// by the repo: it may still be there.
func (m *machine) hideFormer() {
	for key, previous := range m.previous {
		desired := m.desired[key]
		if desired == nil {
			continue
		}
		for path, template := range previous.ConfigFiles {
			file, want := m.current.Files[path], desired.ConfigFiles[path]
			if file == nil || !secret.Refers(template) || secret.Refers(want) && len(desired.Secrets) > 0 || file.Content == want {
				continue
			}
			copied := *file
			copied.Content = hidden(file.Content)
			m.current.Files[path] = &copied
		}
	}
}

// hidden stands for a content of which only the length may be told.
func hidden(content string) string { return strings.Repeat("*", len(content)) }

// readFile says whether one of the container's config files was read.
func (m *machine) readFile(c *HostConfiguredContainer) (path string, read bool) {
	for path := range c.ConfigFiles {
		if _, read := m.current.Files[path]; read {
			return path, true
		}
	}
	return "", false
}

// valuesFor returns the values that the container was deployed with, as far as they are
// known.
func (m *machine) valuesFor(ctx context.Context, c *HostConfiguredContainer) map[string]string {
	if m.secrets == nil {
		return nil
	}
	var names []string
	for _, name := range sortedKeys(c.Secrets) {
		if c.Secrets[name] != "" && m.secrets.Version(name) == c.Secrets[name] {
			names = append(names, name)
		}
	}
	if len(names) == 0 {
		return nil
	}
	values, err := m.secrets.Open(ctx, names)
	if err != nil {
		m.logSealed(ctx, c, err)
		return nil
	}
	return values
}

// sealed returns the reference for a found text that is its value, or may be.
func sealed(template, found string, values map[string]string) string {
	if !secret.Refers(template) {
		return found
	}
	if want, err := secret.Expand(template, values); err != nil || want == found {
		return template
	}
	return found
}

func sealFacts(facts *types.ContainerFacts, desired *HostConfiguredContainer, values map[string]string) {
	want := desired.Container.Config
	lists := map[string][]string{"args": want.Args, "entrypoint": want.Entrypoint}
	if want.Healthcheck != nil {
		lists["healthcheck"] = want.Healthcheck.Test
	}
	next := map[string]int{}
	templates(&facts.Config, func(field, found string) string {
		if key, isEnv := strings.CutPrefix(field, "env."); isEnv {
			return sealed(want.Env[key], found, values)
		}
		i := next[field]
		next[field]++
		if i >= len(lists[field]) {
			return found
		}
		return sealed(lists[field][i], found, values)
	})
}

func (m *machine) sealFiles(desired *HostConfiguredContainer, values map[string]string) {
	for path, template := range desired.ConfigFiles {
		file := m.current.Files[path]
		if file == nil || !secret.Refers(template) {
			continue
		}
		copied := *file
		if copied.Content = sealed(template, file.Content, values); copied.Content != template {
			// It may be an older value: only that it differs may go on from here.
			copied.Content = hidden(file.Content)
		}
		m.current.Files[path] = &copied
	}
}

// logSealed tells that a container cannot be compared in what refers to secrets.
func (m *machine) logSealed(ctx context.Context, c *HostConfiguredContainer, err error) {
	zerolog.Ctx(ctx).Warn().Err(m.redact(err)).Str("host", m.name).Str("container", c.Container.Config.Name).
		Msg("secrets: what refers to them is not compared with what is there")
}
