package sync

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/rs/zerolog"

	"github.com/gitsync/gitsync/container"
	"github.com/gitsync/gitsync/state"
)

// report logs what the cycle came to. What an earlier cycle has said already, and
// no commit changed, is said again only at the debug level.
func (c *cycle) report(ctx context.Context) {
	log := zerolog.Ctx(ctx)
	r := c.result
	commit := ""
	if r.Commit != nil {
		commit = r.Commit.Hash.Short()
	}
	for _, h := range r.Hosts {
		c.reportHost(log, h, commit)
	}
	c.reportRollout(log, commit)
	if r.Recorded != "" {
		log.Info().Str("branch", c.opts.StateBranch).Str("subject", r.Recorded).Msg("recorded")
	}
	if r.Err != nil {
		log.Error().Err(r.Err).Str("reaction", string(React(r.Err))).Msg("cycle failed")
	}
}

// reportRollout says where a roll-out stands, when it stands elsewhere than before.
func (c *cycle) reportRollout(log *zerolog.Logger, commit string) {
	stands := ""
	if c.result.Rollout != nil {
		stands = c.result.Rollout.String()
	}
	if stands == c.rollout {
		return
	}
	c.rollout = stands
	switch {
	case stands == "":
		log.Info().Str("commit", commit).Msg("roll-out: all hosts done")
	case c.result.Rollout.Stopped != "":
		log.Error().Str("commit", commit).Msg(stands)
	default:
		log.Info().Str("commit", commit).Msg(stands)
	}
}

// announce logs a new commit, and what in it cannot be deployed.
func (c *cycle) announce(ctx context.Context) {
	r, log := c.result, zerolog.Ctx(ctx)
	if !r.Moved {
		return
	}
	log.Info().Str("commit", r.Commit.Hash.Short()).Str("subject", r.Commit.Subject).Msg("new commit")
	for _, m := range r.Mistakes {
		log.Error().Str("mistake", m.Error()).Msg("invalid")
	}
	for _, name := range r.Invalid {
		log.Error().Str("host", name).Msg("the host is left as it is: its directory does not validate")
	}
	for _, name := range r.Gone {
		log.Warn().Str("host", name).Msg("the host is no longer in the repo; its containers are left as they are")
	}
}

func (c *cycle) reportHost(log *zerolog.Logger, h *HostResult, commit string) {
	switch {
	case !h.Waiting.IsZero():
		log.Debug().Str("host", h.Name).Time("until", h.Waiting).AnErr("because", h.Err).Msg("waiting")
	case h.waitsForTurn && h.Err == nil:
		log.Debug().Str("host", h.Name).Str("commit", commit).Msg("waits for its turn")
	case h.Err != nil:
		failures := c.failuresOf(h)
		for _, err := range flatten(h.Err) {
			c.reportError(log, h, err, failures)
		}
	case h.Checked && h.Plan.Empty():
		log.Debug().Str("host", h.Name).Str("commit", commit).Msg("nothing to do")
	case h.Checked:
		log.Info().Str("host", h.Name).Str("commit", commit).Msg("deployed")
	}
}

// reportError logs an error of a host, and what the container said that it is about.
// One that is held back since an earlier cycle was told then.
func (c *cycle) reportError(log *zerolog.Logger, h *HostResult, err error, failures map[string]state.FailedUpdate) {
	var failure *container.Failure
	key := ""
	if errors.As(err, &failure) {
		key = failure.Container
	}
	event := log.Error()
	switch {
	case errors.Is(err, container.ErrHeld) && !c.result.Moved:
		event = log.Debug()
	case errors.Is(err, container.ErrHeld):
		event = log.Warn()
	case errors.Is(err, container.ErrSuperseded):
		event = log.Info()
	}
	if f, ok := failures[key]; ok && !f.NextAttempt.IsZero() {
		event = event.Time("next", f.NextAttempt)
	} else if key == "" {
		event = event.Time("next", h.memory.next)
	}
	event.Err(err).Str("host", h.Name).Str("reaction", string(React(err))).Msg("host did not converge")
	if failure == nil || failure.Report == nil {
		return
	}
	say := func(format string, args ...any) {
		log.Error().Str("host", h.Name).Str("container", key).Msg(fmt.Sprintf(format, args...))
	}
	for _, check := range failure.Report.HealthLog {
		say("health check, exit code %d: %s", check.ExitCode, strings.TrimSpace(check.Output))
	}
	for _, line := range failure.Report.LastLines {
		say("| %s", line)
	}
}
