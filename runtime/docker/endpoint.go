package docker

import (
	"cmp"
	"crypto/sha256"
	"crypto/tls"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"github.com/docker/docker/client"
	"github.com/docker/go-connections/tlsconfig"
)

// ErrContext means that a Docker context cannot be used: it is not there, or cannot be
// read.
var ErrContext = errors.New("the docker context cannot be used")

// endpoint is where an engine is, and how it is spoken to.
type endpoint struct {
	address string
	// certs is a directory with ca.pem, cert.pem and key.pem; empty means no TLS.
	certs string
	// insecure is a context's wish that the engine's certificate is not verified.
	insecure bool
}

// endpoint finds the engine in the order of Docker's own CLI: what is set, $DOCKER_HOST,
// $DOCKER_CONTEXT, the current context, the default socket. Where the engine is dialled
// through something else, the settings of this machine do not count.
func (c *Config) endpoint() (endpoint, error) {
	env := func(name string) string {
		if c.Dial != nil {
			return ""
		}
		return os.Getenv(name)
	}
	address := c.Host
	if address == "" && c.Context == "" {
		address = env("DOCKER_HOST")
	}
	if address == "" && c.Dial == nil {
		name := cmp.Or(c.Context, os.Getenv("DOCKER_CONTEXT"), currentContext())
		if name != "" && name != "default" {
			return contextEndpoint(name)
		}
		if c.Context != "" {
			address = os.Getenv("DOCKER_HOST")
		}
	}
	e := endpoint{address: cmp.Or(address, client.DefaultDockerHost)}
	if u, err := url.Parse(e.address); err == nil && u.Scheme == "tcp" {
		e.certs = certsFor(cmp.Or(c.CertPath, env("DOCKER_CERT_PATH")), u.Hostname())
	}
	return e, nil
}

// certsFor returns the directory of the certificates for an engine: one that is named
// like its address, or the one for all.
func certsFor(dir, host string) string {
	if dir == "" {
		return ""
	}
	for _, candidate := range []string{filepath.Join(dir, host), dir} {
		if _, err := os.Stat(filepath.Join(candidate, "ca.pem")); err == nil && filepath.IsLocal(host) {
			return candidate
		}
	}
	return dir // what is missing there is an error that names the file
}

// configDir is where Docker's CLI has its settings.
func configDir() string {
	if dir := os.Getenv("DOCKER_CONFIG"); dir != "" {
		return dir
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return ""
	}
	return filepath.Join(home, ".docker")
}

// currentContext is the one that docker context use chose; it is empty when there is
// none, or when the file cannot be read, as for a user without Docker's CLI.
func currentContext() string {
	data, err := os.ReadFile(filepath.Join(configDir(), "config.json"))
	if err != nil {
		return ""
	}
	var settings struct {
		CurrentContext string `json:"currentContext"`
	}
	if err := json.Unmarshal(data, &settings); err != nil {
		return ""
	}
	return settings.CurrentContext
}

// contextEndpoint reads a context as docker/cli/cli/context/store writes it.
func contextEndpoint(name string) (endpoint, error) {
	sum := sha256.Sum256([]byte(name))
	id := hex.EncodeToString(sum[:])
	file := filepath.Join(configDir(), "contexts", "meta", id, "meta.json")
	data, err := os.ReadFile(file)
	if errors.Is(err, os.ErrNotExist) {
		return endpoint{}, fmt.Errorf("%w: there is no context %q in %s: docker context ls shows them", ErrContext, name, configDir())
	}
	if err != nil {
		return endpoint{}, fmt.Errorf("%w: %w", ErrContext, err)
	}
	var meta struct {
		Endpoints map[string]struct {
			Host          string
			SkipTLSVerify bool
		}
	}
	if err := json.Unmarshal(data, &meta); err != nil {
		return endpoint{}, fmt.Errorf("%w: read %s: %w", ErrContext, file, err)
	}
	docker, ok := meta.Endpoints["docker"]
	if !ok {
		return endpoint{}, fmt.Errorf("%w: context %q has no docker endpoint", ErrContext, name)
	}
	e := endpoint{address: cmp.Or(docker.Host, client.DefaultDockerHost), insecure: docker.SkipTLSVerify}
	certs := filepath.Join(configDir(), "contexts", "tls", id, "docker")
	if _, err := os.Stat(certs); err == nil && strings.HasPrefix(e.address, "tcp://") {
		e.certs = certs
	}
	return e, nil
}

// tls returns the TLS settings; nil means none.
func (e endpoint) tls() (*tls.Config, error) {
	if e.certs == "" {
		return nil, nil
	}
	opts := tlsconfig.Options{ExclusiveRootPools: true, InsecureSkipVerify: e.insecure}
	for name, into := range map[string]*string{"ca.pem": &opts.CAFile, "cert.pem": &opts.CertFile, "key.pem": &opts.KeyFile} {
		file := filepath.Join(e.certs, name)
		if _, err := os.Stat(file); err == nil {
			*into = file
		} else if name == "ca.pem" && !e.insecure {
			return nil, fmt.Errorf("the certificates for docker at %s: %w", e.address, err)
		}
	}
	config, err := tlsconfig.Client(opts)
	if err != nil {
		return nil, fmt.Errorf("the certificates for docker at %s in %s: %w", e.address, e.certs, err)
	}
	return config, nil
}
