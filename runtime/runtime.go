package runtime

import (
	"context"
	"net"
	"os"

	"github.com/gitsync/gitsync/container/types"
	"github.com/gitsync/gitsync/registry"
)

// Runtime creates, runs and removes containers, and copies files to and from
// them.
type Runtime interface {
	// Create creates a container, and does not start it. The image is pulled
	// when it is not present. The config is not changed and not kept.
	//
	// Errors: [ErrNameInUse], [ErrImageNotFound], [ErrInvalid].
	Create(ctx context.Context, config *types.ContainerConfig) (id string, err error)
	// Delete removes a container, by its ID or by the name that it has at that moment. An
	// engine may take hexadecimal digits for the beginning of an ID as well. The container
	// must not run. Its anonymous volumes are kept, since they hold data.
	//
	// Errors: [ErrNotFound], [ErrRunning].
	Delete(ctx context.Context, id string) error
	// Start starts a container. Starting one that runs does nothing; starting one that is
	// paused is an error.
	//
	// Errors: [ErrNotFound], [ErrPortInUse], [ErrInvalid].
	Start(ctx context.Context, id string) error
	// Status returns the container's status. That of an unknown ID is no error:
	// the status returned has no ID.
	Status(ctx context.Context, id string) (types.ContainerStatus, error)
	// Stop stops a container, and kills it after its stop time-out. One that is paused is
	// let go on for that; one that is being restarted stays down. Stopping one that does
	// not run does nothing.
	//
	// Errors: [ErrNotFound].
	Stop(ctx context.Context, id string) error
	// Copy writes files into the container's file system, which need not run.
	// Directories on the way are created with mode 0755. Users and groups that
	// are names are looked up in the container's /etc/passwd and /etc/group; an
	// unknown one is an error, and then nothing is written.
	//
	// Errors: [ErrNotFound], [ErrInvalid].
	Copy(ctx context.Context, id string, files []*types.File) error
	// Read returns those of the given files that exist, in the order given. A
	// path that exists and is no regular file is an error. A symbolic link is
	// not followed: it is an error that names its target.
	//
	// Errors: [ErrNotFound] for the container, [ErrNotRegular].
	Read(ctx context.Context, id string, paths []string) ([]*types.File, error)
	// Stat returns the mode, with its type bits, of those of the given paths
	// that exist.
	//
	// Errors: [ErrNotFound] for the container.
	Stat(ctx context.Context, id string, paths []string) (map[string]os.FileMode, error)
}

// Config is a runtime that is not connected yet.
type Config interface {
	// GetAddress returns the address, with its default filled in.
	GetAddress() string
	// SetAddress changes the address.
	SetAddress(address string)
	// New returns the runtime. It makes no call over the network.
	New() (Runtime, error)
}

// DialFunc opens a connection, as [net.Dialer.DialContext] does.
type DialFunc func(ctx context.Context, network, address string) (net.Conn, error)

// Discarder is a runtime that removes a container with what was made for it.
type Discarder interface {
	// Discard is Delete for a container in which nobody keeps anything, such as one that was
	// never started: its anonymous volumes are removed with it.
	//
	// Errors: those of Delete.
	Discard(ctx context.Context, id string) error
}

// Lister is a runtime that lists its containers.
type Lister interface {
	// List returns all containers, running or not, that carry all of the given
	// labels (an empty value matches any), ordered by name. One that only has them from
	// its image is among them, without its labels of that kind that are gitsync's own. One
	// call to the engine, whatever the number of containers, and one for each image of
	// containers that bear labels of gitsync's own, the first time.
	List(ctx context.Context, labels map[string]string) ([]types.ContainerSummary, error)
}

// MountLister is a runtime that lists what containers mount of its machine.
type MountLister interface {
	// HostMounts returns the paths of the machine that containers mount, of all containers
	// that run, whoever made them, ordered by container. One call to the engine, whatever
	// their number.
	HostMounts(ctx context.Context) ([]types.HostMount, error)
}

