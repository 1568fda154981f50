package container

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
	// LabelOwner says which repo and branch manage the container.
	LabelOwner = "io.gitsync.owner"
	// LabelProtect is "true" on a container that was created with its protection on.
	LabelProtect = "io.gitsync.protect"
	// LabelRole is "config" on the helper that carries config files, and [RoleLease] on a
	// lease.
	LabelRole = "io.gitsync.role"
	// LabelPrefix is reserved for labels of gitsync's own.
	LabelPrefix = "io.gitsync."
)

const roleConfig = "config"

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
	// Commit is the commit's full hash.
	Commit string
}

// labels returns what is written on the container at its creation.
func (o *Origin) labels(key string, m *HostConfiguredContainer) map[string]string {
	labels := map[string]string{LabelContainer: key, LabelSpec: m.SpecDigest()}
	if m.Protect {
		labels[LabelProtect] = "true"
	}
	if o == nil {
		return labels
	}
	labels[LabelHost] = o.Host
	labels[LabelOwner] = o.Owner
	labels[LabelCommit] = o.Commit
	return labels
}

// owner returns the owner's name; without an origin it is empty.
func (o *Origin) owner() string {
	if o == nil {
		return ""
	}
	return o.Owner
}

// owns says whether labels name us.
func (o *Origin) owns(labels map[string]string) bool {
	if o == nil {
		return labels[LabelOwner] == ""
	}
	return labels[LabelHost] == o.Host && (o.Owner == "" || labels[LabelOwner] == o.Owner)
}

// filter returns the labels by which a look finds our containers.
func (o *Origin) filter() map[string]string {
	if o == nil {
		return map[string]string{LabelContainer: ""}
	}
	return map[string]string{LabelHost: o.Host}
}
