package sync

import (
	"context"

	"github.com/rs/zerolog"
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
	if r.Recorded != "" {
		log.Info().Str("branch", c.opts.StateBranch).Str("subject", r.Recorded).Msg("recorded")
	}
	if r.Err != nil {
		log.Error().Err(r.Err).Str("reaction", string(React(r.Err))).Msg("cycle failed")
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
	case h.Err != nil:
		for _, err := range flatten(h.Err) {
			log.Error().Err(err).Str("host", h.Name).Str("reaction", string(React(err))).
				Time("next", h.memory.next).Msg("host did not converge")
		}
	case h.Checked && h.Plan.Empty():
		log.Debug().Str("host", h.Name).Str("commit", commit).Msg("nothing to do")
	case h.Checked:
		log.Info().Str("host", h.Name).Str("commit", commit).Msg("deployed")
	}
}
