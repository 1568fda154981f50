package container

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

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

// Holder returns the address of an instance that holds the machine's lease for the owner or
// the identity of a claim; empty when there is none. rows are what is on the machine.
type Holder func(ctx context.Context, rt runtime.Runtime, rows []types.ContainerSummary, claim Claim) (address string, err error)

// former is an owner whose containers count as ours.
type former struct{ owner, repo string }

// owns says whether labels name us.
func (o *Origin) owns(labels map[string]string) bool {
	switch {
	case o == nil:
		return labels[LabelOwner] == ""
	case labels[LabelHost] != o.Host:
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
func (m *machine) judged(ctx context.Context, rt runtime.Runtime, rows []types.ContainerSummary) (*Origin, map[former]string, error) {
	if m.origin == nil || m.origin.Owner == "" {
		return m.origin, nil, nil
	}
	origin := *m.origin
	origin.former = nil
	origin.learn(rows)
	groups := map[former][]types.ContainerSummary{}
	for _, row := range rows {
		if row.Labels[LabelHost] == origin.Host && row.Labels[LabelRole] == "" && row.Labels[LabelOwner] != "" && !origin.carries(row.Labels) {
			of := former{row.Labels[LabelOwner], row.Labels[LabelRepo]}
			groups[of] = append(groups[of], row)
		}
	}
	if len(groups) == 0 {
		return &origin, nil, nil
	}
	refused := map[former]string{}
	for _, of := range slices.SortedFunc(maps.Keys(groups), func(a, b former) int {
		return strings.Compare(a.owner+" "+a.repo, b.owner+" "+b.repo)
	}) {
		claim := m.claim(&origin, of, groups[of])
		holder, err := origin.otherHolder(ctx, rt, rows, claim)
		if err != nil {
			return nil, nil, err
		}
		ours, why := false, "nobody says that it is this repo"
		switch {
		case holder != "":
			why = "a gitsync instance works on this machine for " + holder + " at this moment"
		case origin.Judge != nil:
			ours, why = origin.Judge(ctx, claim)
		}
		if ours {
			origin.former = append(origin.former, of)
			continue
		}
		refused[of] = why
	}
	return &origin, refused, nil
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

func (o *Origin) otherHolder(ctx context.Context, rt runtime.Runtime, rows []types.ContainerSummary, claim Claim) (string, error) {
	if o.Holder == nil {
		return "", nil
	}
	holder, err := o.Holder(ctx, rt, rows, claim)
	if err != nil {
		return "", fmt.Errorf("look who works on the machine: %w", err)
	}
	return holder, nil
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
