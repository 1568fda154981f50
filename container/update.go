package container

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/gitsync/gitsync/container/types"
)

// Update says how a changed container takes the place of the one that runs. Its
// terms are those of Swarm's and Compose's update_config. The zero value is the
// default. It is not part of the spec digest: changing it re-creates nothing.
type Update struct {
	// Order is [StopFirst] (the default) or [StartFirst].
	Order string `json:"order,omitempty"`
	// Monitor is how long a container without a health check must run before it
	// counts as ready; 0 means [DefaultMonitor].
	Monitor types.Duration `json:"monitor,omitempty"`
	// Timeout bounds the wait until the container is ready; 0 means
	// [DefaultUpdateTimeout], and where there is a health check as much more as its
	// first run can take.
	Timeout types.Duration `json:"timeout,omitempty"`
	// FailureAction is [Rollback] (the default), [Pause] or [Continue].
	FailureAction string `json:"failureAction,omitempty"`
}

// The orders of an update.
const (
	// StopFirst stops the old container before the new one starts.
	StopFirst = "stop-first"
	// StartFirst starts the new container, and stops the old one when the new one
	// is ready. It cannot be used where both would need one address.
	StartFirst = "start-first"
)

// What happens when a new container does not become ready.
const (
	// Rollback brings the old container and its config files back; the update is
	// tried again later.
	Rollback = "rollback"
	// Pause is Rollback, and the update is not tried again until a person says so.
	Pause = "pause"
	// Continue keeps the new container, and removes the old one, all the same.
	Continue = "continue"
)

const (
	// DefaultMonitor is Swarm's.
	DefaultMonitor = 5 * time.Second
	// DefaultUpdateTimeout is how long a container may take to become ready.
	DefaultUpdateTimeout = time.Minute
)

// What happens when a config file changes.
const (
	// OnChangeRestart stops the container, writes the file and starts it again.
	OnChangeRestart = "restart"
	// OnChangeRecreate replaces the container, as a changed setting does.
	OnChangeRecreate = "recreate"
	// OnChangeNone writes the file and leaves the container alone.
	OnChangeNone = "none"
)

// Condition is what a container waits for in one that it depends on.
type Condition string

// The conditions, in Compose's words less "service_".
const (
	// Started is met when the other container was started.
	Started Condition = "started"
	// Healthy is met when the other container is ready: healthy where it has a
	// health check, running for its monitor time where it has none.
	Healthy Condition = "healthy"
	// Completed is met when the other container, a one-shot, ended with 0.
	Completed Condition = "completed"
)

// startFirst says whether the new container starts before the old one stops.
func (m *HostConfiguredContainer) startFirst() bool {
	return m.Update != nil && m.Update.Order == StartFirst
}

// failureAction returns what happens when the container does not become ready.
func (m *HostConfiguredContainer) failureAction() string {
	if m == nil || m.Update == nil || m.Update.FailureAction == "" {
		return Rollback
	}
	return m.Update.FailureAction
}

// monitor returns how long the container must run.
func (m *HostConfiguredContainer) monitor() time.Duration {
	if m == nil || m.Update == nil || m.Update.Monitor == 0 {
		return DefaultMonitor
	}
	return time.Duration(m.Update.Monitor)
}

// readyTimeout bounds the wait until the container is ready. The delay is what is
// known of its health check.
func (m *HostConfiguredContainer) readyTimeout(delay types.Duration) time.Duration {
	if m != nil && m.Update != nil && m.Update.Timeout != 0 {
		return time.Duration(m.Update.Timeout)
	}
	return max(DefaultUpdateTimeout+time.Duration(delay), m.monitor()+DefaultUpdateTimeout/2)
}

// onOwnNetwork says whether other containers find it by its name: on a network that
// somebody made, and that has a DNS.
func (m *HostConfiguredContainer) onOwnNetwork() bool {
	mode := m.Container.Config.NetworkMode
	return !slices.Contains([]string{"", "default", "bridge", "host", "none"}, mode) && !strings.HasPrefix(mode, "container:")
}

// oneShot says whether the container is meant to end.
func (m *HostConfiguredContainer) oneShot() bool { return m != nil && (m.OneShot || m.PreDeploy) }

// validateUpdate reports all mistakes in what says how the container is updated.
func (m *HostConfiguredContainer) validateUpdate() error {
	var errs []error
	bad := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	if u := m.Update; u != nil {
		if u.Order != "" && u.Order != StopFirst && u.Order != StartFirst {
			bad("update.order %q: it is %s or %s", u.Order, StopFirst, StartFirst)
		}
		if !slices.Contains([]string{"", Rollback, Pause, Continue}, u.FailureAction) {
			bad("update.failureAction %q: it is %s, %s or %s", u.FailureAction, Rollback, Pause, Continue)
		}
		if u.Monitor < 0 || u.Timeout < 0 {
			bad("update: monitor and timeout must not be negative")
		}
		if u.Timeout > 0 && time.Duration(u.Timeout) < m.monitor() && m.Container.Config.Healthcheck == nil {
			bad("update.timeout %s is shorter than update.monitor %s, so that the container could never be ready", u.Timeout, m.monitor())
		}
		if u.Order == StartFirst {
			if why := m.cannotStartFirst(); why != "" {
				bad("update.order start-first: %s", why)
			}
		}
	}
	if m.oneShot() && m.Container.Config.Restart != "no" {
		bad(`a one-shot container needs restart: "no", or it would never end`)
	}
	for _, key := range sortedKeys(m.DependsOn) {
		if c := m.DependsOn[key]; c != Started && c != Healthy && c != Completed {
			bad("dependsOn %s %q: it is %s, %s or %s", key, c, Started, Healthy, Completed)
		}
	}
	return errors.Join(errs...)
}

// cannotStartFirst says why old and new cannot run at the same time, or nothing.
func (m *HostConfiguredContainer) cannotStartFirst() string {
	c := m.Container.Config
	switch {
	case len(c.Ports) > 0:
		return fmt.Sprintf("old and new cannot both publish host port %s: use stop-first, or put a proxy that is on the same network before the container", portText(c.Ports[0]))
	case c.NetworkMode == "host", strings.HasPrefix(c.NetworkMode, "container:"):
		return fmt.Sprintf("with networkMode %s old and new would have one address: use stop-first", c.NetworkMode)
	case m.oneShot():
		return "a one-shot container has no old one that serves: use stop-first"
	}
	return ""
}
