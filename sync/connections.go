package sync

import (
	"context"
	"fmt"
	stdsync "sync"

	"github.com/gitsync/gitsync/container"
	"github.com/gitsync/gitsync/host"
	"github.com/gitsync/gitsync/runtime"
)

// connections keeps runtimes open between cycles, one for each machine.
type connections struct {
	connect container.Connector
	mu      stdsync.Mutex
	open    map[string]*connection
	// coming are those that are being made.
	coming map[string]*attempt
}

type connection struct {
	runtime runtime.Runtime
	release func()
}

func newConnections(connect container.Connector) *connections {
	return &connections{connect: connect, open: map[string]*connection{}, coming: map[string]*attempt{}}
}

// Connect implements container.Connector. The machine's address and the runtime's
// own address make the key, with what the login depends on; drop forgets one that
// failed, keep those that nobody uses any more. Who asks while another one connects
// waits for that.
func (c *connections) Connect(ctx context.Context, h host.Host, config container.RuntimeConfig) (runtime.Runtime, func(), error) {
	key := connectionKey(h, config)
	keep := func() {}
	for {
		c.mu.Lock()
		known, others := c.open[key], c.coming[key]
		if known == nil && others == nil {
			others = &attempt{done: make(chan struct{})}
			c.coming[key] = others
			c.mu.Unlock()
			rt, err := c.attempt(ctx, key, others, h, config)
			return rt, keep, err
		}
		c.mu.Unlock()
		if known != nil {
			return known.runtime, keep, nil
		}
		select {
		case <-others.done:
			if others.err != nil && !others.canceled {
				return nil, nil, others.err
			}
		case <-ctx.Done():
			return nil, nil, fmt.Errorf("connect to %s: %w: %w", h.Address(), runtime.ErrUnreachable, context.Cause(ctx))
		}
	}
}

// attempt is a connection that is being made.
type attempt struct {
	done chan struct{}
	err  error
	// canceled says that it ended because whoever began it was told to, or was out of
	// time.
	canceled bool
}

func (c *connections) attempt(ctx context.Context, key string, a *attempt, h host.Host, config container.RuntimeConfig) (runtime.Runtime, error) {
	rt, release, err := c.connect(ctx, h, config)
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.coming, key)
	a.err, a.canceled = err, ctx.Err() != nil
	close(a.done)
	if err != nil {
		return nil, err
	}
	c.open[key] = &connection{rt, release}
	return rt, nil
}

// drop closes the connection of a machine, so that the next use opens a new one.
func (c *connections) drop(h host.Host, config container.RuntimeConfig) {
	key := connectionKey(h, config)
	c.mu.Lock()
	known := c.open[key]
	delete(c.open, key)
	c.mu.Unlock()
	if known != nil {
		known.release()
	}
}

// keep closes the connections that none of these hosts uses.
func (c *connections) keep(hosts []*HostResult) {
	used := map[string]bool{}
	for _, h := range hosts {
		used[connectionKey(h.Host.Host, h.Host.Runtime)] = true
	}
	var unused []*connection
	c.mu.Lock()
	for key, known := range c.open {
		if !used[key] {
			unused = append(unused, known)
			delete(c.open, key)
		}
	}
	c.mu.Unlock()
	for _, known := range unused {
		known.release()
	}
}

func (c *connections) close() {
	c.mu.Lock()
	open := c.open
	c.open = map[string]*connection{}
	c.mu.Unlock()
	for _, known := range open {
		known.release()
	}
}

// connectionKey names a connection: whatever changes the login needs another one.
func connectionKey(h host.Host, config container.RuntimeConfig) string {
	key := machineKey(h, config)
	if s := h.SSHConfig; s != nil {
		key += fmt.Sprintf(" %s %s %s %v %v %v", s.User, s.ProxyJump, s.HostKey, s.ConnectionTimeout, s.RetryTimeout, s.RetryInterval)
	}
	if config.Docker != nil {
		key += " " + config.Docker.PullStall.String()
	}
	return key
}

// machineKey names the runtime of a machine.
func machineKey(h host.Host, config container.RuntimeConfig) string {
	key := h.Address()
	switch {
	case config.Docker != nil:
		key += " docker " + config.Docker.Context + " " + config.Docker.GetAddress()
	case config.Memory != nil:
		key += " memory " + config.Memory.GetAddress()
	}
	return key
}
