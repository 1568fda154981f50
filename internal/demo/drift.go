package demo

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	stdsync "sync"
	"time"

	"github.com/gitsync/gitsync/container/types"
)

// breakAndRepair lets the daemon run, removes a container behind its back, and waits until
// it is there again. No poll comes in between: the engine tells of it.
func (d *tour) breakAndRepair(ctx context.Context) (err error) {
	d.chapter("Break it by hand, and see it repaired")
	d.say("gitsync runs as a daemon now. It polls once an hour, and listens to what the engine tells:")
	daemon, err := d.daemon(ctx, "--interval", "1h")
	if err != nil {
		return err
	}
	defer func() {
		err = errors.Join(err, daemon.end())
		d.say("What the daemon logged:")
		d.print(daemon.log.told())
	}()
	if err := eventually(ctx, "the daemon watches events", func() bool { return daemon.log.has("watching events") }); err != nil {
		return err
	}
	world, before, err := d.find(ctx, hello)
	if err != nil {
		return err
	}
	d.show("docker", "rm", "-f", hello)
	if err := remove(ctx, world, before.ID); err != nil {
		return err
	}
	removed := time.Now()
	err = eventually(ctx, hello+" runs again", func() bool {
		row, err := world.Find(ctx, hello)
		return err == nil && row.ID != before.ID && row.Status == types.StatusRunning
	})
	if err != nil {
		return err
	}
	d.say("%s runs again, as a new container, %s after the docker rm.", hello, time.Since(removed).Round(10*time.Millisecond))
	if err := d.recorded(ctx, "Repair web1"); err != nil {
		return err
	}
	return d.ask(ctx, "18081", "v2")
}

// remove stops and removes a container: in two calls, between which the daemon may have
// started it again.
func remove(ctx context.Context, world hands, id string) error {
	var err error
	for range 5 {
		if err = errors.Join(world.Stop(ctx, id), world.Delete(ctx, id)); err == nil {
			return nil
		}
	}
	return err
}

// leaveAlone shows that what is suspended is left as it is.
func (d *tour) leaveAlone(ctx context.Context) error {
	d.chapter("Tell gitsync to leave it alone")
	if err := d.gitsync(ctx, "suspend", "web1/"+hello, "--reason", "looking into it"); err != nil {
		return err
	}
	world, row, err := d.find(ctx, hello)
	if err != nil {
		return err
	}
	d.show("docker", "stop", hello)
	if err := world.Stop(ctx, row.ID); err != nil {
		return err
	}
	if err := d.gitsync(ctx, "run", "--once"); err != nil {
		return err
	}
	d.say("Nothing happens but the report:")
	if err := d.exits(ctx, 2, "drift"); err != nil {
		return err
	}
	if row, err := world.Find(ctx, hello); err != nil || row.Status != types.StatusExited {
		return errors.Join(err, fmt.Errorf("%s should have stayed stopped", hello))
	}
	if err := d.gitsync(ctx, "resume", "web1/"+hello); err != nil {
		return err
	}
	if err := d.gitsync(ctx, "run", "--once"); err != nil {
		return err
	}
	return d.ask(ctx, "18081", "v2")
}

// find returns the runtime that the containers are in, and one of them.
func (d *tour) find(ctx context.Context, name string) (hands, types.ContainerSummary, error) {
	world, err := d.world()
	if err != nil {
		return nil, types.ContainerSummary{}, err
	}
	row, err := world.Find(ctx, name)
	return world, row, err
}

// recorded waits until the state branch has an entry that begins so.
func (d *tour) recorded(ctx context.Context, subject string) error {
	return eventually(ctx, "the repair is recorded", func() bool {
		output, err := run(ctx, d.remote(), gitEnv, "git", "log", "-1", "--format=%s", "gitsync/state")
		return err == nil && bytes.HasPrefix(output, []byte(subject))
	})
}

// daemon is gitsync run, beside the tour.
type daemon struct {
	cmd *exec.Cmd
	log *logBuffer
}

// daemon starts one.
func (d *tour) daemon(ctx context.Context, more ...string) (*daemon, error) {
	args := d.args("run", append(more, "--log-format", "text")...)
	d.show("gitsync", append(args, "&")...)
	one := &daemon{log: &logBuffer{}}
	// The tour waits for what is said at the debug level only.
	one.cmd = exec.CommandContext(ctx, d.binary, append(args, "--log-level", "debug")...)
	one.cmd.Stdout, one.cmd.Stderr = one.log, one.log
	one.cmd.Cancel = func() error { return one.cmd.Process.Signal(os.Interrupt) }
	one.cmd.WaitDelay = 30 * time.Second
	return one, one.cmd.Start()
}

// end tells it to stop, and waits for that.
func (o *daemon) end() error {
	_ = o.cmd.Process.Signal(os.Interrupt)
	return o.cmd.Wait()
}

// logBuffer keeps what a process writes while others read it.
type logBuffer struct {
	mu   stdsync.Mutex
	text bytes.Buffer
}

// Write implements [io.Writer].
func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *logBuffer) has(text string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Contains(l.text.String(), text)
}

// told is what was written, without the lines for debugging.
func (l *logBuffer) told() []byte {
	l.mu.Lock()
	defer l.mu.Unlock()
	var told strings.Builder
	for line := range strings.Lines(l.text.String()) {
		if !strings.Contains(line, " DBG ") {
			told.WriteString(line)
		}
	}
	return []byte(told.String())
}
