package sync

import (
	"context"
	"time"

	"github.com/rs/zerolog"
	"golang.org/x/sync/errgroup"

	"github.com/gitsync/gitsync/container"
	"github.com/gitsync/gitsync/lease"
)

const (
	// presenceLasts is how many intervals of full checks a daemon is known by after one.
	presenceLasts = 3
	// withdrawTimeout bounds how long a daemon that ends takes that back.
	withdrawTimeout = 5 * time.Second
)

// presence is where a daemon has said that it manages a machine.
type presence struct {
	machine container.Machine
	claim   lease.Claim
}

// stay says on a host, at a full check, that this daemon manages it. So whoever claims to be
// the same repo at another address takes nothing over while it idles. What prevents that
// prevents no work.
func (c *cycle) stay(ctx context.Context, h *HostResult, opts container.CheckOptions) {
	if c.watches == nil || c.planOnly || opts.SkipSettings || h.Gone || len(h.Current.Containers) == 0 {
		return
	}
	p := presence{
		machine: container.Machine{Host: h.Host.Host, Runtime: h.Host.Runtime},
		claim:   lease.Claim{Repo: h.leaseRepo(), Host: h.Name, Address: c.opts.owner()},
	}
	interval := c.driftInterval(h)
	for _, holder := range container.LeaseHolders(h.Current.Leases) {
		if holder.Idle && holder.Instance == c.instance.Name() && holder.Repo == p.claim.Repo && holder.Until.Sub(h.Current.Time) > (presenceLasts-1)*interval {
			return
		}
	}
	ctx, cancel := context.WithTimeout(ctx, c.opts.CheckTimeout)
	defer cancel()
	rt, release, err := c.connections.Connect(ctx, p.machine.Host, p.machine.Runtime)
	if err == nil {
		defer release()
		err = c.instance.Stay(ctx, rt, p.claim, presenceLasts*interval)
	}
	if err != nil {
		zerolog.Ctx(ctx).Debug().Err(err).Str("host", h.Name).Msg("going on without saying there who manages it")
		return
	}
	c.tasks.mu.Lock()
	defer c.tasks.mu.Unlock()
	c.present[h.Name] = p
}

// leaveOthers takes back what stay has said on hosts that this daemon does not manage any
// more.
func (c *cycle) leaveOthers(ctx context.Context) {
	if c.result.Err != nil {
		// What it manages is not known.
		return
	}
	managed := map[string]bool{}
	for _, name := range c.result.Invalid {
		managed[name] = true
	}
	for _, h := range c.hosts {
		managed[h.Name] = !h.Gone
	}
	for name := range c.busyHosts() {
		managed[name] = true
	}
	c.withdraw(ctx, func(host string) bool { return !managed[host] })
}

// withdraw takes back what stay has said on these hosts, where they answer in time.
func (s *Syncer) withdraw(ctx context.Context, leaves func(host string) bool) {
	s.tasks.mu.Lock()
	present := map[string]presence{}
	for host, p := range s.present {
		if leaves(host) {
			present[host] = p
			delete(s.present, host)
		}
	}
	s.tasks.mu.Unlock()
	if len(present) == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), withdrawTimeout)
	defer cancel()
	var group errgroup.Group
	group.SetLimit(s.opts.Parallel)
	for host, p := range present {
		group.Go(func() error {
			rt, release, err := s.connections.Connect(ctx, p.machine.Host, p.machine.Runtime)
			if err == nil {
				defer release()
				err = s.instance.Leave(ctx, rt, p.claim)
			}
			if err != nil {
				zerolog.Ctx(ctx).Debug().Err(err).Str("host", host).Msg("it says for a while that this instance manages it")
			}
			return nil
		})
	}
	_ = group.Wait()
}
