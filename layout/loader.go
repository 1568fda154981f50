package layout

import (
	"context"
	"fmt"
	"io/fs"
	"slices"
	stdsync "sync"
)

// Options says what to load. The zero value loads everything.
type Options struct {
	// Hosts are the names of the hosts to load, or globs as [path.Match] has them;
	// empty means all. The others are not read, so a clash with one of them is not
	// found.
	Hosts []string
	// Explain says that [Host.Merged] is wanted. Then nothing is taken from memory.
	Explain bool
	// DockerHost is the Docker address of this machine, for hosts that give
	// none ($DOCKER_HOST, say). Empty means unix:///var/run/docker.sock. It
	// matters only for the question which hosts share a machine.
	DockerHost string
	// ExternalSecrets returns the names of the secrets that a host may use beside those of
	// the repo; nil where there are none. A loader is always given the same ones.
	ExternalSecrets func(host string) []string
	// Deployed says whether a host has a config file at a path already, by a record that may
	// decide something; nil where nothing is known. It turns an objection with a
	// [Objection.Former] into a warning, and is asked at every load.
	Deployed func(host, path string) bool
	// Nested judges mounts below what containers of other hosts on the same machine may
	// write; nil allows them. It is asked at every load.
	Nested func(NestedMount) *Objection
}

// Loader loads trees, and remembers what it parsed: a host whose tree hash is
// that of the load before is not read again. It is safe for concurrent use.
type Loader struct {
	mu    stdsync.Mutex
	known map[string]*loaded
	// named holds the groups that hosts name whose other settings were not wanted.
	named map[string]namedGroups
	// unnamed are the mistakes in groups that no host names.
	unnamed remembered
	// spent is what the load before took.
	spent  *work
	checks []Check
	// attributes are the shared ones of the load before.
	attributes string
}

// namedGroups are the groups of a host, as long as its directory has this hash.
type namedGroups struct {
	own    string
	groups []string
}

// remembered are mistakes that stay the same as long as the key does.
type remembered struct {
	key      string
	mistakes Mistakes
}

// NewLoader returns a loader that remembers nothing yet. The checks are asked about each
// host, and what they object to is a mistake like any other.
func NewLoader(checks ...Check) *Loader {
	return &Loader{known: map[string]*loaded{}, named: map[string]namedGroups{}, checks: checks}
}

// Load reads the hosts of a tree: a commit's, a directory's ([os.DirFS]), or a
// made-up one. Symbolic links and submodules are never followed.
//
// Mistakes in the repo are no error: they are in the result, host by host. The
// errors are [ErrNoHosts], [ErrTooLarge], that of the context, and what the file system returns.
// A name in [Options] that no host has is no error: see [Repo.CheckMatched].
func (l *Loader) Load(ctx context.Context, fsys fs.FS, opts Options) (*Repo, error) {
	entries, err := hostEntries(fsys)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, entry := range entries {
		names = append(names, entry.Name())
	}
	s := newSource(fsys)
	s.work = newWork(ctx)
	l.mu.Lock()
	l.spent = s.work
	l.mu.Unlock()
	settings, general, err := loadSettings(s.work, fsys, names)
	if err != nil {
		return nil, err
	}
	entries = slices.DeleteFunc(entries, func(e fs.DirEntry) bool { return !Selects(opts.Hosts, e.Name()) })
	s.keep, s.checks, s.externalNames = opts.Explain, l.checks, opts.ExternalSecrets
	if err := l.heed(s.attributes); err != nil {
		return nil, err
	}
	hosts, total := make([]*loaded, 0, len(entries)), totals{}
	for _, entry := range entries {
		if err := context.Cause(ctx); err != nil {
			return nil, fmt.Errorf("load the repo: %w", err)
		}
		host, err := l.host(s, entry)
		if err != nil {
			return nil, err
		}
		hosts = append(hosts, host)
		if err := total.add(host); err != nil {
			return nil, err
		}
	}
	if !opts.Explain {
		l.remember(hosts)
	}
	repo := assemble(hosts, opts, general)
	repo.Settings, repo.Names, repo.asked = settings, names, opts.Hosts
	if len(opts.Hosts) == 0 {
		if repo.Unnamed, err = l.unnamedGroups(s, hosts); err != nil {
			return nil, err
		}
	}
	return repo, nil
}

