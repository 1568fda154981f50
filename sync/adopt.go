package sync

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/gitsync/gitsync/container"
	"github.com/gitsync/gitsync/container/types"
	"github.com/gitsync/gitsync/runtime"
	"github.com/gitsync/gitsync/state"
	"github.com/gitsync/gitsync/trust"
)

// ErrNothingToAdopt means that no container on the hosts bears the owner that was named.
var ErrNothingToAdopt = errors.New("nothing to adopt")

// AdoptOptions say what an operator takes over.
type AdoptOptions struct {
	// From are the ways to write one owner, as the label io.gitsync.owner names it.
	From []string
	// By is who asks, and Reason why.
	By, Reason string
	// DryRun only finds out what would be taken over.
	DryRun bool
}

// Adopted is a container that is ours from now on.
type Adopted struct {
	Host, Container, Name, ID, Image string
	// Owner and Repo are those that its labels name.
	Owner, Repo string
}

// Adopt makes containers ours that carry the labels of the repo's hosts and of a former
// owner: this repo at another address, or under another branch. The containers are left as
// they are. What was adopted is remembered in the data directory, and recorded in the state
// branch. With an error, it says what was, or would be, adopted all the same.
//
// Errors: [ErrNothingToAdopt], and those of hosts that did not answer.
func (s *Syncer) Adopt(ctx context.Context, opts AdoptOptions) ([]Adopted, error) {
	defer s.lock()()
	c := s.newCycle()
	// Nothing is decided from what it loads.
	c.planOnly = true
	for _, step := range []func(context.Context) error{c.fetch, c.load, c.identify} {
		if err := step(ctx); err != nil {
			return nil, err
		}
	}
	var found []Adopted
	var errs []error
	others := map[string]bool{}
	for _, h := range c.hosts {
		if h.Gone {
			continue
		}
		rows, err := c.foreignRows(ctx, h, others)
		if err != nil {
			errs = append(errs, fmt.Errorf("host %s: %w", h.Name, err))
			continue
		}
		for _, row := range rows {
			if slices.Contains(opts.From, row.Labels[container.LabelOwner]) {
				found = append(found, Adopted{
					Host: h.Name, Container: row.Labels[container.LabelContainer], Name: row.Name, ID: row.ID, Image: row.Image,
					Owner: row.Labels[container.LabelOwner], Repo: row.Labels[container.LabelRepo],
				})
			}
		}
	}
	for _, name := range c.result.Invalid {
		errs = append(errs, fmt.Errorf("host %s: nothing was adopted, since its files do not validate", name))
	}
	if len(found) == 0 {
		errs = append(errs, nothingToAdopt(opts.From[0], others))
		return nil, errors.Join(errs...)
	}
	if opts.DryRun {
		return found, errors.Join(errs...)
	}
	if err := c.saveAdopted(ctx, found, opts); err != nil {
		return nil, errors.Join(append(errs, err)...)
	}
	return found, errors.Join(errs...)
}

func nothingToAdopt(from string, others map[string]bool) error {
	err := fmt.Errorf("%w: no container on these hosts bears the owner %s", ErrNothingToAdopt, from)
	if len(others) > 0 {
		names := sortedNames(others)
		err = fmt.Errorf("%w: other owners there are %s", err, strings.Join(names, ", "))
	}
	return err
}

func sortedNames(set map[string]bool) []string {
	var names []string
	for name := range set {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// foreignRows returns the containers that carry the labels of a host and are not ours, and
// adds their owners to the others.
func (c *cycle) foreignRows(ctx context.Context, h *HostResult, others map[string]bool) ([]types.ContainerSummary, error) {
	ctx, cancel := context.WithTimeout(ctx, c.opts.CheckTimeout)
	defer cancel()
	rt, release, err := c.connections.Connect(ctx, h.Host.Host, h.Host.Runtime)
	if err != nil {
		return nil, err
	}
	defer release()
	lister, ok := rt.(runtime.Lister)
	if !ok {
		return nil, errors.New("this runtime cannot list containers")
	}
	rows, err := lister.List(ctx, map[string]string{container.LabelHost: h.Name})
	if err != nil {
		return nil, err
	}
	id := c.identities[c.state.BranchOf(h.Name)].ID
	rows = slices.DeleteFunc(container.Credible(rows), func(row types.ContainerSummary) bool {
		owner, repo := row.Labels[container.LabelOwner], row.Labels[container.LabelRepo]
		ours := owner == c.opts.owner() && (repo == "" || repo == id)
		if owner == "" || row.Labels[container.LabelRole] != "" || ours {
			return true
		}
		others[owner] = true
		return false
	})
	return rows, nil
}

// saveAdopted remembers and records what an operator has taken over. Who reads a state branch
// that is not signed does not believe it: the memory is what counts.
func (c *cycle) saveAdopted(ctx context.Context, found []Adopted, opts AdoptOptions) error {
	why := "asked for by " + opts.By
	if opts.Reason != "" {
		why += ": " + opts.Reason
	}
	entry := state.Entry{When: c.opts.Now(), Source: string(c.result.Commit.Hash), Result: state.Success, Details: []string{why}}
	var adoptions []trust.Adoption
	for _, a := range found {
		adoption := trust.Adoption{Host: a.Host, Owner: a.Owner, Repo: a.Repo}
		if !slices.Contains(adoptions, adoption) {
			adoptions = append(adoptions, adoption)
		}
		if !slices.Contains(entry.Hosts, a.Host) {
			entry.Hosts = append(entry.Hosts, a.Host)
		}
		entry.Details = append(entry.Details, fmt.Sprintf("%s/%s: adopted from %s, as it runs", a.Host, a.Container, a.Owner))
	}
	number := fmt.Sprintf("%d containers", len(found))
	if len(found) == 1 {
		number = "1 container"
	}
	entry.Subject = cut(fmt.Sprintf("Adopt %s of %s on %s, %s", number, found[0].Owner, hostList(entry.Hosts), why))
	if err := c.state.Adopt(ctx, adoptions, entry); err != nil {
		return fmt.Errorf("record the adoption in branch %s: %w", c.opts.StateBranch, err)
	}
	return c.opts.Memory.Adopt(adoptions...)
}
