package sync

import (
	"context"
	"errors"
	"fmt"

	"github.com/gitsync/gitsync/layout"
	"github.com/gitsync/gitsync/state"
)

// ErrAgents means that the hosts that were asked for are handled by their own gitsyncs.
var ErrAgents = errors.New("a gitsync on the host itself handles it (agent: true in host.yaml)")

// AgentHost is a host that a gitsync on it handles, as far as the state branch tells.
type AgentHost struct {
	Name string
	// Record is what its gitsync recorded; nil when it has not, and outside of plans.
	Record *state.Record
}

// mine says whether this gitsync handles a host: of those with agents an agent does the
// ones that it was given.
func (c *cycle) mine(agent bool) bool { return !agent || c.opts.Local && len(c.opts.Hosts) > 0 }

// addAgent remembers a host that its own gitsync handles.
func (c *cycle) addAgent(ctx context.Context, name string) error {
	a := AgentHost{Name: name}
	if c.planOnly {
		var err error
		if a.Record, err = c.readRecord(ctx, name); err != nil {
			return err
		}
	}
	c.result.Agents = append(c.result.Agents, a)
	return nil
}

// checkAgents says when nothing is left to do, since others do it.
func (c *cycle) checkAgents() error {
	if c.planOnly || len(c.hosts) > 0 || len(c.result.Agents) == 0 || len(c.result.Invalid) > 0 {
		return nil
	}
	var names []string
	for _, a := range c.result.Agents {
		names = append(names, a.Name)
	}
	return fmt.Errorf("handle %s: %w: start gitsync with --agent there, or with --local --host %s", hostList(names), ErrAgents, names[0])
}

// machineOf names the runtime of a host's machine.
func machineOf(h layout.Host) string {
	if h.Agent {
		return "agent " + h.Name
	}
	return machineKey(h.Host, h.Runtime)
}
