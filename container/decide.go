package container

import (
	"slices"
	"strings"

	"github.com/gitsync/gitsync/container/types"
)

// decision is what to do about one container, before the steps are put in order.
type decision struct {
	key               string
	kind              Kind
	causes            []Cause
	previous, desired *HostConfiguredContainer
	// needs is what must be there before the container starts, by key.
	needs map[string]Condition
	// main is the container to replace, start or remove; nil when there is none.
	main *types.ContainerSummary
	// old is the container that main has replaced, and that is kept until main is
	// ready.
	old *types.ContainerSummary
	// held says why its update is not tried now, while what was deployed before is
	// brought back.
	held string
	// moves says that the container is kept here until it runs elsewhere.
	moves string
	// recovery undoes an interrupted update first.
	recovery []Step
	// files are the paths to write, and signal what to send then.
	files  []string
	signal string
	// drift is what differs without a commit, and compared says that it was looked for.
	drift    []Drift
	compared bool
	// adjust says that limits, restart policy or networks are put right, unpause that the
	// container is to go on, and rename that it gets its own name back.
	adjust, unpause, rename bool
	opts                    PlanOptions
}

// decide compares the three states of one container.
func decide(key string, desired, previous *HostConfiguredContainer, current Current, opts PlanOptions) decision {
	d := decision{key: key, desired: desired, previous: previous, opts: opts}
	if text := opts.Yields[key]; text != "" {
		d.yield(current.Containers[key], text)
		return d
	}
	d.recover(current)
	switch {
	case desired == nil:
		d.decideRemoval()
	case d.main == nil || d.main.Status == types.StatusDead:
		d.decideCreation(current)
	case d.inherits() && opts.Held[key] == "":
		d.decideInheritance()
	case !sameSpec(d.main.Labels[LabelSpec], desired, previous):
		d.kind = Replace
		d.causes = append(d.causes, replaceCauses(d.main, desired, previous)...)
		d.files = sortedKeys(desired.ConfigFiles)
	case d.old != nil:
		d.kind = Recover
		d.causes = append(d.causes, cause("", "an interrupted update left it before it was ready"))
	default:
		d.decideUpkeep(current)
	}
	if d.kind == "" && len(d.recovery) > 0 {
		d.kind = Recover
	}
	return d
}

func (d *decision) decideRemoval() {
	switch {
	case d.main != nil && d.previous == nil && d.unexplained():
	case d.main != nil:
		d.kind = Remove
		d.causes = append(d.causes, cause("", "no longer desired"))
	case d.previous != nil:
		d.kind = Forget
		d.causes = append(d.causes, cause("", "no longer desired, and already gone"))
	}
}

// unexplained tells of a container that carries our labels, and that neither the repo nor
// the record knows. It says whether it is left alone.
func (d *decision) unexplained() bool {
	field := "unexplained"
	if d.policyFor().ignores(field) {
		return true
	}
	d.drift = []Drift{{Depth: Presence, Field: field, Wanted: "(none)", Found: d.main.Name + ", image " + d.main.Image}}
	return !d.mends(field)
}

func (d *decision) decideCreation(current Current) {
	if d.drift = d.driftOf(current); d.main == nil && d.wasDeployed() && !d.mends("status") {
		return
	}
	if owner, taken := current.Taken[d.desired.Container.Config.Name]; taken {
		d.block(takenText(owner, current))
		return
	}
	d.kind = Create
	d.files = sortedKeys(d.desired.ConfigFiles)
	switch {
	case d.main != nil:
		// It is kept until the new one is ready, and with it its volumes without a name.
		d.kind = Replace
		d.causes = append(d.causes, cause("", "container is dead"))
	case d.wasDeployed(), d.previous != nil && d.previous.Container.Status.Exists():
		d.causes = append(d.causes, cause("", "container is gone from the host"))
		d.causes = append(d.causes, differences(d.previous, d.desired)...)
	default:
		d.causes = append(d.causes, cause("", "new container"))
	}
}

// block says why nothing can be done until a person acts.
func (d *decision) block(why string) {
	d.kind, d.recovery = Blocked, nil
	d.causes = []Cause{{Text: why}}
}

// takenText says whose the name is and what to do.
func takenText(owner types.ContainerSummary, current Current) string {
	by := "a container that gitsync did not create"
	of := former{owner.Labels[LabelOwner], owner.Labels[LabelRepo]}
	if of.owner != "" {
		by = "a container of " + of.owner
		if h := owner.Labels[LabelHost]; h != "" {
			by += ", host " + h
		}
	}
	taken := "the name " + owner.Name + " is taken by " + by + " (" + short(owner.ID) + ", image " + owner.Image + ")"
	if why, looksLikeOurs := current.refused[of]; looksLikeOurs {
		return taken + ": " + why + "; if that is this repo at another address, or the same branch under another name, take its containers over with gitsync adopt --from " +
			quoted(of.owner) + "; if not, choose another name in containers.yaml"
	}
	return taken + ": remove or rename it, or choose another name in containers.yaml"
}

// quoted is a text as one word of a shell.
func quoted(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }

