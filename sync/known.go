package sync

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/gitsync/gitsync/container"
	"github.com/gitsync/gitsync/layout"
	"github.com/gitsync/gitsync/policy"
	"github.com/gitsync/gitsync/registry"
	"github.com/gitsync/gitsync/secret"
	"github.com/gitsync/gitsync/state"
)

// ErrUnknownMachine means that nothing but the repo says which machine a host is: whoever
// can push may have given its name to a machine of their own.
var ErrUnknownMachine = errors.New("nothing but the repo says which machine it is")

// unknownMachine returns why a host gets nothing that is not its own; nil when its machine
// is known. Of one over SSH that is known once it was connected to.
func (c *cycle) unknownMachine(h *HostResult) error {
	if c.vouchedFor(h) {
		return nil
	}
	at, s := container.Machine{Host: h.Host.Host, Runtime: h.Host.Runtime}, h.Host.Host.SSHConfig
	if namesBoth(h) {
		return fmt.Errorf("host %s: %w, with the key and the jump host that host.yaml names: to confirm it, add its key to the agent's known_hosts", h.Name, ErrUnknownMachine)
	}
	if c.isRemembered(h) {
		return nil
	}
	hint := "to confirm it, "
	if s != nil {
		hint += "add its key to the agent's known_hosts, or "
	}
	return fmt.Errorf("host %s: %w: %sput into the agent's policy.yaml: %s", h.Name, ErrUnknownMachine, hint, policy.Naming(h.Name, at))
}

// vouchedFor says whether the agent's own settings of now say which machine a host is.
func (c *cycle) vouchedFor(h *HostResult) bool {
	if c.opts.Way == nil || c.opts.Way(h.Host.Host, h.Host.Runtime) == container.WayKnown {
		return true
	}
	return !namesBoth(h) && c.policy.Load().Names(h.Name, container.Machine{Host: h.Host.Host, Runtime: h.Host.Runtime})
}

// namesBoth says whether the repo names the key and the jump host, which decides who answers:
// then the address says nothing.
func namesBoth(h *HostResult) bool {
	s := h.Host.Host.SSHConfig
	return s != nil && s.ProxyJump != "" && s.HostKey != ""
}

// refusePlainWays makes those hosts invalid whose engines would be spoken to in the clear,
// over a network, and that the operator's policy does not name.
func (c *cycle) refusePlainWays(repo *layout.Repo) {
	if c.opts.Way == nil {
		return
	}
	repo.Hosts = slices.DeleteFunc(repo.Hosts, func(h layout.Host) bool {
		if c.opts.Way(h.Host, h.Runtime) != container.WayPlain || c.policy.Load().Names(h.Name, container.Machine{Host: h.Host, Runtime: h.Runtime}) {
			return false
		}
		invalid := layout.InvalidHost{Name: h.Name, Mistakes: layout.Mistakes{{
			File:    "hosts/" + h.Name + "/host.yaml",
			Message: fmt.Sprintf("docker.host %q would be spoken to in the clear, and whoever is on the way would have the host", h.Runtime.Docker.Host),
			Hint:    "reach it over ssh, or by TLS with --docker-cert-path, or put into the agent's policy.yaml: " + policy.Naming(h.Name, container.Machine{Host: h.Host, Runtime: h.Runtime}),
		}}}
		for name := range h.Containers {
			invalid.Containers = append(invalid.Containers, name)
		}
		slices.Sort(invalid.Containers)
		repo.Invalid = append(repo.Invalid, invalid)
		return true
	})
	slices.SortFunc(repo.Invalid, func(a, b layout.InvalidHost) int { return strings.Compare(a.Name, b.Name) })
}

// PlainWarnings warns of engines that are spoken to in the clear, over a network, by an agent
// that has no certificates for them, and that the policy does not name: run refuses these
// hosts. It is for those who do not know the agent's settings.
func PlainWarnings(hosts []layout.Host, p *policy.Policy) layout.Mistakes {
	var warnings layout.Mistakes
	for _, h := range hosts {
		at := container.Machine{Host: h.Host, Runtime: h.Runtime}
		if h.Agent || container.WayTo(h.Host, h.Runtime, container.ConnectOptions{}) != container.WayPlain || p.Names(h.Name, at) {
			continue
		}
		warnings = append(warnings, layout.Mistake{
			File:    "hosts/" + h.Name + "/host.yaml",
			Message: fmt.Sprintf("docker.host %q is an error for an agent without certificates for it (--docker-cert-path): it would be spoken to in the clear", h.Runtime.Docker.Host),
			Hint:    "reach it over ssh, or put into the agent's policy.yaml: " + policy.Naming(h.Name, at),
		})
	}
	return warnings
}

