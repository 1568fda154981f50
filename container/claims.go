package container

import (
	"context"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/gitsync/gitsync/container/types"
	"github.com/gitsync/gitsync/runtime"
)

// Claim is about the containers on a machine that carry the labels of our host directory
// and of another owner: of another repo, or of this one, when it was elsewhere or its
// branch had another name. Labels can be read by anybody, so that an owner who knows
// them proves nothing by that alone.
type Claim struct {
	// Owner and Repo are what the labels say. Repo is empty on containers of older
	// versions.
	Owner, Repo string
	// Commits are those that the containers came from, without duplicates. One that no
	// label names is an empty string.
	Commits []string
	// Recorded says that the record knows each of the containers: its ID, key, name and
	// spec digest agree.
	Recorded bool
	// Same says that Repo is our identity, and Found that containers of our own address
	// carry it.
	Same, Found bool
}

// Judge says whether the containers of a claim are ours, and if not, why.
type Judge func(ctx context.Context, claim Claim) (ours bool, why string)

// former is an owner whose containers count as ours.
type former struct{ owner, repo string }

// owns says whether labels name us.
func (o *Origin) owns(labels map[string]string) bool {
	switch {
	case o == nil:
		return labels[LabelOwner] == ""
	case labels[LabelHost] != o.Host && !o.inheritsFrom(labels):
		return false
	case o.Owner == "":
		return true
	case o.carries(labels):
		return true
	}
	return slices.Contains(o.former, former{labels[LabelOwner], labels[LabelRepo]})
}

// others says whether labels name somebody else: what a record says of such a container does
// not count.
func (o *Origin) others(labels map[string]string) bool {
	return o != nil && o.Owner != "" && labels[LabelOwner] != "" && !o.carries(labels) &&
		!slices.Contains(o.former, former{labels[LabelOwner], labels[LabelRepo]})
}

// carries says whether labels name us as we are now. A container with another identity
// is of another repo, although that was at our address when it was created.
func (o *Origin) carries(labels map[string]string) bool {
	repo := labels[LabelRepo]
	return labels[LabelOwner] == o.Owner && (repo == "" || o.Repo == "" || o.Unsure || repo == o.Repo)
}

// judged returns the origin with what the containers on the machine tell: which identity
// is ours where that is not sure, and whose containers are ours besides. refused says, by
// owner and identity, why others are not.
func (m *machine) judged(ctx context.Context, now time.Time, rows []types.ContainerSummary) (*Origin, map[former]string) {
	if m.origin == nil || m.origin.Owner == "" {
		return m.origin, nil
	}
	origin := *m.origin
	origin.former = nil
	origin.learn(rows)
	groups := map[former][]types.ContainerSummary{}
	for _, row := range rows {
		if (row.Labels[LabelHost] == origin.Host || origin.inheritsFrom(row.Labels)) && row.Labels[LabelRole] == "" && row.Labels[LabelOwner] != "" && !origin.carries(row.Labels) {
			of := former{row.Labels[LabelOwner], row.Labels[LabelRepo]}
			groups[of] = append(groups[of], row)
		}
	}
	refused := map[former]string{}
	for _, of := range slices.SortedFunc(maps.Keys(groups), func(a, b former) int {
		return strings.Compare(a.owner+" "+a.repo, b.owner+" "+b.repo)
	}) {
		claim := m.claim(&origin, of, groups[of])
		ours, why := false, "nobody says that it is this repo"
		switch holder := origin.otherHolder(rows, claim, now); {
		case holder != nil:
			why = holder.String() + ", so that no other address gets its containers"
		case origin.Judge != nil:
			ours, why = origin.Judge(ctx, claim)
		}
		if ours {
			origin.former = append(origin.former, of)
			continue
		}
		refused[of] = why
	}
	return &origin, refused
}

// learn takes the identity that the containers of our own address carry, where it is not
// sure which one is ours: nobody but those who may use the engine can write it there.
func (o *Origin) learn(rows []types.ContainerSummary) {
	found := map[string]bool{}
	for _, row := range rows {
		if repo := row.Labels[LabelRepo]; repo != "" && row.Labels[LabelHost] == o.Host && row.Labels[LabelOwner] == o.Owner {
			found[repo] = true
		}
	}
	o.Found = found[o.Repo]
	if (o.Repo == "" || o.Unsure) && len(found) > 0 && !o.Found {
		o.Repo, o.Found = sortedKeys(found)[0], true
	}
}

// otherHolder returns the valid lease of an instance that works from another address for the
// identity or the owner of a claim; nil when there is none.
func (o *Origin) otherHolder(rows []types.ContainerSummary, claim Claim, now time.Time) *LeaseHolder {
	for _, h := range LeaseHolders(rows) {
		theirs := h.Address == claim.Owner || claim.Repo != "" && h.Repo == claim.Repo
		if theirs && h.Address != o.Owner && h.Valid(now) {
			return &h
		}
	}
	return nil
}

// timeOf returns the machine's time, as far as a lease there asks for it.
func timeOf(rt runtime.Runtime, rows []types.ContainerSummary) (time.Time, error) {
	clock, ok := rt.(runtime.Clock)
	if !ok || len(LeaseHolders(rows)) == 0 {
		return time.Time{}, nil
	}
	return clock.Time()
}

// claim is what the containers of another owner tell of themselves, beside the record.
func (m *machine) claim(origin *Origin, of former, rows []types.ContainerSummary) Claim {
	claim := Claim{Owner: of.owner, Repo: of.repo, Recorded: true, Same: of.repo != "" && of.repo == origin.Repo, Found: origin.Found}
	for _, row := range rows {
		if commit := row.Labels[LabelCommit]; !slices.Contains(claim.Commits, commit) {
			claim.Commits = append(claim.Commits, commit)
		}
		recorded := m.previous[row.Labels[LabelContainer]]
		claim.Recorded = claim.Recorded && recorded != nil && idOf(recorded) == row.ID &&
			recorded.Container.Config.Name == row.Name && recorded.HasSpecDigest(row.Labels[LabelSpec])
	}
	return claim
}
