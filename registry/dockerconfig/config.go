package dockerconfig

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/docker/cli/cli/config/configfile"
	"github.com/docker/cli/cli/config/credentials"

	"github.com/gitsync/gitsync/registry"
)

const (
	// dockerHubKey is how Docker's CLI names Docker Hub.
	dockerHubKey = "https://index.docker.io/v1/"
	// defaultTimeout is how long a helper may take.
	defaultTimeout = 30 * time.Second
	// maxConfigBytes bounds config.json.
	maxConfigBytes = 4 << 20
)

// Config is a config.json of Docker's CLI. The zero value is the user's.
type Config struct {
	// Path is the file, or the directory that it is in. Empty means $DOCKER_CONFIG, or
	// else ~/.docker; only then the file may be missing.
	Path string
	// Timeout is how long a credential helper may take; 0 means 30 seconds.
	Timeout time.Duration
}

// Credential is a [registry.Credentials]. What is not known is no error, but the zero
// value.
func (c Config) Credential(ctx context.Context, name string) (registry.Credential, error) {
	file, err := c.load()
	if err != nil || file == nil {
		return registry.Credential{}, err
	}
	key := name
	if name == registry.DockerHub {
		key = dockerHubKey
	}
	if helper := helperOf(file, key); helper != "" {
		return c.ask(ctx, helper, name, key)
	}
	return inFile(file, key, name)
}

// helperOf returns the helper for a registry; empty when there is none.
func helperOf(file *configfile.ConfigFile, key string) string {
	for of, helper := range file.CredentialHelpers {
		if strings.EqualFold(of, key) {
			return helper
		}
	}
	return file.CredentialsStore
}

// inFile returns what the file itself holds.
func inFile(file *configfile.ConfigFile, key, name string) (registry.Credential, error) {
	found, err := credentials.NewFileStore(file).Get(key)
	if err != nil {
		return registry.Credential{}, fmt.Errorf("look for registry %s in %s: %w", name, file.Filename, err)
	}
	if found.ServerAddress == "" {
		for of, auth := range file.AuthConfigs {
			if registry.Canonical(credentials.ConvertToHostname(of)) == name {
				found = auth
			}
		}
	}
	return registry.Credential{Username: found.Username, Password: found.Password, IdentityToken: found.IdentityToken}, nil
}

// load reads the file; it returns nil when there is none, and need not be.
func (c Config) load() (*configfile.ConfigFile, error) {
	name, asked := c.file()
	if name == "" {
		return nil, nil
	}
	f, err := os.Open(name)
	if errors.Is(err, fs.ErrNotExist) && !asked {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read the credentials for registries: %w", err)
	}
	defer func() { _ = f.Close() }()
	data, err := io.ReadAll(io.LimitReader(f, maxConfigBytes+1))
	if err == nil && len(data) > maxConfigBytes {
		err = fmt.Errorf("it has more than %d bytes", maxConfigBytes)
	}
	file := configfile.New(name)
	if err == nil {
		err = file.LoadFromReader(bytes.NewReader(data))
	}
	if err != nil {
		return nil, fmt.Errorf("read the credentials for registries from %s: %w", name, err)
	}
	return file, nil
}

// file returns the name of config.json, and whether somebody asked for that one.
func (c Config) file() (name string, asked bool) {
	const base = "config.json"
	dir := c.Path
	if dir == "" {
		dir = os.Getenv("DOCKER_CONFIG")
	}
	if dir == "" {
		home, err := os.UserHomeDir()
		if err != nil {
			return "", false
		}
		dir = filepath.Join(home, ".docker")
	}
	if info, err := os.Stat(dir); err == nil && !info.IsDir() {
		return dir, c.Path != ""
	}
	return filepath.Join(dir, base), c.Path != ""
}
