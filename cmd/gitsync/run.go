package main

import (
	"context"
	"errors"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/gitsync/gitsync/sync"
)

// runOptions are the flags of gitsync run.
type runOptions struct {
	interval time.Duration
	schedule string
	once     bool
	// allowPrune lets a commit remove any number of containers.
	allowPrune bool
}

func newRunCommand(s *settings) *cobra.Command {
	var opts runOptions
	cmd := &cobra.Command{
		Use:   "run --repo URL",
		Short: "Make the hosts follow the repo",
		Long: `run deploys the tip of the branch, and again each time that it moves. A container
that was removed or stopped by hand is started again at the next poll.

An update that fails is taken back, and tried again after a pause that grows from 10
seconds to an hour; a new commit for the host, or gitsync retry, ends it.

SIGTERM lets the step in hand finish and then stops, within seconds; a second
one stops at once.

EXIT STATUS
  0  with --once: everything is as the repo says; else: stopped by a signal
  1  with --once: something failed; else: gitsync could not start`,
		Example: `  gitsync run --repo https://example.com/acme/infra.git
  gitsync run --repo git@example.com:acme/infra.git --git-ssh-key /etc/gitsync/key --host web1
  gitsync run --repo https://example.com/acme/infra.git --agent  # on each host
  gitsync run --repo /srv/git/infra.git --once            # from cron
  gitsync run --repo /srv/git/infra.git --schedule '*/5 * * * *'`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return runRun(cmd.Context(), s, opts, os.Stderr)
		},
	}
	s.addRepoFlags(cmd.Flags())
	s.addAgentFlags(cmd.Flags())
	cmd.Flags().DurationVar(&opts.interval, "interval", 30*time.Second, "time between two polls, give or take a tenth")
	cmd.Flags().StringVar(&opts.schedule, "schedule", "", "cron `EXPRESSION` for the polls, instead of an interval")
	cmd.Flags().BoolVar(&opts.once, "once", false, "run one cycle and exit; more when a newer commit lands or a roll-out goes on")
	addAllowPrune(cmd, &opts.allowPrune)
	return cmd
}

// maxWatch bounds the time between two looks for a newer commit while hosts are
// deployed.
const maxWatch = 10 * time.Second

func (o runOptions) schedules() (sync.Schedule, error) {
	if o.schedule != "" {
		return sync.Cron(o.schedule)
	}
	return sync.Every(o.interval)
}

func runRun(ctx context.Context, s *settings, opts runOptions, stderr *os.File) error {
	if opts.once && opts.schedule != "" {
		return errors.New("give either --once or --schedule, not both")
	}
	schedule, err := opts.schedules()
	if err != nil {
		return err
	}
	log, err := s.newLogger(stderr)
	if err != nil {
		return err
	}
	if err := s.findAgentHost(ctx); err != nil {
		return err
	}
	syncer, closeSyncer, err := s.openSyncer("", true, newProgress(newTerminal(stderr)).report(), func(o *sync.Options) {
		o.AllowPrune = opts.allowPrune
		o.WatchInterval = min(opts.interval, maxWatch)
	})
	if err != nil {
		return err
	}
	defer closeSyncer()
	ctx = log.WithContext(ctx)
	if !opts.once {
		log.Info().Str("version", version).Str("repo", syncer.Repo()).Str("branch", s.branch).Msg("gitsync runs")
		err := syncer.Run(ctx, schedule)
		log.Info().Msg("gitsync stops")
		return err
	}
	if !syncer.Once(ctx).Converged() {
		// The log has said why.
		return exitStatus(exitError)
	}
	return nil
}
