package demo

import (
	"context"
	"errors"
	"os/exec"
	"path/filepath"

	"github.com/gitsync/gitsync/container/types"
	"github.com/gitsync/gitsync/runtime"
	"github.com/gitsync/gitsync/runtime/memory"
)

// gitEnv keeps the user's own Git settings out of the tour.
var gitEnv = []string{
	"GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_NOSYSTEM=1", "GIT_PAGER=cat",
	"GIT_AUTHOR_NAME=you", "GIT_AUTHOR_EMAIL=you@example.com",
	"GIT_COMMITTER_NAME=you", "GIT_COMMITTER_EMAIL=you@example.com",
}

// git runs git without showing it: the parts that only set the stage.
func (d *tour) git(ctx context.Context, dir string, args ...string) error {
	_, err := run(ctx, dir, gitEnv, "git", args...)
	return err
}

// commit commits all of the clone and pushes it.
func (d *tour) commit(ctx context.Context, message string) error {
	d.show("git", "commit", "-am", message)
	if err := d.git(ctx, d.clone(), "add", "--all"); err != nil {
		return err
	}
	if err := d.git(ctx, d.clone(), "commit", "--quiet", "-m", message); err != nil {
		return err
	}
	d.show("git", "push", "origin", "main")
	return d.git(ctx, d.clone(), "push", "--quiet", "origin", "main")
}

// args are the arguments of a gitsync command.
func (d *tour) args(command string, more ...string) []string {
	args := append([]string{command, "--repo", d.remote()}, more...)
	if d.memory {
		args = append(args, "--runtime", "memory")
	}
	// The history is what was: no policy has a say in it.
	if command != "history" {
		args = append(args, "--policy", d.policy())
	}
	if command == "run" || d.memory {
		args = append(args, "--data-dir", filepath.Join(d.dir, "data"))
	}
	return args
}

// gitsync runs gitsync itself, and shows the command and what it prints.
func (d *tour) gitsync(ctx context.Context, command string, more ...string) error {
	args := d.args(command, more...)
	d.show("gitsync", args...)
	if command == "run" {
		args = append(args, "--log-format", "text")
	}
	output, err := run(ctx, d.dir, nil, d.binary, args...)
	if exit := new(exec.ExitError); errors.As(err, &exit) {
		return err
	}
	d.print(output)
	return err
}

// hands is what breaks a container behind gitsync's back.
type hands interface {
	Find(ctx context.Context, name string) (types.ContainerSummary, error)
	Stop(ctx context.Context, id string) error
	Delete(ctx context.Context, id string) error
}

// world returns the runtime that the containers are in.
func (d *tour) world() (hands, error) {
	if !d.memory {
		return d.engine, nil
	}
	_, rt, err := d.inMemory()
	if err != nil {
		return nil, err
	}
	finder, ok := rt.(runtime.Finder)
	if !ok {
		return nil, errors.New("the memory runtime cannot find containers")
	}
	return struct {
		runtime.Finder
		runtime.Runtime
	}{finder, rt}, nil
}

// inMemory returns the memory runtime of the host, and its configuration.
func (d *tour) inMemory() (*memory.Config, runtime.Runtime, error) {
	files, err := filepath.Glob(filepath.Join(d.dir, "data", "memory", "*.json"))
	if err != nil || len(files) != 1 {
		return nil, nil, errors.Join(err, errors.New("find the file of the memory runtime"))
	}
	config := &memory.Config{File: files[0]}
	rt, err := config.New()
	return config, rt, err
}
