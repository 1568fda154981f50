package sync

import (
	"context"
	"path/filepath"
	"slices"
	"strings"
	stdsync "sync"
	"time"

	"github.com/rs/zerolog"
	"golang.org/x/sync/errgroup"

	"github.com/gitsync/gitsync/container"
	"github.com/gitsync/gitsync/container/types"
	"github.com/gitsync/gitsync/internal/panics"
	"github.com/gitsync/gitsync/runtime"
	"github.com/gitsync/gitsync/state"
	"github.com/gitsync/gitsync/trust"
)

// identity is what the labels of this cycle's containers say of the repo. It is the one
// that the data directory knows, or else the one that containers of this address carry, or
// else what the state branch says; where nothing says any, a new one.
type identity struct {
	trust.Identity
	// adopted are former owners that a signed state branch names.
	adopted []trust.Adoption
}

const (
	// identityLook bounds how long hosts are asked which identity their containers carry:
	// the first cycle of a new state branch waits for that.
	identityLook = 3 * time.Second
	// identityTimeout bounds how long the first deployment waits for the state branch.
	identityTimeout = 15 * time.Second
	// identityPause is how long a state branch that could not be written is left alone.
	identityPause = 10 * time.Minute
)

// identify finds out the identity of the repo, and makes one where there is none, before any
// container gets a label. Without it containers bear the owner alone, as those of older
// versions do: no deployment waits for the state branch. A plan makes none.
func (c *cycle) identify(ctx context.Context) error {
	c.identities = map[string]identity{}
	if c.state == nil || c.opts.Offline {
		return nil
	}
	for _, h := range c.hosts {
		branch := c.state.BranchOf(h.Name)
		if _, known := c.identities[branch]; !known {
			c.identities[branch] = c.identityIn(ctx, branch, h.Name)
		}
	}
	return ctx.Err()
}

// identityIn returns the identity that goes with the state branch of a host.
func (c *cycle) identityIn(ctx context.Context, branch, host string) identity {
	log := zerolog.Ctx(ctx)
	id := identity{Identity: c.opts.Memory.Identity(branch)}
	said, err := c.state.Repo(ctx, host)
	if err := c.noteFault(err); err != nil {
		log.Error().Err(err).Str("branch", branch).Msg("state: going on without what it says about the repo")
	}
	if c.state.Signed() {
		id.adopted = said.Adopted
	}
	switch {
	case id.ID == "" && said.Identity != "":
		id.ID = said.Identity
	case id.ID == "" && c.planOnly:
		id.ID, id.Own = c.foundIdentity(ctx, branch)
	case id.ID == "" && c.writesIdentity():
		id.ID, id.Own = c.foundIdentity(ctx, branch)
		id.Identity = c.makeIdentity(ctx, branch, host, id.Identity)
	case id.ID == "":
	case said.Identity == "" && c.writesIdentity():
		id.Identity = c.makeIdentity(ctx, branch, host, id.Identity)
	case said.Identity != "" && said.Identity != id.ID && id.Own:
		log.Warn().Str("branch", branch).Str("identity", said.Identity).Str("ours", id.ID).
			Msg("state: another identity than that of this repo is written there, and does not count")
	}
	return id
}

// writesIdentity says whether the state branch may be given an identity now.
func (c *cycle) writesIdentity() bool {
	return !c.planOnly && c.result.Commit != nil && c.result.GitErr == nil && !c.opts.Now().Before(c.nextIdentity)
}

// makeIdentity writes an identity to a state branch that has none: the given one, or else a
// new one. Another gitsync may be first: then it is theirs.
func (c *cycle) makeIdentity(ctx context.Context, branch, host string, found trust.Identity) trust.Identity {
	proposed := found
	if proposed.ID == "" {
		proposed = trust.Identity{ID: trust.NewIdentity(), Own: true}
	}
	entry := state.Entry{
		When: c.opts.Now(), Source: string(c.result.Commit.Hash), Result: state.Success,
		Subject: "Identify the repo as " + proposed.ID[:12],
	}
	ctx, cancel := context.WithTimeout(ctx, identityTimeout)
	defer cancel()
	written, err := c.state.Identify(ctx, host, proposed.ID, entry)
	log := zerolog.Ctx(ctx)
	if err != nil {
		c.nextIdentity = c.opts.Now().Add(identityPause)
		log.Warn().Err(err).Str("branch", branch).Msg("state: going on without a new identity of the repo, which is written later")
		return found
	}
	switch {
	case written == proposed.ID:
	case proposed.Own && found.ID != "":
		// What our own containers carry counts, whatever somebody wrote meanwhile.
		return found
	default:
		return trust.Identity{ID: written}
	}
	if err := c.opts.Memory.SetIdentity(branch, proposed); err != nil {
		log.Warn().Err(err).Msg("trust: the identity of the repo is not remembered")
	}
	return proposed
}

