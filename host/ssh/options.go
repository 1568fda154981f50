package ssh

// Options are the settings of this side: what does not belong in a repo. The zero value
// offers no key, reads no ssh_config, and knows the hosts of ~/.ssh/known_hosts.
type Options struct {
	// KeyFile is a private key in PEM form; empty means none. It is offered to every
	// host, beside what ConfigFile says. A certificate is expected in KeyFile-cert.pub.
	KeyFile string
	// PassphraseFile holds the passphrase of KeyFile, and of the other keys that need
	// one, in its first line.
	PassphraseFile string
	// UserKeys offers ~/.ssh/id_ed25519, id_ecdsa and id_rsa when nothing else names a
	// key for a host, as ssh does.
	UserKeys bool
	// KnownHostsFile is the one file of known hosts. By default it is what ConfigFile
	// says, or else ~/.ssh/known_hosts and /etc/ssh/ssh_known_hosts.
	KnownHostsFile string
	// ConfigFile is an ssh_config (HostName, User, Port, IdentityFile, IdentitiesOnly,
	// IdentityAgent, CertificateFile, ProxyJump, UserKnownHostsFile); empty means none.
	// What a [Config] says goes before it.
	ConfigFile string
	// AgentSocket is the agent's socket; empty means no agent.
	AgentSocket string
	// TrustOnFirstUse accepts the key of a host that is not known, and adds it to the
	// known hosts. A key that differs from a known one is never accepted.
	TrustOnFirstUse bool
	// DefaultUser is the login name where neither a [Config] nor ConfigFile says one;
	// root by default.
	DefaultUser string
	// Git says that the host is one of a Git remote: errors name the settings for that.
	Git bool
}

// knownHostsAdvice says how else the key of a host can be made known.
func (o Options) knownHostsAdvice() string {
	if o.Git {
		return "give a file that knows it with --git-known-hosts"
	}
	return "write it into host.yaml as hostKey"
}

// keyAdvice says how a key to log in with is given.
func (o Options) keyAdvice() string {
	if o.Git {
		return "--git-ssh-key"
	}
	return "--ssh-key"
}

// knownHostsFlag says how a file of known hosts is given, or done without.
func (o Options) knownHostsFlag() string {
	if o.Git {
		return "--git-known-hosts"
	}
	return "--ssh-known-hosts, or hostKey in host.yaml"
}
