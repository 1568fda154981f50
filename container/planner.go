package container

import (
	"slices"
	"strings"

	"github.com/gitsync/gitsync/container/types"
)

// PlanOptions are what a plan depends on beside the three states. The zero value
// guards nothing and holds nothing back.
type PlanOptions struct {
	// PruneLimit is the fraction of the machine's containers that may be removed at
	// once. 0 means no limit; with any other, not all of them may be.
	PruneLimit float64
	// HeldBack are the keys of what was deployed before the first commit whose removals
	// were held back: they are counted against that. Empty means that none were.
	HeldBack []string
	// Held says, by key, why a container is left alone for now: its update failed.
	Held map[string]string
	// Patient says, by key, that a held container is not even kept up as it was deployed.
	Patient map[string]bool
	// Blocked says, by key, why a container must not be created here.
	Blocked map[string]string
	// Denied says, by key, why what was recorded must not be brought about, where that is
	// what is desired: the container is left as it is.
	Denied map[string]string
	// Moves says, by key, from or to which machine a container moves. Its removal is no
	// loss, and not guarded.
	Moves map[string]string
	// Inherits says, by key, which other host directory of this machine hands a container
	// on: what bears that one's label is replaced, or removed where it is not desired. That
	// it leaves the other one is guarded there.
	Inherits map[string]string
	// Yields says, by key, that a container is left to another host directory of this
	// machine, which takes its place.
	Yields map[string]string
	// Kept says, by key, why a container stays although it is no longer desired.
	Kept map[string]string
	// Suspended says, by key, why a container is left as it is, whatever the repo or the
	// host say; the key "" is all of the machine.
	Suspended map[string]string
	// Fights says, by key, why drift of a container is not repaired for now: somebody
	// undoes the repairs.
	Fights map[string]string
	// Drift is the policy for containers with our labels that nothing explains.
	Drift *DriftPolicy
	// Unconfirmed is that of [Containers].
	Unconfirmed bool
	// RepairNow puts drift right that is only to be reported, or fought about.
	RepairNow bool
}

// suspension says why a container is left as it is; nothing when it is not.
func (o PlanOptions) suspension(key string) string {
	if why := o.Suspended[key]; why != "" {
		return why
	}
	return o.Suspended[""]
}

// MakePlan compares the three states of one machine and returns what to do. It
// is a pure function: same values in, same plan out, whatever their order.
//
// A key of a state is the container's key; host names the machine in the plan.
func MakePlan(host string, desired, previous ContainersState, current Current, opts PlanOptions) HostPlan {
	plan := HostPlan{Host: host}
	for _, helper := range current.Helpers {
		d := decision{key: helper.Name}
		d.clear(&helper)
		plan.Recovery = append(plan.Recovery, Unit{Steps: d.recovery})
		plan.Changes = append(plan.Changes, Change{Container: helper.Name, Kind: Recover, Causes: d.causes})
	}
	var decisions []*decision
	names := desired.names()
	current.names = current.namesFound()
	for _, key := range allKeys(desired, previous, current.Containers) {
		d := decide(key, desired[key], previous[key], current, opts)
		d.needs = desired.needs(key, names)
		d.explainInheritance()
		d.suspend()
		d.deny()
		decisions = append(decisions, &d)
	}
	takeBackTogether(decisions)
	followNamespaces(decisions)
	opts.explainMoves(decisions)
	plan.HeldBack = opts.guard(decisions)
	byKey := index(decisions)
	opts.holdDependants(decisions, byKey)
	keepPredecessors(decisions)
	for _, d := range decisions {
		if d.moves != "" {
			plan.Changes = append(plan.Changes, Change{Container: d.key, Kind: Move, Causes: []Cause{{Text: d.moves}}})
		}
		if drifted := d.drifted(); drifted != nil {
			plan.Drift = append(plan.Drift, *drifted)
		}
		plan.Unchecked = append(plan.Unchecked, d.unchecked(current)...)
		if d.kind == "" {
			continue
		}
		plan.Changes = append(plan.Changes, Change{Container: d.key, Kind: d.kind, Causes: d.causes})
		if d.held != "" {
			plan.Changes = append(plan.Changes, Change{Container: d.key, Kind: Hold, Causes: []Cause{{Text: d.held}}})
		}
	}
	plan.Recovery = append(plan.Recovery, recoveryUnits(decisions)...)
	plan.Pulls = pulls(decisions)
	removals, others := ordered(decisions, previous)
	plan.Removals = removalUnits(removals, previous)
	plan.Units = units(others, byKey)
	plan.nameCauses()
	return plan
}