// learnIdentity takes over what a look has found out: the containers that were there when
// this gitsync looked at the host first tell which identity those of this address have
// there.
func (c *cycle) learnIdentity(ctx context.Context, h *HostResult) {
	origin := h.Current.Origin
	if c.planOnly || c.state == nil || origin == nil || !trust.IsIdentity(origin.Repo) {
		return
	}
	if c.opts.Memory.HostIdentity(h.Name) == "" {
		c.identified[h.Name] = origin.Repo
	}
	branch := c.state.BranchOf(h.Name)
	known := c.opts.Memory.Identity(branch)
	if known.Own || known.ID != "" && !origin.Found {
		return
	}
	if err := c.opts.Memory.SetIdentity(branch, trust.Identity{ID: origin.Repo, Own: origin.Found}); err != nil {
		zerolog.Ctx(ctx).Warn().Err(err).Msg("trust: the identity of the repo is not remembered")
	}
}

// rememberIdentities writes down what was learned.
func (c *cycle) rememberIdentities(ctx context.Context) {
	if len(c.identified) == 0 {
		return
	}
	if err := c.opts.Memory.SetHostIdentities(c.identified); err != nil {
		zerolog.Ctx(ctx).Warn().Err(err).Msg("trust: the identities of hosts' containers are not remembered")
		return
	}
	clear(c.identified)
}

// originOf is what the labels of a host's containers say.
func (c *cycle) originOf(h *HostResult) *container.Origin {
	origin := &container.Origin{Host: h.Name, Owner: c.opts.owner()}
	if c.result.Commit != nil {
		origin.Commit = string(c.result.Commit.Hash)
	}
	if c.state == nil {
		return origin
	}
	id := c.identities[c.state.BranchOf(h.Name)]
	origin.Repo, origin.Unsure, origin.Judge = id.ID, true, c.judge(h, id)
	if known := c.opts.Memory.HostIdentity(h.Name); known != "" {
		origin.Repo, origin.Unsure = known, false
	}
	return origin
}

// foundIdentity returns the identity that containers of this address carry on the hosts of a
// new state branch, or else one that this agent knows from where the repo was before. own
// says that there is one.
func (c *cycle) foundIdentity(ctx context.Context, branch string) (id string, own bool) {
	ctx, cancel := context.WithTimeout(ctx, identityLook)
	defer cancel()
	var mu stdsync.Mutex
	before := ""
	var group errgroup.Group
	group.SetLimit(c.opts.Parallel)
	for _, h := range c.hosts {
		if h.Gone || c.state.BranchOf(h.Name) != branch {
			continue
		}
		group.Go(func() error {
			var carried, moved string
			// What is odd there is found by the look that follows.
			_ = panics.Catch(func() error {
				rows := c.rowsOf(ctx, h)
				carried, moved = c.carried(rows), c.movedHere(ctx, rows)
				return nil
			})
			mu.Lock()
			defer mu.Unlock()
			if carried != "" {
				id = carried
				// There is no need to wait for the others.
				cancel()
			}
			if before == "" || moved != "" && moved < before {
				before = moved
			}
			return nil
		})
	}
	_ = group.Wait()
	if id == "" {
		id = before
	}
	return id, id != ""
}

// rowsOf lists what is on a host; one that does not answer has nothing to say.
func (c *cycle) rowsOf(ctx context.Context, h *HostResult) []types.ContainerSummary {
	rt, release, err := c.connections.Connect(ctx, h.Host.Host, h.Host.Runtime)
	if err != nil {
		return nil
	}
	defer release()
	lister, ok := rt.(runtime.Lister)
	if !ok {
		return nil
	}
	rows, err := lister.List(ctx, map[string]string{container.LabelHost: h.Name})
	if err != nil {
		zerolog.Ctx(ctx).Debug().Err(err).Str("host", h.Name).Msg("not known which identity its containers carry")
	}
	return container.Credible(rows)
}

// carried returns the identity that containers of this very address carry.
func (c *cycle) carried(rows []types.ContainerSummary) string {
	for _, row := range rows {
		if repo := row.Labels[container.LabelRepo]; trust.IsIdentity(repo) && row.Labels[container.LabelOwner] == c.opts.owner() {
			return repo
		}
	}
	return ""
}

// movedHere returns the identity of a repo that was a directory of this machine before it
// went elsewhere, while only its branch was pushed: this agent knows that identity itself,
// and what runs came from the history of the branch.
func (c *cycle) movedHere(ctx context.Context, rows []types.ContainerSummary) string {
	commits := map[former][]string{}
	for _, row := range rows {
		of := former{row.Labels[container.LabelOwner], row.Labels[container.LabelRepo]}
		if row.Labels[container.LabelRole] == "" && c.wasHere(of) {
			commits[of] = append(commits[of], row.Labels[container.LabelCommit])
		}
	}
	found := ""
	for of, from := range commits {
		slices.Sort(from)
		if c.notBuiltOn(ctx, slices.Compact(from)) == "" && (found == "" || of.repo < found) {
			found = of.repo
		}
	}
	return found
}

// former is an owner and an identity, as labels name them.
type former struct{ owner, repo string }

// wasHere says whether the owner is a directory of this machine, with the branch that is
// deployed, and with an identity that this agent has used for it.
func (c *cycle) wasHere(of former) bool {
	branchOf := func(owner string) string { return owner[strings.LastIndex(owner, "#")+1:] }
	return filepath.IsAbs(of.owner) && branchOf(of.owner) == branchOf(c.opts.owner()) &&
		c.knownElsewhere(of.owner, of.repo)
}
