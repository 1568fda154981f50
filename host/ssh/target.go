package ssh

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/kevinburke/ssh_config"
)

// ErrConfig means that the settings of this side cannot be used: an ssh_config that
// cannot be read, or that asks for what is not supported.
var ErrConfig = errors.New("the SSH settings cannot be used")

// target is a host with all that is known about the way to it.
type target struct {
	Config
	// identities are the private keys that the ssh_config names.
	identities []string
	// onlyIdentities says that the agent's other keys are not offered.
	onlyIdentities bool
	certificates   []string
	knownHosts     []string
	agentSocket    string
	jumps          []Config
}

// resolve adds to a config what the ssh_config and the defaults say.
func resolve(config Config, opts Options) (*target, error) {
	t := &target{Config: config, agentSocket: opts.AgentSocket}
	settings, err := openSettings(config, opts)
	if err != nil {
		return nil, err
	}
	t.User = cmp.Or(config.User, settings.get("User"), opts.DefaultUser, "root")
	if t.Port == 0 {
		if t.Port, err = settings.port(); err != nil {
			return nil, err
		}
	}
	t.Address = cmp.Or(settings.expand(settings.get("HostName"), t), config.Address)
	for _, file := range settings.all("IdentityFile") {
		if !strings.EqualFold(file, "none") {
			t.identities = append(t.identities, settings.expand(file, t))
		}
	}
	t.onlyIdentities = strings.EqualFold(settings.get("IdentitiesOnly"), "yes")
	for _, file := range settings.all("CertificateFile") {
		t.certificates = append(t.certificates, settings.expand(file, t))
	}
	t.agentSocket = settings.agent(opts.AgentSocket, t)
	t.knownHosts = settings.knownHosts(opts.KnownHostsFile, t)
	if len(t.identities) == 0 && opts.KeyFile == "" && opts.UserKeys && settings.home != "" {
		for _, name := range []string{"id_ed25519", "id_ecdsa", "id_rsa"} {
			t.identities = append(t.identities, filepath.Join(settings.home, ".ssh", name))
		}
	}
	jump := cmp.Or(config.ProxyJump, settings.get("ProxyJump"))
	if t.jumps, err = parseJumps(jump); err != nil {
		return nil, fmt.Errorf("%w: ProxyJump %q %w", ErrConfig, jump, err)
	}
	if command := settings.get("ProxyCommand"); jump == "" && command != "" && !strings.EqualFold(command, "none") {
		return nil, fmt.Errorf("%w: %s sets ProxyCommand for %s, and gitsync runs no commands to reach a host: write ProxyJump there, or proxyJump into host.yaml", ErrConfig, opts.ConfigFile, config.Address)
	}
	return t, nil
}

// settings is what an ssh_config says about one host.
type settings struct {
	file, alias, home string
	config            *ssh_config.Config
}

func openSettings(config Config, opts Options) (*settings, error) {
	home, _ := os.UserHomeDir() // without one there is no ~, which the files' names show
	file := opts.ConfigFile
	s := &settings{file: file, alias: config.Address, home: home}
	if file == "" {
		return s, nil
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("%w: read the ssh_config: %w", ErrConfig, err)
	}
	login := config.User
	if login == "" {
		// As for ssh, a Match user counts for the user that is known without it.
		if err := s.decode(string(text), ""); err != nil {
			return nil, err
		}
		login = cmp.Or(s.get("User"), opts.DefaultUser, "root")
	}
	return s, s.decode(string(text), login)
}

// decode reads an ssh_config for a user who logs in.
func (s *settings) decode(text, login string) error {
	text, err := decideMatches(text, s.file, s.alias, login)
	if err != nil {
		return err
	}
	if s.config, err = ssh_config.Decode(strings.NewReader(text)); err != nil {
		return fmt.Errorf("%w: %s: %w: correct the line, or give another file with --ssh-config, or none (in a file that is included, gitsync knows Match host and Match all only)", ErrConfig, s.file, err)
	}
	return nil
}

// get returns the first value of a key; it is empty when there is none.
func (s *settings) get(key string) string {
	if s.config == nil {
		return ""
	}
	value, err := s.config.Get(s.alias, key)
	if err != nil {
		return ""
	}
	return value
}

func (s *settings) all(key string) []string {
	if s.config == nil {
		return nil
	}
	values, err := s.config.GetAll(s.alias, key)
	if err != nil {
		return nil
	}
	return values
}

func (s *settings) port() (int, error) {
	text := s.get("Port")
	if text == "" {
		return 0, nil
	}
	port, err := strconv.Atoi(text)
	if err != nil || port < 1 || port > 65535 {
		return 0, fmt.Errorf("%w: %s: Port %q of %s is no port from 1 to 65535", ErrConfig, s.file, text, s.alias)
	}
	return port, nil
}

// expand replaces ~ and the tokens of ssh_config(5) that gitsync knows: %% %d %h %n %p
// %r %u, and ${VARIABLE}.
func (s *settings) expand(text string, t *target) string {
	if text == "" {
		return ""
	}
	local := ""
	if u, err := user.Current(); err == nil {
		local = u.Username
	}
	if rest, ok := strings.CutPrefix(text, "~/"); ok {
		text = filepath.Join(s.home, rest)
	}
	port := strconv.Itoa(cmp.Or(t.Port, 22))
	text = strings.NewReplacer("%%", "%", "%d", s.home, "%h", t.Address, "%n", s.alias, "%p", port, "%r", t.User, "%u", local).Replace(text)
	if strings.Contains(text, "${") {
		text = os.Expand(text, os.Getenv)
	}
	return text
}

// agent returns the agent's socket.
func (s *settings) agent(given string, t *target) string {
	switch value := s.get("IdentityAgent"); {
	case value == "":
		return given
	case strings.EqualFold(value, "none"):
		return ""
	case value == "SSH_AUTH_SOCK":
		return os.Getenv("SSH_AUTH_SOCK")
	case strings.HasPrefix(value, "$") && !strings.HasPrefix(value, "${"):
		return os.Getenv(value[1:])
	default:
		return s.expand(value, t)
	}
}

// systemKnownHosts is what the machine's administrator knows.
const systemKnownHosts = "/etc/ssh/ssh_known_hosts"

// knownHosts returns the files of known hosts; the first is the one to add to.
func (s *settings) knownHosts(given string, t *target) []string {
	if given != "" {
		return []string{given}
	}
	var files []string
	for file := range strings.FieldsSeq(s.get("UserKnownHostsFile")) {
		if !strings.EqualFold(file, "none") {
			files = append(files, s.expand(file, t))
		}
	}
	if len(files) == 0 && s.home != "" {
		files = append(files, filepath.Join(s.home, ".ssh", "known_hosts"))
	}
	return append(files, systemKnownHosts)
}
