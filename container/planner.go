package container

import (
	"slices"

	"github.com/gitsync/gitsync/container/types"
)

// MakePlan compares the three states of one machine and returns what to do. It
// is a pure function: same values in, same plan out, whatever their order.
//
// A key of a state is the container's key; host names the machine in the plan.
func MakePlan(host string, desired, previous ContainersState, current Current) HostPlan {
	plan := HostPlan{Host: host}
	for _, helper := range current.Helpers {
		d := decision{key: helper.Name}
		d.clear(&helper)
		plan.Recovery = append(plan.Recovery, Unit{Steps: d.recovery})
		plan.Changes = append(plan.Changes, Change{Container: helper.Name, Kind: Recover, Causes: d.causes})
	}
	var decisions []*decision
	for _, key := range allKeys(desired, previous, current.Containers) {
		d := decide(key, desired[key], previous[key], current)
		decisions = append(decisions, &d)
	}
	followNamespaces(decisions)
	for _, d := range decisions {
		if d.kind == "" {
			continue
		}
		plan.Changes = append(plan.Changes, Change{Container: d.key, Kind: d.kind, Causes: d.causes})
		if len(d.recovery) > 0 {
			plan.Recovery = append(plan.Recovery, Unit{Steps: d.recovery})
		}
	}
	plan.Pulls = pulls(decisions)
	for _, group := range ordered(decisions) {
		if steps := groupSteps(group); len(steps) > 0 {
			plan.Units = append(plan.Units, Unit{Steps: steps})
		}
	}
	plan.nameCauses()
	return plan
}

// nameCauses tells each step the causes of its container's change.
func (p HostPlan) nameCauses() {
	causes := map[string]string{}
	for _, c := range p.Changes {
		causes[c.Container] = c.Why()
	}
	name := func(steps []Step) {
		for i := range steps {
			steps[i].Cause = causes[steps[i].Container]
		}
	}
	name(p.Pulls)
	for _, u := range slices.Concat(p.Recovery, p.Units) {
		name(u.Steps)
	}
}

func allKeys(desired, previous ContainersState, instances map[string]Instances) []string {
	keys := append(sortedKeys(desired, previous), sortedKeys(instances)...)
	slices.Sort(keys)
	return slices.Compact(keys)
}

// followNamespaces re-creates what shares a namespace with a container that gets
// another ID: the engine keeps the old one's ID and would never start it again.
func followNamespaces(decisions []*decision) {
	for changed := true; changed; {
		changed = false
		for _, d := range decisions {
			if d.desired == nil || d.creates() || d.main == nil || d.kind == Blocked {
				continue
			}
			for _, other := range decisions {
				if other.creates() && sharesNamespace(d.desired, other.desired) {
					d.kind = Replace
					d.causes = append(d.causes, cause("", "it shares a namespace with %s, which is created anew", other.key))
					changed = true
					break
				}
			}
		}
	}
}

func sharesNamespace(m, other *HostConfiguredContainer) bool {
	want := "container:" + other.Container.Config.Name
	c := m.Container.Config
	return c.NetworkMode == want || c.PidMode == want || c.IpcMode == want
}

func (d *decision) creates() bool { return d.kind == Create || d.kind == Replace }

// starts says whether the decision ends with a container that was not running.
func (d *decision) starts() bool { return d.creates() || d.kind == Start }

// releases says whether the decision stops a container for good.
func (d *decision) releases() bool { return d.main != nil && (d.kind == Replace || d.kind == Remove) }

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