// loginsOf are the logins for registries that a host gets: none where its machine is not
// known.
func (c *cycle) loginsOf(h *HostResult) registry.Credentials {
	logins := h.Host.Registries.Over(h.Name, c.registryPassword(h), c.opts.Credentials)
	if c.opts.Way == nil || logins == nil {
		return logins
	}
	return func(ctx context.Context, name string) (registry.Credential, error) {
		why := c.unknownMachine(h)
		if why == nil {
			return logins(ctx, name)
		}
		if found, err := logins(ctx, name); err == nil && found.IsZero() {
			return found, nil
		}
		return registry.Credential{Withheld: why.Error()}, nil
	}
}

// mayHave says why a host must not have a secret: nil for one of its own file, and where its
// machine is known. A secret of its own file that another host or a group has too is theirs:
// whoever can push can copy a file that they cannot read. Where it was not noted whose they
// are, none is its own.
func (c *cycle) mayHave(h *HostResult) func(name string) error {
	return func(name string) error {
		if h.Host.Sealed.Has(name) {
			entry := h.Host.Sealed.Entries[name]
			if isIn(entry, h.Name) && c.sealed != nil && !c.sealedElsewhere(entry.Digest, h.Name) {
				return nil
			}
		}
		if err := c.unknownMachine(h); err != nil {
			return fmt.Errorf("secret %s is not given to the host: %w", name, err)
		}
		return nil
	}
}

// mayHaveValue says why a host must not have what was opened: the key of a SOPS file, which
// whoever can push can cut out of one that they cannot read, would open all of that.
func (c *cycle) mayHaveValue(h *HostResult) func(name, value string) error {
	return func(name, value string) error {
		if !h.Host.Sealed.Has(name) || !secret.IsDataKey(h.Host.Sealed.Entries[name], value) {
			return nil
		}
		if err := c.unknownMachine(h); err != nil {
			return fmt.Errorf("secret %s may be the key of a SOPS file, and is not given to the host: %w", name, err)
		}
		return nil
	}
}

func isIn(entry secret.Entry, host string) bool {
	return strings.HasPrefix(entry.File, "hosts/"+host+"/")
}

// sealedElsewhere says whether a ciphertext is also that of another host, or of a group.
func (c *cycle) sealedElsewhere(digest, host string) bool {
	for owner := range c.sealed[digest] {
		if owner != host {
			return true
		}
	}
	return false
}

// noteSealed remembers whose the ciphertexts are that the repo and the records have, where
// a machine may not be known. A group is the owner of the empty name.
func (c *cycle) noteSealed(ctx context.Context) error {
	if c.opts.Way == nil || !slices.ContainsFunc(c.hosts, func(h *HostResult) bool { return c.unknownMachine(h) != nil }) {
		return nil
	}
	c.sealed = map[string]map[string]bool{}
	loaded := map[string]bool{}
	for _, h := range c.hosts {
		loaded[h.Name] = true
		if h.Host.Sealed != nil {
			for _, entry := range h.Host.Sealed.Entries {
				owner := ""
				if isIn(entry, h.Name) {
					owner = h.Name
				}
				c.noteOwner(entry.Digest, owner)
			}
		}
		c.noteRecorded(h.Name, h.Record)
	}
	if c.state == nil {
		return nil
	}
	// One that does not validate, or is not handled here, has secrets all the same.
	recorded, err := c.state.Hosts()
	if err != nil {
		return err
	}
	for _, name := range recorded {
		if loaded[name] {
			continue
		}
		record, err := c.readRecord(ctx, name)
		if err != nil {
			return err
		}
		c.noteRecorded(name, record)
	}
	return nil
}

func (c *cycle) noteRecorded(host string, record *state.Record) {
	if record == nil {
		return
	}
	for _, recorded := range record.Secrets {
		if recorded.Ciphertext != "" {
			c.noteOwner(recorded.Ciphertext, host)
		}
	}
}

func (c *cycle) noteOwner(digest, owner string) {
	if c.sealed[digest] == nil {
		c.sealed[digest] = map[string]bool{}
	}
	c.sealed[digest][owner] = true
}
