package container

import (
	"slices"
	"strings"

	"github.com/gitsync/gitsync/container/types"
)

// units returns the steps of each group, and what they need of earlier ones.
func units(groups [][]*decision, byKey map[string]*decision) []Unit {
	var out []Unit
	earlier := map[string]bool{}
	for _, group := range groups {
		unit := Unit{Steps: groupSteps(group, byKey)}
		if len(unit.Steps) == 0 {
			continue
		}
		needs := groupNeeds(group)
		for _, key := range sortedKeys(needs) {
			if earlier[key] {
				unit.Needs = append(unit.Needs, Need{key, needs[key]})
			}
		}
		for _, d := range group {
			earlier[d.key] = d.waits() || d.acts() && d.unpause
		}
		out = append(out, unit)
	}
	return out
}

// groupNeeds returns what the containers that a group starts need.
func groupNeeds(group []*decision) map[string]Condition {
	needs := map[string]Condition{}
	for _, d := range group {
		for key, condition := range d.needs {
			if d.starts() && (needs[key] == "" || needs[key] == Started) {
				needs[key] = condition
			}
		}
	}
	return needs
}

// removalUnits removes what depends on others before them.
func removalUnits(groups [][]*decision, previous ContainersState) []Unit {
	var out []Unit
	earlier := map[string]bool{}
	dependants := dependants(groups, previous)
	for _, group := range groups {
		unit := Unit{Steps: groupSteps(group, nil)}
		for _, d := range group {
			slices.Sort(dependants[d.key])
			for _, dependant := range dependants[d.key] {
				if earlier[dependant] {
					unit.Needs = append(unit.Needs, Need{dependant, Completed})
				}
			}
			earlier[d.key] = true
		}
		if len(unit.Steps) > 0 {
			out = append(out, unit)
		}
	}
	return out
}

// phases are the steps of a group in their order. Names change hands while all still
// runs: what is down is so for one stop and one start, and a name on a network leads
// to a new container that is ready before the old one stops. What cannot be undone,
// the removals, comes last. What the engine restarts again and again is down already, and
// is halted before the renames, since an engine renames nothing between two restarts.
type phases struct {
	before, create, early, halt, rename, follow, stop, files, start, ready, remove, finish []Step
}

func (p *phases) all() []Step {
	return slices.Concat(p.before, p.create, p.early, p.halt, p.rename, p.follow, p.stop, p.files, p.start, p.ready, p.remove, p.finish)
}

// groupSteps returns the steps of a group of decisions, which are in the order in
// which their containers start.
func groupSteps(group []*decision, byKey map[string]*decision) []Step {
	if len(group) == 1 && group[0].kind == Recover && group[0].old != nil {
		return append(group[0].resumeSteps(), group[0].hookSteps()...)
	}
	held, creators, known := heldNames(group), creatorsOf(group), recorded(group)
	// All of a group stop in their order: so they start in it again, when it is taken back.
	halted := slices.ContainsFunc(group, func(d *decision) bool { return d.main != nil && restarting(d.main) })
	p := &phases{}
	for _, d := range group {
		if d.starts() {
			p.before = append(p.before, d.dependencySteps(byKey)...)
		}
		d.addSmallRepairs(p)
		if known && d.kind == Start && d.fresh() {
			// An interrupted update created it: it goes when this one is taken back.
			p.create = append(p.create, Step{Action: ActionCreate, Container: d.key, Instance: Existing, ID: d.main.ID, Name: d.main.Name, Done: true})
		}
		names := p
		if d.follows(creators) {
			names = &phases{}
		}
		d.addCreation(names, held, len(group) == 1)
		d.addRelease(p, names, held, len(group) == 1, halted)
		if d.acts() && d.rename {
			d.repairName(names)
		}
		if names != p {
			names.takeNames(nil)
			p.files, p.follow = append(p.files, names.files...), slices.Concat(p.follow, names.create, names.rename)
		}
		if d.kind == Forget {
			p.remove = append(p.remove, Step{Action: ActionForget, Container: d.key})
		}
		p.finish = append(p.finish, d.hookSteps()...)
	}
	early, lastNeed := map[string]*decision{}, lastNeeds(group)
	for i, d := range group {
		neededNow := lastNeed[d.key] > i
		isEarly := d.startsEarly(group, creators)
		start, wait := d.startSteps(isEarly, len(group) == 1)
		switch {
		case isEarly:
			early[d.key], p.early = d, slices.Concat(p.early, start, wait)
		case neededNow:
			p.start = slices.Concat(p.start, start, wait)
		default:
			p.start, p.ready = append(p.start, start...), append(p.ready, wait...)
		}
	}
	p.takeNames(early)
	p.dependantsFirst(group)
	return p.all()
}

