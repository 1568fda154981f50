package sync

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/rs/zerolog"

	"github.com/gitsync/gitsync/container"
	"github.com/gitsync/gitsync/gitrepo"
)

// report logs what the cycle as a whole came to. What an earlier cycle has said already,
// and no commit changed, is said again only at the debug level.
func (c *cycle) report(ctx context.Context) {
	log := zerolog.Ctx(ctx)
	commit := ""
	if c.result.Commit != nil {
		commit = c.result.Commit.Hash.Short()
	}
	if c.only == nil {
		c.reportRollout(log, commit)
	}
	if len(c.result.Busy) > 0 {
		log.Debug().Strs("hosts", c.result.Busy).Msg("going on without hosts that are still at work")
	}
	switch err := c.result.Err; {
	case err == nil:
	case ctx.Err() != nil && (errors.Is(err, context.Canceled) || errors.Is(err, context.Cause(ctx))):
		// Whoever stops gitsync knows that they did.
		log.Info().AnErr("because", err).Msg("interrupted: the next start goes on from here")
	default:
		log.Error().Err(c.result.Err).Str("reaction", string(React(c.result.Err))).Msg("cycle failed")
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
	if !r.Moved && !c.newPolicy {
		return
	}
	if r.Moved {
		log.Info().Str("commit", r.Commit.Hash.Short()).Str("subject", r.Commit.Subject).Msg("new commit")
	}
	for _, m := range r.Mistakes {
		log.Error().Str("mistake", m.Error()).Msg("invalid")
	}
	for _, name := range r.Invalid {
		log.Error().Str("host", name).Msg("the host is left as it is: its directory does not validate")
	}
	for _, h := range c.hosts {
		if h.Gone {
			log.Warn().Str("host", h.Name).Msg("the host is no longer in the repo: its containers are to be removed")
		}
	}
}

// reportHost logs what a cycle came to on one host.
func (c *cycle) reportHost(ctx context.Context, h *HostResult) {
	log, commit := zerolog.Ctx(ctx), gitrepo.Hash(h.source()).Short()
	switch {
	case !h.Waiting.IsZero():
		log.Debug().Str("host", h.Name).Time("until", h.Waiting).AnErr("because", h.Err).Msg("waiting")
	case h.waitsForTurn && h.Err == nil:
		log.Debug().Str("host", h.Name).Str("commit", commit).Msg("waits for its turn")
	case isOutOfDate(h.Err):
		log.Debug().Str("host", h.Name).AnErr("because", h.Err).Msg("checking the host again")
	case h.Err != nil:
		for _, err := range flatten(h.Err) {
			c.reportError(log, h, err)
		}
	case h.Gone && h.changed && h.record == nil:
		log.Info().Str("host", h.Name).Msg("the host is clean, and no longer on record")
	case h.Checked && h.Plan.Empty():
		log.Debug().Str("host", h.Name).Str("commit", commit).Msg("nothing to do")
	case h.Checked:
		log.Info().Str("host", h.Name).Str("commit", commit).Msg("deployed")
	}
}

// reportError logs an error of a host, and what the container said that it is about.
// One that is held back since an earlier cycle was told then.
func (c *cycle) reportError(log *zerolog.Logger, h *HostResult, err error) {
	var failure *container.Failure
	key := ""
	if errors.As(err, &failure) {
		key = failure.Container
	}
	event := log.Error()
	switch {
	case (errors.Is(err, container.ErrHeld) || h.Gone && h.Record != nil && h.Record.Clean != nil && errors.Is(err, container.ErrBlocked)) && !c.result.Moved:
		event = log.Debug()
	case errors.Is(err, container.ErrHeld):
		event = log.Warn()
	case errors.Is(err, container.ErrSuperseded):
		event = log.Info()
	}
	if f, ok := h.failures[key]; ok && !f.NextAttempt.IsZero() {
		event = event.Time("next", f.NextAttempt)
	} else if until, _ := c.pause(h); key == "" && !until.IsZero() {
		event = event.Time("next", until)
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
