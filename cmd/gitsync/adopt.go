package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/gitsync/gitsync/gitrepo"
	"github.com/gitsync/gitsync/sync"
)

// adoptOptions are the flags of gitsync adopt.
type adoptOptions struct {
	from, reason string
	dryRun       bool
}

func newAdoptCommand(s *settings) *cobra.Command {
	var opts adoptOptions
	cmd := &cobra.Command{
		Use:   "adopt --repo URL --from OWNER",
		Short: "Take containers over from the repo's former address or branch",
		Long: `adopt makes containers ours that this repo deployed when it had another address, or when
its branch had another name. gitsync finds that out by itself where the containers, the
state branch and the history of the branch agree; where they do not, a plan says that the
name of a container is taken, and by which owner.

The containers keep running as they are. From the next check on they are updated, repaired
and removed as the repo says: one that the repo does not have is removed. It applies to all
containers that carry the label io.gitsync.host of one of the hosts and the owner in
io.gitsync.owner. While another instance works on a host for that owner, nothing of it is
taken over: stop that one first.

It is remembered in the data directory, so use the same --data-dir and user as the gitsync
that deploys, and run it once for each data directory. It is recorded in the state branch;
with --state-sign-key that alone is enough for all instances.

EXIT STATUS
  0  the containers are adopted; with --dry-run: they would be
  1  there is no such container, a host could not be reached, or the state branch could
     not be written`,
		Example: `  gitsync adopt --repo git@new.example.com:acme/infra.git --from git.example.com/acme/infra#main --dry-run
  gitsync adopt --repo git@new.example.com:acme/infra.git --from git.example.com/acme/infra#main --reason "new forge"
  gitsync adopt --repo https://example.com/acme/infra.git --from /srv/infra --host web1`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return runAdopt(cmd.Context(), s, opts, newTerminal(os.Stdout))
		},
	}
	s.addRepoFlags(cmd.Flags())
	s.addReachFlags(cmd.Flags())
	cmd.Flags().StringVar(&opts.from, "from", "", "the former `OWNER`: an address, with # and the branch where that was another one; required")
	cmd.Flags().StringVar(&opts.reason, "reason", "", "why, for the record: a `TEXT` of at most 200 characters")
	cmd.Flags().BoolVar(&opts.dryRun, "dry-run", false, "list the containers, and change nothing")
	return cmd
}

func runAdopt(ctx context.Context, s *settings, opts adoptOptions, t *terminal) error {
	if opts.from == "" {
		return withHint(errors.New("no former owner given"), "write --from OWNER, as gitsync plan names it: git.example.com/acme/infra#main")
	}
	if err := s.findAgentHost(ctx); err != nil {
		return err
	}
	use := adopts
	if opts.dryRun {
		use = looks
	}
	syncer, closeSyncer, err := s.openSyncer("", use, nil)
	if err != nil {
		return err
	}
	defer closeSyncer()
	adopted, err := syncer.Adopt(ctx, sync.AdoptOptions{
		From: ownersOf(opts.from, s.branch), By: operator(), Reason: oneLine(opts.reason), DryRun: opts.dryRun,
	})
	verb := "is adopted"
	if opts.dryRun {
		verb = "would be adopted"
	}
	for _, a := range adopted {
		if _, err := fmt.Fprintf(t.out, "%s/%s %s from %s, as it runs (%.12s, image %s)\n",
			clean(a.Host), clean(a.Container), verb, clean(a.Owner), clean(a.ID), clean(a.Image)); err != nil {
			return wrapWrite(err)
		}
	}
	return err
}

// ownersOf returns the ways in which labels may name an owner that a person writes: as the
// label has it, or as an address.
func ownersOf(from, branch string) []string {
	owners := []string{from}
	address := from
	if at := strings.LastIndex(from, "#"); at >= 0 {
		address, branch = from[:at], from[at+1:]
	} else {
		owners = append(owners, from+"#"+branch)
	}
	if remote, err := gitrepo.NewRemote(address, gitrepo.Auth{}); err == nil {
		owners = append(owners, remote.Identity()+"#"+branch)
		_ = remote.Close()
	}
	return owners
}
