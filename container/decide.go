package container

import (
	"strings"

	"github.com/gitsync/gitsync/container/types"
)

// decision is what to do about one container, before the steps are put in order.
type decision struct {
	key               string
	kind              Kind
	causes            []Cause
	previous, desired *HostConfiguredContainer
	// main is the container to replace, start or remove; nil when there is none.
	main *types.ContainerSummary
	// recovery undoes an interrupted update first.
	recovery []Step
	// files are the paths to write.
	files []string
}

// decide compares the three states of one container.
func decide(key string, desired, previous *HostConfiguredContainer, current Current) decision {
	d := decision{key: key, desired: desired, previous: previous}
	d.recover(current.Containers[key], desired)
	switch {
	case desired == nil:
		d.decideRemoval()
	case d.main == nil || d.main.Status == types.StatusDead:
		d.decideCreation(current)
	case !sameSpec(d.main.Labels[LabelSpec], desired, previous):
		d.kind = Replace
		d.causes = append(d.causes, replaceCauses(d.main, desired, previous)...)
		d.files = sortedKeys(desired.ConfigFiles)
	default:
		d.decideUpkeep(current)
	}
	if d.kind == "" && len(d.recovery) > 0 {
		d.kind = Recover
	}
	return d
}

// recover decides what an interrupted update left behind. An old container beside
// a running new one is done with; beside a new one that does not run it takes its
// place back, since it is the last that is known to have worked.
func (d *decision) recover(i Instances, desired *HostConfiguredContainer) {
	d.main = i.Main
	if i.New != nil {
		d.clear(i.New)
	}
	if i.Old == nil {
		return
	}
	if i.Main != nil && i.Main.Status == types.StatusRunning {
		d.clear(i.Old)
		return
	}
	if i.Main != nil {
		d.clear(i.Main)
	}
	name := baseName(i.Old.Name)
	d.recovery = append(d.recovery, renameStep(d.key, i.Old.ID, i.Old.Name, name))
	if desired != nil {
		d.recovery = append(d.recovery, startStep(d.key, i.Old.ID, name))
	}
	restored := *i.Old
	restored.Name, restored.Status = name, types.StatusRunning
	d.main = &restored
	d.causes = append(d.causes, cause("", "an interrupted update left %s in place of %s", i.Old.Name, name))
}

// clear removes a container that an interrupted update left.
func (d *decision) clear(row *types.ContainerSummary) {
	if row.Status != types.StatusCreated && row.Status != types.StatusExited {
		d.recovery = append(d.recovery, stopStep(d.key, row))
	}
	d.recovery = append(d.recovery, removeStep(d.key, row))
	d.causes = append(d.causes, cause("", "an interrupted update left %s behind", row.Name))
}

func (d *decision) decideRemoval() {
	switch {
	case d.main != nil:
		d.kind = Remove
		d.causes = append(d.causes, cause("", "no longer desired"))
	case d.previous != nil:
		d.kind = Forget
		d.causes = append(d.causes, cause("", "no longer desired, and already gone"))
	}
}

func (d *decision) decideCreation(current Current) {
	if owner, taken := current.Taken[d.desired.Container.Config.Name]; taken {
		d.kind = Blocked
		d.causes = append(d.causes, Cause{Text: takenText(owner)})
		return
	}
	d.kind = Create
	d.files = sortedKeys(d.desired.ConfigFiles)
	switch {
	case d.main != nil:
		d.causes = append(d.causes, cause("", "container is dead"))
	case d.previous != nil && d.previous.Container.Status.Exists():
		d.causes = append(d.causes, cause("", "container is gone from the host"))
		d.causes = append(d.causes, differences(d.previous, d.desired)...)
	default:
		d.causes = append(d.causes, cause("", "new container"))
	}
}

// takenText says whose the name is and what to do.
func takenText(owner types.ContainerSummary) string {
	by := "a container that gitsync did not create"
	if o := owner.Labels[LabelOwner]; o != "" {
		by = "a container of " + o
		if h := owner.Labels[LabelHost]; h != "" {
			by += ", host " + h
		}
	}
	return "the name " + owner.Name + " is taken by " + by + " (" + short(owner.ID) + ", image " + owner.Image +
		"): remove or rename it, or choose another name in containers.yaml"
}

// decideUpkeep is for a container that is as desired by its label: it may have
// been stopped, or its config files changed.
func (d *decision) decideUpkeep(current Current) {
	if text, ok := current.FileErrors[d.key]; ok {
		d.kind = Blocked
		d.causes = append(d.causes, Cause{Field: "configFiles", Text: text})
		return
	}
	for _, path := range sortedKeys(d.desired.ConfigFiles) {
		if found, looked := current.Files[path]; looked {
			if text := fileDifference(d.desired, path, found); text != "" {
				d.files = append(d.files, path)
				d.causes = append(d.causes, Cause{Field: "configFiles." + path, Text: text})
			}
		}
	}
	stopped := stoppedText(d.main, d.desired.Container.Config.Restart)
	switch {
	case stopped != "":
		d.kind = Start
		d.causes = append(d.causes, Cause{Text: stopped})
	case len(d.files) > 0 && d.main.Status == types.StatusExited:
		d.kind = Recover
	case len(d.files) > 0:
		d.kind = Restart
	case d.previous != nil && d.previous.PostStartPending:
		d.kind = Finish
		d.causes = append(d.causes, cause("", "the post-start hook failed the last time"))
	}
	if d.renamed() {
		d.causes = append(d.causes, cause("name", "container is named %s on the host", d.main.Name))
		if d.kind == "" {
			d.kind = Rename
		}
	}
}

// renamed says whether somebody gave the container another name.
func (d *decision) renamed() bool {
	return d.main != nil && d.desired != nil && !d.creates() && d.main.Name != d.desired.Container.Config.Name
}

// stoppedText says why a container must be started, or nothing when it need not:
// because it runs, the engine restarts it, a person paused it, or its restart
// policy lets it end.
func stoppedText(main *types.ContainerSummary, restart string) string {
	switch main.Status {
	case types.StatusCreated:
		return "container was created and never started"
	case types.StatusExited:
		if restart == "no" || strings.HasPrefix(restart, "on-failure") && strings.HasPrefix(main.Detail, "Exited (0)") {
			return ""
		}
		return "container is stopped"
	}
	return ""
}

// replaceCauses says what changed, by the record where it belongs to the
// container that is there.
func replaceCauses(main *types.ContainerSummary, desired, previous *HostConfiguredContainer) []Cause {
	if previous != nil && (previous.SpecDigest() == main.Labels[LabelSpec] || main.Labels[LabelSpec] == "") {
		return differences(previous, desired)
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
