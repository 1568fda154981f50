package docker

import (
	"errors"
	"fmt"
	"strings"
	"unicode"

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

// maxPullError bounds what is said of a pull that failed: the registry writes it.
const maxPullError = 1000

// pullError says which image could not be pulled. The engine passes on what the registry
// answered, and a registry may answer with anything, even with what it was sent: the
// credential is taken out, what could steer a terminal too, and the length is bounded.
func pullError(ref string, c registry.Credential, err error) error {
	text := printable(c.Redact(err.Error()))
	if text != err.Error() {
		err = foreign{text, err}
	}
	return fmt.Errorf("pull %s: %w", ref, err)
}

// foreign is an error whose text was cleaned. The original is not to be had, since it
// would print what was taken out; what it is can be asked.
type foreign struct {
	text  string
	cause error
}

func (f foreign) Error() string { return f.text }

func (f foreign) Is(target error) bool { return errors.Is(f.cause, target) }

// printable bounds a text, and replaces what does not print.
func printable(text string) string {
	text = strings.Map(func(r rune) rune {
		if r == '\n' || r == '\t' {
			return ' '
		}
		if !unicode.IsPrint(r) {
			return '\ufffd'
		}
		return r
	}, text)
	if runes := []rune(text); len(runes) > maxPullError {
		text = string(runes[:maxPullError]) + "…"
	}
	return text
}
