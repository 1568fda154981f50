package layout

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// group is a directory of groups/, as it is before a host names it.
type group struct {
	name string
	dir  *directory
	// root is the root of its containers.yaml; nil when that cannot be used.
	root     *yaml.Node
	size     int
	bytes    int
	mistakes Mistakes
	// variables says that a value may hold a variable.
	variables bool
}

// file is the path of the group's containers.yaml.
func (g *group) file() string { return path.Join(g.dir.root, containersFile) }

// source is a tree while its hosts are being loaded. It reads each group once.
type source struct {
	fsys   fs.FS
	groups map[string]*group
	// size is the number of values in them.
	size int
	// listed are the entries of groups/, nil before they are read.
	listed []fs.DirEntry
	isRead bool
	hashes map[string]string
	// keep says that merged values are kept, with where they come from.
	keep bool
	// checks are asked about each host.
	checks []Check
	// externalNames are those of [Options].
	externalNames func(host string) []string
	attributes    *attributes
	// work is what the load may do; nil is without bounds.
	work *work
	// byName holds the groups that there are, and known their names, once they are listed.
	byName map[string]bool
	known  []string
}

// external returns the names of the secrets of the agent's own configuration.
func (s *source) external(host string) []string {
	if s.externalNames == nil {
		return nil
	}
	return s.externalNames(host)
}

func newSource(fsys fs.FS) *source {
	return &source{fsys: fsys, groups: map[string]*group{}, hashes: map[string]string{}, attributes: newAttributes(fsys)}
}

// entries returns what is in groups/, which need not be there.
func (s *source) entries() ([]fs.DirEntry, error) {
	if s.isRead {
		return s.listed, nil
	}
	root := newDirectory(s.fsys, ".")
	entry, err := root.find(groupsDir)
	if err != nil {
		return nil, err
	}
	s.isRead = true
	if entry == nil || !entry.IsDir() {
		return nil, nil
	}
	all, err := root.list(groupsDir)
	var u *unusable
	if err != nil && !errors.As(err, &u) {
		return nil, err
	}
	for _, e := range all {
		if !isBystander(e) {
			s.listed = append(s.listed, e)
		}
	}
	return s.listed, nil
}

// listNames lists the groups that there are, once.
func (s *source) listNames() error {
	if s.byName != nil {
		return nil
	}
	entries, err := s.entries()
	if err != nil {
		return err
	}
	s.byName = make(map[string]bool, len(entries))
	for _, e := range entries {
		if e.IsDir() && hostName.MatchString(e.Name()) {
			s.byName[e.Name()], s.known = true, append(s.known, e.Name())
		}
	}
	return nil
}

// group returns a group that there is, from memory when it was read before.
func (s *source) group(name string) (*group, error) {
	if g := s.groups[name]; g != nil {
		return g, nil
	}
	g := &group{name: name, dir: s.directory(path.Join(groupsDir, name))}
	defer s.work.apart()()
	d := &decoder{file: g.file(), work: s.work}
	data, err := readYAML(g.dir, d, containersFile, true)
	var u *unusable
	switch {
	case errors.As(err, &u):
		d.mistakes = append(d.mistakes, Mistake{File: g.dir.root, Message: u.message, Hint: u.hint})
	case err != nil:
		return nil, err
	case data != nil:
		if root, ok := d.parse(data); ok && containersOf(d, root, d.file) != nil {
			g.root, g.size, g.bytes = root, d.size, len(data)
		}
	}
	if s.size += g.size; s.size > MaxGroupNodes {
		return nil, overLimit("load the repo: the files of all groups hold more than %d values: split the repo", MaxGroupNodes)
	}
	text := ""
	if g.root != nil {
		text = textOf(g.root)
	}
	g.variables = strings.Contains(text, "${")
	// They are repeated for each host that names the group.
	g.mistakes = slices.Concat(d.mistakes, g.dir.strayFiles(func(name string) bool {
		return g.variables || strings.Contains(text, name)
	}, containersFile, secretsFile)).tidy()
	s.groups[name] = g
	return g, nil
}

