package layout

import (
	"context"
	"fmt"
	"io/fs"
	"path"
	"slices"
	stdsync "sync"
)

// Options says what to load. The zero value loads everything.
type Options struct {
	// Hosts are the names of the hosts to load; empty means all. The others are
	// not read, so a clash with one of them is not found.
	Hosts []string
	// DockerHost is the Docker address of this machine, for hosts that give
	// none ($DOCKER_HOST, say). Empty means unix:///var/run/docker.sock. It
	// matters only for the question which hosts share a machine.
	DockerHost string
}

// Loader loads trees, and remembers what it parsed: a host whose tree hash is
// that of the load before is not read again. It is safe for concurrent use.
type Loader struct {
	mu    stdsync.Mutex
	known map[string]*loaded
}

// NewLoader returns a loader that remembers nothing yet.
func NewLoader() *Loader { return &Loader{known: map[string]*loaded{}} }

// hasher is a file system that knows the hash of each of its directories.
type hasher interface {
	TreeHash(path string) (string, error)
}

// Load reads the hosts of a tree: a commit's, a directory's ([os.DirFS]), or a
// made-up one. Symbolic links and submodules are never followed.
//
// Mistakes in the repo are no error: they are in the result, host by host. The
// errors are [ErrNoHosts], [ErrUnknownHost], that of the context, and what the
// file system returns.
func (l *Loader) Load(ctx context.Context, fsys fs.FS, opts Options) (*Repo, error) {
	entries, err := hostEntries(fsys)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, entry := range entries {
		names = append(names, entry.Name())
	}
	settings, general, err := loadSettings(fsys, names)
	if err != nil {
		return nil, err
	}
	entries, err = selectHosts(entries, opts.Hosts)
	if err != nil {
		return nil, err
	}
	hosts := make([]*loaded, 0, len(entries))
	for _, entry := range entries {
		if err := context.Cause(ctx); err != nil {
			return nil, fmt.Errorf("load the repo: %w", err)
		}
		host, err := l.host(fsys, entry)
		if err != nil {
			return nil, err
		}
		hosts = append(hosts, host)
	}
	l.remember(hosts)
	repo := assemble(hosts, opts.DockerHost, general)
	repo.Settings, repo.Names = settings, names
	return repo, nil
}

// assemble makes the result of all hosts that were loaded. General mistakes are
// those of every host.
func assemble(hosts []*loaded, localDocker string, general Mistakes) *Repo {
	repo := &Repo{}
	clashes := separate(hosts, localDocker)
	for _, h := range hosts {
		if mistakes := slices.Concat(general, h.mistakes, clashes[h].tidy()); len(mistakes) > 0 {
			repo.Invalid = append(repo.Invalid, InvalidHost{Name: h.name, Mistakes: mistakes})
			continue
		}
		repo.Hosts = append(repo.Hosts, h.host(localDocker))
	}
	return repo
}

// host returns a host, from memory when its tree is known.
func (l *Loader) host(fsys fs.FS, entry fs.DirEntry) (*loaded, error) {
	name := entry.Name()
	if mistake := entryMistake(entry); mistake != nil {
		return &loaded{name: name, mistakes: Mistakes{*mistake}}, nil
	}
	tree := ""
	if h, ok := fsys.(hasher); ok {
		hash, err := h.TreeHash(path.Join(hostsDir, name))
		if err != nil {
			return nil, fmt.Errorf("look up the tree of host %s: %w", name, err)
		}
		tree = hash
	}
	l.mu.Lock()
	known := l.known[name]
	l.mu.Unlock()
	if tree != "" && known != nil && known.tree == tree {
		return known, nil
	}
	host, err := loadHost(fsys, name)
	if err != nil {
		return nil, err
	}
	host.tree = tree
	return host, nil
}

// remember keeps these hosts, and no others, for the next load.
func (l *Loader) remember(hosts []*loaded) {
	known := make(map[string]*loaded, len(hosts))
	for _, h := range hosts {
		if h.tree != "" {
			known[h.name] = h
		}
	}
	l.mu.Lock()
	l.known = known
	l.mu.Unlock()
}
