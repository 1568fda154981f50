package demo

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"

	"github.com/gitsync/gitsync/runtime/memory"
)

// breakUpdate commits what cannot work, and shows that the old container serves on.
func (d *tour) breakUpdate(ctx context.Context) error {
	d.chapter("Commit what cannot work, and see it taken back")
	const setting = "      WHOAMI_NAME: hello\n"
	good, err := d.edit(ctx, "Set the port", setting, setting+"      WHOAMI_PORT_NUMBER: eighty\n")
	if err != nil {
		return err
	}
	if err := d.behave(memory.Behaviour{Ends: true, ExitCode: 1, Logs: "unknown port eighty\n"}); err != nil {
		return err
	}
	if err := d.exits(ctx, 1, "run", "--once"); err != nil {
		return err
	}
	d.say("The report says why. The old container serves on, with its config files:")
	if err := d.ask(ctx, "18081", "v2"); err != nil {
		return err
	}
	if err := d.behave(memory.Behaviour{}); err != nil {
		return err
	}
	if err := os.WriteFile(d.containers(), good, 0o644); err != nil {
		return err
	}
	if err := d.commit(ctx, "Take it back"); err != nil {
		return err
	}
	return d.gitsync(ctx, "run", "--once")
}

// exits runs gitsync, shows what it prints, and expects that it ends with this exit status.
func (d *tour) exits(ctx context.Context, status int, command string, more ...string) error {
	args := d.args(command, more...)
	d.show("gitsync", args...)
	if command == "run" {
		args = append(args, "--log-format", "text")
	}
	output, err := run(ctx, d.dir, nil, d.binary, args...)
	d.print(output)
	if exit := new(exec.ExitError); !errors.As(err, &exit) || exit.ExitCode() != status {
		return errors.Join(err, fmt.Errorf("gitsync %s should have ended with %d", command, status))
	}
	d.show("echo", "$?")
	d.print([]byte(strconv.Itoa(status) + "\n"))
	return nil
}

// behave says what the containers of the second image do, where nothing really runs.
func (d *tour) behave(b memory.Behaviour) error {
	if !d.memory {
		return nil
	}
	config, _, err := d.inMemory()
	if err != nil {
		return err
	}
	config.World.Behave(secondImage, b)
	return nil
}