// suspend leaves a container as it is, and says what would be done.
func (d *decision) suspend() {
	why := d.opts.suspension(d.key)
	if why == "" {
		return
	}
	causes := []Cause{{Text: why}}
	if d.kind != "" {
		causes = append(causes, cause("", "when that ends: %s (%s)", d.kind, Change{Causes: d.causes}.Why()))
	}
	d.kind, d.causes, d.recovery, d.files = Suspended, causes, nil, nil
	d.adjust, d.unpause, d.rename, d.moves = false, false, false, ""
}

// deny leaves a container as it is that must not become what is desired.
func (d *decision) deny() {
	why := d.opts.Denied[d.key]
	if why == "" || d.desired == nil || !d.acts() {
		return
	}
	d.block(why)
	d.files, d.adjust, d.unpause, d.rename = nil, false, false, false
}

// nameCauses tells each step the causes of its container's change.
func (p HostPlan) nameCauses() {
	causes := map[string]string{}
	for _, c := range p.Changes {
		if causes[c.Container] == "" {
			causes[c.Container] = c.Why()
		}
	}
	name := func(steps []Step) {
		for i := range steps {
			steps[i].Cause = causes[steps[i].Container]
		}
	}
	name(p.Pulls)
	for _, u := range slices.Concat(p.Recovery, p.Removals, p.Units) {
		name(u.Steps)
	}
}

func allKeys(desired, previous ContainersState, instances map[string]Instances) []string {
	keys := append(sortedKeys(desired, previous), sortedKeys(instances)...)
	slices.Sort(keys)
	return slices.Compact(keys)
}

func index(decisions []*decision) map[string]*decision {
	byKey := make(map[string]*decision, len(decisions))
	for _, d := range decisions {
		byKey[d.key] = d
	}
	return byKey
}

// followNamespaces changes what shares a namespace with a container that changes.
// One that gets another ID is followed by a replacement: the engine keeps the old
// one's ID and would never start it again. One that is started again has a new
// namespace, which a restart joins.
func followNamespaces(decisions []*decision) {
	owners, guests := map[string]*decision{}, map[string][]*decision{}
	for _, d := range decisions {
		if d.desired == nil {
			continue
		}
		owners[d.desired.Container.Config.Name] = d
		for _, name := range d.desired.owners() {
			guests[name] = append(guests[name], d)
		}
	}
	spread(decisions, func(d *decision) []*decision {
		if d.desired == nil || !d.followOwner(owners) {
			return nil
		}
		return guests[d.desired.Container.Config.Name]
	})
}

// followOwner changes the decision as the owner of its namespace changes, and says whether
// it did.
func (d *decision) followOwner(owners map[string]*decision) bool {
	if d.main == nil || d.kind == Blocked || d.kind == Suspended || d.creates() {
		return false
	}
	owner := sharedOwner(d.desired, owners)
	switch {
	case owner == nil:
	case owner.creates():
		d.kind = Replace
		d.causes = append(d.causes, cause("", "it shares a namespace with %s, which is created anew", owner.key))
		return true
	case owner.restarts() && !d.restarts() && running(d.main):
		d.kind = Restart
		d.causes = append(d.causes, cause("", "it shares a namespace with %s, which is started again", owner.key))
		return true
	}
	return false
}

// spread asks all decisions whether they change, and then those again that a change may
// change, until nothing does. The function returns those that depend on what it changed.
func spread(decisions []*decision, change func(*decision) []*decision) {
	for len(decisions) > 0 {
		var next []*decision
		for _, d := range decisions {
			next = append(next, change(d)...)
		}
		slices.SortFunc(next, func(a, b *decision) int { return strings.Compare(a.key, b.key) })
		decisions = slices.Compact(next)
	}
}

