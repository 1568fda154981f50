package container

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/gitsync/gitsync/container/types"
	"github.com/gitsync/gitsync/runtime"
)

// ErrNotReady means that a container was started and did not become ready.
var ErrNotReady = errors.New("the container did not become ready")

// ErrSuperseded means that a newer desired state takes over before a container was
// ready.
var ErrSuperseded = errors.New("a newer commit takes over")

const (
	// pollFirst and pollLast bound the pause between two looks at a container that
	// is not ready yet.
	pollFirst = 20 * time.Millisecond
	pollLast  = 250 * time.Millisecond
	// lastLines is how much of a failed container's log is in the report.
	lastLines = 20
	// exitLooks is how often a container that was restarted is looked at again, to see
	// with which code it ends: once it runs again nobody knows that any more. exitPause
	// is the time between two of these looks.
	exitLooks = 40
	exitPause = 50 * time.Millisecond
)

// Report is what is known of a container that did not become ready. Its texts are
// the container's own: they may hold anything that it prints.
type Report struct {
	// ExitCode is set when the container's process has ended.
	ExitCode *int
	// HealthLog holds the last health checks, oldest first.
	HealthLog []types.HealthResult
	// LastLines are the last lines that the container printed.
	LastLines []string
}

// notReady is why a container is not ready.
type notReady struct {
	reason string
	report Report
}

func (n *notReady) Error() string { return n.reason }

// Is makes it an [ErrNotReady].
func (n *notReady) Is(target error) bool { return target == ErrNotReady }

// readiness is the verdict about one look at a container.
type readiness struct {
	ready bool
	// failed says why the container will not become ready by waiting.
	failed string
	// unseen says that the exit code of the process that ended was not seen.
	unseen bool
	// pending says what is missing while it is neither, and missing how much longer the
	// container must run, where that is all.
	pending string
	missing time.Duration
}

// judge says how a container fares. restarted says that it ended since the start that is
// waited for, and was restarted; up is how long it is known to have run.
func (m *HostConfiguredContainer) judge(now types.ContainerDetails, restarted bool, up time.Duration) readiness {
	switch {
	case m.oneShot():
		return judgeOneShot(now)
	case now.Status == types.StatusPaused:
		return readiness{failed: "it is paused"}
	case restarted && now.Status == types.StatusRunning:
		return readiness{failed: "it ended, and was restarted", unseen: true}
	case restarted:
		return readiness{failed: "it ended with exit code " + exitText(now) + ", and is being restarted"}
	case now.Health != "":
		return judgeHealth(now)
	case now.Status == types.StatusRestarting:
		return readiness{failed: "it ended with exit code " + exitText(now) + ", and is being restarted"}
	case now.Status == types.StatusExited && now.ExitCode == 0:
		return readiness{failed: "it ended with exit code 0 (one that is meant to end says oneShot: true)"}
	case now.Status != types.StatusRunning:
		return readiness{failed: "it ended with exit code " + exitText(now)}
	case up >= m.monitor():
		return readiness{ready: true}
	}
	return readiness{pending: fmt.Sprintf("it has not run for %s", m.monitor()), missing: m.monitor() - up}
}

func judgeOneShot(now types.ContainerDetails) readiness {
	switch {
	case now.Status == types.StatusExited && now.ExitCode == 0:
		return readiness{ready: true}
	case now.Status == types.StatusExited, now.Status == types.StatusDead:
		return readiness{failed: "it ended with exit code " + exitText(now)}
	}
	return readiness{pending: "it has not ended"}
}

// judgeHealth goes by the health check, of a container that was not restarted since its
// start, or that was there before: that one may be restarted, and become healthy.
func judgeHealth(now types.ContainerDetails) readiness {
	switch {
	case now.Status == types.StatusExited, now.Status == types.StatusDead:
		return readiness{failed: "it ended with exit code " + exitText(now)}
	case now.Status == types.StatusRestarting:
		return readiness{pending: "it ended with exit code " + exitText(now) + ", and is being restarted"}
	case now.Health == types.HealthHealthy:
		return readiness{ready: true}
	case now.Health == types.HealthUnhealthy:
		return readiness{failed: "it is unhealthy: " + healthText(now.HealthLog)}
	}
	return readiness{pending: "it is not healthy yet: " + healthText(now.HealthLog)}
}

func exitText(now types.ContainerDetails) string {
	text := fmt.Sprint(now.ExitCode)
	if now.OOMKilled {
		text += " (out of memory)"
	}
	return text
}

// healthText says how the last check went, without its words.
func healthText(log []types.HealthResult) string {
	if len(log) == 0 {
		return "no health check has ended"
	}
	return fmt.Sprintf("the last health check had exit code %d", log[len(log)-1].ExitCode)
}

