package main

import (
	"fmt"
	"os"
	"strings"

	"github.com/rs/zerolog"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"sigs.k8s.io/yaml"

	"github.com/gitsync/gitsync/internal/lossy"
	"github.com/gitsync/gitsync/secret"
)

// settings holds the values of all flags. A command uses those that it has added.
type settings struct {
	configFile string
	logLevel   string
	logFormat  string

	repo        string
	branch      string
	stateBranch string
	hosts       []string
	dataDir     string
	runtime     string
	policyFile  string

	gitUsername   string
	gitTokenFile  string
	gitSSHKey     string
	gitKnownHosts string
	gitCAFile     string

	sshKey        string
	sshPassphrase string
	sshKnownHosts string
	sshConfig     string
	sshTrust      bool
	certPath      string
	dockerConfig  string
	local, agent  bool
	verify        verifySettings
	parallel      int

	secrets  secretOptions
	redactor *secret.Redactor
	// misspelled is what is wrong with the names of variables in the environment.
	misspelled []string
	// log is that of the command, once it has one.
	log *zerolog.Logger
	// lines, when set, is what the log is written to, as texts where textLog is.
	lines   *lossy.Writer
	textLog bool
}

const (
	runtimeDocker = "docker"
	runtimeMemory = "memory"
)

func (s *settings) addGlobalFlags(f *pflag.FlagSet) {
	f.StringVar(&s.configFile, "config", "", "read settings from this YAML `FILE`; its keys are the names of flags")
	f.StringVar(&s.logLevel, "log-level", "info", "debug, info, warn or error")
	f.StringVar(&s.logFormat, "log-format", "auto", "text, json, or auto: text on a terminal")
}

// addRepoFlags adds the flags that say which repo, which hosts, and how to reach
// them.
func (s *settings) addRepoFlags(f *pflag.FlagSet) {
	f.StringVar(&s.repo, "repo", "", "the repo: an https://, ssh:// or file:// `URL`, user@host:path, or a directory")
	f.StringVar(&s.branch, "branch", "main", "the branch to deploy")
	f.StringVar(&s.stateBranch, "state-branch", "gitsync/state", "the branch in which deployments are recorded; with {host} in it, one for each host")
	f.StringArrayVar(&s.hosts, "host", nil, "handle only this host `NAME`, or those of a glob such as 'web-*'; repeat for more (default all)")
	f.StringVar(&s.dataDir, "data-dir", "", "where fetched objects are kept (default /var/lib/gitsync for root, else ~/.local/state/gitsync)")
	f.StringVar(&s.runtime, "runtime", runtimeDocker, "docker, or memory: run nothing, for trials")
	addPolicyFlag(f, &s.policyFile)
	f.StringVar(&s.gitUsername, "git-username", "", "user name for http(s) remotes (default \"git\" with a token)")
	f.StringVar(&s.gitTokenFile, "git-token-file", "", "`FILE` with the token or password for http(s) remotes; or set $GITSYNC_GIT_TOKEN")
	f.StringVar(&s.gitSSHKey, "git-ssh-key", "", "private key `FILE` for ssh remotes (default that of --ssh-config, or the SSH agent)")
	f.StringVar(&s.gitKnownHosts, "git-known-hosts", "", "known_hosts `FILE` for ssh remotes (default ~/.ssh/known_hosts)")
	f.StringVar(&s.gitCAFile, "git-ca-file", "", "PEM `FILE` with certificate authorities to trust for https remotes, besides the system's")
	s.verify.addFlags(f)
	s.secrets.addFlags(f)
	s.addHostFlags(f)
}

// addHostFlags adds the flags that say how hosts are logged in to.
func (s *settings) addHostFlags(f *pflag.FlagSet) {
	f.StringVar(&s.sshKey, "ssh-key", "", "private key `FILE` for hosts (default those of --ssh-config, the SSH agent, ~/.ssh/id_*)")
	f.StringVar(&s.sshPassphrase, "ssh-key-passphrase-file", "", "`FILE` with the passphrase of the private keys")
	f.StringVar(&s.sshKnownHosts, "ssh-known-hosts", "", "known_hosts `FILE` for hosts (default that of --ssh-config, or ~/.ssh/known_hosts)")
	f.StringVar(&s.sshConfig, "ssh-config", "", "ssh_config `FILE` for hosts and ssh remotes, or none (default ~/.ssh/config if it is there)")
	f.BoolVar(&s.sshTrust, "ssh-trust-on-first-use", false, "accept the key of a host that is not known, and add it to its known_hosts")
	f.StringVar(&s.certPath, "docker-cert-path", "", "`DIR` with ca.pem, cert.pem and key.pem for tcp:// engines, or with a directory of them for each address (default $DOCKER_CERT_PATH)")
	s.addRegistryFlags(f)
}

