package container

import (
	"strings"

	"github.com/gitsync/gitsync/container/types"
)

// There is no journal of what an update does. A crash leaves containers whose names
// and states tell how far it came:
//
//	web, web.gitsync-new                    nothing was stopped yet: begin anew; or
//	                                        half undone: start web again
//	web.gitsync-old, web.gitsync-new        between two renames: bring old back
//	web created, web.gitsync-old            not started yet: bring old back
//	web running, web.gitsync-old            not known to be ready: wait, or undo
//	web ended, web.gitsync-old              the new one failed: bring old back
//	web.gitsync-new alone                   somebody removed the old one: it takes its name
//
// What is brought back is the last container that is known to have worked.

// recover decides what to do first about what an interrupted update left behind.
func (d *decision) recover(current Current) {
	i := current.Containers[d.key]
	d.main = i.Main
	if i.Old != nil && d.bringsBack(i) {
		d.takeBack(i)
		return
	}
	if i.New != nil && i.Main == nil && i.Old == nil && (i.New.Status != types.StatusCreated || d.desired != nil && !current.named(baseName(i.New.Name))) {
		// The one that it replaced is gone, so that it alone has the data: the volumes
		// without a name are its own from its creation on.
		d.giveName(i.New, baseName(i.New.Name))
		return
	}
	if i.New != nil {
		if i.Main != nil && i.Old == nil && i.Main.Status == types.StatusExited && d.desired != nil && !d.desired.oneShot() {
			// It was stopped for the new one. As long as that is there it tells so.
			started := *i.Main
			started.Status, d.main = types.StatusRunning, &started
			d.startAgain(i.Main, i.Main.Name)
		}
		d.clear(i.New)
	}
	switch {
	case i.Old == nil:
	case d.desired == nil, d.knownReady(i.Main):
		d.clear(i.Old)
	default:
		d.old = i.Old
	}
}

// bringsBack says whether the old container takes its place again: the new one is not
// there, or cannot become ready.
func (d *decision) bringsBack(i Instances) bool {
	return i.Main == nil || d.desired != nil && !d.knownReady(i.Main) &&
		(!running(i.Main) || !sameSpec(i.Main.Labels[LabelSpec], d.desired, d.previous))
}

// takeBack brings the old container back. Its name comes before all else: another gitsync
// that is still at this update removes the old container by the name that it gave it, so
// that either it finds the container gone from there, or this one does, and then leaves the
// new one alone.
func (d *decision) takeBack(i Instances) {
	name := baseName(i.Old.Name)
	others := []*types.ContainerSummary{i.New, i.Main}
	if i.Main != nil && i.Main.Name == name {
		if i.New != nil {
			d.clear(i.New)
		}
		if restarting(i.Main) {
			d.recovery = append(d.recovery, stopStep(d.key, i.Main))
		}
		d.recovery = append(d.recovery, renameStep(d.key, i.Main.ID, name, name+suffixNew))
		aside := *i.Main
		aside.Name = name + suffixNew
		others = []*types.ContainerSummary{&aside}
	}
	d.giveName(i.Old, name)
	for _, other := range others {
		if other != nil {
			d.clear(other)
		}
	}
	if d.desired == nil || d.desired.oneShot() {
		return
	}
	d.startAgain(i.Old, name)
	d.main.Status = types.StatusRunning
}

// knownReady says whether a container that replaced another one is known to be
// ready: it was recorded as that, or it was meant to end and did.
func (d *decision) knownReady(main *types.ContainerSummary) bool {
	if d.desired.oneShot() && main.Status == types.StatusExited && strings.HasPrefix(main.Detail, "Exited (0)") {
		return true
	}
	return running(main) && d.previous != nil && !d.opts.Unconfirmed && !d.previous.ReadyPending &&
		d.previous.Container.Status.Exists() && d.previous.Container.Status.ID == main.ID
}

// giveName gives a container that an interrupted update left the name of the container.
func (d *decision) giveName(row *types.ContainerSummary, name string) {
	renamed := *row
	renamed.Name = name
	d.main = &renamed
	d.causes = append(d.causes, cause("", "an interrupted update left %s in place of %s", row.Name, name))
	d.recovery = append(d.recovery, renameStep(d.key, row.ID, row.Name, name))
}

// startAgain starts a container with the config files that it was deployed with.
// When that fails the update that follows is still tried.
func (d *decision) startAgain(row *types.ContainerSummary, name string) {
	d.recovery = append(d.recovery, d.recordedFiles(row)...)
	start := startStep(d.key, row.ID, name)
	start.Optional = true
	d.recovery = append(d.recovery, start)
}

// recordedFiles puts the config files of an old container back, where the record is
// about that container.
func (d *decision) recordedFiles(old *types.ContainerSummary) []Step {
	if d.opts.Unconfirmed || d.previous == nil || len(d.previous.ConfigFiles) == 0 || !d.previous.HasSpecDigest(old.Labels[LabelSpec]) {
		return nil
	}
	return []Step{{Action: ActionFiles, Container: d.key, Paths: sortedKeys(d.previous.ConfigFiles), Recorded: true}}
}

// clear removes a container that an interrupted update left. It is stopped whatever
// its state is: the engine may still be at the start that the update asked for.
func (d *decision) clear(row *types.ContainerSummary) {
	if row.Labels[LabelRole] != roleConfig {
		d.recovery = append(d.recovery, stopStep(d.key, row))
	}
	remove := removeStep(d.key, row)
	remove.Volumes = isCarrier(row)
	d.recovery = append(d.recovery, remove)
	d.causes = append(d.causes, cause("", "an interrupted update left %s behind", row.Name))
}

// resumeSteps go on with an update whose new container runs and is not known to be
// ready. What was done before is part of the unit, so that it is undone when the
// container does not become ready.
func (d *decision) resumeSteps() []Step {
	name := d.main.Name
	stop := stopStep(d.key, d.old)
	stop.WasRunning = !d.desired.oneShot()
	steps := []Step{
		{Action: ActionCreate, Container: d.key, Instance: Existing, ID: d.main.ID, Name: name + suffixNew},
		renameStep(d.key, d.old.ID, name, d.old.Name),
		renameStep(d.key, d.main.ID, name+suffixNew, name),
	}
	if !running(d.old) {
		steps = append(steps, stop)
	}
	steps = append(steps, startStep(d.key, d.main.ID, name))
	steps = append(d.recordedFiles(d.old), steps...)
	for i := range steps {
		steps[i].Done, steps[i].Keep = true, false
	}
	steps = append(steps, waitStep(d.key, Existing, d.main.ID, name))
	if running(d.old) {
		// It started first, and the old one was not stopped yet.
		steps = append(steps, stop)
	}
	return append(steps, removeStep(d.key, d.old))
}
