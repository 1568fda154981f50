package main

import (
	"context"
	"fmt"
	"os"

	"github.com/spf13/cobra"
)

func newForgetCommand(s *settings) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "forget --repo URL HOST",
		Short: "Give up a host that is no longer in the repo",
		Long: `forget drops the record of a host whose directory was removed from the repo, and which
cannot be cleaned: the machine is gone, or what runs on it is somebody else's now. The
host is not touched; what was deployed to it keeps running where it still does.

EXIT STATUS
  0  the host is forgotten
  1  the repo still has it, there is no record of it, or the state branch could not
     be written`,
		Example: `  gitsync forget --repo git@example.com:acme/infra.git web9`,
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return runForget(cmd.Context(), s, args[0], newTerminal(os.Stdout))
		},
	}
	s.addRepoFlags(cmd.Flags())
	return cmd
}

func runForget(ctx context.Context, s *settings, name string, t *terminal) error {
	syncer, closeSyncer, err := s.openSyncer("", records, nil)
	if err != nil {
		return err
	}
	defer closeSyncer()
	if err := syncer.Forget(ctx, name); err != nil {
		return err
	}
	_, err = fmt.Fprintln(t.out, clean(name)+" is forgotten; what runs on it is left as it is")
	return wrapWrite(err)
}
