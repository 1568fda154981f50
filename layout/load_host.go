package layout

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/gitsync/gitsync/container"
	"github.com/gitsync/gitsync/secret"
)

const (
	hostsDir       = "hosts"
	groupsDir      = "groups"
	containersFile = "containers.yaml"
	hostFile       = "host.yaml"
)

// loaded is a host as its directory has it, whatever the others are.
type loaded struct {
	name string
	// own is the hash of the host's directory, and groups those of the groups that it
	// names, by their names.
	own      string
	groups   map[string]string
	reach    reach
	entries  []*entry
	mistakes Mistakes
	// warnings keep nothing from being deployed.
	warnings Mistakes
	// former are objections that are mistakes or warnings, by what is deployed.
	former []former
	merged *Merged
	// desired are its containers in the form that callers get, once it is known to have no
	// mistakes of its own: all loads share them.
	desired container.ContainersState
	// decoder is the one of containers.yaml, as long as the host is loaded.
	decoder *decoder
	// bytes is how large its files are, and those of its groups.
	bytes int
	// values is how many values they hold.
	values int
	// sealed are the secrets, and secretMistakes what is wrong with their files.
	sealed         secret.Sealed
	secretMistakes Mistakes
}

// loadHost reads the directory of one host. The error is not nil when something
// could not be read; what a person has to correct is in the result.
func (s *source) loadHost(name string) (*loaded, error) {
	dir := s.directory(path.Join(hostsDir, name))
	l := &loaded{name: name, reach: reach{}.withDefaults()}
	s.work.begin()
	err := l.read(s, dir)
	if stopped := s.work.err(); stopped != nil {
		return nil, stopped
	}
	var u *unusable
	if errors.As(err, &u) {
		l.mistakes = append(l.mistakes, Mistake{File: dir.root, Message: u.message, Hint: u.hint})
		err = nil
	}
	if err != nil {
		return nil, err
	}
	if len(l.mistakes) == 0 {
		l.mistakes = l.checkDomain(dir.root)
	}
	l.mistakes = append(l.mistakes, l.objections(s.checks)...)
	l.mistakes = l.mistakes.tidy()
	if len(l.mistakes) == 0 {
		l.desired = l.containers()
	}
	return l, nil
}

func (l *loaded) read(s *source, dir *directory) error {
	if _, err := dir.list("."); err != nil {
		return err
	}
	settings := &decoder{file: path.Join(dir.root, hostFile), work: s.work}
	data, err := readYAML(dir, settings, hostFile, false)
	if err != nil {
		return err
	}
	if data != nil {
		l.reach = decodeHostFile(settings, data, l.name)
	}
	d := &decoder{file: path.Join(dir.root, containersFile), host: l.name, work: s.work}
	l.decoder = d
	dirs, root, err := l.readContainers(s, dir, settings, d)
	if err != nil {
		return err
	}
	if err := l.readFiles(dirs, d); err != nil {
		return err
	}
	if !d.partial {
		l.checkSecrets(d, settings, root, s.external(l.name))
	}
	for _, e := range l.entries {
		if len(settings.mistakes) == 0 {
			e.long.compare(d, l.reach)
		}
	}
	if !d.partial {
		l.checkOrder(d)
	}
	l.mistakes = slices.Concat(settings.mistakes, d.mistakes, l.secretMistakes)
	l.warnings = d.warnings
	used := map[string]bool{}
	for _, e := range l.entries {
		for _, f := range e.files {
			used[f.source] = true
		}
	}
	l.mistakes = append(l.mistakes, dir.strayFiles(func(name string) bool { return used[name] }, containersFile, hostFile, secretsFile)...)
	l.mistakes = append(l.mistakes, l.ownClashes(d.file)...)
	return nil
}

