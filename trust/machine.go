package trust

import "maps"

// Machine is a machine that something else than Git confirmed to be a host: exactly what was
// confirmed. The zero value is none.
type Machine struct {
	// Address is where it is, with its port; "direct" is this machine. ProxyJump are the jump
	// hosts that the repo names, and Engine is the address of the engine, as seen from there.
	Address   string `json:"address"`
	ProxyJump string `json:"proxyJump,omitempty"`
	Engine    string `json:"engine,omitempty"`
	// Key is the SHA-256 fingerprint of its SSH host key; empty only without SSH.
	Key string `json:"key,omitempty"`
}

// Machines returns the machines that were confirmed, by the names of the hosts.
func (m *Memory) Machines() map[string]Machine {
	m.mu.Lock()
	defer m.mu.Unlock()
	return maps.Clone(m.look().Machines)
}

// Machine returns the machine that was confirmed to be a host; zero when none was.
func (m *Memory) Machine(host string) Machine {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.look().Machines[host]
}

// SetMachines remembers the machines of hosts; a zero one is forgotten. Nothing is written
// where all are known.
//
// Errors: [ErrNotRemembered].
func (m *Memory) SetMachines(machines map[string]Machine) error {
	return m.change(func(k *known) bool {
		changed := false
		for host, machine := range machines {
			if k.Machines[host] == machine {
				continue
			}
			changed = true
			if k.Machines == nil {
				k.Machines = map[string]Machine{}
			}
			if k.Machines[host] = machine; machine == (Machine{}) {
				delete(k.Machines, host)
			}
		}
		return changed
	})
}
