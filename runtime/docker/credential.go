package docker

import (
	"fmt"

	dockerregistry "github.com/docker/docker/api/types/registry"

	"github.com/gitsync/gitsync/registry"
)

// dockerHubAddress is how engines name Docker Hub.
const dockerHubAddress = "https://index.docker.io/v1/"

// encodeCredential returns the header by which an engine is told with what to log in to
// the registry of an image. The engine gives it to that registry only.
func encodeCredential(ref string, c registry.Credential) (string, error) {
	if c.IsZero() {
		return "", nil
	}
	server, err := registry.Of(ref)
	if err != nil {
		return "", err
	}
	if server == registry.DockerHub {
		server = dockerHubAddress
	}
	return dockerregistry.EncodeAuthConfig(dockerregistry.AuthConfig{
		Username: c.Username, Password: c.Password, IdentityToken: c.IdentityToken, ServerAddress: server,
	})
}

// pullError says which image could not be pulled. The engine passes on what the registry
// answered.
func pullError(ref string, c registry.Credential, err error) error {
	return fmt.Errorf("pull %s: %w", ref, c.CleanError(err))
}
