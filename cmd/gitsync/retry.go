package main

import (
	"context"
	"fmt"
	"os"

	"github.com/spf13/cobra"
)

func newRetryCommand(s *settings) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "retry --repo URL [HOST[/CONTAINER]]…",
		Short: "Try failed updates again at the next poll",
		Long: `retry ends the pause of updates that failed, or that are paused by
update.failureAction: of the named hosts and containers, or of all. It writes that to
the state branch; whoever deploys tries them at the next poll. To try them right
here, use apply.

EXIT STATUS
  0  they are tried again
  1  there is nothing to try again, or the state branch could not be written`,
		Example: `  gitsync retry --repo git@example.com:acme/infra.git web1/db
  gitsync retry --repo git@example.com:acme/infra.git`,
		RunE: func(cmd *cobra.Command, args []string) error {
			return runRetry(cmd.Context(), s, args, newTerminal(os.Stdout))
		},
	}
	s.addRepoFlags(cmd.Flags())
	return cmd
}

func runRetry(ctx context.Context, s *settings, targets []string, t *terminal) error {
	syncer, closeSyncer, err := s.openSyncer("", records, nil)
	if err != nil {
		return err
	}
	defer closeSyncer()
	retried, err := syncer.Retry(ctx, targets)
	if err != nil {
		return err
	}
	for _, name := range retried {
		if _, err := fmt.Fprintln(t.out, clean(name)+" is tried again at the next poll"); err != nil {
			return wrapWrite(err)
		}
	}
	return nil
}
