package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/gitsync/gitsync/layout"
)

func newRenderCommand(s *settings) *cobra.Command {
	var path string
	cmd := &cobra.Command{
		Use:   "render (--repo URL | --path DIR) HOST",
		Short: "Print what a host gets, merged",
		Long: `render prints the containers.yaml that a host would need without groups and variables:
its own file and those of its groups merged, variables replaced. Text files of groups
are in it; files of the host's own directory are referred to. It asks no host anything.

It prints everything that the repo says, secrets in env and config files included.

EXIT STATUS
  0  the host's containers were printed
  1  the host does not validate, or the repo could not be read`,
		Example: `  gitsync render --path . web1
  gitsync render --repo git@example.com:acme/infra.git web1 | less`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return runRender(cmd.Context(), s, path, args[0], os.Stdout)
		},
	}
	s.addRepoFlags(cmd.Flags())
	cmd.Flags().StringVar(&path, "path", "", "read this `DIR` instead of the branch")
	return cmd
}

func runRender(ctx context.Context, s *settings, path, name string, stdout *os.File) error {
	s.hosts = []string{name}
	if path != "" {
		// The record of what was deployed plays no part.
		s.repo = ""
	}
	syncer, closeSyncer, err := s.openSyncer(path, looks, nil)
	if err != nil {
		return err
	}
	defer closeSyncer()
	repo, err := syncer.Desired(ctx)
	if err != nil {
		return err
	}
	if len(repo.Invalid) > 0 {
		t := newTerminal(os.Stderr)
		for _, m := range repo.Mistakes() {
			t.error(m)
		}
		return exitStatus(exitError)
	}
	for _, h := range repo.Hosts {
		if err := render(exact(stdout), h); err != nil {
			return err
		}
	}
	return nil
}

func render(stdout io.Writer, h layout.Host) error {
	if h.Merged == nil {
		return errors.New("nothing is known about the host's files")
	}
	text, err := h.Merged.YAML()
	if err != nil {
		return err
	}
	head := "# hosts/" + h.Name + "/containers.yaml"
	if len(h.Groups) > 0 {
		head += ", with the groups " + strings.Join(h.Groups, ", ")
	}
	_, err = fmt.Fprintf(stdout, "%s\n%s", head, text)
	return wrapWrite(err)
}
