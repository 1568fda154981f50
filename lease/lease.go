package lease

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"strings"
	stdsync "sync"
	"time"

	"github.com/gitsync/gitsync/container"
	"github.com/gitsync/gitsync/container/types"
	"github.com/gitsync/gitsync/runtime"
)

var (
	// ErrBusy means that another instance held the lease for as long as was waited.
	ErrBusy = errors.New("another gitsync instance works on the host")
	// ErrWaited means that another instance held the lease, and does not any more. What
	// was known of the machine, and of the repo, is out of date.
	ErrWaited = errors.New("another gitsync instance worked on the host: it must be checked again")
	// ErrLost means that the lease ran out, or was taken away, while work was done.
	ErrLost = errors.New("the lease of the host was lost")

	errPowers = errors.New("this runtime cannot hold a lease: it must list containers, and tell the time")
)

const (
	defaultLifetime = 60 * time.Second
	// renewals is how often a lease is renewed in its lifetime.
	renewals = 3
	// graces is which part of the lifetime is left for the work to come to an end.
	graces = 6
	// firstPause and maxPause bound the pauses between two questions whether a lease is
	// free.
	firstPause = 200 * time.Millisecond
	maxPause   = 2 * time.Second
	// renewTimeout bounds a renewal, so that the end of the work never waits long for one.
	renewTimeout = 15 * time.Second
	// releaseTimeout bounds how long it takes to give a lease back: it runs out anyway.
	releaseTimeout = 10 * time.Second
)

// Options say who takes leases.
type Options struct {
	// Keeper, when set, tells which leases of crashed processes are taken over at once:
	// those of processes that cannot live any more, since this one has what they had alone.
	Keeper string
	// Lifetime is how long a lease lasts without a renewal; one minute by default.
	Lifetime time.Duration
}

// Instance is a process that takes leases. It is safe for concurrent use.
type Instance struct {
	opts Options
	name string

	mu stdsync.Mutex
	// held counts the leases that this process holds or is about to, by name: the names
	// are the same on all machines.
	held map[string]int
}

// New returns an instance with a name of its own: the machine's, the process's number and
// a few random letters.
func New(opts Options) *Instance {
	if opts.Lifetime <= 0 {
		opts.Lifetime = defaultLifetime
	}
	machine, err := os.Hostname()
	if err != nil {
		machine = "localhost"
	}
	name := fmt.Sprintf("%s-%d-%s", machine, os.Getpid(), strings.ToLower(rand.Text()[:5]))
	return &Instance{opts: opts, name: name, held: map[string]int{}}
}

// Name returns the instance's name, as it is in the labels.
func (i *Instance) Name() string { return i.name }

// Claim says for what a lease is taken, and how long another instance is waited for.
type Claim struct {
	// Repo is the identity of the repo: who has another one is never waited for. Host is
	// the name of the host directory.
	Repo, Host string
	// Address is the address and the branch of the repo, for people.
	Address string
	// Until is when the wait is given up; zero means never.
	Until time.Time
	// Waiting, when set, is called when the wait begins, and when somebody else holds the
	// lease than before.
	Waiting func(container.LeaseHolder)
}

// engine is what a lease needs of a runtime.
type engine interface {
	runtime.Runtime
	runtime.Lister
	runtime.Clock
}

// Hold does the work while this instance holds the lease of the host. The context of the
// work ends when the lease is lost, and the work should then come to an orderly end.
// Nothing of it is done where another instance had to be waited for.
//
// Errors: [ErrBusy], [ErrWaited], [ErrLost], those of the work.
func (i *Instance) Hold(ctx context.Context, rt runtime.Runtime, claim Claim, work func(ctx context.Context) error) error {
	e, ok := rt.(engine)
	if !ok {
		return fmt.Errorf("host %s: %w", claim.Host, errPowers)
	}
	l := &lease{Instance: i, engine: e, Claim: claim}
	if err := l.take(ctx); err != nil {
		return fmt.Errorf("host %s: %w", claim.Host, err)
	}
	return l.during(ctx, work)
}

// Sweep removes those of these leases that nobody holds any more: of a repo, or of processes
// that this one follows, which may have known the repo by its address only.
func (i *Instance) Sweep(ctx context.Context, rt runtime.Runtime, repo string, found []types.ContainerSummary) error {
	e, ok := rt.(engine)
	if !ok {
		return errPowers
	}
	now, err := e.Time()
	if err != nil {
		return err
	}
	var errs []error
	for _, h := range container.LeaseHolders(found) {
		follows := i.opts.Keeper != "" && h.Keeper == i.opts.Keeper
		if (h.Repo == repo || follows) && !i.heldBy(h, now) && !i.stays(h, now) {
			errs = append(errs, remove(ctx, e, h.ID))
		}
	}
	return errors.Join(errs...)
}

// heldBy says whether somebody holds a lease: another instance whose lease is not over, or
// this process. One that this process lost, or a crashed one of the same keeper, is free.
func (i *Instance) heldBy(h container.LeaseHolder, now time.Time) bool {
	if h.Idle {
		return false
	}
	if h.Instance == i.name {
		i.mu.Lock()
		defer i.mu.Unlock()
		return i.held[h.Name] > 0
	}
	return h.Valid(now) && (i.opts.Keeper == "" || h.Keeper != i.opts.Keeper)
}

func (i *Instance) hold(name string) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.held[name]++
}

func (i *Instance) letGo(name string) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.held[name]--; i.held[name] <= 0 {
		delete(i.held, name)
	}
}

// remove removes a lease; one that is gone is no error.
func remove(ctx context.Context, e engine, id string) error {
	if err := e.Delete(ctx, id); err != nil && !errors.Is(err, runtime.ErrNotFound) {
		return fmt.Errorf("remove the lease %.12s: %w", id, err)
	}
	return nil
}

// labels are those by which the leases of one host are found.
func (l *lease) labels() map[string]string {
	return map[string]string{container.LabelRole: container.RoleLease, container.LabelHost: l.Host, container.LabelLeaseRepo: l.Repo}
}
