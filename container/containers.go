package container

import (
	"context"

	"github.com/gitsync/gitsync/host"
	"github.com/gitsync/gitsync/registry"
	"github.com/gitsync/gitsync/runtime"
)

// StatusMissing is the status of a container that was recorded, and that its
// runtime does not know any more.
const StatusMissing = "gone"

// StatusUnknown is the status of a container whose runtime did not answer.
const StatusUnknown = "unknown"

// Containers are containers on one or many hosts: what was deployed, and what
// should be.
//
// It is not safe for concurrent use.
type Containers struct {
	// PreviousState is what was deployed last. Persist it after each deploy.
	PreviousState ContainersState `json:"previousState,omitempty"`
	// Unconfirmed says that the previous state comes from where others may write. Then it
	// explains, and decides nothing that the containers' labels do not confirm: nothing is
	// created or written from it, no machine but those of Machine and the desired state is
	// connected to, and only what bears the labels of this origin, and the digest of what
	// was recorded, is removed. It needs an Origin.
	Unconfirmed bool `json:"-"`
	// DesiredState is what should run.
	DesiredState ContainersState `json:"desiredState,omitempty"`
	// Origin is written on the containers as labels, and finds them again when
	// the previous state is lost. Without it only recorded IDs are trusted.
	Origin *Origin `json:"-"`
	// Machine, when set, is looked at although no container may be on it, so that
	// containers that only their labels know are found there.
	Machine *Machine `json:"-"`
	// Connector opens the runtimes; [Connect] by default.
	Connector Connector `json:"-"`
	// Parallel is how many containers of one machine that run are replaced, restarted or
	// removed at once, each until its verdict, and how many others are created or started
	// at once, without what they are waited for; by default 4 and 16.
	Parallel int `json:"-"`
	// PruneLimit is the fraction of a machine's containers that may be removed at
	// once; with any limit, not all of them may be. 0 means no limit.
	PruneLimit float64 `json:"-"`
	// HeldBack is that of [PlanOptions]; the next one is in the plan.
	HeldBack []string `json:"-"`
	// Held says, by key, why a container's update is not tried now: it failed. What
	// was deployed before is kept up.
	Held map[string]string `json:"-"`
	// Blocked says, by key, why a container must not be created.
	Blocked map[string]string `json:"-"`
	// Denied says, by key, why a container must not be brought about as it was recorded,
	// where that is what is desired.
	Denied map[string]string `json:"-"`
	// Moves says, by key, from or to which machine a container moves. Its removal is no
	// loss, and not guarded.
	Moves map[string]string `json:"-"`
	// Inherited are, by key, containers of other host directories on the machine whose place
	// one of this takes. It needs an Origin, and a Machine.
	Inherited map[string]Inherited `json:"-"`
	// Yields and Kept are those of [PlanOptions].
	Yields map[string]string `json:"-"`
	Kept   map[string]string `json:"-"`
	// Patient, Suspended, Fights, Drift and RepairNow are those of [PlanOptions].
	Patient   map[string]bool   `json:"-"`
	Suspended map[string]string `json:"-"`
	Fights    map[string]string `json:"-"`
	Drift     *DriftPolicy      `json:"-"`
	RepairNow bool              `json:"-"`
	// NestedMounts says what becomes of mounts whose sources containers may replace by links.
	NestedMounts NestedMounts `json:"-"`
	// Secrets open what the containers refer to; nil where none does.
	Secrets Secrets `json:"-"`
	// Lease, when set, is held while something is changed on a machine.
	Lease Lease `json:"-"`
	// Superseded, when set and closed, ends the wait for containers to become ready:
	// their updates are taken back, since a newer desired state is to be deployed.
	Superseded <-chan struct{} `json:"-"`
	// Progress, when set, is told how far pulls are. It may be called for several
	// images at once.
	Progress func(runtime.PullProgress) `json:"-"`
	// Credentials, when set, are asked with what the registry of an image is logged in
	// to, each time that one is pulled; nil means anonymously.
	Credentials registry.Credentials `json:"-"`
}

// Machine is a runtime on a host.
type Machine struct {
	Host    host.Host
	Runtime RuntimeConfig
}

// ContainersInterface is what validated containers can do.
type ContainersInterface interface {
	// CheckCurrentState asks the runtimes what is there. Required before Deploy.
	// A machine that cannot be reached is an error, and the others are checked.
	CheckCurrentState() error
	// Deploy brings the desired state about, on all machines that were checked.
	// Without a check before it, it is [ErrNotChecked].
	Deploy() error
	// StateToYaml returns what is deployed, for FromYaml.
	StateToYaml() ([]byte, error)
	// ToExported returns the states as they are now.
	ToExported() *Containers
	// DesiredState returns the desired state with the IDs of the containers that
	// exist and each status set to running, so that a difference from the previous
	// state shows only what matters.
	DesiredState() ContainersState
	// Containers returns the receiver.
	Containers() ContainersInterface
}

// New validates, and returns the containers for use.
func (c *Containers) New() (ContainersInterface, error) {
	return c.Deployment()
}

// CheckCurrentState is CheckCurrentStateContext without a deadline.
func (c *Containers) CheckCurrentState() error {
	return c.CheckCurrentStateContext(context.Background())
}

// CheckCurrentStateContext asks the runtimes what is there, and updates the
// previous state by it.
func (c *Containers) CheckCurrentStateContext(ctx context.Context) error {
	d, err := c.Deployment()
	if err != nil {
		return err
	}
	err = d.CheckCurrentStateContext(ctx)
	c.adopt(d)
	return err
}

// Deploy is DeployContext without a deadline.
func (c *Containers) Deploy() error {
	return c.DeployContext(context.Background())
}

// DeployContext checks the current state, and brings the desired one about. The
// previous state follows what was done, also when an error is returned.
func (c *Containers) DeployContext(ctx context.Context) error {
	d, err := c.Deployment()
	if err != nil {
		return err
	}
	checkErr := d.CheckCurrentStateContext(ctx)
	defer c.adopt(d)
	return joinErrors(checkErr, d.deployChecked(ctx))
}

func (c *Containers) adopt(d *Deployment) {
	exported := d.ToExported()
	c.PreviousState, c.DesiredState = exported.PreviousState, exported.DesiredState
}

// ToExported returns the receiver.
func (c *Containers) ToExported() *Containers { return c }
