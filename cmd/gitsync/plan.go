package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/rs/zerolog"
	"github.com/spf13/cobra"

	"github.com/gitsync/gitsync/sync"
)

// planOptions are the flags of gitsync plan.
type planOptions struct {
	path             string
	output           string
	detailedExitcode bool
	explain          bool
	offline          bool
}

func newPlanCommand(s *settings) *cobra.Command {
	var opts planOptions
	cmd := &cobra.Command{
		Use:   "plan (--repo URL | --path DIR)",
		Short: "Show what run would change, and why",
		Long: `plan prints what run would do now: each container that would change, the causes,
and the steps in their order; then drift that it leaves as it is. It touches nothing.

With --path it reads a checkout instead of the branch, committed or not. Add
--repo too, so that the causes can be told by what was deployed.

With --offline no host is asked, for CI: what the state branch says is taken for what is
there and runs.

With --output markdown it is a comment for a pull request, of at most 60,000 bytes.

With --explain it says for each setting in which file it is written, what it overrides
and which variables are in it. What may be secret (env, labels, args, contents) is left
out: gitsync render prints it.

EXIT STATUS
  0  there is a plan (without --detailed-exitcode: whether or not it is empty)
  1  something failed, or a host does not validate
  2  with --detailed-exitcode: there are changes`,
		Example: `  gitsync plan --repo git@example.com:acme/infra.git
  gitsync plan --path . --host web1 --explain
  gitsync plan --repo /srv/git/infra.git --host 'web-*'
  gitsync plan --path . --repo "$URL" --offline --output markdown > comment.md
  gitsync plan --repo /srv/git/infra.git --output json --detailed-exitcode`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return runPlan(cmd.Context(), s, opts, os.Stdout, os.Stderr)
		},
	}
	s.addRepoFlags(cmd.Flags())
	s.addReachFlags(cmd.Flags())
	cmd.Flags().StringVar(&opts.path, "path", "", "plan this `DIR` instead of the branch")
	cmd.Flags().StringVarP(&opts.output, "output", "o", "text", "text, json, or markdown: for a comment on a pull request")
	cmd.Flags().BoolVar(&opts.explain, "explain", false, "say where each setting comes from: host, group, variable")
	cmd.Flags().BoolVar(&opts.offline, "offline", false, "ask no host: take what the state branch says for what runs")
	cmd.Flags().BoolVar(&opts.detailedExitcode, "detailed-exitcode", false, "exit with 2 when there are changes")
	return cmd
}

func addOutputFlag(cmd *cobra.Command, output *string) {
	cmd.Flags().StringVarP(output, "output", "o", "text", "text or json")
}

// printer prints a result as text or as JSON.
type printer interface {
	plan(r *sync.Result) error
	status(r *sync.Result) error
	drift(r *sync.Result) error
}

func newPrinter(output string, out *os.File) (printer, error) {
	switch output {
	case "text":
		return &textPrinter{newTerminal(out)}, nil
	case "json":
		return &jsonPrinter{out}, nil
	}
	return nil, fmt.Errorf("--output %q: write text or json", output)
}

// look makes a plan with the settings, without touching the data directory.
func (s *settings) look(ctx context.Context, path string, stderr *os.File, changes ...func(*sync.Options)) (*sync.Result, error) {
	log, err := s.newLogger(stderr)
	if err != nil {
		return nil, err
	}
	if err := s.findAgentHost(ctx); err != nil {
		return nil, err
	}
	syncer, closeSyncer, err := s.openSyncer(path, looks, nil, changes...)
	if err != nil {
		return nil, err
	}
	defer closeSyncer()
	level := max(log.GetLevel(), zerolog.WarnLevel)
	if s.logLevel == "debug" {
		level = zerolog.DebugLevel
	}
	return syncer.Plan(log.Level(level).WithContext(ctx)), nil
}

// planPrinter prints a plan.
type planPrinter interface {
	plan(r *sync.Result) error
}

func (o planOptions) printer(out *os.File) (planPrinter, error) {
	switch {
	case o.output == "markdown" && o.explain:
		return nil, errors.New("give either --explain or --output markdown, not both")
	case o.output == "markdown":
		return &markdownPrinter{out}, nil
	}
	p, err := newPrinter(o.output, out)
	if err != nil {
		return nil, fmt.Errorf("--output %q: write text, json or markdown", o.output)
	}
	return p, nil
}

func runPlan(ctx context.Context, s *settings, opts planOptions, stdout, stderr *os.File) error {
	p, err := opts.printer(stdout)
	if err != nil {
		return err
	}
	if opts.offline && s.repo == "" {
		return withHint(errors.New("--offline needs the repo, whose state branch says what runs"), "set --repo URL or $GITSYNC_REPO")
	}
	result, err := s.look(ctx, opts.path, stderr, func(o *sync.Options) {
		o.Explain, o.Offline = opts.explain, opts.offline
	})
	if err != nil {
		return err
	}
	if result.Err != nil {
		if m, ok := p.(*markdownPrinter); ok {
			// A comment tells it to those who do not see the log.
			err = m.failed(result.Err)
		}
		return errors.Join(result.Err, err)
	}
	if err := p.plan(result); err != nil {
		return err
	}
	switch {
	case result.Failed() || blocked(result):
		return exitStatus(exitError)
	case opts.detailedExitcode && result.HasChanges():
		return exitStatus(exitChanges)
	}
	return nil
}

var errWrite = errors.New("write the result")

func wrapWrite(err error) error {
	if err == nil || errors.Is(err, io.ErrClosedPipe) {
		return nil
	}
	return fmt.Errorf("%w: %w", errWrite, err)
}
