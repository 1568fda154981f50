package main

import (
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"
)

//go:embed scaffold
var scaffold embed.FS

func newInitCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "init [DIR]",
		Short: "Start a repo",
		Long: `init writes the files of a small repo into DIR (default: the current directory): one
host, with one container. It validates and deploys as it stands. A file that is
there already is never overwritten.

EXIT STATUS
  0  the files were written
  1  nothing was written`,
		Example: `  gitsync init infra
  cd infra && git init -b main && git add . && git commit -m 'Start with one host'
  gitsync run --repo . --once`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			dir := "."
			if len(args) == 1 {
				dir = args[0]
			}
			return runInit(dir, newTerminal(os.Stdout))
		},
	}
}

func runInit(dir string, t *terminal) error {
	files, err := scaffoldFiles()
	if err != nil {
		return err
	}
	if _, err := os.Stat(filepath.Join(dir, "hosts")); err == nil {
		return withHint(fmt.Errorf("%s has a hosts directory already", dir), "run gitsync validate "+dir)
	}
	for _, name := range files {
		if _, err := os.Lstat(filepath.Join(dir, name)); !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("%s is there already; nothing was written", filepath.Join(dir, name))
		}
	}
	for _, name := range files {
		data, err := fs.ReadFile(scaffold, "scaffold/"+name)
		if err != nil {
			return err
		}
		target := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(target), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(target, data, 0o644); err != nil {
			return err
		}
		if _, err := fmt.Fprintln(t.out, "wrote "+target); err != nil {
			return wrapWrite(err)
		}
	}
	_, err = fmt.Fprintf(t.out, "\nNext: cd %s, commit, and gitsync run --repo . --once\n", dir)
	return wrapWrite(err)
}

// scaffoldFiles returns the paths of the files to write.
func scaffoldFiles() ([]string, error) {
	var files []string
	err := fs.WalkDir(scaffold, "scaffold", func(p string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			files = append(files, p[len("scaffold/"):])
		}
		return err
	})
	return files, err
}
