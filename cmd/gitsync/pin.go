package main

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"github.com/gitsync/gitsync/pin"
	"github.com/gitsync/gitsync/registry"
	"github.com/gitsync/gitsync/registry/dockerconfig"
)

func newPinCommand(s *settings) *cobra.Command {
	var opts pin.Options
	path, output := ".", "text"
	cmd := &cobra.Command{
		Use:   "pin [SELECT…]",
		Short: "Write digests behind the tags of images",
		Long: `pin asks the registries what the tags of images stand for now, and writes the digest
behind each, in hosts/*/containers.yaml and groups/*/containers.yaml of a working copy:
nginx:1.27 becomes nginx:1.27@sha256:…. Comments, quotes and order stay. For an image of
several platforms it is the digest of their index.

SELECT is the name or a glob of a host or a group, HOST/CONTAINER, or an image's name
without its tag. Registries are logged in to with the credentials of Docker's
config.json. When anything fails no file is changed.

EXIT STATUS
  0  the images are pinned, or were
  1  something failed, and no file was changed
  2  with --check: an image is not pinned, or its tag has moved on`,
		Example: `  gitsync pin
  gitsync pin --update nginx 'registry.example.com/team/*'
  gitsync pin --path infra web1 db1/postgres --dry-run
  gitsync pin --check --output json`,
		RunE: func(cmd *cobra.Command, args []string) error {
			opts.Select = args
			return runPin(cmd.Context(), s, path, output, opts, os.Stdout)
		},
	}
	s.addRegistryFlags(cmd.Flags())
	cmd.Flags().StringVar(&path, "path", path, "the `DIR` of the working copy")
	cmd.Flags().BoolVar(&opts.Update, "update", false, "ask again for those that are pinned already")
	cmd.Flags().BoolVar(&opts.Check, "check", false, "change nothing, and exit with 2 when an image is not pinned or its tag has moved on")
	cmd.Flags().BoolVar(&opts.DryRun, "dry-run", false, "change nothing, and say what would be")
	addOutputFlag(cmd, &output)
	return cmd
}

func runPin(ctx context.Context, s *settings, path, output string, opts pin.Options, stdout *os.File) error {
	switch {
	case output != "text" && output != "json":
		return fmt.Errorf("--output %q: write text or json", output)
	case opts.Check && (opts.Update || opts.DryRun):
		return errors.New("give --check alone: it changes nothing, and asks for all")
	}
	root, err := os.OpenRoot(path)
	if err != nil {
		return err
	}
	defer func() { _ = root.Close() }()
	client := registry.NewClient(dockerconfig.Config{Path: s.dockerConfig}.Credential)
	defer client.Close()
	results, failure := pin.Run(ctx, root, client.Digest, opts)
	if results == nil && failure != nil {
		return failure
	}
	if output == "json" {
		err = (&jsonPrinter{stdout}).write(struct {
			Type    string       `json:"type"`
			Written bool         `json:"written"`
			Images  []pin.Result `json:"images"`
		}{"pin", failure == nil && !opts.Check && !opts.DryRun, append([]pin.Result{}, results...)})
	} else {
		err = printPins(newTerminal(stdout), results, opts, failure == nil)
	}
	switch {
	case failure != nil || err != nil:
		return errors.Join(failure, err)
	case opts.Check && pin.Worst(results):
		return exitStatus(exitChanges)
	}
	return nil
}

// printPins prints a line for each image that is not as it should be, or was not.
func printPins(t *terminal, results []pin.Result, opts pin.Options, written bool) error {
	counts := map[pin.Status]int{}
	var errs []error
	line := func(format string, args ...any) {
		_, err := fmt.Fprintf(t.out, format, args...)
		errs = append(errs, err)
	}
	for _, r := range results {
		counts[r.Status]++
		place := fmt.Sprintf("%s:%d:%d:", r.File, r.Line, r.Column)
		switch r.Status {
		case pin.Pinned, pin.Updated:
			line("%s\n", clean(fmt.Sprintf("%s %s → %s", place, r.Image, r.Pinned)))
		case pin.Unpinned:
			line("%s\n", clean(fmt.Sprintf("%s %s is not pinned", place, r.Image)))
		case pin.Moved, pin.Left:
			line("%s\n", clean(fmt.Sprintf("%s %s %s: %s", place, r.Image, r.Status, r.Reason)))
		case pin.Current, pin.Failed: // errors are printed as such
		}
	}
	done := "%s pinned, %d updated"
	if opts.DryRun || !written {
		done = "%s would be pinned, %d updated"
	}
	if opts.Check {
		line("%s: %d pinned, %d moved, %d not pinned, %d left\n", plural(len(results), "image"),
			counts[pin.Current], counts[pin.Moved], counts[pin.Unpinned], counts[pin.Left])
	} else {
		line(done+", %d as before, %d left, %d failed\n", plural(counts[pin.Pinned], "image"),
			counts[pin.Updated], counts[pin.Current], counts[pin.Left], counts[pin.Failed])
	}
	return wrapWrite(errors.Join(errs...))
}
