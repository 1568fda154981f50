package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/user"
	"strings"
	"time"
	"unicode"

	"github.com/spf13/cobra"

	"github.com/gitsync/gitsync/state"
	"github.com/gitsync/gitsync/sync"
)

// maxReason bounds a reason, in characters.
const maxReason = 200

// suspendOptions are the flags of gitsync suspend.
type suspendOptions struct {
	reason string
	length time.Duration
}

func newSuspendCommand(s *settings) *cobra.Command {
	var opts suspendOptions
	cmd := &cobra.Command{
		Use:   "suspend --repo URL --reason TEXT HOST[/CONTAINER]…",
		Short: "Leave containers or hosts as they are, for a while",
		Long: `suspend makes every gitsync leave containers, or whole hosts, as they are: no update, no
repair, no removal, whatever the repo or the host say. What differs is still reported. It
is written to the state branch, with the reason and who it was; whoever deploys heeds it
from the next poll on. It ends with resume, or by itself after --for.

EXIT STATUS
  0  they are suspended
  1  neither the repo nor the state branch has one of them, or the state branch could not
     be written; then nothing is suspended`,
		Example: `  gitsync suspend --repo git@example.com:acme/infra.git web1/db --reason "restore running" --for 2h
  gitsync suspend --repo git@example.com:acme/infra.git web1 --reason "moving racks"`,
		RunE: func(cmd *cobra.Command, args []string) error {
			return runSuspend(cmd.Context(), s, opts, args, cmd.Flags().Changed("for"), newTerminal(os.Stdout))
		},
	}
	s.addRepoFlags(cmd.Flags())
	cmd.Flags().StringVar(&opts.reason, "reason", "", "why, for those who wonder: a `TEXT` of at most 200 characters; required")
	cmd.Flags().DurationVar(&opts.length, "for", 0, "end it by itself after this time, such as 2h (default until resume)")
	return cmd
}

func newResumeCommand(s *settings) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "resume --repo URL [HOST[/CONTAINER]]…",
		Short: "End suspensions",
		Long: `resume ends what suspend began: of the named containers and hosts (a host's containers
with it), or of all. It is written to the state branch; whoever deploys follows the repo
again from the next poll on, and repairs what differs.

EXIT STATUS
  0  they are followed again
  1  nothing of it is suspended, or the state branch could not be written`,
		Example: `  gitsync resume --repo git@example.com:acme/infra.git web1/db
  gitsync resume --repo git@example.com:acme/infra.git`,
		RunE: func(cmd *cobra.Command, args []string) error {
			return runResume(cmd.Context(), s, args, newTerminal(os.Stdout))
		},
	}
	s.addRepoFlags(cmd.Flags())
	return cmd
}

func runSuspend(ctx context.Context, s *settings, opts suspendOptions, args []string, bounded bool, t *terminal) error {
	targets, err := parseTargets(args)
	if err != nil {
		return err
	}
	if len(targets) == 0 {
		return withHint(errors.New("nothing is named to be suspended"), "write HOST or HOST/CONTAINER, such as web1 or web1/db")
	}
	if bounded && opts.length <= 0 {
		return fmt.Errorf("--for %s: write a time over 0, such as 2h", opts.length)
	}
	suspension := state.Suspension{Reason: oneLine(opts.reason), By: operator(), Since: time.Now().UTC().Truncate(time.Second)}
	if suspension.Reason == "" {
		return withHint(errors.New("no reason given"), `say why, for those who wonder: --reason "restore running"`)
	}
	end := "until it is resumed"
	if bounded {
		suspension.Until = suspension.Since.Add(opts.length)
		end = "until " + suspension.Until.Format("2006-01-02 15:04:05 MST")
	}
	syncer, closeSyncer, err := s.openSyncer("", records, nil)
	if err != nil {
		return err
	}
	defer closeSyncer()
	if err := syncer.Suspend(ctx, targets, suspension); err != nil {
		return err
	}
	var names []string
	for _, target := range targets {
		names = append(names, clean(target.String()))
		fmt.Fprintf(t.out, "%s is suspended from the next poll on, %s\n", clean(target.String()), end)
	}
	_, err = fmt.Fprintf(t.out, "gitsync resume %s ends it\n", strings.Join(names, " "))
	return wrapWrite(err)
}

func runResume(ctx context.Context, s *settings, args []string, t *terminal) error {
	targets, err := parseTargets(args)
	if err != nil {
		return err
	}
	syncer, closeSyncer, err := s.openSyncer("", records, nil)
	if err != nil {
		return err
	}
	defer closeSyncer()
	resumed, err := syncer.Resume(ctx, targets)
	if err != nil {
		return err
	}
	for _, target := range resumed {
		if _, err := fmt.Fprintln(t.out, clean(target.String())+" is followed again from the next poll on"); err != nil {
			return wrapWrite(err)
		}
	}
	return nil
}

func parseTargets(args []string) ([]sync.Target, error) {
	var targets []sync.Target
	var errs []error
	for _, arg := range args {
		target, err := sync.ParseTarget(arg)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		targets = append(targets, target)
	}
	return targets, errors.Join(errs...)
}

// operator is who asks for something, as far as this machine knows: kim@laptop.
func operator() string {
	name := os.Getenv("USER")
	if current, err := user.Current(); name == "" && err == nil {
		name = current.Username
	}
	machine, err := os.Hostname()
	if err != nil {
		machine = "localhost"
	}
	return oneLine(name) + "@" + machine
}

// oneLine is text without control characters and with single spaces, cut at maxReason
// characters.
func oneLine(s string) string {
	s = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(s, "\ufffd"))
	s = strings.Join(strings.Fields(clean(s)), " ")
	if runes := []rune(s); len(runes) > maxReason {
		return string(runes[:maxReason-1]) + "…"
	}
	return s
}
