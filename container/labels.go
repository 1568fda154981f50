package container

import (
	"maps"

	"github.com/gitsync/gitsync/container/types"
)

// The labels that every managed container carries.
const (
	// LabelHost names the host directory that the container belongs to.
	LabelHost = "io.gitsync.host"
	// LabelContainer is the container's key.
	LabelContainer = "io.gitsync.container"
	// LabelSpec is the spec digest, see [HostConfiguredContainer.SpecDigest].
	LabelSpec = "io.gitsync.spec"
	// LabelCommit is the commit that the container came from.
	LabelCommit = "io.gitsync.commit"
	// LabelRepo is the identity of the repo that manages the container. It stays the same
	// when the repo moves to another address, or its branch gets another name.
	LabelRepo = "io.gitsync.repo"
	// LabelOwner says where the repo was when the container was created, and which branch
	// was deployed. It decides where there is no [LabelRepo], as on containers of older
	// versions.
	LabelOwner = "io.gitsync.owner"
	// LabelProtect is "true" on a container that was created with its protection on.
	LabelProtect = "io.gitsync.protect"
	// LabelRole is "config" on the helper that carries config files, and [RoleLease] on a
	// lease.
	LabelRole = "io.gitsync.role"
	// LabelPrefix is reserved for labels of gitsync's own.
	LabelPrefix = types.LabelPrefix
)

const roleConfig = "config"

// ownLabels are the keys of all labels of ours.
func ownLabels() []string {
	return []string{
		LabelHost, LabelContainer, LabelSpec, LabelCommit, LabelRepo, LabelOwner, LabelProtect, LabelRole,
		LabelLeaseRepo, LabelLeaseInstance, LabelLeaseKeeper, LabelLeaseAddress, LabelLeaseIdle, LabelLeaseSince, LabelLeaseUntil,
	}
}

// AllLabels returns labels with all others of ours, empty: they are always written, so that
// none comes from an image. Labels is not changed.
func AllLabels(labels map[string]string) map[string]string {
	all := maps.Clone(labels)
	if all == nil {
		all = map[string]string{}
	}
	for _, key := range ownLabels() {
		if _, there := all[key]; !there {
			all[key] = ""
		}
	}
	return all
}

// RoleLease is the role of the container that is an instance's lease of a machine.
const RoleLease = "lease"

// Suffixes of the names that containers have while one replaces the other.
// Together with the labels they tell, after a crash, how far the update was.
const (
	suffixNew = ".gitsync-new"
	suffixOld = ".gitsync-old"
	// ReservedInfix must not be part of a container's name.
	ReservedInfix = ".gitsync-"
)

// Origin says where containers come from. It is written on them as labels, and
// finds them again when the recorded state is lost.
type Origin struct {
	// Host is the name of the host directory.
	Host string
	// Owner is the repo and the branch. When it is empty the containers of any
	// owner count as ours: for plans, where the owner is not known.
	Owner string
	// Repo is the identity of the repo; empty when none is known yet, and then no label
	// says it.
	Repo string
	// Unsure says that only the state branch knows Repo, which others may write: then the
	// identity that containers of Owner carry counts instead.
	Unsure bool
	// Found says, after a look, that containers of Owner carry Repo.
	Found bool
	// Judge, when set, is asked about containers of other owners. As long as an instance
	// holds a lease of the machine for them, they are not ours in any case.
	Judge Judge
	// Commit is the commit's full hash.
	Commit string

	// former are other owners whose containers are ours all the same.
	former []former
	// inherits are the host directories whose containers count as ours too, by key.
	inherits map[string]string
}

// labels returns what is written on the container at its creation.
func (o *Origin) labels(key string, m *HostConfiguredContainer) map[string]string {
	labels := map[string]string{LabelContainer: key, LabelSpec: m.SpecDigest()}
	if m.Protect {
		labels[LabelProtect] = "true"
	}
	if o != nil {
		labels[LabelHost], labels[LabelRepo] = o.Host, o.Repo
		labels[LabelOwner], labels[LabelCommit] = o.Owner, o.Commit
	}
	return AllLabels(labels)
}

// owner returns the owner's name; without an origin it is empty.
func (o *Origin) owner() string {
	if o == nil {
		return ""
	}
	return o.Owner
}

// filter returns the labels by which a look finds our containers.
func (o *Origin) filter() map[string]string {
	if o == nil {
		return map[string]string{LabelContainer: ""}
	}
	return map[string]string{LabelHost: o.Host}
}
