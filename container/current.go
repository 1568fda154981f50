package container

import (
	"slices"
	"strings"
	"time"

	"github.com/gitsync/gitsync/container/types"
)

// Current is what one look at a machine found. It is a value: planning reads it
// and changes nothing.
type Current struct {
	// Containers holds ours, by key.
	Containers map[string]Instances
	// Helpers are configuration containers that a crash left behind.
	Helpers []types.ContainerSummary
	// Leases are those of instances of gitsync that work for the same host directory,
	// whether or not they are over.
	Leases []types.ContainerSummary
	// Time is the machine's at the look, where it tells it.
	Time time.Time
	// Taken holds, by name, the containers of others whose names we want.
	Taken map[string]types.ContainerSummary
	// Origin is whose containers are ours, with what the look has found out about that.
	Origin *Origin
	// refused says why containers that carry the labels of our host directory and of
	// another owner are not ours.
	refused map[former]string
	// Files holds the config files that were read back, by path on the host; a
	// missing one is nil. It has no entry for a file that was not looked at.
	Files map[string]*types.File
	// FileErrors says, by key, why config files could not be read back.
	FileErrors map[string]string
	// Facts holds what the runtime says about how containers are set up, by key. It has
	// no entry for one that was not asked about.
	Facts map[string]types.ContainerFacts
	// Filled is what the runtime filled in for a container for which nothing was asked, as
	// [types.ContainerFacts] has it; nil when no such container was made.
	Filled map[string]string
	// names are those of [Current.namesFound], while a plan is made.
	names map[string]bool
}

// Instances are the containers that exist for one key. Outside of an update only
// Main is set.
type Instances struct {
	// Main has the container's own name.
	Main *types.ContainerSummary
	// New was created to replace Main, and has not taken its name yet.
	New *types.ContainerSummary
	// Old was replaced by Main, and not removed yet.
	Old *types.ContainerSummary
	// Duplicates carry the same labels, and are not known to be ours.
	Duplicates []types.ContainerSummary
}

// Outline returns which containers there are and how they run, and whose they are: what a look
// found without what a plan is made of, for whoever remembers many.
func (c Current) Outline() Current {
	outline := Current{Time: c.Time, Containers: make(map[string]Instances, len(c.Containers))}
	if o := c.Origin; o != nil {
		// Whoever judges may lead to much more.
		outline.Origin = &Origin{Host: o.Host, Owner: o.Owner, Repo: o.Repo, Unsure: o.Unsure, Found: o.Found, Commit: o.Commit}
	}
	for key, i := range c.Containers {
		if i.Main == nil {
			outline.Containers[key] = Instances{}
			continue
		}
		outline.Containers[key] = Instances{Main: &types.ContainerSummary{
			ID: i.Main.ID, Name: i.Main.Name, Image: i.Main.Image, Status: i.Main.Status, Detail: i.Main.Detail, Created: i.Main.Created,
		}}
	}
	return outline
}

// makeCurrent sorts the rows of a machine's list. Rows that are neither ours by
// label nor by a recorded ID are left out.
func makeCurrent(rows []types.ContainerSummary, origin *Origin, previous, desired ContainersState) Current {
	current := Current{
		Containers: map[string]Instances{}, Taken: map[string]types.ContainerSummary{},
		Files: map[string]*types.File{}, FileErrors: map[string]string{}, Facts: map[string]types.ContainerFacts{},
	}
	recorded := map[string]string{}
	for key, m := range previous {
		if m.Container.Status.Exists() {
			recorded[m.Container.Status.ID] = key
		}
	}
	// By key, those whose labels name us under a name that is not the container's.
	copies := map[string][]types.ContainerSummary{}
	for _, row := range rows {
		if isLease(row) {
			current.Leases = append(current.Leases, row)
			continue
		}
		key, ours := belongs(row, origin, recorded, previous, desired)
		if !ours {
			if origin != nil && key != "" && row.Labels[LabelRole] == "" {
				copies[key] = append(copies[key], row)
			}
			continue
		}
		if isCarrier(&row) {
			current.Helpers = append(current.Helpers, row)
			continue
		}
		want := desired[key]
		if want == nil {
			want = previous[key]
		}
		current.Containers[key] = current.Containers[key].with(row, want, idOf(previous[key]))
	}
	for key, i := range current.Containers {
		if i.New != nil && i.Main == nil && i.Old == nil && !strings.HasSuffix(i.New.Name, suffixNew) {
			// It replaces nobody: a person renamed it.
			current.Containers[key] = Instances{Main: i.New}
		}
	}
	for key, i := range current.Containers {
		if i.Main != nil {
			i.Duplicates = append(i.Duplicates, copies[key]...)
			current.Containers[key] = i
		}
	}
	return current
}

