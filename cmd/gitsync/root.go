package main

import (
	"errors"
	"fmt"
	"os"

	"github.com/spf13/cobra"
)

// Exit codes.
const (
	exitOK      = 0
	exitError   = 1
	exitChanges = 2
)

// exitStatus is an error that only sets the exit code: what there was to say has
// been said.
type exitStatus int

func (e exitStatus) Error() string { return fmt.Sprintf("exit status %d", int(e)) }

func exitCode(err error, t *terminal) int {
	var status exitStatus
	switch {
	case err == nil:
		return exitOK
	case errors.As(err, &status):
		return int(status)
	}
	t.error(err)
	return exitError
}

func newRootCommand(stdout, stderr *os.File, s *settings) *cobra.Command {
	root := &cobra.Command{
		Use:   "gitsync",
		Short: "GitOps for plain Docker hosts",
		Long: `gitsync makes Docker hosts follow a Git repo: it reads hosts/<host>/containers.yaml
from the tip of a branch, compares it with what runs, and deploys the difference
each time a commit lands. What it deployed is recorded in a branch of the repo.

Every flag can be set in the environment too (--git-ssh-key is GITSYNC_GIT_SSH_KEY)
and in a file given by --config (git-ssh-key: …). Flags come before the
environment, the environment before the file.

Results go to stdout, logs to stderr.`,
		Example: `  gitsync demo                                   # a tour, on this machine
  gitsync init infra && gitsync validate infra   # start a repo
  gitsync plan --repo git@example.com:acme/infra.git
  gitsync run  --repo git@example.com:acme/infra.git --interval 30s`,
		SilenceUsage:  true,
		SilenceErrors: true,
		PersistentPreRunE: func(cmd *cobra.Command, _ []string) error {
			s.misspelled = misspelled(os.Environ(), cmd.Root())
			return s.load(cmd)
		},
	}
	root.SetOut(stdout)
	root.SetErr(stderr)
	root.SetFlagErrorFunc(unknownFlag)
	s.addGlobalFlags(root.PersistentFlags())
	root.AddCommand(
		newRunCommand(s), newApplyCommand(s), newRetryCommand(s), newPlanCommand(s), newValidateCommand(), newPinCommand(s), newStatusCommand(s),
		newDriftCommand(s), newSuspendCommand(s), newResumeCommand(s),
		newHistoryCommand(s), newRenderCommand(s), newForgetCommand(s), newAdoptCommand(s), newInitCommand(), newDemoCommand(), newDemoServeCommand(), newVersionCommand(),
	)
	return root
}
