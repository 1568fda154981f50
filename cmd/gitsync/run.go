package main

import (
	"context"
	"errors"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/gitsync/gitsync/server"
	"github.com/gitsync/gitsync/sync"
)

// runOptions are the flags of gitsync run.
type runOptions struct {
	interval time.Duration
	schedule string
	// scheduled says that a schedule was given, which may be empty.
	scheduled bool
	once      bool
	// allowPrune lets a commit remove any number of containers.
	allowPrune bool
	listen     listenOptions
	reporting  reportingOptions
}

func newRunCommand(s *settings) *cobra.Command {
	var opts runOptions
	cmd := &cobra.Command{
		Use:   "run --repo URL",
		Short: "Make the hosts follow the repo",
		Long: `run deploys the tip of the branch, and again each time that it moves. What somebody
changes by hand is put right at once where the engine tells of it, else at the next
complete look (drift.interval in host.yaml, 5 minutes), unless the drift policy says to
report it only.

With --listen the webhooks of GitHub, GitLab, Gitea, Forgejo and Bitbucket begin a cycle
at once; polls go on beside them. GET /healthz answers there too: 200 while all is well, 503
with a reason when cycles have failed for 10 minutes, or when none ends.

An update that fails is taken back, and tried again after a pause that grows from 10
seconds to an hour; a new commit for the host, or gitsync retry, ends it.

Where another gitsync instance works on a host for the same repo, run waits for its turn
there; with --once up to two minutes.

SIGTERM lets the current step finish and then stops, within seconds; a second
one stops at once. SIGHUP begins a cycle at once; with --once it is like SIGTERM. Nothing
waits for who reads the log: lines that nobody reads are dropped, and counted.

EXIT STATUS
  0  with --once: everything is as the repo says; else: stopped by a signal
  1  with --once: something failed, or another instance still works on a host; else:
     gitsync could not start`,
		Example: `  gitsync run --repo https://example.com/acme/infra.git
  gitsync run --repo git@example.com:acme/infra.git --git-ssh-key /etc/gitsync/key --host web1
  gitsync run --repo https://example.com/acme/infra.git --agent  # on each host
  gitsync run --repo /srv/git/infra.git --once            # from cron
  gitsync run --repo /srv/git/infra.git --schedule '*/5 * * * *'
  gitsync run --repo URL --listen 127.0.0.1:8080 --webhook-secret-file /etc/gitsync/webhook`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			opts.scheduled = cmd.Flags().Changed("schedule")
			return runRun(cmd.Context(), s, opts, os.Stderr)
		},
	}
	s.addRepoFlags(cmd.Flags())
	s.addReachFlags(cmd.Flags())
	cmd.Flags().DurationVar(&opts.interval, "interval", 30*time.Second, "time between two polls, give or take a tenth")
	cmd.Flags().StringVar(&opts.schedule, "schedule", "", "cron `EXPRESSION` for the polls, instead of an interval")
	cmd.Flags().BoolVar(&opts.once, "once", false, "run one cycle and exit; more when a newer commit lands or a roll-out goes on")
	addAllowPrune(cmd, &opts.allowPrune)
	opts.listen.addFlags(cmd.Flags())
	opts.reporting.addFlags(cmd.Flags())
	return cmd
}

// maxWatch bounds the time between two looks for a newer commit while hosts are
// deployed.
const maxWatch = 10 * time.Second

func (o runOptions) schedules() (sync.Schedule, error) {
	if o.scheduled {
		return sync.Cron(o.schedule)
	}
	return sync.Every(o.interval)
}

func runRun(ctx context.Context, s *settings, opts runOptions, stderr *os.File) error {
	ctx, hangups := listenForHangups(ctx, opts.once)
	s.neverWait(stderr)
	if opts.once && opts.scheduled {
		return errors.New("give either --once or --schedule, not both")
	}
	if opts.once && opts.listen.address != "" {
		return errors.New("give either --once or --listen, not both")
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
	reporting, err := opts.reporting.open(s)
	if err != nil {
		return err
	}
	syncer, closeSyncer, err := s.openSyncer("", keeps, newProgress(s.terminal(stderr)).report(), reporting.tells(&opts.reporting), func(o *sync.Options) {
		o.AllowPrune = opts.allowPrune
		o.WatchInterval = min(opts.interval, maxWatch)
	})
	if err != nil {
		return err
	}
	defer closeSyncer()
	ctx = log.WithContext(ctx)
	if opts.once {
		return reporting.beside(ctx, func(ctx context.Context) error {
			if !syncer.Once(ctx).Converged() {
				// The log has said why.
				return exitStatus(exitError)
			}
			return nil
		})
	}
	webhooks, err := opts.listen.open(ctx, s.branch, syncer.Trigger, func() server.Health { return s.health(syncer) })
	if err != nil {
		return err
	}
	log.Info().Str("version", version).Str("repo", syncer.Repo()).Str("branch", s.branch).Msg("gitsync runs")
	err = reporting.beside(ctx, func(ctx context.Context) error {
		return webhooks.beside(ctx, func(ctx context.Context) error {
			return besideHangups(ctx, hangups, syncer.Trigger, func(ctx context.Context) error { return syncer.Run(ctx, schedule) })
		})
	})
	log.Info().Msg("gitsync stops")
	return err
}
