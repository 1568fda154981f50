package layout

import (
	"errors"
	"strings"

	"github.com/gitsync/gitsync/container"
	"github.com/gitsync/gitsync/container/types"
	"github.com/gitsync/gitsync/host"
	"github.com/gitsync/gitsync/registry"
	"github.com/gitsync/gitsync/secret"
)

// ErrNoHosts is returned when the tree has no directory hosts/, or no host in
// it. The error's text says what was found and what to do. It never means that
// everything is to be removed.
var ErrNoHosts = errors.New("the repo has no hosts")

// ErrUnknownHost is returned by [Repo.CheckMatched] when [Options] names a host that
// the tree does not have.
var ErrUnknownHost = errors.New("unknown host")

// Repo is what a tree says: the hosts that can be deployed, and those that
// cannot because of mistakes. Every host that was asked for is in one of the
// two lists, and in no more than one.
type Repo struct {
	// Hosts are the valid ones, sorted by name.
	Hosts []Host
	// Invalid are the others, sorted by name. A mistake in gitsync.yaml makes every
	// host invalid.
	Invalid []InvalidHost
	// Settings are what gitsync.yaml says.
	Settings Settings
	// Names are those of all hosts in the tree, also of those that were not asked
	// for, sorted.
	Names []string
	// Unnamed are the mistakes in groups that no host names: they keep no host from
	// being deployed. They are looked for when all hosts are loaded.
	Unnamed Mistakes
	// Warnings are about what is no mistake, and may not be what was meant: they keep
	// nothing from being deployed.
	Warnings Mistakes

	// asked are the names and globs of [Options].
	asked []string
}

// Host is a valid host.
type Host struct {
	// Name is that of its directory.
	Name string
	// Tree is the hash of hosts/<name> and of the groups that the host names: two
	// hosts with one name and one hash are equal. It is empty when the file system
	// knows no hashes.
	Tree string
	// Groups are the groups that the host names, in that order.
	Groups []string
	// Agent says that a gitsync on the host itself handles it, and no other one.
	Agent bool
	// Host says how the machine is reached. It holds no credentials.
	Host host.Host
	// Runtime says which runtime the machine has.
	Runtime container.RuntimeConfig
	// Containers is the desired state, by the containers' names. It may be
	// empty. The caller must not change it: it is shared with later loads.
	Containers container.ContainersState
	// Registries are the logins for registries that the host names. Their passwords are
	// references to secrets.
	Registries registry.Logins
	// Parallelism is how many of its containers are updated at once; 0 means the
	// library's default.
	Parallelism int
	// Drift is the host's policy for drift, which its containers have already; nil where
	// it has none.
	Drift *container.DriftPolicy
	// DriftInterval is the time between two complete looks at the host; 0 is the default.
	DriftInterval types.Duration
	// Sealed are the host's secrets, encrypted as they are in the repo.
	Sealed *secret.Sealed
	// Endpoint names the runtime of a machine: hosts that share an endpoint
	// share container names, host ports and files.
	Endpoint string
	// Merged is how the containers were made of the host's and its groups' files; nil
	// without [Options.Explain].
	Merged *Merged
}

// InvalidHost is a host that must be left as it is, because of its mistakes.
type InvalidHost struct {
	// Name is that of its entry in hosts/, which may be a file, or no name that
	// a host can have.
	Name string
	// Mistakes has at least one entry.
	Mistakes Mistakes
	// Containers are the keys of its containers, as far as they could be read.
	Containers []string
}

// Mistakes returns all mistakes, those of the hosts first, each once; nil when there are
// none.
func (r *Repo) Mistakes() Mistakes {
	var all Mistakes
	shared := map[Mistake]bool{}
	for _, h := range r.Invalid {
		for _, m := range h.Mistakes {
			// What is not in a host's own directory may be a mistake for several.
			if !strings.HasPrefix(m.File, hostsDir+"/") {
				if shared[m] {
					continue
				}
				shared[m] = true
			}
			all = append(all, m)
		}
	}
	return append(all, r.Unnamed...)
}
