package sync

import (
	"context"
	"fmt"
	"slices"

	"github.com/rs/zerolog"

	"github.com/gitsync/gitsync/container"
	"github.com/gitsync/gitsync/gitrepo"
	"github.com/gitsync/gitsync/layout"
	"github.com/gitsync/gitsync/state"
)

// hashedTree gives the layout the hashes by which it knows what did not change.
type hashedTree struct{ *gitrepo.Tree }

// TreeHash returns the name of Git's tree object for a directory.
func (t hashedTree) TreeHash(path string) (string, error) {
	hash, err := t.Hash(path)
	return string(hash), err
}

// load reads the desired state from the tree, and the previous one from the state
// branch.
func (c *cycle) load(ctx context.Context) error {
	c.followPolicy(ctx)
	repo, err := c.loader.Load(ctx, c.tree, c.layoutOptions(ctx, c.opts.Hosts, c.opts.Explain))
	if err != nil {
		return fmt.Errorf("load %s: %w", c.where(), err)
	}
	c.takeOver(repo)
	c.warn(ctx, repo.Warnings)
	c.forgetFresh()
	c.share(repo)
	for _, host := range repo.Hosts {
		if !c.mine(host.Agent) {
			if err := c.addAgent(ctx, host.Name); err != nil {
				return err
			}
			continue
		}
		h := c.newResult(host)
		if h.Record, err = c.readRecord(ctx, h.Name); err != nil {
			return err
		}
		c.hosts = append(c.hosts, h)
	}
	if err := c.addGone(ctx); err != nil {
		return err
	}
	for _, h := range c.hosts {
		c.loadSuspensions(ctx, h)
	}
	if err := repo.CheckMatched(c.isGone); err != nil {
		return fmt.Errorf("load %s: %w", c.where(), err)
	}
	if err := c.checkAgents(); err != nil {
		return err
	}
	sortHosts(c.hosts)
	if err := c.loadOthers(ctx); err != nil {
		return err
	}
	if repo, err = c.wholeRepo(ctx, repo); err != nil {
		return err
	}
	if err := c.findTransfers(ctx, repo); err != nil {
		return err
	}
	if err := c.noteSealed(ctx); err != nil {
		return err
	}
	c.all = slices.Clone(c.hosts)
	if c.only != nil {
		c.hosts = slices.DeleteFunc(c.hosts, func(h *HostResult) bool { return c.stale || !c.only[h.Name] })
	}
	c.supersedeBusy(ctx)
	c.announce(ctx)
	c.begins(ctx)
	return nil
}

// takeOver notes what the repo says as a whole, and what is wrong with it.
func (c *cycle) takeOver(repo *layout.Repo) {
	c.refusePlainWays(repo)
	c.settings, c.names, c.result.Mistakes = repo.Settings, repo.Names, repo.Mistakes()
	c.result.Unnamed = repo.Unnamed
	for _, invalid := range repo.Invalid {
		c.result.Invalid = append(c.result.Invalid, invalid.Name)
		if c.result.mistakes == nil {
			c.result.mistakes = map[string]layout.Mistakes{}
		}
		c.result.mistakes[invalid.Name] = invalid.Mistakes
	}
}

func (c *cycle) layoutOptions(ctx context.Context, hosts []string, explain bool) layout.Options {
	opts := layout.Options{Hosts: hosts, DockerHost: c.opts.DockerHost, Explain: explain}
	opts.Nested = NestedCheck(c.policy.Load())
	opts.Deployed = func(host, path string) bool { return c.deployedFiles(ctx, host)[path] }
	if c.opts.Secrets != nil {
		opts.ExternalSecrets = c.opts.Secrets.External
	}
	return opts
}

// share lets the records that are read hold what the repo says too in the same memory.
func (c *cycle) share(repo *layout.Repo) {
	if c.state == nil {
		return
	}
	desired := make(map[string]container.ContainersState, len(repo.Hosts))
	for _, host := range repo.Hosts {
		desired[host.Name] = host.Containers
	}
	c.state.Share(desired)
}

func (c *cycle) newResult(host layout.Host) *HostResult {
	host.Containers = withOwnSecrets(host.Containers)
	return &HostResult{Name: host.Name, Host: host, memory: c.memory(host.Name), task: newTask(c)}
}

// readRecord returns the record of a host, as a task of this process or as the state
// branch has it; nil when there is none. One that cannot be read is as good as lost: the
// labels know.
func (c *cycle) readRecord(ctx context.Context, host string) (*state.Record, error) {
	if c.state == nil {
		return nil, nil
	}
	if record, known := c.freshRecord(host); known {
		return record, nil
	}
	record, err := c.state.Record(ctx, host)
	if ctx.Err() != nil {
		return nil, err
	}
	if err := c.noteFault(err); err != nil {
		zerolog.Ctx(ctx).Warn().Err(err).Str("host", host).Msg("state: going on without the record")
	}
	dropSetuid(record)
	return record, nil
}

// forgetFresh drops the records that the state branch has by now, so that what others
// write there is seen.
func (c *cycle) forgetFresh() {
	busy := c.busyHosts()
	c.tasks.mu.Lock()
	defer c.tasks.mu.Unlock()
	unfinished := map[string]bool{}
	for _, h := range c.tasks.finished {
		unfinished[h.Name] = true
	}
	for name := range c.tasks.fresh {
		if c.unsaved[name] == nil && busy[name] == nil && !unfinished[name] {
			delete(c.tasks.fresh, name)
		}
	}
}

// isGone says whether a host that was asked for is one that is no longer in the repo.
func (c *cycle) isGone(pattern string) bool {
	return slices.ContainsFunc(c.hosts, func(h *HostResult) bool {
		return h.Gone && layout.Selects([]string{pattern}, h.Name)
	})
}

// wholeRepo returns all hosts of the repo when a container leaves one of those that were
// asked for, or comes to one: it may move to any other, or from it.
func (c *cycle) wholeRepo(ctx context.Context, repo *layout.Repo) (*layout.Repo, error) {
	if len(c.opts.Hosts) == 0 {
		return repo, nil
	}
	if !slices.ContainsFunc(c.hosts, (*HostResult).leaves) {
		if comes, err := c.mayCome(ctx); err != nil || !comes {
			return repo, err
		}
	}
	whole, err := c.loader.Load(ctx, c.tree, c.layoutOptions(ctx, nil, false))
	if err != nil {
		return nil, fmt.Errorf("load %s: %w", c.where(), err)
	}
	return whole, nil
}

// loadOthers looks up what a roll-out needs to know of the hosts that others handle,
// before hosts are deployed: then the stores may be written to.
func (c *cycle) loadOthers(ctx context.Context) error {
	tree, ok := c.tree.(hashedTree)
	if c.settings.Rollout == nil && !c.opts.ReportAll || !ok {
		return nil
	}
	var err error
	if c.trees, err = c.loader.Trees(ctx, tree, c.names); err != nil {
		return fmt.Errorf("load %s: %w", c.where(), err)
	}
	c.records = map[string]*state.Record{}
	for _, name := range c.names {
		if slices.ContainsFunc(c.hosts, func(h *HostResult) bool { return h.Name == name }) {
			continue
		}
		if c.records[name], err = c.readRecord(ctx, name); err != nil {
			return err
		}
	}
	return nil
}

// where names what is read, for errors.
func (c *cycle) where() string {
	if c.opts.Path != "" {
		return c.opts.Path
	}
	return "commit " + c.commit.Hash.Short()
}
