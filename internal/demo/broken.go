package demo

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"

	"github.com/gitsync/gitsync/runtime/memory"
)

// breakUpdate commits what cannot work, and shows that the old container serves on.
func (d *tour) breakUpdate(ctx context.Context) error {
	d.chapter("Commit what cannot work, and see it taken back")
	name := filepath.Join(d.clone(), "hosts", "web1", "containers.yaml")
	good, err := os.ReadFile(name)
	if err != nil {
		return err
	}
	setting := []byte("      WHOAMI_NAME: hello\n")
	broken := bytes.Replace(good, setting, append(setting, []byte("      WHOAMI_PORT_NUMBER: eighty\n")...), 1)
	if bytes.Equal(broken, good) {
		return errors.New("hello has no WHOAMI_NAME in examples/repo")
	}
	if err := os.WriteFile(name, broken, 0o644); err != nil {
		return err
	}
	d.show("git", "diff", "--unified=0")
	output, err := run(ctx, d.clone(), gitEnv, "git", "diff", "--unified=0")
	if err != nil {
		return err
	}
	d.print(output)
	if err := d.commit(ctx, "Set the port"); err != nil {
		return err
	}
	if err := d.behave(memory.Behaviour{Ends: true, ExitCode: 1, Logs: "unknown port eighty\n"}); err != nil {
		return err
	}
	if err := d.fails(ctx, "run", "--once"); err != nil {
		return err
	}
	d.say("The report says why. The old container serves on, with its config files:")
	if err := d.ask(ctx, "18081", "v2"); err != nil {
		return err
	}
	if err := d.behave(memory.Behaviour{}); err != nil {
		return err
	}
	if err := os.WriteFile(name, good, 0o644); err != nil {
		return err
	}
	if err := d.commit(ctx, "Take it back"); err != nil {
		return err
	}
	return d.gitsync(ctx, "run", "--once")
}

// fails runs gitsync, shows what it prints, and expects that it fails.
func (d *tour) fails(ctx context.Context, command string, more ...string) error {
	args := d.args(command, more...)
	d.show("gitsync", args...)
	output, err := run(ctx, d.dir, nil, d.binary, append(args, "--log-format", "text")...)
	d.print(output)
	if exit := new(exec.ExitError); !errors.As(err, &exit) {
		return errors.Join(err, errors.New("gitsync should have told that the update failed"))
	}
	d.show("echo", "$?")
	d.print([]byte("1\n"))
	return nil
}

// behave says what the containers of the second image do, where nothing really runs.
func (d *tour) behave(b memory.Behaviour) error {
	if !d.memory {
		return nil
	}
	files, err := filepath.Glob(filepath.Join(d.dir, "data", "memory", "*.json"))
	if err != nil || len(files) != 1 {
		return errors.Join(err, errors.New("find the file of the memory runtime"))
	}
	config := &memory.Config{File: files[0]}
	if _, err := config.New(); err != nil {
		return err
	}
	config.World.Behave(secondImage, b)
	return nil
}
