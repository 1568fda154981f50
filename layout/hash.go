package layout

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strings"
)

// hasher is a file system that knows the hash of each of its directories.
type hasher interface {
	TreeHash(path string) (string, error)
}

// hostHash returns the hash of a host's directory; it is empty when the file system
// knows none.
func hostHash(fsys fs.FS, name string) (string, error) {
	h, ok := fsys.(hasher)
	if !ok {
		return "", nil
	}
	hash, err := h.TreeHash(path.Join(hostsDir, name))
	if err != nil {
		return "", fmt.Errorf("look up the tree of host %s: %w", name, err)
	}
	return hash, nil
}

// groupHash returns the hash of a group's directory; it is empty when there is none.
func (s *source) groupHash(name string) (string, error) {
	h, ok := s.fsys.(hasher)
	if !ok || !hostName.MatchString(name) {
		return "", nil
	}
	if hash, known := s.hashes[name]; known {
		return hash, nil
	}
	hash, err := h.TreeHash(path.Join(groupsDir, name))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("look up the tree of group %s: %w", name, err)
	}
	s.hashes[name] = hash
	return hash, nil
}

// hasGroups says whether the groups have the hashes that are remembered.
func (s *source) hasGroups(remembered map[string]string) (bool, error) {
	for name, before := range remembered {
		if hash, err := s.groupHash(name); err != nil || hash != before {
			return false, err
		}
	}
	return true, nil
}

// combined returns the hash of a host and of the groups that it names, in that order.
func combined(own string, names []string, groups map[string]string) string {
	if len(names) == 0 || own == "" {
		return own
	}
	text := own
	for _, name := range names {
		text += "\n" + name + " " + groups[name]
	}
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:])
}

// groupNames returns the names of the groups that the host names.
func (l *loaded) groupNames() []string {
	var names []string
	for _, g := range l.reach.groups {
		names = append(names, g.name)
	}
	return names
}

// Tree returns what [Host.Tree] is in a tree for a host that names these groups. It is
// empty when the file system knows no hashes. The error wraps [fs.ErrNotExist] when
// there is no such host.
func Tree(fsys fs.FS, host string, groups []string) (string, error) {
	own, err := hostHash(fsys, host)
	if err != nil {
		return "", err
	}
	s := newSource(fsys)
	hashes := map[string]string{}
	for _, name := range groups {
		if hashes[name], err = s.groupHash(name); err != nil {
			return "", err
		}
	}
	return combined(own, groups, hashes), nil
}

// Trees returns what [Host.Tree] is for each of the hosts, of which it reads no more
// than host.yaml. Hosts that are not there are left out.
func (l *Loader) Trees(ctx context.Context, fsys fs.FS, hosts []string) (map[string]string, error) {
	trees := make(map[string]string, len(hosts))
	s := newSource(fsys)
	for _, name := range hosts {
		if err := context.Cause(ctx); err != nil {
			return nil, fmt.Errorf("look up the trees of the hosts: %w", err)
		}
		own, err := hostHash(fsys, name)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		groups, err := l.groupsNamed(fsys, name, own)
		if err != nil {
			return nil, err
		}
		hashes := map[string]string{}
		for _, group := range groups {
			if hashes[group], err = s.groupHash(group); err != nil {
				return nil, err
			}
		}
		trees[name] = combined(own, groups, hashes)
	}
	l.forget(hosts)
	return trees, nil
}

// groupsNamed returns the groups that a host names, from memory where its directory is
// known.
func (l *Loader) groupsNamed(fsys fs.FS, name, own string) ([]string, error) {
	if known := l.knownHost(name, own); known != nil {
		return known.groupNames(), nil
	}
	l.mu.Lock()
	known, ok := l.named[name]
	l.mu.Unlock()
	if ok && own != "" && known.own == own {
		return known.groups, nil
	}
	dir := newDirectory(fsys, path.Join(hostsDir, name))
	d := &decoder{file: path.Join(dir.root, hostFile)}
	data, err := readYAML(dir, d, hostFile, false)
	var u *unusable
	if err != nil && !errors.As(err, &u) {
		return nil, err
	}
	host := &loaded{}
	if data != nil {
		host.reach = decodeHostFile(d, data, name)
	}
	known = namedGroups{own, host.groupNames()}
	l.mu.Lock()
	l.named[name] = known
	l.mu.Unlock()
	return known.groups, nil
}

// forget drops the hosts that are no longer there.
func (l *Loader) forget(hosts []string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.named) <= 2*len(hosts) {
		return
	}
	there := make(map[string]bool, len(hosts))
	for _, name := range hosts {
		there[name] = true
	}
	maps.DeleteFunc(l.named, func(name string, _ namedGroups) bool { return !there[name] })
}

// unnamedGroups returns the mistakes in the groups that no host names, from memory
// when neither the groups nor who names them changed.
func (l *Loader) unnamedGroups(s *source, hosts []*loaded) (Mistakes, error) {
	named := map[string]bool{}
	for _, h := range hosts {
		for _, g := range h.reach.groups {
			named[g.name] = true
		}
	}
	key := ""
	if h, ok := s.fsys.(hasher); ok {
		hash, err := h.TreeHash(groupsDir)
		if errors.Is(err, fs.ErrNotExist) {
			return nil, nil
		}
		if err != nil {
			return nil, fmt.Errorf("look up the tree of %s/: %w", groupsDir, err)
		}
		var names []string
		for name := range named {
			names = append(names, name)
		}
		slices.Sort(names)
		key = hash + " " + strings.Join(names, " ")
	}
	l.mu.Lock()
	known := l.unnamed
	l.mu.Unlock()
	if key != "" && known.key == key {
		return known.mistakes, nil
	}
	mistakes, err := s.unnamed(named)
	if err != nil {
		return nil, err
	}
	l.mu.Lock()
	l.unnamed = remembered{key, mistakes}
	l.mu.Unlock()
	return mistakes, nil
}