// wait waits until a container is ready, or as far as the step's condition says.
// Its error is [ErrNotReady], [ErrSuperseded], or that of the context.
func (e *executor) wait(ctx context.Context, s Step, id string) error {
	m := e.desired[s.Container]
	if m == nil {
		m = e.previous[s.Container]
	}
	e.waiting.Add(1)
	defer e.waiting.Add(-1)
	details, err := e.poll(ctx, m, id)
	if err == nil && s.Condition == "" {
		e.setImage(s.Container, details.ContainerStatus)
	}
	var n *notReady
	if errors.As(err, &n) {
		n.report = e.report(ctx, id, n.report)
	}
	return err
}

// poll looks at a container until it is ready, or will not be. The time-out counts from
// the first answer, and is over when a request that was sent after it says so: that an
// answer is late says nothing about the container.
func (e *executor) poll(ctx context.Context, m *HostConfiguredContainer, id string) (types.ContainerDetails, error) {
	seen := e.observe(id)
	from, timeout := time.Now(), m.readyTimeout(0)
	verdict, unseen := readiness{pending: "it was not looked at"}, 0
	for pause := e.pace(pollFirst); ; pause = min(2*pause, e.pace(pollLast)) {
		sent := time.Now()
		details, err := e.inspect(ctx, id)
		switch {
		case errors.Is(err, runtime.ErrNotFound):
			return details, &notReady{reason: "somebody removed it"}
		case ctx.Err() != nil:
			return details, fmt.Errorf("told to stop: %w", ctx.Err())
		case errors.Is(err, runtime.ErrUnreachable):
			// It may come back in time: an engine that is restarted does.
			verdict = readiness{pending: err.Error()}
		case err != nil:
			return details, err
		default:
			arrived := time.Now()
			if !seen.any {
				from = arrived
			}
			restarted, up := seen.answer(details, sent, arrived)
			timeout = m.readyTimeout(details.HealthDelay)
			verdict = m.judge(details, restarted, up)
		}
		if verdict.failed != "" && verdict.unseen && unseen < exitLooks {
			unseen++
			if err := e.rest(ctx, exitPause); err != nil {
				return details, err
			}
			continue
		}
		left := timeout - sent.Sub(from)
		switch {
		case verdict.ready:
			return details, nil
		case verdict.failed != "":
			return details, &notReady{reason: verdict.failed}
		case left <= 0:
			return details, &notReady{reason: fmt.Sprintf("not ready after %s: %s", timeout, verdict.pending)}
		}
		next := min(pause, left)
		if verdict.missing > 0 {
			next = min(next, verdict.missing)
		}
		if err := e.rest(ctx, next); err != nil {
			return details, err
		}
	}
}

// setImage remembers what the image's name led to.
func (e *executor) setImage(key string, found types.ContainerStatus) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if c := e.state[key]; c != nil && c.Container.Status != nil && c.Container.Status.ID == found.ID {
		c.Container.Status.ImageID = found.ImageID
	}
}

// rest waits, unless a newer commit takes over or the context is done.
func (e *executor) rest(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-e.superseded:
		return ErrSuperseded
	case <-ctx.Done():
		return fmt.Errorf("told to stop: %w", ctx.Err())
	}
}

// inspect looks at a container, with a bound of its own.
func (e *executor) inspect(ctx context.Context, id string) (types.ContainerDetails, error) {
	ctx, cancel := context.WithTimeout(ctx, stepTimeout)
	defer cancel()
	return inspect(ctx, e.rt, id)
}

// inspect asks for the details, or for the status where the runtime has no more.
func inspect(ctx context.Context, rt runtime.Runtime, id string) (types.ContainerDetails, error) {
	if inspector, ok := rt.(runtime.Inspector); ok {
		return inspector.Inspect(ctx, id)
	}
	status, err := rt.Status(ctx, id)
	if err == nil && !status.Exists() {
		err = runtime.ErrNotFound
	}
	return types.ContainerDetails{ContainerStatus: status}, err
}

// report gathers what a person needs to find the fault, before the container is
// gone. What cannot be had is left out.
func (e *executor) report(ctx context.Context, id string, report Report) Report {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), reportTimeout)
	defer cancel()
	if details, err := inspect(ctx, e.rt, id); err == nil {
		report.HealthLog = details.HealthLog
		if details.Status == types.StatusExited || details.Status == types.StatusRestarting {
			report.ExitCode = &details.ExitCode
		}
	}
	if reader, ok := e.rt.(runtime.LogReader); ok {
		if logs, err := reader.Logs(ctx, id, lastLines); err == nil {
			report.LastLines = slices.DeleteFunc(strings.Split(logs, "\n"), func(line string) bool { return strings.TrimSpace(line) == "" })
		}
	}
	return report
}
