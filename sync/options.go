package sync

import (
	"context"
	"errors"
	"path/filepath"
	"time"

	"github.com/gitsync/gitsync/container"
	"github.com/gitsync/gitsync/gitrepo"
	"github.com/gitsync/gitsync/host"
	"github.com/gitsync/gitsync/policy"
	"github.com/gitsync/gitsync/registry"
	"github.com/gitsync/gitsync/runtime"
	"github.com/gitsync/gitsync/trust"
)

// Options say what to sync, and with what.
type Options struct {
	// Remote is the repo. Required unless Path is set.
	Remote *gitrepo.Remote
	// Branch is the branch to deploy.
	Branch string
	// StateBranch is where deployments are recorded. It may hold [state.HostInName].
	StateBranch string
	// Path is a directory to read instead of the branch, for plans only.
	Path string
	// Offline asks no host anything: what the state branch says is taken for what is
	// there and runs. For plans only.
	Offline bool
	// Hosts are the hosts to handle, by names or globs; empty means all.
	Hosts []string
	// Local says that the hosts are this machine: only then those whose gitsyncs run on
	// them (agent: true) are handled, and only where Hosts names them.
	Local bool
	// DockerHost is this machine's engine, for hosts that name none: it tells which
	// hosts are one machine. Empty means the default socket.
	DockerHost string
	// Policy says what the repo, and the records, may ask of the hosts; nil is the default
	// profile.
	Policy *policy.Policy
	// CurrentPolicy, when set, is asked for the policy at the beginning of each cycle, and
	// counts before Policy. The same pointer means the same policy.
	CurrentPolicy func(context.Context) *policy.Policy
	// Verify decides which commits are deployed; nil deploys whatever the branch has.
	Verify *trust.Gate
	// Memory is what is known beside Git; by default it is in DataDir. That of Verify must
	// be the same.
	Memory *trust.Memory
	// Elsewhere, when set, returns what this agent knows of a repo at another address, or
	// of another branch, by the owner that containers' labels name; nil when it knows
	// nothing.
	Elsewhere func(owner string) *trust.Memory
	// TrustRecords believes what the state branch says, as if this gitsync had written it.
	TrustRecords bool
	// Seal, when set, signs the state branch, and makes its records count only as far as
	// they are signed; then all of these are believed.
	Seal *trust.Seal
	// DataDir holds what is fetched. Empty keeps it in a temporary directory.
	DataDir string
	// ReadOutbox, where there is no DataDir, is a directory with what another process could not
	// write to the state branch yet: it is shown, and left to that one.
	ReadOutbox string
	// Author is written on the commits of the state branch.
	Author gitrepo.Signature
	// Connector opens the hosts' runtimes; container.Connect by default. Runtimes
	// are kept open between cycles.
	Connector container.Connector
	// Reporter, when set, is told of the fleet when a new commit is seen, and after each
	// cycle.
	Reporter Reporter
	// ReportAll tells of the hosts too that other gitsyncs handle, by their records.
	ReportAll bool
	// Way, when set, says how well it is known which machine a host is: one that is not known
	// gets no login and no secret of others. Nil takes all for known.
	Way func(h host.Host, config container.RuntimeConfig) container.Way
	// Sight, when set, says by what a machine can be known again, so that one that was
	// confirmed stays so: it is remembered in Memory. False where there is nothing to go by.
	Sight func(h host.Host, config container.RuntimeConfig) (container.Sight, bool)
	// Credentials, when set, are asked with what registries are logged in to, where
	// host.yaml does not say it.
	Credentials registry.Credentials
	// Secrets opens the secrets that containers, and the logins for registries in host.yaml,
	// refer to; nil where none does.
	Secrets SecretOpener
	// SecretKey is this agent's own: it tells whether a secret that was encrypted anew has
	// another value. Empty means that this is not known.
	SecretKey []byte
	// Progress, when set, is told how far pulls are.
	Progress func(runtime.PullProgress)
	// Parallel is how many hosts are handled at once; 32 by default.
	Parallel int
	// CheckTimeout bounds the look at a host; 1 min by default.
	CheckTimeout time.Duration
	// DriftInterval is how often a host is looked at completely, settings and config files
	// included, when nothing else asks for it and host.yaml says nothing, give or take a
	// tenth; 5 min by default.
	DriftInterval time.Duration
	// Patience is how long Run waits for slow hosts at least, before it begins the next
	// cycle beside them, and for a fetch, before it repairs drift beside it; 5 s by default.
	Patience time.Duration
	// WatchInterval is how often the branch is looked at while hosts are deployed, so
	// that a newer commit takes over; 10 s by default.
	WatchInterval time.Duration
	// Explain says that plans are wanted with where each value comes from
	// ([layout.Host.Merged]).
	Explain bool
	// LeaseWait is how long Once and Cycle wait for another instance that works on a host; 2
	// min by default. Run waits until it is done.
	LeaseWait time.Duration
	// LeaseLifetime is how long a host stays taken after this process has crashed on it; 1
	// min by default.
	LeaseLifetime time.Duration
	// AllowPrune lets a commit remove any number of containers.
	AllowPrune bool
	// RetryNow tries failed updates at once, without their pause.
	RetryNow bool
	// RepairNow puts drift right that is only to be reported, or that somebody fights
	// about.
	RepairNow bool
	// Now is the clock; time.Now by default.
	Now func() time.Time
}

func (o *Options) withDefaults() error {
	if o.Remote == nil && o.Path == "" {
		return errors.New("set the repo or a path")
	}
	if o.Remote != nil && (o.Branch == "" || o.StateBranch == "") {
		return errors.New("set the branch and the state branch")
	}
	if o.Branch == o.StateBranch && o.Branch != "" {
		return errors.New("the state branch must be another one than the branch that is deployed")
	}
	if o.Connector == nil {
		o.Connector = container.Connect
	}
	if o.Policy == nil {
		o.Policy = policy.Default()
	}
	if o.Parallel <= 0 {
		o.Parallel = 32
	}
	if o.CheckTimeout <= 0 {
		o.CheckTimeout = time.Minute
	}
	if o.DriftInterval <= 0 {
		o.DriftInterval = 5 * time.Minute
	}
	if o.Patience <= 0 {
		o.Patience = 5 * time.Second
	}
	if o.WatchInterval <= 0 {
		o.WatchInterval = 10 * time.Second
	}
	if o.LeaseWait <= 0 {
		o.LeaseWait = 2 * time.Minute
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	return nil
}

// openMemory returns what an earlier process remembered.
func (o *Options) openMemory() error {
	if o.Memory != nil {
		return nil
	}
	file := ""
	if o.DataDir != "" {
		file = filepath.Join(o.DataDir, MemoryFile)
	}
	var err error
	if o.Memory, err = trust.OpenMemory(file, false); err == nil && o.Verify != nil {
		o.Verify.Memory = o.Memory
	}
	return err
}

// MemoryFile is the name, in the data directory of a repo, of what is remembered beside
// Git.
const MemoryFile = "trust.json"

// storeDir returns where the objects of a branch are kept.
func (o *Options) storeDir(name string) string {
	if o.DataDir == "" {
		return ""
	}
	return filepath.Join(o.DataDir, name)
}

// owner is what the containers' labels say: the repo, however it is reached, and
// the branch.
func (o *Options) owner() string {
	if o.Remote == nil {
		return ""
	}
	return o.Remote.Identity() + "#" + o.Branch
}
