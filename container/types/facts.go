package types

// ContainerFacts is what a runtime itself says about how a container is set up: the
// evidence, where labels are only a hint.
type ContainerFacts struct {
	ContainerStatus
	// Name is the name on the host.
	Name string
	// Config is what is in force, with everything that the image and the runtime filled
	// in. A mount without a name of its own has no source, a published port that the
	// runtime chose a HostPort of -1.
	Config ContainerConfig
	// Defaults are what the image fills in where a config says nothing; nil when the
	// image is gone.
	Defaults *ContainerConfig
	// Unknown are fields that the runtime does not tell in the words in which they were
	// asked for.
	Unknown []string
	// Networks are those that the container is connected to, by name.
	Networks map[string]NetworkFacts
	// Other are settings that are not the runtime's defaults, and for which Config has no
	// word, with what they are.
	Other map[string]string
	// Filled are settings for which Config has no word, and which a runtime's own
	// configuration fills in where nothing was asked for (log driver, ulimits, size of
	// /dev/shm), with what they are. They tell something only beside those of a container
	// for which nothing was asked.
	Filled map[string]string
	// MemorySwap is the limit of memory and swap together, in bytes; -1 is unlimited, and
	// 0 means that there is none, or that the runtime does not tell.
	MemorySwap int64
}

// NetworkFacts is how a container is connected to a network.
type NetworkFacts struct {
	// ID is the network's own identifier.
	ID string
	// Aliases are the container's names there, besides those that every runtime gives:
	// its own name and the beginning of its ID.
	Aliases []string
	// Settings are those of the connection that nobody asked for, such as an address of its
	// own, with what they are.
	Settings map[string]string
}
