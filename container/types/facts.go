package types

import (
	"regexp"
	"slices"
	"strings"
)

// ContainerFacts is what a runtime itself says about how a container is set up: the
// evidence, where labels are only a hint.
type ContainerFacts struct {
	ContainerStatus
	// Name is the name on the host.
	Name string
	// Config is what is in force, with everything that the image and the runtime filled
	// in. A published port that the runtime chose has a HostPort of -1.
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
	// Aliases are all of the container's names there that the runtime tells.
	Aliases []string
	// Given are names that the runtime gives a container by itself, such as the beginning
	// of its ID. They are among the aliases, or not, and may have been asked for too.
	Given []string
	// Settings are those of the connection that nobody asked for, such as an address of its
	// own, with what they are.
	Settings map[string]string
}

// OtherThanGiven returns the aliases without those that the runtime gave by itself and
// nobody asked for: sorted, each once.
func (n NetworkFacts) OtherThanGiven(asked []string) []string {
	aliases := slices.Compact(slices.Sorted(slices.Values(n.Aliases)))
	return slices.DeleteFunc(aliases, func(alias string) bool {
		return slices.Contains(n.Given, alias) && !slices.Contains(asked, alias)
	})
}

// FindNetwork returns the name of the network that a text stands for, as engines look it
// up: an ID, a name, or the beginning of an ID. It is empty when it is none of these.
func FindNetwork(networks map[string]NetworkFacts, text string) string {
	begins := ""
	for name, network := range networks {
		if network.ID == text {
			return name
		}
		if text != "" && strings.HasPrefix(network.ID, text) {
			begins = name
		}
	}
	if _, there := networks[text]; there {
		return text
	}
	return begins
}

var generatedVolume = regexp.MustCompile(`^[0-9a-f]{64}$`)

// GeneratedVolume says whether the name of a volume is one that engines give to volumes
// that nobody named. Somebody may have asked for just that volume all the same.
func GeneratedVolume(name string) bool { return generatedVolume.MatchString(name) }
