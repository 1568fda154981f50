package sync

import (
	"context"
	"fmt"
	"slices"

	"github.com/rs/zerolog"

	"github.com/gitsync/gitsync/gitrepo"
	"github.com/gitsync/gitsync/layout"
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
	repo, err := c.loader.Load(ctx, c.tree, layout.Options{Hosts: c.opts.Hosts, DockerHost: c.opts.DockerHost})
	if err != nil {
		return fmt.Errorf("load %s: %w", c.where(), err)
	}
	c.settings, c.names, c.result.Mistakes = repo.Settings, repo.Names, repo.Mistakes()
	if err := c.loadTrees(); err != nil {
		return err
	}
	for _, invalid := range repo.Invalid {
		c.result.Invalid = append(c.result.Invalid, invalid.Name)
	}
	for _, h := range repo.Hosts {
		result := &HostResult{Name: h.Name, Host: h, memory: c.memory(h.Name), superseded: make(chan struct{})}
		if c.state != nil {
			// A record that cannot be read is as good as lost: the labels know.
			if result.Record, err = c.state.Record(h.Name); err != nil {
				zerolog.Ctx(ctx).Warn().Err(err).Str("host", h.Name).Msg("state: going on without the record")
			}
		}
		c.result.Hosts = append(c.result.Hosts, result)
	}
	sortHosts(c.result.Hosts)
	c.guardMoves()
	if err := c.findGone(repo); err != nil {
		return err
	}
	c.announce(ctx)
	return nil
}

// loadTrees looks the hashes of all hosts' directories up where a roll-out needs them,
// before hosts are deployed: then the store may be written to.
func (c *cycle) loadTrees() error {
	tree, ok := c.tree.(hashedTree)
	if c.settings.Rollout == nil || !ok {
		return nil
	}
	c.trees = map[string]string{}
	for _, name := range c.names {
		hash, err := tree.TreeHash("hosts/" + name)
		if err != nil {
			return fmt.Errorf("look up the tree of host %s: %w", name, err)
		}
		c.trees[name] = hash
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

// findGone lists the hosts that are recorded and not in the repo.
func (c *cycle) findGone(repo *layout.Repo) error {
	if c.state == nil || len(c.opts.Hosts) > 0 {
		return nil
	}
	recorded, err := c.state.Hosts()
	if err != nil {
		return err
	}
	for _, name := range recorded {
		inRepo := slices.Contains(c.result.Invalid, name) ||
			slices.ContainsFunc(repo.Hosts, func(h layout.Host) bool { return h.Name == name })
		if !inRepo {
			c.result.Gone = append(c.result.Gone, name)
		}
	}
	return nil
}
