package ssh

import (
	"errors"
	"fmt"
	"net"
	"strconv"

	"github.com/gitsync/gitsync/container/types"
)

// Config says how to log in to a machine.
type Config struct {
	// Address is a host name or an IP address.
	Address string `json:"address"`
	// Port is 22 by default.
	Port int `json:"port,omitempty"`
	// User is the login name; root by default.
	User string `json:"user,omitempty"`
	// Password is tried when it is set.
	Password string `json:"password,omitempty"`
	// PrivateKey is a private key in PEM form.
	PrivateKey string `json:"privateKey,omitempty"`
	// HostKey is the host's public key ("ssh-ed25519 AAAA…"), or its fingerprint
	// ("SHA256:…"): then known_hosts is not asked.
	HostKey string `json:"hostKey,omitempty"`
	// ProxyJump are the jump hosts on the way, as ssh -J has them: user@host:port, with
	// commas between several. Empty means what ssh_config says; "none" means none.
	ProxyJump string `json:"proxyJump,omitempty"`
	// ConnectionTimeout bounds one attempt, from the dial to the end of the
	// login; 30 s by default.
	ConnectionTimeout types.Duration `json:"connectionTimeout,omitempty"`
	// RetryTimeout bounds all attempts; 0 means one attempt.
	RetryTimeout types.Duration `json:"retryTimeout,omitempty"`
	// RetryInterval is the pause between attempts; 1 s by default.
	RetryInterval types.Duration `json:"retryInterval,omitempty"`
}

// HostPort returns the address with its port.
func (c *Config) HostPort() string {
	port := c.Port
	if port == 0 {
		port = 22
	}
	return net.JoinHostPort(c.Address, strconv.Itoa(port))
}

// Validate reports all mistakes at once.
func (c *Config) Validate() error {
	var errs []error
	if c.Address == "" {
		errs = append(errs, errors.New("address must be set"))
	}
	if c.Port < 0 || c.Port > 65535 {
		errs = append(errs, errors.New("port must be between 1 and 65535"))
	}
	if c.HostKey != "" {
		if err := CheckHostKey(c.HostKey); err != nil {
			errs = append(errs, fmt.Errorf("hostKey %w", err))
		}
	}
	if err := CheckProxyJump(c.ProxyJump); err != nil {
		errs = append(errs, fmt.Errorf("proxyJump %q %w", c.ProxyJump, err))
	}
	return errors.Join(errs...)
}
