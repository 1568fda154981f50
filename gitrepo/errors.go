package gitrepo

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"strings"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/format/pktline"
	"github.com/go-git/go-git/v5/plumbing/protocol/packp"
	"github.com/go-git/go-git/v5/plumbing/transport"

	"github.com/gitsync/gitsync/gitrepo/pack"
	"github.com/gitsync/gitsync/gitrepo/protocol"
	"github.com/gitsync/gitsync/host/ssh"
	"github.com/gitsync/gitsync/internal/disk"
	"github.com/gitsync/gitsync/internal/panics"
)

// What callers can decide on, with errors.Is.
var (
	// ErrEmptyRemote means that the repo has no commit.
	ErrEmptyRemote = errors.New("the repo is empty")
	// ErrBranchNotFound means that the repo has no such branch.
	ErrBranchNotFound = errors.New("no such branch")
	// ErrAuth means that the remote refused the credentials, or wants some.
	ErrAuth = errors.New("access denied")
	// ErrHostKey means that the SSH host key is unknown, or another one than known.
	ErrHostKey = errors.New("SSH host key not accepted")
	// ErrUnreachable means that the remote did not answer.
	ErrUnreachable = errors.New("the remote cannot be reached")
	// ErrRaceLost means that the branch moved since the commit was made on it, or
	// since its tip was read.
	ErrRaceLost = errors.New("the branch moved in the meantime")
	// ErrPushRefused means that the remote does not want the push, and will not
	// later.
	ErrPushRefused = errors.New("the remote refuses the push")
	// ErrObjectMissing means that the store is damaged; the next Fetch mends it.
	ErrObjectMissing = errors.New("an object is missing from the local store")
	// ErrBroken means that the commit at the tip of a branch was fetched, and that not all
	// of it can be read: whoever fetches it finds the same.
	ErrBroken = errors.New("not all of the commit can be read")
	// ErrTooLarge means that a file, or a pack, is larger than allowed.
	ErrTooLarge = pack.ErrTooLarge
	// ErrMalformed means that a commit cannot be read as its signature would have it.
	ErrMalformed = errors.New("the commit is malformed")
	// ErrSetup means that time does not heal it: somebody must change the settings of
	// gitsync, of the machine or of the server. Errors of other classes may be of this one
	// too.
	ErrSetup = errors.New("the settings do not fit")
	// ErrBrokenRepo means that a directory of a commit is one that Git would not make.
	ErrBrokenRepo = errors.New("the repo is broken")
	// ErrNotFetched means that a file is of those that the store was opened without.
	ErrNotFetched = errors.New("this file of the repo is not fetched, since nothing needs it")
	// ErrLocked means that another process uses the store.
	ErrLocked = errors.New("the data directory is in use")
)

// operatorError is an error of the class [ErrSetup], in its own words.
type operatorError struct{ error }

// Is says that it is of the class.
func (operatorError) Is(target error) bool { return target == ErrSetup }

// Unwrap returns the error with its other classes.
func (e operatorError) Unwrap() error { return e.error }

