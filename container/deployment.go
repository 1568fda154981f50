package container

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"golang.org/x/sync/errgroup"

	"github.com/gitsync/gitsync/container/types"
	"github.com/gitsync/gitsync/internal/panics"
	"github.com/gitsync/gitsync/internal/yamlout"
)

// ErrNotChecked means that Deploy was called without CheckCurrentState before it.
var ErrNotChecked = errors.New("the current state is not known: call CheckCurrentState first")

// maxMachines bounds how many machines are worked on at once.
const maxMachines = 32

// Deployment is a validated [Containers]. It is not safe for concurrent use.
type Deployment struct {
	source   *Containers
	machines []*machine
	// assumed says that the machines were not asked.
	assumed bool
}

// CheckOptions says how deep a look goes.
type CheckOptions struct {
	// SkipFiles leaves the config files on the hosts unread.
	SkipFiles bool
	// SkipSettings does not ask how the containers are set up, besides those with these
	// IDs and those that have another ID than the recorded one.
	SkipSettings bool
	SettingsOf   []string
}

// Deployment validates, and returns the containers for use. What is passed in is
// copied.
func (c *Containers) Deployment() (*Deployment, error) {
	if err := c.Validate(); err != nil {
		return nil, fmt.Errorf("validate containers: %w", err)
	}
	d := &Deployment{source: c}
	if c.Machine != nil {
		d.at(*c.Machine)
	}
	for _, key := range sortedKeys(c.DesiredState) {
		m := d.at(c.DesiredState[key].machine())
		m.desired[key] = c.DesiredState[key].clone()
		// A new password or time-out is used for the old containers too.
		m.Machine = c.DesiredState[key].machine()
	}
	for _, key := range sortedKeys(c.PreviousState) {
		previous := c.PreviousState[key]
		if c.Unconfirmed && !d.has(previous.machine()) {
			// A forged record must not send us, and our keys, anywhere.
			continue
		}
		m := d.at(previous.machine())
		recordedAs := key
		if want, ok := c.DesiredState[key]; ok && want.machine().address() != previous.machine().address() {
			// What a move leaves behind is removed, and recorded until it is.
			recordedAs = key + " on " + previous.machine().address()
			m.moved = append(m.moved, recordedAs)
			m.noteMove(recordedAs, want.machine())
			d.at(want.machine()).guardMove(key, previous)
		}
		m.previous[recordedAs] = previous.clone()
		m.state[recordedAs] = previous.clone()
	}
	if c.Machine != nil {
		d.at(*c.Machine).inherit(c.Inherited)
	}
	for _, m := range d.machines {
		m.desired.bindJobs()
		m.holdBack()
	}
	return d, nil
}

// holdBack makes what was deployed the desired state of containers whose update
// waits for its next try. One that was never deployed is left alone.
func (m *machine) holdBack() {
	if m.options.Unconfirmed {
		return
	}
	for key := range m.options.Held {
		if previous, desired := m.previous[key], m.desired[key]; previous != nil && desired != nil {
			m.desired[key] = previous.clone()
		}
	}
}

// has says whether a machine is among those that are looked at.
func (d *Deployment) has(where Machine) bool {
	return slices.ContainsFunc(d.machines, func(m *machine) bool { return m.address() == where.address() })
}

// noteMove says of what moves to another machine that its removal is no loss.
func (m *machine) noteMove(recordedAs string, to Machine) {
	moves := maps.Clone(m.options.Moves)
	if moves == nil {
		moves = map[string]string{}
	}
	moves[recordedAs] = "it moves to " + to.address()
	m.options.Moves = moves
}

// guardMove keeps a protected container where it is.
func (m *machine) guardMove(key string, previous *HostConfiguredContainer) {
	if previous.Protect {
		m.options.Blocked = maps.Clone(m.options.Blocked)
		if m.options.Blocked == nil {
			m.options.Blocked = map[string]string{}
		}
		m.options.Blocked[key] = "it is protected on " + previous.machine().address() + ": a commit must first say protect: false, and be deployed, before another one moves it"
	}
}

// at returns the machine with this address, new or known.
func (d *Deployment) at(where Machine) *machine {
	address := where.address()
	for _, m := range d.machines {
		if m.address() == address {
			return m
		}
	}
	m := &machine{
		Machine: where, name: address, connect: d.source.Connector,
		origin: d.source.Origin, progress: d.source.Progress, credentials: d.source.Credentials,
		previous: ContainersState{}, desired: ContainersState{}, state: ContainersState{},
		parallel: d.source.Parallel, superseded: d.source.Superseded, secrets: d.source.Secrets, lease: d.source.Lease, nested: d.source.NestedMounts,
		options: PlanOptions{PruneLimit: d.source.PruneLimit, HeldBack: d.source.HeldBack, Held: d.source.Held, Blocked: d.source.Blocked, Denied: d.source.Denied, Moves: d.source.Moves,
			Yields: d.source.Yields, Kept: d.source.Kept,
			Patient: d.source.Patient, Suspended: d.source.Suspended, Fights: d.source.Fights, Drift: d.source.Drift, RepairNow: d.source.RepairNow, Unconfirmed: d.source.Unconfirmed},
	}
	if m.creations = m.parallel; m.parallel <= 0 {
		m.parallel, m.creations = defaultParallel, defaultCreations
	}
	if d.source.Origin != nil {
		m.name = d.source.Origin.Host
	}
	if m.connect == nil {
		m.connect = Connect
	}
	d.machines = append(d.machines, m)
	return m
}

// CheckCurrentState implements [ContainersInterface].
func (d *Deployment) CheckCurrentState() error {
	return d.CheckCurrentStateContext(context.Background())
}

