package main

import (
	"context"
	"os"

	"github.com/spf13/cobra"

	"github.com/gitsync/gitsync/sync"
)

func newApplyCommand(s *settings) *cobra.Command {
	var allowPrune bool
	cmd := &cobra.Command{
		Use:   "apply --repo URL",
		Short: "Deploy now, once, without waiting for anything",
		Long: `apply runs one cycle at once, as run --once does. Updates that failed before are
tried again now, whatever their pause. Drift is repaired now, also where the policy is
to report it only, and where somebody undid the repairs; what is suspended is left alone.
It may be used beside run: where another gitsync instance works on a host, apply waits for
its turn, up to two minutes.

EXIT STATUS
  0  everything is as the repo says
  1  something failed, or another instance still works on a host`,
		Example: `  gitsync apply --repo git@example.com:acme/infra.git --host web1
  gitsync apply --repo /srv/git/infra.git --host old1 --allow-prune   # remove what is gone from the repo`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return runApply(cmd.Context(), s, allowPrune, os.Stderr)
		},
	}
	s.addRepoFlags(cmd.Flags())
	s.addReachFlags(cmd.Flags())
	addAllowPrune(cmd, &allowPrune)
	return cmd
}

func addAllowPrune(cmd *cobra.Command, allow *bool) {
	cmd.Flags().BoolVar(allow, "allow-prune", false, "let a commit remove more of a host's containers than prune.maxFraction, or all")
}

func runApply(ctx context.Context, s *settings, allowPrune bool, stderr *os.File) error {
	ctx, _ = listenForHangups(ctx, true)
	s.neverWait(stderr)
	log, err := s.newLogger(stderr)
	if err != nil {
		return err
	}
	if err := s.findAgentHost(ctx); err != nil {
		return err
	}
	syncer, closeSyncer, err := s.openSyncer("", records, newProgress(s.terminal(stderr)).report(), func(o *sync.Options) {
		o.AllowPrune, o.RetryNow, o.RepairNow = allowPrune, true, true
	})
	if err != nil {
		return err
	}
	defer closeSyncer()
	if !syncer.Once(log.WithContext(ctx)).Converged() {
		// The log has said why.
		return exitStatus(exitError)
	}
	return nil
}