// readContainers reads containers.yaml, the host's and those of its groups, and merges
// them. It returns the directories that they are in, by their paths, and the merged
// mapping of containers, nil when there is none.
func (l *loaded) readContainers(s *source, dir *directory, settings, d *decoder) (dirs map[string]*directory, merged *yaml.Node, err error) {
	dirs = map[string]*directory{dir.root: dir}
	groups, err := s.groupsOf(settings, l.reach.groups)
	if err != nil {
		return nil, nil, err
	}
	if err := l.readSecrets(groups, dir); err != nil {
		return nil, nil, err
	}
	data, err := readYAML(dir, d, containersFile, len(l.reach.groups) == 0)
	if err != nil {
		return nil, nil, err
	}
	sub := &substitution{decoder: d, host: l.name, vars: l.reach.variables()}
	l.bytes += len(data)
	defer func() { l.bytes, l.values = l.bytes+sub.grown, l.values+d.size }()
	var own *yaml.Node
	if data != nil {
		if root, ok := d.parse(data); ok {
			if own = containersOf(d, root, d.file); own != nil {
				sub.run(root)
			}
		}
	}
	d.partial = len(groups) < len(l.reach.groups)
	m := newMerger(d)
	size := d.size
	for _, g := range groups {
		if size += g.size; size > MaxYAMLNodes {
			d.badAt(position{line: 1, column: 1}, "name fewer groups", "the host and its groups hold more than %d values", MaxYAMLNodes)
			return dirs, nil, nil
		}
		dirs[g.dir.root] = g.dir
		l.bytes, l.values = l.bytes+g.bytes, l.values+g.size
		root := m.copyOf(g.root, g.file(), map[*yaml.Node]*yaml.Node{})
		sub.run(root)
		merged = m.lay(merged, containersOf(&decoder{file: g.file()}, root, g.file()))
		if merged != nil && len(merged.Content)/2 > MaxContainers {
			break // which is the mistake, and there is no need to merge more
		}
	}
	if merged = m.lay(merged, own); merged != nil {
		l.entries = decodeEntries(d, merged)
	}
	if s.keep && merged != nil {
		l.merged = &Merged{merger: m, root: merged, vars: l.reach.vars, entries: l.entries}
	}
	return dirs, merged, nil
}

// readYAML returns the content of a YAML file of the host's directory, which is
// nil when there is none, or when it cannot be used.
func readYAML(dir *directory, d *decoder, name string, required bool) ([]byte, error) {
	entry, err := dir.find(name)
	if err != nil {
		return nil, err
	}
	if entry == nil && !required {
		return nil, nil
	}
	data, err := dir.read(name, MaxYAMLBytes)
	var u *unusable
	if errors.As(err, &u) {
		hint := u.hint
		if entry == nil {
			hint = "write containers: {} into it for a host without containers; remove the directory to give the host up"
			if strings.HasPrefix(dir.root, groupsDir+"/") {
				hint = "write the containers that the group's hosts share"
			}
		}
		mistake := Mistake{File: d.file, Message: u.message, Hint: hint}
		if u.within {
			mistake.Line, mistake.Column = 1, 1
		}
		d.mistakes = append(d.mistakes, mistake)
		return nil, nil
	}
	return data, err
}

// readFiles fills in the content of the config files that are in the directories of
// the host and its groups, and checks how much there is of all.
func (l *loaded) readFiles(dirs map[string]*directory, d *decoder) error {
	total := 0
	for _, e := range l.entries {
		for i := range e.files {
			f := &e.files[i]
			if d.over() {
				return nil
			}
			dir := dirs[path.Dir(cmp.Or(f.sourceAt.file, d.file))]
			if err := f.read(dir, d); err != nil {
				return err
			}
			if len(f.content) > MaxFileBytes {
				d.badAt(f.at, "make it smaller", "config file %s has more than %d bytes", quoted(f.path), MaxFileBytes)
			}
			l.bytes, total = l.bytes+len(f.content), total+len(f.content)
			l.seal(f, dir, d)
			if total > MaxFilesBytes {
				d.badAt(f.at, "put large files into an image or a volume", "the config files of the host have more than %d bytes in all", MaxFilesBytes)
				return nil
			}
		}
	}
	return nil
}

