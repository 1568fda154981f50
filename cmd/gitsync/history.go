package main

import (
	"context"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"github.com/gitsync/gitsync/state"
)

func newHistoryCommand(s *settings) *cobra.Command {
	var output string
	var limit int
	cmd := &cobra.Command{
		Use:   "history --repo URL",
		Short: "Show what was deployed, and when",
		Long: `history prints the deployments that the state branch records, newest first: what
changed on which host, and why.

EXIT STATUS
  0  the history was printed
  1  it could not be read`,
		Example: `  gitsync history --repo git@example.com:acme/infra.git
  gitsync history --repo /srv/git/infra.git --limit 5 --output json`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return runHistory(cmd.Context(), s, output, limit, os.Stdout)
		},
	}
	s.addRepoFlags(cmd.Flags())
	addOutputFlag(cmd, &output)
	cmd.Flags().IntVar(&limit, "limit", 20, "how many deployments to show")
	return cmd
}

func runHistory(ctx context.Context, s *settings, output string, limit int, stdout *os.File) error {
	if output != "text" && output != "json" {
		return fmt.Errorf("--output %q: write text or json", output)
	}
	if limit < 1 {
		return fmt.Errorf("--limit %d: it must be 1 or more", limit)
	}
	syncer, closeSyncer, err := s.openSyncer("", looks, nil)
	if err != nil {
		return err
	}
	defer closeSyncer()
	entries, err := syncer.History(ctx, limit)
	if err != nil {
		return err
	}
	if output == "json" {
		if entries == nil {
			entries = []state.Entry{}
		}
		return (&jsonPrinter{stdout}).write(struct {
			Type        string        `json:"type"`
			Deployments []state.Entry `json:"deployments"`
		}{"history", entries})
	}
	return printHistory(newTerminal(stdout), entries)
}

func printHistory(t *terminal, entries []state.Entry) error {
	if len(entries) == 0 {
		_, err := fmt.Fprintln(t.out, "nothing was deployed yet")
		return wrapWrite(err)
	}
	for _, e := range entries {
		mark := t.green("✓")
		switch e.Result {
		case state.Failure:
			mark = t.red("✗")
		case "":
			mark = " "
		}
		if _, err := fmt.Fprintf(t.out, "%s  %s %s\n", t.dim(e.When.Local().Format("2006-01-02 15:04:05")), mark, clean(e.Subject)); err != nil {
			return wrapWrite(err)
		}
		for _, line := range e.Details {
			if _, err := fmt.Fprintf(t.out, "                       %s\n", t.dim(clean(line))); err != nil {
				return wrapWrite(err)
			}
		}
	}
	return nil
}