// groupSteps returns the steps of a group of decisions. Those that cannot be
// undone, the removals, come last.
func groupSteps(group []*decision) []Step {
	held := heldNames(group)
	alone := len(group) == 1
	var create, stop, rename, start, remove, finish []Step
	for _, d := range group {
		create = append(create, d.createSteps(held)...)
		if d.kind == Restart || d.releases() {
			s := stopStep(d.key, d.main)
			s.WasRunning = running(d.main) && (!alone || d.kind != Remove)
			stop = append(stop, s)
		}
		if d.releases() {
			removal := removeStep(d.key, d.main)
			if d.kind == Replace || held[d.main.Name] != d {
				aside := renameStep(d.key, d.main.ID, d.main.Name, d.main.Name+suffixOld)
				rename, removal.Name = append(rename, aside), aside.Name
			}
			remove = append(remove, removal)
		}
		if d.kind != "" && d.kind != Blocked && d.renamed() {
			rename = append(rename, renameStep(d.key, d.main.ID, d.main.Name, d.desired.Container.Config.Name))
		}
		start = append(start, d.startSteps()...)
		finish = append(finish, d.hookSteps()...)
		if d.kind == Forget {
			remove = append(remove, Step{Action: ActionForget, Container: d.key})
		}
	}
	for _, s := range create {
		if final := baseName(s.Name); s.Action == ActionCreate && final != s.Name {
			rename = append(rename, Step{
				Action: ActionRename, Container: s.Container, Instance: Created, From: s.Name, Name: final,
			})
		}
	}
	return slices.Concat(create, stop, rename, start, remove, finish)
}

// heldNames maps each name that an existing container of the group has to the
// decision that wants it next, or else to the one that has it.
func heldNames(group []*decision) map[string]*decision {
	held := map[string]*decision{}
	for _, d := range group {
		if d.releases() {
			held[d.main.Name] = d
		}
	}
	for _, d := range group {
		if d.creates() {
			if _, ok := held[d.desired.Container.Config.Name]; ok {
				held[d.desired.Container.Config.Name] = d
			}
		}
	}
	return held
}

// createSteps writes the files and creates the container, under a name of its
// own while another container has the one that it wants.
func (d *decision) createSteps(held map[string]*decision) []Step {
	var steps []Step
	if d.kind == Create && d.main != nil {
		steps = append(steps, removeStep(d.key, d.main))
	}
	if len(d.files) > 0 {
		steps = append(steps, Step{Action: ActionFiles, Container: d.key, Paths: d.files})
	}
	if d.creates() {
		name := d.desired.Container.Config.Name
		if _, taken := held[name]; taken {
			name += suffixNew
		}
		steps = append(steps, Step{
			Action: ActionCreate, Container: d.key, Instance: Created, Name: name,
			Keep: d.main == nil && name == d.desired.Container.Config.Name,
		})
	}
	return steps
}

func (d *decision) startSteps() []Step {
	switch {
	case d.creates():
		return []Step{{Action: ActionStart, Container: d.key, Instance: Created, Name: d.desired.Container.Config.Name}}
	case d.kind == Start, d.kind == Restart:
		return []Step{startStep(d.key, d.main.ID, d.desired.Container.Config.Name)}
	}
	return nil
}

// hookSteps come after the removals: a hook that fails takes nothing back.
func (d *decision) hookSteps() []Step {
	if d.desired.hasPostStart() && (d.starts() || d.kind == Restart || d.kind == Finish) {
		return []Step{{Action: ActionPostStart, Container: d.key}}
	}
	return nil
}

func startStep(key, id, name string) Step {
	return Step{Action: ActionStart, Container: key, Instance: Existing, ID: id, Name: name}
}

func stopStep(key string, row *types.ContainerSummary) Step {
	return Step{Action: ActionStop, Container: key, Instance: Existing, ID: row.ID, Name: row.Name}
}

func removeStep(key string, row *types.ContainerSummary) Step {
	return Step{Action: ActionRemove, Container: key, Instance: Existing, ID: row.ID, Name: row.Name}
}

func renameStep(key, id, from, to string) Step {
	return Step{Action: ActionRename, Container: key, Instance: Existing, ID: id, From: from, Name: to}
}

// running says whether a container is up, or is being brought up by the engine.
func running(row *types.ContainerSummary) bool {
	return row.Status == types.StatusRunning || row.Status == types.StatusRestarting
}