// read fills in the content of a config file that is not inline.
func (f *configFile) read(dir *directory, d *decoder) error {
	if f.source == "" {
		return nil
	}
	content, err := dir.text(f.source)
	var u *unusable
	if errors.As(err, &u) {
		g := d.guess(f.source, u.among, func(best string) string { return fmt.Sprintf("did you mean %q?", best) })
		d.unknown(f.sourceAt, g, u.hint, "%s", u.message)
		return nil
	}
	f.content = content
	return err
}

// strayFiles finds YAML files that nothing reads: most likely a slip of the hand
// in the name of one that matters, such as host.yml.
func (t *directory) strayFiles(used func(name string) bool, known ...string) Mistakes {
	var stray Mistakes
	looked := 0
	for _, entry := range t.listings["."] {
		name := entry.Name()
		isYAML := strings.HasSuffix(name, ".yaml") || strings.HasSuffix(name, ".yml")
		if !isYAML || slices.Contains(known, name) || strings.HasPrefix(name, ".") {
			continue
		}
		if looked++; looked > maxStray {
			break
		}
		if used(name) {
			continue
		}
		hint := "put config files into files/"
		if best := nearest(strings.TrimSuffix(name, path.Ext(name))+".yaml", known); best != "" {
			hint = fmt.Sprintf("did you mean %s?", best)
		}
		stray = append(stray, Mistake{File: printable(path.Join(t.root, name)), Message: "nothing reads this file", Hint: hint})
	}
	return stray
}

// checkDomain asks the container library for what this package did not find.
func (l *loaded) checkDomain(root string) Mistakes {
	var found Mistakes
	for _, e := range l.entries {
		if err := l.container(e).Validate(); err != nil {
			message := strings.ReplaceAll(err.Error(), "\n", "; ")
			found = append(found, e.at.mistake(path.Join(root, containersFile), "", message))
		}
	}
	return found
}

// container returns the container in the library's form. Its maps and slices are
// those of the entry; its structs are new.
func (l *loaded) container(e *entry) *container.HostConfiguredContainer {
	c := &container.HostConfiguredContainer{
		Container: container.Container{Config: e.config, Runtime: l.reach.runtime()},
		Host:      l.reach.way(), Drift: driftPolicy(e.drift, l.reach.drift.policy),
		OneShot: e.oneShot, Secrets: maps.Clone(e.secrets), PreDeploy: e.preDeploy, Protect: e.protect,
	}
	if e.update != nil {
		update := *e.update
		c.Update = &update
	}
	for _, dep := range e.dependsOn {
		if c.DependsOn == nil {
			c.DependsOn = map[string]container.Condition{}
		}
		c.DependsOn[dep.on] = dep.condition
	}
	for _, f := range e.files {
		if c.ConfigFiles == nil {
			c.ConfigFiles = map[string]string{}
			c.ConfigFileAttributes = map[string]container.FileAttributes{}
		}
		c.ConfigFiles[f.path] = f.content
		if f.attributes != (container.FileAttributes{}) {
			c.ConfigFileAttributes[f.path] = f.attributes
		}
	}
	return c
}

// containers returns all containers in the library's form. How the machine is reached they
// share: there may be thousands.
func (l *loaded) containers() container.ContainersState {
	containers := make(container.ContainersState, len(l.entries))
	way, runtime := l.reach.way(), l.reach.runtime()
	for _, e := range l.entries {
		c := l.container(e)
		c.Host, c.Container.Runtime = way, runtime
		containers[c.Container.Config.Name] = c
	}
	return containers
}

// host returns the host in the form that callers get.
func (l *loaded) host(localDocker string) Host {
	h := Host{
		Name: l.name, Tree: combined(l.own, l.groupNames(), l.groups), Groups: l.groupNames(), Host: l.reach.way(), Runtime: l.reach.runtime(),
		Containers: l.desired, Endpoint: l.reach.endpoint(l.name, localDocker), Agent: l.reach.agent,
		Parallelism: l.reach.parallelism, Merged: l.merged, Sealed: &l.sealed,
		Drift: driftPolicy(nil, l.reach.drift.policy), DriftInterval: l.reach.drift.interval,
		Registries: maps.Clone(l.reach.registries),
	}
	if h.Containers == nil {
		h.Containers = l.containers()
	}
	return h
}