// namedGroup is a group as host.yaml names it.
type namedGroup struct {
	name string
	at   position
}

func decodeGroups(d *decoder, what string, n *yaml.Node, r *reach) {
	for _, item := range d.list(what, n) {
		name, ok := d.scalar("an item of "+what, item)
		item = resolve(item)
		if !ok {
			continue
		}
		if i := slices.IndexFunc(r.groups, func(g namedGroup) bool { return g.name == name }); i >= 0 {
			d.bad(item, "remove one of them", "group %s is already named in line %d", quoted(name), r.groups[i].at.line)
			continue
		}
		if r.groups = append(r.groups, namedGroup{name, d.at(item)}); len(r.groups) > MaxGroups {
			d.bad(item, "merge some of them", "the host names more than %d groups", MaxGroups)
			return
		}
	}
}

// groupsOf returns the groups that a host names, less those that are mistakes, which
// are recorded.
func (s *source) groupsOf(d *decoder, named []namedGroup) ([]*group, error) {
	var groups []*group
	for _, n := range named {
		if err := errors.Join(s.listNames(), s.work.err()); err != nil {
			return nil, err
		}
		if !s.byName[n.name] {
			g := d.guess(n.name, s.known, func(best string) string { return fmt.Sprintf("did you mean %q?", best) })
			d.unknown(n.at, g, "add groups/<group>/containers.yaml, or correct the name", "there is no group %s", quoted(n.name))
			continue
		}
		g, err := s.group(n.name)
		if err != nil {
			return nil, err
		}
		if !d.full() {
			d.mistakes = append(d.mistakes, g.mistakes...)
		}
		if g.root != nil {
			groups = append(groups, g)
		}
	}
	return groups, nil
}

// unnamed returns the mistakes in the groups that no host names, as far as they can be
// found without a host.
func (s *source) unnamed(named map[string]bool) (Mistakes, error) {
	entries, err := s.entries()
	if err != nil {
		return nil, err
	}
	var found Mistakes
	for _, e := range entries {
		if mistake := groupEntryMistake(e); mistake != nil {
			found = append(found, *mistake)
			continue
		}
		if named[e.Name()] {
			continue
		}
		g, err := s.group(e.Name())
		if err != nil {
			return nil, err
		}
		s.work.begin()
		mistakes, err := g.check(s.work)
		if stopped := s.work.err(); stopped != nil {
			return nil, stopped
		}
		if err != nil {
			return nil, err
		}
		found = append(found, mistakes...)
	}
	return found.tidy(), nil
}

// check returns the mistakes in a group for which no host was at hand.
func (g *group) check(w *work) (Mistakes, error) {
	if g.root == nil || g.variables {
		return g.mistakes, nil
	}
	d := &decoder{file: g.file(), partial: true, work: w}
	l := &loaded{entries: decodeEntries(d, containersOf(d, g.root, g.file()))}
	if err := l.readFiles(map[string]*directory{g.dir.root: g.dir}, d); err != nil {
		return nil, err
	}
	return slices.Concat(g.mistakes, d.mistakes), nil
}

// textOf returns all values below and with n.
func textOf(n *yaml.Node) string {
	var all strings.Builder
	var add func(n *yaml.Node)
	add = func(n *yaml.Node) {
		all.WriteString(n.Value + "\n")
		for _, child := range n.Content {
			add(child)
		}
	}
	add(n)
	return all.String()
}

// groupEntryMistake says why an entry of groups/ is no group.
func groupEntryMistake(e fs.DirEntry) *Mistake {
	file := printable(path.Join(groupsDir, e.Name()))
	switch {
	case !e.IsDir():
		return &Mistake{File: file, Message: fmt.Sprintf("%s is %s, and a group is a directory", quoted(e.Name()), describe(e.Type())),
			Hint: "write groups/<group>/containers.yaml"}
	case !hostName.MatchString(e.Name()):
		return &Mistake{File: file, Message: fmt.Sprintf("%s is no name for a group", quoted(e.Name())),
			Hint: "use at most 128 of a-z, A-Z, 0-9, _, . and -, beginning with a letter or digit"}
	}
	return nil
}