// heed forgets what was loaded under other attributes than those of the tree.
func (l *Loader) heed(a *attributes) error {
	shared, err := a.shared()
	if err != nil {
		return fmt.Errorf("load the repo: %w", err)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if shared != l.attributes {
		l.known, l.unnamed, l.attributes = map[string]*loaded{}, remembered{}, shared
	}
	return nil
}

// totals are the sums over all hosts that a load has come to.
type totals struct{ containers, bytes, values int }

// add fails when the hosts together are more than allowed.
func (t *totals) add(h *loaded) error {
	// A mistake is a few lines of text.
	const mistakeBytes = 256
	t.containers += len(h.entries)
	t.values += h.values
	t.bytes += h.bytes + mistakeBytes*(len(h.mistakes)+len(h.former))
	switch {
	case t.containers > MaxRepoContainers:
		return overLimit("load the repo: its hosts have more than %d containers in all: split the repo", MaxRepoContainers)
	case t.values > MaxRepoNodes:
		return overLimit("load the repo: the files of its hosts hold more than %d values in all, those of groups counted for each host: split the repo", MaxRepoNodes)
	case t.bytes > MaxRepoBytes:
		return overLimit("load the repo: the files of its hosts have more than %d bytes in all, those of groups counted for each host: split the repo", MaxRepoBytes)
	}
	return nil
}

// assemble makes the result of all hosts that were loaded. General mistakes are
// those of every host.
func assemble(hosts []*loaded, opts Options, general Mistakes) *Repo {
	repo := &Repo{}
	own, valid := map[*loaded]Mistakes{}, make([]*loaded, 0, len(hosts))
	for _, h := range hosts {
		var warnings Mistakes
		own[h], warnings = h.judged(opts.Deployed)
		repo.Warnings = append(repo.Warnings, warnings...)
		if len(own[h]) == 0 {
			valid = append(valid, h)
		}
	}
	clashes := separate(valid, opts)
	for _, h := range hosts {
		if mistakes := slices.Concat(general, own[h], clashes[h].tidy()); len(mistakes) > 0 {
			invalid := InvalidHost{Name: h.name, Mistakes: mistakes}
			for _, e := range h.entries {
				invalid.Containers = append(invalid.Containers, e.config.Name)
			}
			repo.Invalid = append(repo.Invalid, invalid)
			continue
		}
		repo.Hosts = append(repo.Hosts, h.host(opts.DockerHost))
	}
	repo.Warnings = repo.Warnings.tidy()
	return repo
}

// host returns a host, from memory when its tree is known.
func (l *Loader) host(s *source, entry fs.DirEntry) (*loaded, error) {
	name := entry.Name()
	if mistake := entryMistake(entry); mistake != nil {
		return &loaded{name: name, mistakes: Mistakes{*mistake}}, nil
	}
	own, err := hostHash(s.fsys, name)
	if err != nil {
		return nil, err
	}
	if known := l.knownHost(name, own); known != nil && !s.keep {
		if same, err := s.hasGroups(known.groups); err != nil {
			return nil, err
		} else if same {
			return known, nil
		}
	}
	host, err := s.loadHost(name)
	if err != nil {
		return nil, err
	}
	host.own = own
	for _, g := range host.reach.groups {
		if host.groups == nil {
			host.groups = map[string]string{}
		}
		if host.groups[g.name], err = s.groupHash(g.name); err != nil {
			return nil, err
		}
	}
	return host, nil
}

// knownHost returns what is remembered of a host whose directory has this hash.
func (l *Loader) knownHost(name, own string) *loaded {
	l.mu.Lock()
	defer l.mu.Unlock()
	if known := l.known[name]; own != "" && known != nil && known.own == own {
		return known
	}
	return nil
}

// remember keeps these hosts, and no others, for the next load.
func (l *Loader) remember(hosts []*loaded) {
	known := make(map[string]*loaded, len(hosts))
	for _, h := range hosts {
		if h.own != "" {
			known[h.name] = h
		}
	}
	l.mu.Lock()
	l.known = known
	l.mu.Unlock()
}