// Finder is a runtime that looks a container up by its name.
type Finder interface {
	// Find returns the container with this name, whoever made it.
	//
	// Errors: [ErrNotFound].
	Find(ctx context.Context, name string) (types.ContainerSummary, error)
}

// Renamer is a runtime that renames containers, running or not.
type Renamer interface {
	// Rename changes a container's name. Giving it the name that it has does
	// nothing.
	//
	// Errors: [ErrNotFound], [ErrNameInUse], [ErrRestarting].
	Rename(ctx context.Context, id, name string) error
}

// Puller is a runtime that fetches images ahead of their use.
type Puller interface {
	// HasImage says whether the image is present, so that Create needs no pull.
	HasImage(ctx context.Context, image string) (bool, error)
	// Pull fetches the image, whether or not it is present. It reads the whole
	// answer, so an error in the middle of it is returned. No error holds what is
	// secret in the credential.
	//
	// Errors: [ErrImageNotFound].
	Pull(ctx context.Context, image string, opts PullOptions) error
}

// PullOptions say how an image is pulled. The zero value pulls anonymously.
type PullOptions struct {
	// Credential is what the registry of the image is logged in to with. It is given to
	// no other one, and not kept.
	Credential registry.Credential
	// Progress, which may be nil, is called from the goroutine that pulls, at most a few
	// times a second.
	Progress func(PullProgress)
}

// PullProgress says how far a pull is.
type PullProgress struct {
	// Image is the reference that is pulled.
	Image string
	// Done and Total are bytes; Total grows while layers become known.
	Done, Total int64
}

// LogReader is a runtime that keeps what containers print.
type LogReader interface {
	// Logs returns the last lines that the container printed, to stdout and
	// stderr, at most 64 KiB of them.
	//
	// Errors: [ErrNotFound].
	Logs(ctx context.Context, id string, lines int) (string, error)
}

// Inspector is a runtime that tells all it knows about a container.
type Inspector interface {
	// Inspect returns the details of a container.
	//
	// Errors: [ErrNotFound].
	Inspect(ctx context.Context, id string) (types.ContainerDetails, error)
}

// Signaler is a runtime that sends signals to containers.
type Signaler interface {
	// Signal sends a signal, such as SIGHUP, to the container's first process.
	//
	// Errors: [ErrNotFound], [ErrInvalid] for a signal that does not exist,
	// [ErrNotRunning].
	Signal(ctx context.Context, id, signal string) error
}

// Stager is a runtime that never shows half a file.
type Stager interface {
	// CopyStaged is Copy for regular files, so that whoever reads one of them sees the
	// old content, the new content, or for an instant no file, but never a part: each
	// is complete under the path staging before it gets its own. An empty file stays
	// at staging. Where staging is on another file system than a file, it is Copy.
	//
	// Errors: those of Copy.
	CopyStaged(ctx context.Context, id, staging string, files []*types.File) error
}

// Describer is a runtime that tells how a container is set up.
type Describer interface {
	// Describe returns the settings that are in force, as the runtime has them.
	//
	// Errors: [ErrNotFound].
	Describe(ctx context.Context, id string) (types.ContainerFacts, error)
}

// Adjuster is a runtime that changes settings of a container while it exists.
type Adjuster interface {
	// Adjust gives a container the restart policy, the memory and CPU limits and the
	// networks of the config, and leaves everything else alone. What is right already is
	// not touched.
	//
	// Errors: [ErrNotFound], [ErrInvalid] for what can only be had by a new container,
	// [ErrRestarting].
	Adjust(ctx context.Context, id string, config *types.ContainerConfig) error
	// Unpause lets a paused container go on. One that is not paused is left alone.
	//
	// Errors: [ErrNotFound].
	Unpause(ctx context.Context, id string) error
	// Pause freezes a container's processes. One that is paused is left alone.
	//
	// Errors: [ErrNotFound], [ErrNotRunning], [ErrRestarting].
	Pause(ctx context.Context, id string) error
}
