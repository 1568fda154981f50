package main

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"github.com/gitsync/gitsync/layout"
	"github.com/gitsync/gitsync/runtime/docker"
	"github.com/gitsync/gitsync/sync"
)

func newValidateCommand() *cobra.Command {
	var output, policyFile string
	var secrets secretOptions
	cmd := &cobra.Command{
		Use:   "validate [DIR]",
		Short: "Check the files of a repo",
		Long: `validate reads hosts/*/ in DIR (default: the current directory) as run would, and
prints every mistake as file:line:column. It needs neither Docker, nor a network,
nor the keys of secrets. A warning is no mistake: the host is deployed.

What the policy of the agent denies is a mistake too: that of --policy, or else the
default profile.

EXIT STATUS
  0  every host validates
  1  there are mistakes, or no hosts`,
		Example: `  gitsync validate
  gitsync validate infra --output json
  gitsync validate --policy /etc/gitsync/policy.yaml`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			dir := "."
			if len(args) == 1 {
				dir = args[0]
			}
			return runValidate(cmd.Context(), dir, output, policyFile, secrets, os.Stdout)
		},
	}
	addOutputFlag(cmd, &output)
	addPolicyFlag(cmd.Flags(), &policyFile)
	secrets.addFileFlag(cmd.Flags())
	return cmd
}

func runValidate(ctx context.Context, dir, output, policyFile string, secrets secretOptions, stdout *os.File) error {
	if output != "text" && output != "json" {
		return fmt.Errorf("--output %q: write text or json", output)
	}
	if info, err := os.Stat(dir); err != nil {
		return err
	} else if !info.IsDir() {
		return fmt.Errorf("%s is no directory", dir)
	}
	p, err := readPolicy(policyFile)
	if err != nil {
		return err
	}
	external, err := secrets.external()
	if err != nil {
		return err
	}
	repo, err := layout.NewLoader(sync.PolicyCheck(p)).Load(ctx, os.DirFS(dir), layout.Options{
		DockerHost: (&docker.Config{}).GetAddress(), ExternalSecrets: external.For,
		Nested: sync.NestedCheck(p),
	})
	if err != nil {
		return fmt.Errorf("%s: %w", dir, err)
	}
	repo.Warnings = append(repo.Warnings, sync.PlainWarnings(repo.Hosts, p)...)
	mistakes := repo.Mistakes()
	if output == "json" {
		if err := (&jsonPrinter{stdout}).write(struct {
			Type     string        `json:"type"`
			Valid    bool          `json:"valid"`
			Mistakes []mistakeJSON `json:"mistakes"`
			Warnings []mistakeJSON `json:"warnings,omitempty"`
		}{"validate", len(mistakes) == 0, mistakesJSON(mistakes), mistakesJSON(repo.Warnings)}); err != nil {
			return err
		}
	} else if err := printMistakes(newTerminal(stdout), repo, mistakes); err != nil {
		return err
	}
	if len(mistakes) > 0 {
		return exitStatus(exitError)
	}
	return nil
}

func printMistakes(t *terminal, repo *layout.Repo, mistakes layout.Mistakes) error {
	var errs []error
	line := func(format string, args ...any) {
		_, err := fmt.Fprintf(t.out, format, args...)
		errs = append(errs, err)
	}
	for _, m := range mistakes {
		line("%s\n", clean(m.Error()))
	}
	for _, w := range repo.Warnings {
		w.Message = "warning: " + w.Message
		line("%s\n", clean(w.Error()))
	}
	if len(mistakes) > 0 {
		where := " in " + plural(len(repo.Invalid), "host")
		if len(repo.Invalid) == 0 {
			where = " that stops no host"
		}
		line("%s\n", t.red(plural(len(mistakes), "mistake")+where+"."))
		return wrapWrite(errors.Join(errs...))
	}
	containers := 0
	for _, h := range repo.Hosts {
		containers += len(h.Containers)
	}
	line("%s %s, %s.\n", t.green("valid:"), plural(len(repo.Hosts), "host"), plural(containers, "container"))
	return wrapWrite(errors.Join(errs...))
}
