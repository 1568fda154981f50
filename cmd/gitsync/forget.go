package main

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"github.com/gitsync/gitsync/sync"
)

func newForgetCommand(s *settings) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "forget --repo URL HOST",
		Short: "Give up a host that is no longer in the repo",
		Long: `forget drops the record of a host whose directory was removed from the repo, and which
cannot be cleaned: the machine is gone, or what runs on it is somebody else's now. The
host is not touched; what was deployed to it keeps running where it still does.

It also forgets which machine was confirmed to be the host, as far as the data directory
remembers that, for a host that the repo still has too: the agent's known_hosts,
certificates or policy must confirm it again before it gets what is not its own.

EXIT STATUS
  0  the host is forgotten, or at least which machine it was
  1  the repo still has it, or there is no record of it, and no machine was remembered;
     or the state branch or the data directory could not be written`,
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
	forgot, err := syncer.ForgetMachine(name)
	if err != nil {
		return err
	}
	err = syncer.Forget(ctx, name)
	if forgot && (errors.Is(err, sync.ErrInRepo) || errors.Is(err, sync.ErrNotRecorded)) {
		_, err = fmt.Fprintln(t.out, clean(name)+": which machine it is, is forgotten here; nothing else is, since "+clean(err.Error()))
		return wrapWrite(err)
	}
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(t.out, clean(name)+" is forgotten; what runs on it is left as it is")
	return wrapWrite(err)
}
