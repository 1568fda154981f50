package types

// Resource is anything that is made of containers, and can be checked, deployed
// and remembered as YAML. [github.com/gitsync/gitsync/container/resource] makes
// one of a set of containers.
type Resource interface {
	// StateToYaml returns what is deployed, for the next run to start from.
	StateToYaml() ([]byte, error)
	// CheckCurrentState asks the runtimes what is there. It is required before
	// Deploy.
	CheckCurrentState() error
	// Deploy brings the desired state about.
	Deploy() error
}

// ResourceConfig is a resource that is not validated yet.
type ResourceConfig interface {
	// New validates and returns the resource.
	New() (Resource, error)
	// Validate reports all mistakes at once.
	Validate() error
}