// lastNeeds returns, by key, the position of the last one that starts only when that
// container is ready, or has ended.
func lastNeeds(group []*decision) map[string]int {
	last := map[string]int{}
	for i, d := range group {
		if !d.starts() {
			continue
		}
		for key, condition := range d.needs {
			if condition == Healthy || condition == Completed {
				last[key] = i
			}
		}
	}
	return last
}

// recorded says whether the record knows one of the group: then what it does not know came
// after it.
func recorded(group []*decision) bool {
	return slices.ContainsFunc(group, func(d *decision) bool { return d.previous != nil })
}

// takeNames gives the new containers their own names.
func (p *phases) takeNames(early map[string]*decision) {
	for _, s := range p.create {
		if final := baseName(s.Name); s.Action == ActionCreate && final != s.Name {
			p.takeName(s, final, early[s.Container] != nil && early[s.Container].desired.onOwnNetwork())
		}
	}
}

// creatorsOf returns those that create a container, by its name.
func creatorsOf(group []*decision) lots {
	creators := lots{}
	for _, d := range group {
		if d.creates() {
			creators.add(d.desired.Container.Config.Name, d)
		}
	}
	return creators
}

// follows says whether the container is recreated after the owner of a namespace that it
// shares, which the engine looks up by its name when the container is created.
func (d *decision) follows(creators lots) bool {
	return d.creates() && slices.ContainsFunc(d.desired.owners(), func(name string) bool { return creators[name].other(d) != nil })
}

// startsEarly says whether the new container starts before the old one stops: nobody in
// the group waits for what the old one has but those that share its namespace.
func (d *decision) startsEarly(group []*decision, creators lots) bool {
	return d.kind == Replace && d.desired.startFirst() && !d.follows(creators) && !slices.ContainsFunc(group, func(other *decision) bool {
		return other != d && !sharesChange(other, d)
	})
}

// dependantsFirst orders steps so that who depends on another container, or shares its
// namespace, is stopped before that one. Taken back in reverse, it starts after it.
func (p *phases) dependantsFirst(group []*decision) {
	order := map[string]int{}
	for i, d := range stopOrder(group) {
		order[d.key] = i
	}
	for _, steps := range [][]Step{p.halt, p.stop, p.remove} {
		slices.SortStableFunc(steps, func(a, b Step) int { return order[a.Container] - order[b.Container] })
	}
}

func stopOrder(group []*decision) []*decision {
	before, needs := map[string][]string{}, oldNeeds(group)
	for _, d := range group {
		for _, other := range needs[d.key] {
			before[other] = append(before[other], d.key)
		}
	}
	ordered := slices.Clone(group)
	sortBy(ordered, before)
	return ordered
}

// acts says whether the decision does something to the container.
func (d *decision) acts() bool { return !slices.Contains([]Kind{"", Blocked, Hold, Suspended}, d.kind) }

// addSmallRepairs puts right what leaves the process as it is.
func (d *decision) addSmallRepairs(p *phases) {
	if !d.acts() || d.creates() {
		return
	}
	step := func(action Action) Step {
		return Step{Action: action, Container: d.key, Instance: Existing, ID: d.main.ID, Name: d.main.Name}
	}
	if d.adjust {
		p.before = append(p.before, step(ActionAdjust))
	}
	if d.unpause {
		p.before = append(p.before, step(ActionUnpause))
	}
}

// takeName gives a new container the name of the one that it replaces. Where others
// find it by that name it gets the name in other letters first: to the engine that is
// another name, to its DNS the same one, so that there is no moment in which the name
// leads nowhere.
func (p *phases) takeName(s Step, final string, byDNS bool) {
	rename := func(from, to string) Step {
		return Step{Action: ActionRename, Container: s.Container, Instance: Created, From: from, Name: to}
	}
	from := s.Name
	if other := otherCase(final); byDNS && other != final {
		p.rename = append([]Step{rename(from, other)}, p.rename...)
		from = other
	}
	p.rename = append(p.rename, rename(from, final))
}

// otherCase returns the name in upper case, or in lower case when it is that already.
func otherCase(name string) string {
	if upper := strings.ToUpper(name); upper != name {
		return upper
	}
	return strings.ToLower(name)
}

// dependencySteps wait for containers that this plan does not touch, and that are
// not known to be as far as they must.
func (d *decision) dependencySteps(byKey map[string]*decision) []Step {
	var steps []Step
	for _, key := range sortedKeys(d.needs) {
		other, condition := byKey[key], d.needs[key]
		if condition == Started || other == nil || other.main == nil || other.waits() || d.key == key {
			continue
		}
		detail := other.main.Detail
		met := strings.Contains(detail, "(healthy)") || other.main.Status == types.StatusRunning && !strings.Contains(detail, "health")
		if condition == Completed {
			met = other.main.Status == types.StatusExited && strings.HasPrefix(detail, "Exited (0)")
		}
		if !met {
			s := waitStep(key, Existing, other.main.ID, other.main.Name)
			s.Condition = condition
			steps = append(steps, s)
		}
	}
	return steps
}

