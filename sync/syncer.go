package sync

import (
	"context"
	"errors"
	"fmt"
	stdsync "sync"
	"sync/atomic"
	"time"

	"github.com/gitsync/gitsync/gitrepo"
	"github.com/gitsync/gitsync/layout"
	"github.com/gitsync/gitsync/lease"
	"github.com/gitsync/gitsync/policy"
	"github.com/gitsync/gitsync/report"
	"github.com/gitsync/gitsync/state"
	"github.com/gitsync/gitsync/trust"
)

// Syncer makes hosts follow a Git repo. Its methods may be called concurrently;
// cycles run one after the other.
type Syncer struct {
	opts        Options
	source      *gitrepo.Store
	state       *state.Records
	loader      *layout.Loader
	connections *connections
	// instance takes the leases of the machines.
	instance *lease.Instance
	// present are the hosts that were told that this instance manages them.
	present map[string]presence

	// policy is the one that counts now; hosts at work read it too.
	policy atomic.Pointer[policy.Policy]

	// git is held by who works with the stores, and taken before mu.
	git stdsync.Mutex
	mu  stdsync.Mutex
	fetchState
	// read is what the last cycle read of Git; nil before the first one.
	read *kept
	// away says that the remote did not answer the last time, and gaveUp that a last try to
	// record something was in vain, after Run was told to stop.
	away, gaveUp bool
	// unpushed counts the tries to record something, in a row, that the remote did not answer.
	unpushed int
	// warned is what was warned of last.
	warned string
	// rollout is where the last one stood.
	rollout string
	hosts   map[string]*memory
	// unsaved are the hosts whose record could not be pushed yet, and unrecorded the
	// changes of these.
	unsaved    map[string]*HostResult
	unrecorded map[string][]string
	// cycles counts the cycles.
	cycles int
	// outboxProblems are what of the outbox could not be read.
	outboxProblems []error
	// knownFaults are those of the state branch that the log has.
	knownFaults map[string]bool
	// found are records that tasks have found to be right.
	found map[string]*state.Record

	// fleet is what is known of the hosts, for the reporter.
	fleet map[string]report.Host

	tasks tasks
	// identified are the identities that hosts' containers were found to have.
	identified map[string]string
	// ancestry is what is known of the history of the branch, and nextIdentity when the
	// state branch is written again to that has no identity yet.
	ancestry     ancestry
	nextIdentity time.Time
	health       health
	// wake holds a value when the next cycle should begin at once.
	wake chan struct{}
}

// fetchState is what a fetch came to. A cycle has its own until its fetch has ended.
type fetchState struct {
	commit *gitrepo.Commit
	// refused is the tip of the branch when that is not deployed, and refusedAbove the commit
	// that was accepted then.
	refused      *trust.Refusal
	refusedAbove gitrepo.Hash
	// said is what people said of the commit who may deploy, with verification.
	said said
}

// memory is what is known of a host from earlier cycles of this process.
type memory struct {
	// busy holds a value while the host is at work. running is what is at work then,
	// and waiting what comes next.
	busy    chan struct{}
	running *HostResult
	waiting *task
	// failures counts the cycles that failed in a row.
	failures int
	// failedTree and err are those of the last failure.
	failedTree string
	err        error
	// since is when the first of them failed.
	since time.Time
	// next is when a host that failed is tried again.
	next  time.Time
	looks looks
}

// New returns a syncer. Nothing is read from the network yet.
//
// Errors: a data directory that another gitsync uses.
func New(opts Options) (*Syncer, error) {
	if err := opts.withDefaults(); err != nil {
		return nil, err
	}
	s := &Syncer{
		opts: opts, loader: layout.NewLoader(PolicyCheck(opts.Policy)), connections: newConnections(opts.Connector),
		hosts: map[string]*memory{}, unsaved: map[string]*HostResult{}, unrecorded: map[string][]string{}, found: map[string]*state.Record{}, identified: map[string]string{}, present: map[string]presence{},
		fleet: map[string]report.Host{}, tasks: newTasks(opts.Parallel), wake: make(chan struct{}, 1),
	}
	s.policy.Store(opts.Policy)
	if opts.Remote == nil {
		return s, nil
	}
	err := s.opts.openMemory()
	if err != nil {
		return nil, err
	}
	if s.source, err = gitrepo.OpenStore(opts.storeDir("source"), opts.Remote, opts.Branch, layout.Paths()...); err != nil {
		return nil, fmt.Errorf("open the store of branch %s: %w", opts.Branch, err)
	}
	if s.state, err = state.OpenRecords(opts.storeDir("state"), opts.Remote, opts.StateBranch, opts.Author); err != nil {
		return nil, errors.Join(err, s.source.Close())
	}
	keeper, err := keeperOf(opts.DataDir)
	if err != nil {
		return nil, errors.Join(err, s.Close())
	}
	s.instance = lease.New(lease.Options{Keeper: keeper, Lifetime: opts.LeaseLifetime})
	s.state.Use(s.opts.Memory, s.opts.TrustRecords)
	if s.opts.Seal != nil {
		s.state.Require(s.opts.Seal, recordsRefused)
	}
	s.openOutbox()
	return s, nil
}

// Close lets go of stores and connections. The remote stays open.
func (s *Syncer) Close() error {
	s.connections.close()
	if s.source == nil {
		return nil
	}
	return errors.Join(s.source.Close(), s.state.Close())
}

// Repo returns the repo's address without credentials, or the path.
func (s *Syncer) Repo() string {
	if s.opts.Remote == nil {
		return s.opts.Path
	}
	return s.opts.Remote.String()
}

// History returns the newest deployments, newest first.
func (s *Syncer) History(ctx context.Context, limit int) ([]state.Entry, error) {
	return s.state.History(ctx, limit)
}

func (s *Syncer) memory(host string) *memory {
	s.tasks.mu.Lock()
	defer s.tasks.mu.Unlock()
	m, ok := s.hosts[host]
	if !ok {
		m = &memory{busy: make(chan struct{}, 1)}
		s.hosts[host] = m
	}
	return m
}