// addRegistryFlags adds the flag that says with what registries are logged in to.
func (s *settings) addRegistryFlags(f *pflag.FlagSet) {
	f.StringVar(&s.dockerConfig, "docker-config", "", "Docker's config.json, or the `DIR` that it is in, with the credentials for registries (default $DOCKER_CONFIG, or ~/.docker)")
}

// addReachFlags adds the flags that say from where hosts are reached, and how many at
// once.
func (s *settings) addReachFlags(f *pflag.FlagSet) {
	f.IntVar(&s.parallel, "parallel", 32, "how many hosts are handled at once")
	f.BoolVar(&s.local, "local", false, "reach the hosts' engines on this machine, whatever host.yaml says about SSH: for a gitsync on each host")
	f.BoolVar(&s.agent, "agent", false, "--local, with the name of this machine's engine as --host where none is given")
}

// envName returns the environment variable of a flag.
func envName(flag string) string {
	return "GITSYNC_" + strings.ToUpper(strings.ReplaceAll(flag, "-", "_"))
}

// load fills in the flags that were not given: from the environment, or else from
// the config file.
func (s *settings) load(cmd *cobra.Command) error {
	if !cmd.Flags().Changed("config") {
		s.configFile = os.Getenv(envName("config"))
	}
	file, err := readConfig(s.configFile, cmd.Root())
	if err != nil {
		return err
	}
	cmd.Flags().VisitAll(func(f *pflag.Flag) {
		if err != nil || f.Changed || f.Name == "help" || f.Name == "config" {
			return
		}
		if value, ok := os.LookupEnv(envName(f.Name)); ok && value != "" {
			if setErr := setFlag(cmd.Flags(), f, splitList(f, value)); setErr != nil {
				err = fmt.Errorf("$%s: %w", envName(f.Name), setErr)
			}
			return
		}
		if values, ok := file[f.Name]; ok {
			if setErr := setFlag(cmd.Flags(), f, values); setErr != nil {
				err = fmt.Errorf("%s: %s: %w", s.configFile, f.Name, setErr)
			}
		}
	})
	if err != nil {
		return err
	}
	return s.validate()
}

func (s *settings) validate() error {
	if s.runtime != "" && s.runtime != runtimeDocker && s.runtime != runtimeMemory {
		return fmt.Errorf("--runtime %q: write docker or memory", s.runtime)
	}
	if s.parallel < 0 {
		return fmt.Errorf("--parallel %d: write how many hosts are handled at once, such as 32", s.parallel)
	}
	return nil
}

// splitList takes the value of a repeatable flag apart at commas.
func splitList(f *pflag.Flag, value string) []string {
	if f.Value.Type() == "stringArray" {
		return strings.Split(value, ",")
	}
	return []string{value}
}

func setFlag(flags *pflag.FlagSet, f *pflag.Flag, values []string) error {
	for _, value := range values {
		if err := flags.Set(f.Name, strings.TrimSpace(value)); err != nil {
			return err
		}
	}
	return nil
}

// readConfig returns the values of a config file by flag name. A key that is no
// flag of any command is an error; so is a key that would hold a secret.
func readConfig(name string, root *cobra.Command) (map[string][]string, error) {
	if name == "" {
		return nil, nil
	}
	data, err := os.ReadFile(name)
	if err != nil {
		return nil, fmt.Errorf("read the config file: %w", err)
	}
	var raw map[string]any
	if err := yaml.Unmarshal(data, &raw); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	known := map[string]bool{}
	for _, cmd := range append(root.Commands(), root) {
		cmd.Flags().VisitAll(func(f *pflag.Flag) { known[f.Name] = true })
		cmd.PersistentFlags().VisitAll(func(f *pflag.Flag) { known[f.Name] = true })
	}
	values := map[string][]string{}
	var unknown []string
	for key, value := range raw {
		if !known[key] {
			unknown = append(unknown, key)
			continue
		}
		items, ok := value.([]any)
		if !ok {
			items = []any{value}
		}
		for _, item := range items {
			values[key] = append(values[key], fmt.Sprint(item))
		}
	}
	if len(unknown) > 0 {
		return nil, unknownKeys(name, unknown, known)
	}
	return values, nil
}