// classify gives an error of a transport its class, and words for an operator.
func (r *Remote) classify(ctx context.Context, err error) error {
	if err == nil {
		return nil
	}
	if errors.Is(err, disk.ErrUnwritable) {
		return err
	}
	if cause := ctx.Err(); cause != nil {
		return fmt.Errorf("%w: %w", ErrUnreachable, cause)
	}
	// The library's own wrapper does not say what it wraps.
	var wrapped *plumbing.UnexpectedError
	if errors.As(err, &wrapped) {
		err = wrapped.Err
	}
	var unexpected *packp.ErrUnexpectedData
	var broken *panics.Error
	switch {
	case errors.Is(err, ErrUnreachable), errors.Is(err, ErrAuth), errors.Is(err, ErrSetup):
		return ours(err)
	case classified(err), errors.As(err, &broken):
		return err
	case errors.Is(err, transport.ErrEmptyRemoteRepository):
		return fmt.Errorf("%w: push a first commit with hosts/<host>/containers.yaml", ErrEmptyRemote)
	case errors.Is(err, transport.ErrAuthenticationRequired):
		return fmt.Errorf("%w: it asks for credentials: set --git-token-file or $GITSYNC_GIT_TOKEN (%s)", ErrAuth, notUsed)
	case errors.Is(err, transport.ErrAuthorizationFailed):
		return fmt.Errorf("%w: it refuses these credentials: the token needs to read the repo, and to write the state branch", ErrAuth)
	case errors.Is(err, transport.ErrRepositoryNotFound) && r.path != "":
		return fmt.Errorf("%w: there is no Git repo at %s", ErrUnreachable, r.path)
	case errors.Is(err, transport.ErrRepositoryNotFound):
		return fmt.Errorf("%w: no such repo, or these credentials may not see it (forges say so for private repos): check the URL and the token or key", ErrAuth)
	case errors.Is(err, ssh.ErrHostKey):
		return fmt.Errorf("%w: %w", ErrHostKey, err)
	case errors.Is(err, ssh.ErrAuth):
		return fmt.Errorf("%w: %w", ErrAuth, err)
	case errors.Is(err, ssh.ErrConfig):
		return operatorError{err}
	case errors.Is(err, errSlow):
		return fmt.Errorf("%w: %w", ErrUnreachable, err)
	case errors.Is(err, pktline.ErrInvalidPktLen), errors.Is(err, protocol.ErrNotGit):
		return operatorError{fmt.Errorf("%w: what answers at %s is no Git server: check the repo's URL", ErrUnreachable, r)}
	case errors.Is(err, protocol.ErrSHA256), errors.As(err, &unexpected) && strings.Contains(string(unexpected.Data), "object-format=sha256"):
		return operatorError{errors.New("the repo uses SHA-256 object names, which gitsync cannot read: convert it, or mirror it to a SHA-1 repo")}
	case errors.Is(err, protocol.ErrSilent), isNetwork(err):
		return fmt.Errorf("%w: %s", ErrUnreachable, r.redact(err.Error()))
	}
	return errors.New(r.redact(err.Error()))
}

// classified says whether an error has a class of this package, and so words for an operator.
func classified(err error) bool {
	for _, class := range []error{
		ErrEmptyRemote, ErrBranchNotFound, ErrHostKey, ErrRaceLost, ErrPushRefused, ErrObjectMissing, ErrBroken, ErrTooLarge,
		ErrMalformed, ErrBrokenRepo, ErrNotFetched, ErrLocked, errPack,
	} {
		if errors.Is(err, class) {
			return true
		}
	}
	return false
}

// ours is an error with the words of this package, without what the HTTP client puts before
// them: the address, which was said already.
func ours(err error) error {
	var request *url.Error
	if errors.As(err, &request) {
		return request.Err
	}
	return err
}

// isNetwork says whether an error is one of the connection.
func isNetwork(err error) bool {
	if errors.Is(err, disk.ErrUnwritable) || isOnDisk(err) {
		// What the operating system says of a disk has the methods of a net.Error too.
		return false
	}
	var netErr net.Error
	return errors.As(err, &netErr) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, net.ErrClosed)
}

// Faulty says whether an error is about the commit that was asked for, and not about the way
// to it: it cannot be read, it is too large, or what belongs to it does not come.
func Faulty(err error) bool {
	var broken *panics.Error
	return errors.As(err, &broken) || Forever(err) || errors.Is(err, ErrBroken) || errors.Is(err, ErrObjectMissing) || errors.Is(err, errPack)
}

// refsError is an [ErrTooLarge] about the references of a repo, of which somebody may remove
// some, or about where the server says that a history ends.
type refsError struct{ error }

// Unwrap returns what is wrong with them.
func (e refsError) Unwrap() error { return e.error }

func aboutRefs(err error) error {
	if errors.Is(err, ErrTooLarge) {
		return refsError{err}
	}
	return err
}

// Forever says whether an error is about what a commit is made of: it is the same the next
// time, since a commit with its name has no other content.
func Forever(err error) bool {
	var refs refsError
	if errors.As(err, &refs) {
		return false
	}
	for _, target := range []error{ErrMalformed, ErrTooLarge, ErrBrokenRepo} {
		if errors.Is(err, target) {
			return true
		}
	}
	return false
}
