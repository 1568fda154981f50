package types

// HostMount is a path of the machine that a container mounts.
type HostMount struct {
	// ID and Container are the ID and the name of the container, and Labels its labels.
	ID, Container string
	Labels        map[string]string
	// Source is the path on the machine, and Target the one in the container.
	Source, Target string
	// ReadOnly says that the container cannot write there.
	ReadOnly bool
}
