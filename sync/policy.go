package sync

import (
	"context"
	"fmt"
	"maps"

	"github.com/rs/zerolog"

	"github.com/gitsync/gitsync/container"
	"github.com/gitsync/gitsync/layout"
	"github.com/gitsync/gitsync/policy"
	"github.com/gitsync/gitsync/state"
)

// PolicyCheck has a loader object to what a policy denies.
func PolicyCheck(p *policy.Policy) layout.Check {
	return func(host string, containers container.ContainersState) []layout.Objection {
		var objections []layout.Objection
		for _, v := range p.Check(host, containers) {
			objections = append(objections, layout.Objection{Container: v.Container, Path: v.Path, Message: v.Message, Hint: v.Hint, Former: v.Former})
		}
		return objections
	}
}

// NestedCheck objects to what a policy denies of mounts below what containers of other hosts
// on the same machine may write.
func NestedCheck(p *policy.Policy) func(layout.NestedMount) *layout.Objection {
	return func(m layout.NestedMount) *layout.Objection {
		v, denied := p.Nested(m.Host, m.Container, m.Index, m.Source, m.By)
		if !denied {
			return nil
		}
		return &layout.Objection{Container: v.Container, Path: v.Path, Message: v.Message, Hint: v.Hint}
	}
}

// deployedFiles returns the config files that a host has already, by a record that may
// decide something: what the default profile of earlier versions allowed stays there.
func (c *cycle) deployedFiles(ctx context.Context, host string) map[string]bool {
	files, known := c.files[host]
	if !known {
		if record, err := c.readRecord(ctx, host); err == nil {
			files = confirmedPaths(record)
		}
		if c.files == nil {
			c.files = map[string]map[string]bool{}
		}
		c.files[host] = files
	}
	return files
}

// confirmedPaths are the paths of the config files in a record that may decide something.
func confirmedPaths(record *state.Record) map[string]bool {
	if record == nil || !record.Confirmed {
		return nil
	}
	paths := map[string]bool{}
	for _, m := range record.PreviousState {
		if m == nil {
			continue
		}
		for path := range m.ConfigFiles {
			paths[path] = true
		}
	}
	return paths
}

// warn logs what the repo has that may stay for now, or may not be what was meant, once
// as long as it is the same.
func (c *cycle) warn(ctx context.Context, warnings layout.Mistakes) {
	if text := warnings.Error(); text == c.warned {
		return
	} else if c.warned = text; text == "" {
		return
	}
	for _, w := range warnings {
		zerolog.Ctx(ctx).Warn().Str("at", w.Position()).Msg(w.Error())
	}
}

// followPolicy has the cycle obey the policy of now: what was loaded under another one is
// loaded again.
func (c *cycle) followPolicy(ctx context.Context) {
	if c.opts.CurrentPolicy == nil {
		return
	}
	if p := c.opts.CurrentPolicy(ctx); c.policy.Swap(p) != p {
		c.loader, c.newPolicy = layout.NewLoader(PolicyCheck(p)), true
	}
}

// denied says which containers the policy denies as they are recorded, and why. The record
// is written by gitsync, but the state branch may be written by others: it must bring about
// nothing that a commit could not.
func (c *cycle) denied(h *HostResult) map[string]string {
	denied, more := map[string]string{}, map[string]int{}
	recorded := container.ContainersState{}
	for key, from := range h.inherits {
		recorded[key] = from.Container
	}
	maps.Copy(recorded, h.kept())
	files := confirmedPaths(h.Record)
	for _, v := range c.policy.Load().Check(h.Name, recorded) {
		if files[v.Former] {
			continue
		}
		if more[v.Container]++; more[v.Container] == 1 {
			denied[v.Container] = fmt.Sprintf("what is recorded of it in branch %s is not brought about: %s", c.opts.StateBranch, v.Message)
			if v.Hint != "" {
				denied[v.Container] += " (" + v.Hint + ")"
			}
		}
	}
	for key, count := range more {
		if count > 1 {
			denied[key] += fmt.Sprintf(", and %d more", count-1)
		}
	}
	return denied
}

// dropSetuid takes from the config files of a record what no repo can say, and no policy
// allows: a rollback writes recorded files back. A record that gitsync wrote has none of it.
func dropSetuid(record *state.Record) {
	if record == nil {
		return
	}
	const permissions = 0o777
	for _, m := range record.PreviousState {
		if m == nil {
			continue
		}
		for path, a := range m.ConfigFileAttributes {
			if a.Mode&^permissions != 0 {
				a.Mode &= permissions
				m.ConfigFileAttributes[path] = a
			}
		}
	}
}

// keepDown keeps containers from being brought about as they are recorded, where the policy
// denies that: those that wait for their turn or for a move, and those whose update failed.
func (c *cycle) keepDown(h *HostResult, containers *container.Containers) {
	if !h.waitsForTurn && len(h.moves)+len(containers.Held) == 0 {
		// All that is desired is in the repo, which was judged.
		return
	}
	kept := h.kept()
	for key, why := range c.denied(h) {
		if held, isHeld := containers.Held[key]; isHeld {
			containers.Patient[key] = true
			containers.Held[key] = held + "; " + why
		}
		if kept[key] == containers.DesiredState[key] {
			if containers.Denied == nil {
				containers.Denied = map[string]string{}
			}
			containers.Denied[key] = why
		}
	}
}