// addCreation writes the files and creates the container, under a name of its
// own while another container has the one that it wants. A container that is only
// restarted gets its files while it is stopped.
func (d *decision) addCreation(p *phases, held map[string]*decision, alone bool) {
	if len(d.files) > 0 && d.acts() {
		// Where nothing was there before, there is nothing to go back to.
		write := Step{Action: ActionFiles, Container: d.key, Paths: d.files, Keep: alone && d.kind == Create}
		if d.kind == Restart {
			p.files = append(p.files, write)
		} else {
			p.create = append(p.create, write)
		}
	}
	if d.creates() {
		name := d.desired.Container.Config.Name
		if _, taken := held[name]; taken {
			name += suffixNew
		}
		s := Step{
			Action: ActionCreate, Container: d.key, Instance: Created, Name: name,
			Keep: alone && d.main == nil && name == d.desired.Container.Config.Name,
		}
		if d.kind == Replace {
			s.Replaces = d.main.ID
			if image := d.desired.Container.Config.Image; CanonicalImage(image) != CanonicalImage(d.main.Image) {
				s.Image = image
			}
		}
		p.create = append(p.create, s)
	}
}

// addRelease stops what is replaced, removed or restarted, and moves it aside.
// The renames go among those of its new container.
func (d *decision) addRelease(p, names *phases, held map[string]*decision, alone, halted bool) {
	if d.kind == Restart && d.main.Status != types.StatusExited || d.releases() {
		s := stopStep(d.key, d.main)
		back := !alone || d.kind != Remove
		s.WasPaused = back && d.main.Status == types.StatusPaused
		s.WasRunning = back && running(d.main) || s.WasPaused || !alone && d.kind == Remove && d.shouldRun()
		stops, name := &p.stop, d.main.Name
		if halted {
			stops = &p.halt
		}
		if d.releases() && (d.kind == Replace || held[d.main.Name] != d) {
			aside := renameStep(d.key, d.main.ID, d.main.Name, d.main.Name+suffixOld)
			names.rename, name = append(names.rename, aside), aside.Name
		}
		if stops == &p.stop {
			s.Name = name
		}
		*stops = append(*stops, s)
		if d.releases() {
			removal := removeStep(d.key, d.main)
			removal.Name = name
			p.remove = append(p.remove, removal)
		}
	}
}

// repairName gives a container its own name back. That stands, whatever else fails.
func (d *decision) repairName(p *phases) {
	rename := renameStep(d.key, d.main.ID, d.main.Name, d.desired.Container.Config.Name)
	rename.Keep = true
	p.rename = append(p.rename, rename)
}

// shouldRun says whether a container that is stopped would be started if it was still
// desired: an interrupted update may have stopped it.
func (d *decision) shouldRun() bool {
	if d.previous == nil {
		return false
	}
	kept := *d
	kept.desired = d.previous
	return kept.stoppedText() != ""
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

// startSteps start the container, or tell it of its new files, and look how it
// fares.
func (d *decision) startSteps(early, alone bool) (start, wait []Step) {
	if !d.waits() {
		return nil, nil
	}
	name := d.desired.Container.Config.Name
	if d.creates() {
		if early {
			name += suffixNew
		}
		s := Step{Action: ActionStart, Container: d.key, Instance: Created, Name: name, Keep: alone && d.main == nil}
		return []Step{s}, []Step{waitStep(d.key, Created, "", name)}
	}
	wait = []Step{waitStep(d.key, Existing, d.main.ID, name)}
	switch d.kind {
	case Start, Restart:
		start = []Step{startStep(d.key, d.main.ID, name)}
		start[0].Keep = alone && d.kind == Start
	case Reload:
		start = []Step{{
			Action: ActionSignal, Container: d.key, Instance: Existing, ID: d.main.ID, Name: name, Signal: d.signal,
			WasPaused: d.main.Status == types.StatusPaused && !d.unpause,
		}}
	}
	return start, wait
}

// hookSteps come after the removals: a hook that fails takes nothing back.
func (d *decision) hookSteps() []Step {
	if d.desired.hasPostStart() && (d.starts() || d.kind == Finish || d.kind == Recover && d.old != nil) {
		return []Step{{Action: ActionPostStart, Container: d.key}}
	}
	return nil
}

func waitStep(key string, instance Instance, id, name string) Step {
	return Step{Action: ActionWait, Container: key, Instance: instance, ID: id, Name: name}
}

func startStep(key, id, name string) Step {
	return Step{Action: ActionStart, Container: key, Instance: Existing, ID: id, Name: name, Keep: true}
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