// sharedOwner returns the decision about the container whose namespace m shares,
// preferring one that is created anew.
func sharedOwner(m *HostConfiguredContainer, owners map[string]*decision) *decision {
	var found *decision
	for _, name := range m.owners() {
		if owner := owners[name]; owner != nil && (found == nil || owner.creates()) {
			found = owner
		}
	}
	return found
}

func (d *decision) creates() bool { return d.kind == Create || d.kind == Replace }

// restarts says whether the container goes on to exist and gets a new process.
func (d *decision) restarts() bool { return d.kind == Start || d.kind == Restart }

// starts says whether the decision ends with a new process.
func (d *decision) starts() bool { return d.creates() || d.restarts() }

// waits says whether the decision ends with a look at how the container fares.
func (d *decision) waits() bool {
	return d.starts() || d.kind == Reload || d.kind == Recover && d.old != nil ||
		d.kind == Finish && d.previous.ReadyPending
}

// releases says whether the decision stops a container for good.
func (d *decision) releases() bool { return d.main != nil && (d.kind == Replace || d.kind == Remove) }

// explainMoves says of containers that move where they go, or come from.
func (o PlanOptions) explainMoves(decisions []*decision) {
	for _, d := range decisions {
		text := o.Moves[d.key]
		switch {
		case text == "":
		case d.kind == Create:
			d.causes = append(d.causes, Cause{Text: text})
		case d.kind == Remove:
			d.causes = []Cause{{Text: text}}
		case d.kind == Suspended:
		default:
			d.moves = text
		}
	}
}

// hold leaves a container alone. What it was before its update failed is kept up
// all the same: by then its desired state is the recorded one.
func (d *decision) hold(why string) {
	keeps := !d.opts.Patient[d.key] && d.desired != nil && d.previous != nil && !d.previous.ReadyPending && SameSpec(d.desired, d.previous)
	repairs := d.kind == Replace && d.desired.HasSpecDigest(d.main.Labels[LabelSpec])
	if keeps && (repairs || slices.Contains([]Kind{Start, Create, Recover, Adjust, Unpause}, d.kind)) {
		d.held = why
		return
	}
	d.kind, d.causes, d.recovery = Hold, []Cause{{Text: why}}, nil
}

// holdDependants leaves those alone whose changes need a container that is held
// back, or that cannot be there.
func (o PlanOptions) holdDependants(decisions []*decision, byKey map[string]*decision) {
	dependants := map[string][]*decision{}
	for _, d := range decisions {
		for key := range d.needs {
			dependants[key] = append(dependants[key], d)
		}
	}
	spread(decisions, func(d *decision) []*decision {
		missing := o.missing(d, byKey)
		if missing == "" {
			return nil
		}
		d.kind, d.recovery = Hold, nil
		d.causes = append(d.causes, cause("", "it waits for %s, which it depends on", missing))
		return dependants[d.key]
	})
}

// missing returns the key of what a container that is created needs, and that is held back
// or cannot be there; empty when there is none.
func (o PlanOptions) missing(d *decision, byKey map[string]*decision) string {
	if !d.creates() || len(d.needs) == 0 || d.kind == Create && d.previous != nil && SameSpec(d.previous, d.desired) {
		return ""
	}
	for _, key := range sortedKeys(d.needs) {
		other := byKey[key]
		_, held := o.Held[key]
		absent := other != nil && other.main == nil && (other.kind == Blocked || other.kind == Suspended)
		if other != nil && (held || other.kind == Hold || absent) {
			return key
		}
	}
	return ""
}

func pulls(decisions []*decision) []Step {
	var steps []Step
	seen := map[string]bool{}
	for _, d := range decisions {
		if !d.creates() {
			continue
		}
		image := d.desired.Container.Config.Image
		if canonical := CanonicalImage(image); !seen[canonical] {
			seen[canonical] = true
			steps = append(steps, Step{Action: ActionPull, Container: d.key, Image: image})
		}
	}
	return steps
}

// restarting says whether the engine is about to start a container again.
func restarting(row *types.ContainerSummary) bool { return row.Status == types.StatusRestarting }

// running says whether a container is up, or is being brought up by the engine.
func running(row *types.ContainerSummary) bool {
	return row.Status == types.StatusRunning || row.Status == types.StatusRestarting
}
