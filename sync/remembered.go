package sync

import (
	"context"

	"github.com/rs/zerolog"

	"github.com/gitsync/gitsync/container"
	"github.com/gitsync/gitsync/trust"
)

// isRemembered says whether the data directory knows the machine of a host as the one that
// was confirmed before: at the same address, and, over SSH, with the same key.
func (c *cycle) isRemembered(h *HostResult) bool {
	now, _, ok := c.machineNow(h)
	return ok && c.opts.Memory != nil && c.opts.Memory.Machine(h.Name) == now
}

// machineNow is the machine of a host as it was seen last, and whether its key may have been
// accepted without any proof; false where there is nothing to go by.
func (c *cycle) machineNow(h *HostResult) (m trust.Machine, firstUse, ok bool) {
	if c.opts.Sight == nil {
		return trust.Machine{}, false, false
	}
	s, ok := c.opts.Sight(h.Host.Host, h.Host.Runtime)
	if !ok || h.Host.Host.SSHConfig != nil && s.Key == "" {
		// As with a host that is taken for this machine, whatever the repo says.
		return trust.Machine{}, false, false
	}
	return trust.Machine{Address: s.Address, ProxyJump: s.ProxyJump, Engine: s.Engine, Key: s.Key}, s.FirstUse, true
}

// rememberMachines has the data directory remember the machines that the agent's own settings
// vouch for, and forget those of hosts that are gone. What only the repo, a record or trust on
// first use says is not learned.
func (c *cycle) rememberMachines(ctx context.Context) {
	if c.opts.Way == nil || c.opts.Sight == nil || c.opts.Memory == nil || c.opts.Offline || c.result.Err != nil || c.withoutGit {
		return
	}
	known, changed, there := c.opts.Memory.Machines(), map[string]trust.Machine{}, map[string]bool{}
	for _, name := range c.names {
		there[name] = true
	}
	for _, h := range c.hosts {
		there[h.Name] = true
		if now, ok := c.confirmedNow(h); ok && now != known[h.Name] {
			changed[h.Name] = now
		}
	}
	for name := range known {
		if !there[name] {
			changed[name] = trust.Machine{}
		}
	}
	if len(changed) == 0 {
		return
	}
	if err := c.opts.Memory.SetMachines(changed); err != nil {
		zerolog.Ctx(ctx).Warn().Err(err).Msg("trust: the machines of hosts are not remembered")
	}
}

// confirmedNow is the machine of a host that the agent's own settings vouch for; false where
// they do not, and for the engine of this machine, which needs no memory.
func (c *cycle) confirmedNow(h *HostResult) (trust.Machine, bool) {
	if h.Gone {
		return trust.Machine{}, false
	}
	now, firstUse, ok := c.machineNow(h)
	if !ok || firstUse || now.Key == "" && c.opts.Way(h.Host.Host, h.Host.Runtime) == container.WayKnown {
		return trust.Machine{}, false
	}
	return now, c.vouchedFor(h)
}

// ForgetMachine forgets which machine was confirmed to be a host, and says whether anything
// was remembered: from then on only the agent's own settings confirm it.
//
// Errors: [trust.ErrNotRemembered].
func (s *Syncer) ForgetMachine(host string) (bool, error) {
	defer s.lock()()
	if s.opts.Memory == nil || s.opts.Memory.Machine(host) == (trust.Machine{}) {
		return false, nil
	}
	return true, s.opts.Memory.SetMachines(map[string]trust.Machine{host: {}})
}
