package sync

import (
	"context"
	"errors"
	"maps"
	"slices"

	"github.com/rs/zerolog"

	"github.com/gitsync/gitsync/gitrepo"
	"github.com/gitsync/gitsync/state"
)

// loadState reads the state branch. One that cannot be read is a fault of its own: the cycle
// goes on without what is missing. The error is one of the way to the remote.
func (c *cycle) loadState(ctx context.Context, refs gitrepo.Refs) error {
	return c.noteFault(c.state.Load(ctx, refs))
}

// retryState reads the state branch again after the rest of the remote could be read. When
// that fails again the cycle goes on without it.
func (c *cycle) retryState(ctx context.Context, refs gitrepo.Refs) error {
	err := c.loadState(ctx, refs)
	if err == nil || ctx.Err() != nil || errors.Is(err, gitrepo.ErrRaceLost) {
		return err
	}
	return c.noteFault(c.state.GiveUp(ctx, refs, err))
}

// noteFault remembers what cannot be read in the state branch, and returns any other error.
func (c *cycle) noteFault(err error) error {
	var other []error
	for _, one := range flatten(err) {
		var fault *state.Fault
		if !errors.As(one, &fault) {
			other = append(other, one)
			continue
		}
		if c.faults == nil {
			c.faults = map[string]*state.Fault{}
		}
		c.faults[fault.Error()] = fault
	}
	return errors.Join(other...)
}

// faultOf says whether the record of a host is there and cannot be read.
func (c *cycle) faultOf(host string) bool {
	for _, fault := range c.faults {
		if fault.Host == host {
			return true
		}
	}
	return false
}

// recordedHosts returns the hosts that have a record, as far as they can be read.
func (c *cycle) recordedHosts() ([]string, error) {
	hosts, err := c.state.Hosts()
	return hosts, c.noteFault(err)
}

// reportFaults says what cannot be read in the state branch: in the result, and in the log
// what was not said there before. A cycle for a few hosts has not read the others.
func (c *cycle) reportFaults(ctx context.Context) {
	log := zerolog.Ctx(ctx)
	if c.planOnly {
		c.reportOutbox(ctx)
		c.backlog = c.backlogOf(nil)
	}
	if c.backlog != nil {
		c.result.StateErrs = append(c.result.StateErrs, c.backlog)
	}
	for _, text := range slices.Sorted(maps.Keys(c.faults)) {
		fault := c.faults[text]
		c.result.StateErrs = append(c.result.StateErrs, fault)
		event := log.Error()
		if c.knownFaults[text] {
			event = log.Debug()
		}
		event.Err(fault).Str("host", fault.Host).Str("reaction", string(React(fault))).Msg("state: going on with the labels on the containers")
	}
	if c.only != nil || c.result.Err != nil || c.result.GitErr != nil {
		return
	}
	if len(c.knownFaults) > 0 && len(c.faults) == 0 {
		log.Info().Str("branch", c.opts.StateBranch).Msg("state: all of the state branch can be read again")
	}
	c.knownFaults = map[string]bool{}
	for text := range c.faults {
		c.knownFaults[text] = true
	}
}
