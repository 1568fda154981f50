package layout

import (
	"errors"
	"fmt"
)

// ErrTooLarge means that all hosts together are beyond a limit, so that none is loaded: the
// repo must be split.
var ErrTooLarge = errors.New("the repo is too large")

// beyondLimit is an [ErrTooLarge] that says which limit.
type beyondLimit string

func overLimit(format string, args ...any) error { return beyondLimit(fmt.Sprintf(format, args...)) }

// Error implements error.
func (e beyondLimit) Error() string { return string(e) }

// Is says that it is an [ErrTooLarge].
func (beyondLimit) Is(target error) bool { return target == ErrTooLarge }

// Limits keep a hostile or broken repo from exhausting memory and time. They
// are documented in repo-layout.md, and a test compares the two.
const (
	// MaxHosts is the largest number of entries in hosts/.
	MaxHosts = 10_000
	// MaxGroups is the largest number of groups that a host names.
	MaxGroups = 100
	// MaxContainers is the largest number of containers on a host.
	MaxContainers = 10_000
	// MaxPorts is the largest number of published ports on a host, ranges
	// counted port by port.
	MaxPorts = 20_000
	// MaxYAMLBytes is the largest size of containers.yaml and of host.yaml.
	MaxYAMLBytes = 1 << 20
	// MaxYAMLNodes is the largest number of values in a YAML file, aliases
	// counted as often as they are used.
	MaxYAMLNodes = 500_000
	// MaxYAMLDepth is the deepest nesting in a YAML file.
	MaxYAMLDepth = 64
	// MaxFileBytes is the largest size of one config file.
	MaxFileBytes = 1 << 20
	// MaxFilesBytes is the largest size of all config files of a host.
	MaxFilesBytes = 16 << 20
	// MaxRepoContainers is the largest number of containers on all hosts together.
	MaxRepoContainers = 50_000
	// MaxRepoBytes is the largest size of the files of all hosts together, those of groups
	// counted for each host that names them: few objects in Git may be very many files.
	MaxRepoBytes = 256 << 20
	// MaxRepoNodes is the largest number of values in the YAML files of all hosts together,
	// those of groups counted for each host that names them. It bounds the time that a
	// load takes.
	MaxRepoNodes = 5_000_000
	// MaxGroupNodes is the largest number of values in the files of all groups together.
	MaxGroupNodes = 1_000_000
	// MaxHostSteps is the largest number of steps that the load of one host may take: values
	// that are read, entries that are merged, ports that are published.
	MaxHostSteps = 2_000_000
	// MaxLoadSteps is the largest number of steps that the load of all hosts may take.
	MaxLoadSteps = 5_000_000
	// MaxComparisons is the largest number of names that a load compares for its hints.
	MaxComparisons = 200_000
	// MaxPathDepth is the largest number of directories that a config file is in.
	MaxPathDepth = 64
	// valueBytes is how long a text is that counts as one value.
	valueBytes = 64
	// maxBisected is how many bytes are parsed again to find the line of a YAML error.
	maxBisected = 2 << 20
	// maxStray is how many YAML files of a directory are looked at that no key names.
	maxStray = 1000
	// maxPath is PATH_MAX of Linux, less the zero byte.
	maxPath = 4095
	// maxPathPart is NAME_MAX of Linux.
	maxPathPart = 255
	// maxMistakes bounds the report about one host.
	maxMistakes = 1000
	// maxRecorded is after how many mistakes a file is not read any further.
	maxRecorded = 10 * maxMistakes
)