// CheckCurrentStateContext asks the runtimes what is there, files included.
func (d *Deployment) CheckCurrentStateContext(ctx context.Context) error {
	return d.Check(ctx, CheckOptions{})
}

// Check asks the runtimes what is there, as deep as the options say.
func (d *Deployment) Check(ctx context.Context, opts CheckOptions) error {
	d.assumed = false
	err := d.each(func(m *machine) error { return m.look(ctx, opts) })
	d.dropAliases()
	return err
}

// dropAliases notices that a container did not move at all: its machine only has
// another address. Without that it would be removed from where it came from.
func (d *Deployment) dropAliases() {
	for _, from := range d.machines {
		for _, key := range from.moved {
			left := from.previous[key]
			if left == nil || !left.Container.Status.Exists() {
				continue
			}
			for _, to := range d.machines {
				if to != from && to.has(left.Container.Status.ID) {
					from.forget(key)
				}
			}
		}
	}
}

// Plan returns what a deploy would do. It is empty for machines that were not, or
// could not be, checked.
func (d *Deployment) Plan() Plan {
	var plan Plan
	for _, m := range d.machines {
		plan.Hosts = append(plan.Hosts, m.plan())
	}
	return plan
}

// Current returns what the last look found, machine by machine in the order of
// the plan's hosts.
func (d *Deployment) Current() []Current {
	var current []Current
	for _, m := range d.machines {
		current = append(current, m.current)
	}
	return current
}

// Deploy implements [ContainersInterface].
func (d *Deployment) Deploy() error { return d.DeployContext(context.Background()) }

// DeployContext carries the plan out. Containers that fail are in the error, as
// [*Failure]; the others are deployed.
func (d *Deployment) DeployContext(ctx context.Context) error {
	if d.assumed || !slices.ContainsFunc(d.machines, func(m *machine) bool { return m.checked }) {
		return ErrNotChecked
	}
	return d.deployChecked(ctx)
}

// deployChecked works on the machines that answered. Those that containers move
// away from come last, and only when all is well on the others.
func (d *Deployment) deployChecked(ctx context.Context) error {
	deploy := func(left bool) error {
		return d.each(func(m *machine) error {
			if !m.checked || left != (len(m.moved) > 0) {
				return nil
			}
			return m.deploy(ctx)
		})
	}
	settled := !slices.ContainsFunc(d.machines, func(m *machine) bool { return !m.checked })
	if err := deploy(false); err != nil || !settled {
		return err
	}
	return deploy(true)
}

func (d *Deployment) each(work func(*machine) error) error {
	errs := make([]error, len(d.machines))
	var group errgroup.Group
	group.SetLimit(maxMachines)
	for i, m := range d.machines {
		group.Go(func() error {
			errs[i] = m.redact(panics.Catch(func() error { return work(m) }))
			return nil
		})
	}
	_ = group.Wait()
	return joinErrors(errs...)
}

// joinErrors is errors.Join that leaves a single error as it is.
func joinErrors(errs ...error) error {
	errs = slices.DeleteFunc(slices.Clone(errs), func(err error) bool { return err == nil })
	if len(errs) == 1 {
		return errs[0]
	}
	return errors.Join(errs...)
}

// StateToYaml implements [ContainersInterface].
func (d *Deployment) StateToYaml() ([]byte, error) {
	return yamlout.Marshal(&Containers{PreviousState: d.state()})
}

func (d *Deployment) state() ContainersState {
	state := ContainersState{}
	for _, m := range d.machines {
		for key, c := range m.state {
			// What is not replaced yet is still the other host directory's.
			if !m.inheritedID(key, idOf(c)) {
				state[key] = c.clone()
			}
		}
	}
	return state
}

// ToExported implements [ContainersInterface].
func (d *Deployment) ToExported() *Containers {
	exported := *d.source
	exported.PreviousState, exported.DesiredState = d.state(), ContainersState{}
	for _, m := range d.machines {
		for key, c := range m.desired {
			exported.DesiredState[key] = c.clone()
		}
	}
	return &exported
}

// DesiredState implements [ContainersInterface].
func (d *Deployment) DesiredState() ContainersState {
	desired := ContainersState{}
	for _, m := range d.machines {
		for key, c := range m.desired {
			c = c.clone()
			c.Container.Status = &types.ContainerStatus{Status: types.StatusRunning}
			if known := m.state[key]; known != nil && known.Container.Status.Exists() {
				c.Container.Status.ID, c.Container.Status.ImageID = known.Container.Status.ID, known.Container.Status.ImageID
			}
			desired[key] = c
		}
	}
	return desired
}

// Containers implements [ContainersInterface].
func (d *Deployment) Containers() ContainersInterface { return d }

// clone copies what a deploy changes.
func (m *HostConfiguredContainer) clone() *HostConfiguredContainer {
	c := *m
	c.ConfigFiles = maps.Clone(m.ConfigFiles)
	c.ConfigFileAttributes = maps.Clone(m.ConfigFileAttributes)
	c.DependsOn = maps.Clone(m.DependsOn)
	c.Secrets = maps.Clone(m.Secrets)
	if m.Drift != nil {
		c.Drift = &DriftPolicy{Policy: m.Drift.Policy, Ignore: slices.Clone(m.Drift.Ignore)}
	}
	if m.Update != nil {
		update := *m.Update
		c.Update = &update
	}
	if m.Container.Status != nil {
		status := *m.Container.Status
		c.Container.Status = &status
	}
	return &c
}

var _ ContainersInterface = (*Deployment)(nil)
