package trust

import (
	"crypto/rand"
	"encoding/hex"
	"regexp"
	"slices"
)

// Identity is what stays the same of a repo, wherever it is and whatever its branch is
// called: containers carry it.
type Identity struct {
	ID string `json:"id"`
	// Own says that this gitsync made it, or found it on containers of its own. Else it is
	// what the state branch said, which others may write.
	Own bool `json:"own,omitempty"`
}

// Adoption says that containers of another owner are ours: those that carry the labels of a
// host directory, of that owner, and of its identity.
type Adoption struct {
	Host  string `json:"host"`
	Owner string `json:"owner"`
	// Repo is the identity that they carry; empty for containers of older versions.
	Repo string `json:"repo,omitempty"`
}

// NewIdentity returns an identity that nobody has.
func NewIdentity() string {
	id := make([]byte, 16)
	// It never fails.
	_, _ = rand.Read(id)
	return hex.EncodeToString(id)
}

var identityForm = regexp.MustCompile(`^[0-9a-f]{32}$`)

// IsIdentity says whether a text may be an identity.
func IsIdentity(s string) bool { return identityForm.MatchString(s) }

// Identity returns the identity that goes with a state branch; zero when none is known.
func (m *Memory) Identity(branch string) Identity {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.look().Identities[branch]
}

// HasIdentity says whether an identity was used for the repo, on any host or in any state
// branch.
func (m *Memory) HasIdentity(id string) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	know := m.look()
	for _, known := range know.Identities {
		if known.ID == id {
			return true
		}
	}
	for _, known := range know.HostIdentities {
		if known == id {
			return true
		}
	}
	return false
}

// HostIdentity returns the identity that containers on a host have since it was looked at
// first; empty before that.
func (m *Memory) HostIdentity(host string) string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.look().HostIdentities[host]
}

// SetHostIdentities remembers the identities of containers, by host.
func (m *Memory) SetHostIdentities(ids map[string]string) error {
	return m.change(func(k *known) bool {
		changed := false
		for host, id := range ids {
			if k.HostIdentities[host] == id {
				continue
			}
			if k.HostIdentities == nil {
				k.HostIdentities = map[string]string{}
			}
			k.HostIdentities[host], changed = id, true
		}
		return changed
	})
}

// SetIdentity remembers the identity that goes with a state branch.
func (m *Memory) SetIdentity(branch string, id Identity) error {
	if m.Identity(branch) == id {
		return nil
	}
	return m.change(func(k *known) bool {
		if k.Identities[branch] == id {
			return false
		}
		if k.Identities == nil {
			k.Identities = map[string]Identity{}
		}
		k.Identities[branch] = id
		return true
	})
}

// HasAdopted says whether an adoption is known.
func (m *Memory) HasAdopted(a Adoption) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Contains(m.look().Adopted, a)
}

// Adopt remembers adoptions.
func (m *Memory) Adopt(adopted ...Adoption) error {
	return m.change(func(k *known) bool {
		changed := false
		for _, a := range adopted {
			if !slices.Contains(k.Adopted, a) {
				k.Adopted, changed = append(k.Adopted, a), true
			}
		}
		return changed
	})
}