// decideUpkeep is for a container that is as desired by its label: it may have
// been stopped, or its config files changed.
func (d *decision) decideUpkeep(current Current) {
	d.drift = d.driftOf(current)
	if text, ok := current.FileErrors[d.key]; ok {
		d.kind = Blocked
		d.causes = append(d.causes, Cause{Field: "configFiles", Text: text})
		return
	}
	action := d.compareFiles(current)
	replace := d.mendSettings()
	stopped := d.stoppedText()
	if d.stoppedByHand() && !d.mends("status") {
		stopped = ""
	}
	ended := d.main.Status == types.StatusExited && !d.desired.oneShot()
	switch {
	case action == OnChangeRecreate, replace:
		d.kind, d.adjust = Replace, false
		d.files = sortedKeys(d.desired.ConfigFiles)
	case stopped != "":
		d.kind = Start
		d.causes = append(d.causes, Cause{Text: stopped})
	case action == OnChangeRestart && !ended, action != "" && action != OnChangeNone && restarting(d.main):
		// Between two restarts nobody is there to get a signal.
		d.kind = Restart
	case action != "" && action != OnChangeNone && !ended:
		d.kind, d.signal = Reload, action
	case action != "":
		d.kind = Configure
	case d.previous != nil && d.previous.ReadyPending:
		d.kind = Finish
		d.causes = append(d.causes, cause("", "it was not ready the last time"))
	case d.previous != nil && d.previous.PostStartPending:
		d.kind = Finish
		d.causes = append(d.causes, cause("", "the post-start hook failed the last time"))
	}
	d.decideSmallRepairs()
}

// decideSmallRepairs are those that leave the container's process as it is.
func (d *decision) decideSmallRepairs() {
	small := Kind("")
	if d.main.Status == types.StatusPaused && !d.starts() && d.mends("status") {
		d.unpause, small = true, Unpause
		d.causes = append(d.causes, cause("", "container is paused"))
	}
	if d.adjust {
		small = Adjust
	}
	if d.renamed() && !d.creates() && d.mends("name") {
		d.rename = true
		d.causes = append(d.causes, cause("name", "container is named %s on the host", d.main.Name))
		if small == "" {
			small = Rename
		}
	}
	if d.kind == "" {
		d.kind = small
	}
}

// compareFiles finds the config files to write, and returns the strongest of what
// their changes mean for the container: recreate, restart, a signal, none; nothing
// when there is no change.
func (d *decision) compareFiles(current Current) string {
	strongest := ""
	for _, path := range sortedKeys(d.desired.ConfigFiles) {
		found, looked := current.Files[path]
		if !looked {
			continue
		}
		action := d.desired.onChange(path)
		text := fileDifference(d.desired.desiredFile(path), found)
		if d.fileDrifted(path, found) && !d.mends("configFiles."+path) {
			continue
		}
		switch {
		case text == "" && !d.signalLost(path, action):
			continue
		case text == "":
			text = "config file " + path + " was written, and the container not told"
		case d.changedInRepo(path):
			text = "config file " + path + d.fileChange(path)
		}
		d.files = append(d.files, path)
		d.causes = append(d.causes, Cause{Field: "configFiles." + path, Text: text})
		if strength(action) > strength(strongest) {
			strongest = action
		}
	}
	return strongest
}

// signalLost says whether a file is as desired, the record says that another one
// was deployed, and the container would have been told by a signal: that was lost.
// A restart cannot be, since the container is stopped before the file is written.
func (d *decision) signalLost(path, action string) bool {
	return strength(action) == strength("SIGHUP") && d.changedInRepo(path)
}

// fileChange says what changed in a config file: its text, or a secret in it.
func (d *decision) fileChange(path string) string {
	if d.previous != nil && has(d.previous.ConfigFiles, path) && d.previous.ConfigFiles[path] == d.desired.ConfigFiles[path] {
		return " has a secret in it that changed"
	}
	return " changed"
}

// changedInRepo says whether the record has another content for a file.
func (d *decision) changedInRepo(path string) bool {
	if d.previous == nil {
		return false
	}
	return !has(d.previous.ConfigFiles, path) || d.previous.fileVersion(path) != d.desired.fileVersion(path)
}

// strength orders what a change of a file means for the container.
func strength(action string) int {
	order := []string{"", OnChangeNone, "a signal", OnChangeRestart, OnChangeRecreate}
	if i := slices.Index(order, action); i >= 0 {
		return i
	}
	return slices.Index(order, "a signal")
}

// renamed says whether somebody gave the container another name.
func (d *decision) renamed() bool {
	return d.main != nil && d.desired != nil && !d.creates() && d.main.Name != d.desired.Container.Config.Name
}

// stoppedText says why a container must be started, or nothing when it need not:
// because it runs, the engine restarts it, a person paused it, or it was meant to
// end.
func (d *decision) stoppedText() string {
	restart := d.desired.Container.Config.Restart
	endedWell := strings.HasPrefix(d.main.Detail, "Exited (0)")
	switch {
	case d.main.Status == types.StatusCreated:
		return "container was created and never started"
	case d.main.Status != types.StatusExited:
	case d.desired.oneShot() && !endedWell:
		return "the one-shot container did not end with 0"
	case restart == "no", strings.HasPrefix(restart, "on-failure") && endedWell:
	default:
		return "container is stopped"
	}
	return ""
}

// replaceCauses says what changed, by the record where it belongs to the
// container that is there.
func replaceCauses(main *types.ContainerSummary, desired, previous *HostConfiguredContainer) []Cause {
	label := main.Labels[LabelSpec]
	if previous != nil && (previous.HasSpecDigest(label) || !comparableDigest(label)) {
		if causes := differences(previous, desired); len(causes) > 0 {
			return causes
		}
		why := cause("", "the repo says the same in other words, and the container's label is of an earlier gitsync, which took them for another spec")
		return append([]Cause{why}, differencesOf(previous, desired, canonicalV2)...)
	}
	causes := []Cause{cause("", "the running container has another spec than the repo, and what was deployed is not recorded")}
	if CanonicalImage(main.Image) != CanonicalImage(desired.Container.Config.Image) {
		causes = append(causes, imageCause(main.Image, desired.Container.Config.Image))
	}
	return causes
}

// short is an ID as Docker's own commands print it.
func short(id string) string {
	if len(id) > 12 {
		return id[:12]
	}
	return id
}
