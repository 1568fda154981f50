package sync

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/gitsync/gitsync/container"
	"github.com/gitsync/gitsync/layout"
	"github.com/gitsync/gitsync/state"
)

// ErrNotRecorded means that the state branch knows nothing of a host.
var ErrNotRecorded = errors.New("the host has no record")

// ErrInRepo means that a host cannot be forgotten, since the repo has it.
var ErrInRepo = errors.New("the host is in the repo")

// addGone adds the hosts that have a record and are no longer in the repo. Nothing says
// any more what they should have, so what was deployed to them is removed. How they are
// reached is in their record.
func (c *cycle) addGone(ctx context.Context) error {
	if c.state == nil || c.result.Commit == nil && c.opts.Path == "" {
		return nil
	}
	recorded, err := c.recordedHosts()
	if err != nil {
		return err
	}
	for _, name := range recorded {
		if slices.Contains(c.names, name) || !layout.Selects(c.opts.Hosts, name) {
			continue
		}
		record, err := c.readRecord(ctx, name)
		if err != nil {
			return err
		}
		if record == nil || !c.mine(record.Agent) {
			continue
		}
		h := c.newResult(goneHost(name, record))
		h.Record, h.Gone, h.clean = record, true, record.Clean
		if h.clean == nil {
			h.clean = &state.Clean{Since: c.opts.Now().UTC()}
			if c.result.Commit != nil {
				h.clean.Commit = string(c.result.Commit.Hash)
			}
		}
		if !h.clean.Allowed && c.pruneLimit() == 0 {
			allowed := *h.clean
			allowed.Allowed = true
			h.clean = &allowed
		}
		c.hosts = append(c.hosts, h)
	}
	return nil
}

// goneHost makes of a record what a directory would have said.
func goneHost(name string, record *state.Record) layout.Host {
	h := layout.Host{Name: name, Tree: record.Tree, Agent: record.Agent, Containers: container.ContainersState{}}
	for _, key := range slices.Sorted(maps.Keys(record.PreviousState)) {
		m := record.PreviousState[key]
		h.Host, h.Runtime = m.Host, m.Container.Runtime
		break
	}
	return h
}

// pruneLimitOf is the fraction of the host's containers that may be removed now.
func (c *cycle) pruneLimitOf(h *HostResult) float64 {
	if h.clean != nil && h.clean.Allowed {
		return 0
	}
	return c.pruneLimit()
}

// Forget drops the record of a host that is no longer in the repo, and gives up what
// was deployed to it. The host itself is not touched.
//
// Errors: [ErrNotRecorded], [ErrInRepo].
func (s *Syncer) Forget(ctx context.Context, host string) error {
	defer s.lock()()
	c := s.newCycle()
	if err := c.fetch(ctx); err != nil {
		return err
	}
	record, err := s.state.Record(ctx, host)
	if err := c.noteFault(err); err != nil {
		return err
	}
	if record == nil && !c.faultOf(host) {
		return fmt.Errorf("forget %s: %w in branch %s: gitsync status lists the hosts", host, ErrNotRecorded, s.state.BranchOf(host))
	}
	repo, err := c.loader.Load(ctx, c.tree, c.layoutOptions(ctx, nil, false))
	if err != nil {
		return fmt.Errorf("load %s: %w", c.where(), err)
	}
	if slices.Contains(repo.Names, host) {
		return fmt.Errorf("forget %s: %w, and would be deployed again: remove hosts/%s first", host, ErrInRepo, host)
	}
	left := "its record could not be read"
	if record != nil {
		left = fmt.Sprintf("%d containers are left as they are", len(record.PreviousState))
	}
	entry := state.Entry{
		When: s.opts.Now(), Source: string(c.commit.Hash), Result: state.Success, Hosts: []string{host},
		Subject: cut(fmt.Sprintf("Forget %s: asked for by an operator, %s", host, left)),
	}
	if err := s.state.Save(ctx, map[string]*state.Record{host: nil}, entry); err != nil {
		return fmt.Errorf("record the request in branch %s: %w", s.opts.StateBranch, err)
	}
	return nil
}
