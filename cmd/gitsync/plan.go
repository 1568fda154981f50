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
}

func newPlanCommand(s *settings) *cobra.Command {
	var opts planOptions
	cmd := &cobra.Command{
		Use:   "plan (--repo URL | --path DIR)",
		Short: "Show what run would change, and why",
		Long: `plan prints what run would do now: each container that would change, the causes,
and the steps in their order. It touches nothing.

With --path it reads a checkout instead of the branch, committed or not. Add
--repo too, so that the causes can be told by what was deployed.

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
  gitsync plan --repo /srv/git/infra.git --output json --detailed-exitcode`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return runPlan(cmd.Context(), s, opts, os.Stdout, os.Stderr)
		},
	}
	s.addRepoFlags(cmd.Flags())
	cmd.Flags().StringVar(&opts.path, "path", "", "plan this `DIR` instead of the branch")
	addOutputFlag(cmd, &opts.output)
	cmd.Flags().BoolVar(&opts.explain, "explain", false, "say where each setting comes from: host, group, variable")
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
	syncer, closeSyncer, err := s.openSyncer(path, false, nil, changes...)
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

func runPlan(ctx context.Context, s *settings, opts planOptions, stdout, stderr *os.File) error {
	p, err := newPrinter(opts.output, stdout)
	if err != nil {
		return err
	}
	result, err := s.look(ctx, opts.path, stderr, func(o *sync.Options) { o.Explain = opts.explain })
	if err != nil {
		return err
	}
	if result.Err != nil {
		return result.Err
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
