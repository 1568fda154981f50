package memory

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/gitsync/gitsync/container/types"
	"github.com/gitsync/gitsync/runtime"
)

// Behaviour is what the containers of an image do. The zero value runs until it is
// stopped, without a health check.
type Behaviour struct {
	// Ends says that the process ends as soon as it is started, with ExitCode.
	Ends     bool `json:"ends,omitempty"`
	ExitCode int  `json:"exitCode,omitempty"`
	// Health is what the image's health check says, one of types.Health….
	Health string `json:"health,omitempty"`
	// Logs is what the container prints.
	Logs string `json:"logs,omitempty"`
	// Labels are those of the image, which its containers get besides their own.
	Labels map[string]string `json:"labels,omitempty"`
	// Gone says that somebody removed the image while containers of it are there.
	Gone bool `json:"gone,omitempty"`
	// Refuses is why the container cannot be started.
	Refuses string `json:"refuses,omitempty"`
}

// Behave says what the containers of an image do from their next start on.
func (w *World) Behave(image string, b Behaviour) {
	w.must(func(d *worldData) { d.Behaviours[image] = b })
}

// start runs the container's process as its image behaves.
func (c *record) start(b Behaviour) {
	c.Status, c.Started, c.Restarts = types.StatusRunning, time.Now().UnixNano(), 0
	if !b.Ends {
		return
	}
	c.Status, c.ExitCode, c.Finished = types.StatusExited, b.ExitCode, c.Started
	switch policy, _, _ := strings.Cut(c.Config.Restart, ":"); {
	case policy == "no", policy == "on-failure" && b.ExitCode == 0:
	default:
		c.Status, c.Restarts = types.StatusRestarting, 1
	}
}

// maxLogs bounds what Logs returns, as an engine's does.
const maxLogs = 64 << 10

// Logs implements runtime.LogReader.
func (r *Runtime) Logs(ctx context.Context, id string, lines int) (string, error) {
	text := ""
	err := r.look(ctx, id, func(d *worldData, c *record) error {
		all := strings.SplitAfter(d.Behaviours[c.Config.Image].Logs, "\n")
		text = strings.Join(all[max(0, len(all)-lines):], "")
		text = text[max(0, len(text)-maxLogs):]
		return nil
	})
	return text, err
}

// Inspect implements runtime.Inspector.
func (r *Runtime) Inspect(ctx context.Context, id string) (types.ContainerDetails, error) {
	var details types.ContainerDetails
	err := r.look(ctx, id, func(d *worldData, c *record) error {
		details = types.ContainerDetails{
			ContainerStatus: types.ContainerStatus{ID: c.ID, Status: c.Status, ImageID: c.imageID()}, ExitCode: c.ExitCode, Restarts: c.Restarts,
			AnonymousVolumes: map[string]string{},
		}
		if c.Started != 0 {
			details.StartedAt = time.Unix(0, c.Started)
		}
		if c.Finished != 0 {
			details.FinishedAt = time.Unix(0, c.Finished)
		}
		if c.up() {
			details.Health = d.Behaviours[c.Config.Image].Health
		}
		for _, m := range c.Config.Mounts {
			if m.Kind() == types.MountVolume && types.GeneratedVolume(m.Source) {
				details.AnonymousVolumes[m.Target] = m.Source
			}
		}
		return nil
	})
	return details, err
}

// signalNames are those that anybody sends to a container.
var signalNames = []string{"SIGHUP", "SIGINT", "SIGQUIT", "SIGUSR1", "SIGUSR2", "SIGTERM", "SIGKILL", "SIGWINCH"}

// Signal implements runtime.Signaler.
func (r *Runtime) Signal(ctx context.Context, id, signal string) error {
	return r.on(ctx, id, func(_ *worldData, c *record) error {
		switch {
		case !slices.Contains(signalNames, signal):
			return fmt.Errorf("%w: %q is no signal", runtime.ErrInvalid, signal)
		case !c.up():
			return runtime.ErrNotRunning
		case c.Status == types.StatusRestarting:
			// Nobody is there to get it, and Docker says nothing about that.
			return nil
		}
		// One that is paused goes on, as with Docker.
		c.Status = types.StatusRunning
		c.Signals = append(c.Signals, signal)
		return nil
	})
}

// Signals returns the signals that the container with this name was sent.
func (w *World) Signals(name string) []string {
	var signals []string
	w.see(func(d *worldData) {
		if c := d.byName(name); c != nil {
			signals = append(signals, c.Signals...)
		}
	})
	return signals
}

// Started returns when the container with this name was last started.
func (w *World) Started(name string) time.Time {
	var at time.Time
	w.see(func(d *worldData) {
		if c := d.byName(name); c != nil {
			at = time.Unix(0, c.Started)
		}
	})
	return at
}