// better says whether the first of two rows is the container itself rather than one that
// somebody made with its labels: the recorded one, the one with the name, the older one.
func better(a, b types.ContainerSummary, want *HostConfiguredContainer, recorded string) bool {
	switch {
	case (a.ID == recorded) != (b.ID == recorded):
		return a.ID == recorded
	case want != nil && (a.Name == want.Container.Config.Name) != (b.Name == want.Container.Config.Name):
		return a.Name == want.Container.Config.Name
	}
	return a.Created.Before(b.Created)
}

// belongs says whether a row is ours, and under which key: because its ID was
// recorded and its labels name nobody else, or because its labels name us and agree with its
// name. Without an origin labels alone are too weak to remove anything, so they count only
// for a container that is wanted under its very name: one that was created just before a
// crash.
func belongs(row types.ContainerSummary, origin *Origin, recorded map[string]string, previous, desired ContainersState) (string, bool) {
	if key, ok := recorded[row.ID]; ok && !origin.others(row.Labels) {
		return key, true
	}
	key := row.Labels[LabelContainer]
	if !origin.owns(row.Labels) || (key == "" && row.Labels[LabelRole] == "") {
		return "", false
	}
	if origin != nil {
		return key, agreesWithName(row, key, previous[key], desired[key])
	}
	want, ok := desired[key]
	return key, ok && baseName(row.Name) == want.Container.Config.Name
}

// agreesWithName says whether a row has the name that its labels ask for: that of the key,
// or of its container, also while an update is under way.
func agreesWithName(row types.ContainerSummary, key string, known ...*HostConfiguredContainer) bool {
	if role := row.Labels[LabelRole]; role != "" {
		return isCarrier(&row)
	}
	name := baseName(row.Name)
	return strings.EqualFold(name, key) || slices.ContainsFunc(known, func(m *HostConfiguredContainer) bool {
		return m != nil && strings.EqualFold(name, m.Container.Config.Name)
	})
}

// credible takes the labels of ours from the rows whose image is gone, unless a record that
// nobody else may have written knows the row as they do: any of them may have been the image's.
func credible(rows []types.ContainerSummary, previous ContainersState) []types.ContainerSummary {
	for i, row := range rows {
		if !row.ImageGone || isLease(row) {
			continue
		}
		recorded := previous[row.Labels[LabelContainer]]
		if recorded != nil && idOf(recorded) == row.ID && strings.EqualFold(baseName(row.Name), recorded.Container.Config.Name) && recorded.HasSpecDigest(row.Labels[LabelSpec]) {
			continue
		}
		rows[i].Labels = types.WithoutImageLabels(row.Labels, row.Labels)
	}
	return rows
}

// Credible returns rows of a list with only those labels of ours that cannot be an image's.
func Credible(rows []types.ContainerSummary) []types.ContainerSummary { return credible(rows, nil) }

// with adds a row by the role that its name tells: one that has the container's name
// in other letters is about to take it.
func (i Instances) with(row types.ContainerSummary, want *HostConfiguredContainer, recorded string) Instances {
	takesName := want != nil && want.onOwnNetwork() && row.Name == otherCase(want.Container.Config.Name) && row.Name != want.Container.Config.Name
	switch {
	case strings.HasSuffix(row.Name, suffixNew), takesName:
		i.New = &row
	case strings.HasSuffix(row.Name, suffixOld):
		i.Old = &row
	case i.Main == nil:
		i.Main = &row
	case better(row, *i.Main, want, recorded):
		i.Duplicates, i.Main = append(i.Duplicates, *i.Main), &row
	default:
		i.Duplicates = append(i.Duplicates, row)
	}
	return i
}

// idOf returns the recorded ID; empty when there is none.
func idOf(m *HostConfiguredContainer) string {
	if m == nil || !m.Container.Status.Exists() {
		return ""
	}
	return m.Container.Status.ID
}

// baseName strips the suffix of an update under way.
func baseName(name string) string {
	return strings.TrimSuffix(strings.TrimSuffix(name, suffixNew), suffixOld)
}

// named says whether a container that was found has this name.
func (c Current) named(name string) bool {
	_, taken := c.Taken[name]
	return taken || c.names[name]
}

// namesFound returns the names of the containers that were found.
func (c Current) namesFound() map[string]bool {
	names := map[string]bool{}
	for _, i := range c.Containers {
		for _, row := range []*types.ContainerSummary{i.Main, i.New, i.Old} {
			if row != nil {
				names[row.Name] = true
			}
		}
	}
	return names
}

// any returns whichever instance there is, preferring the main one.
func (i Instances) any() *types.ContainerSummary {
	for _, row := range []*types.ContainerSummary{i.Main, i.Old, i.New} {
		if row != nil {
			return row
		}
	}
	return nil
}
