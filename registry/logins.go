package registry

import (
	"context"
	"errors"
	"fmt"
	"regexp"

	"github.com/distribution/reference"
)

// ErrNoSecrets means that a password refers to a secret, and that nothing is there to
// open it.
var ErrNoSecrets = errors.New("this gitsync opens no secrets")

// Logins are the logins that a host's settings name, by registry, as [Canonical] has
// their names.
type Logins map[string]Login

// Login is an account of a registry.
type Login struct {
	// Username is the account's name.
	Username string
	// Password refers to the secret that holds the password: ${secret.name}.
	Password string
}

// Resolver returns the value of a secret of a host. The reference is ${secret.name}, as
// it is written. The error must not hold the value.
type Resolver func(ctx context.Context, host, reference string) (string, error)

// secretReference is ${secret. and what the package secret takes as a name.
var secretReference = regexp.MustCompile(`^\$\{secret\.[a-zA-Z_][a-zA-Z0-9_-]{0,127}(\.[a-zA-Z0-9_][a-zA-Z0-9_-]{0,127}){0,7}\}$`)

// IsSecretReference says whether a text is a reference to a secret, and nothing else.
func IsSecretReference(text string) bool { return secretReference.MatchString(text) }

// Over returns the credentials of a host: those that its logins name, and what otherwise
// says for all other registries. The passwords are opened each time, so that a new one
// counts at once. Without a resolver a login is [ErrNoSecrets].
func (l Logins) Over(host string, resolve Resolver, otherwise Credentials) Credentials {
	if len(l) == 0 {
		return otherwise
	}
	return func(ctx context.Context, registry string) (Credential, error) {
		login, ok := l[registry]
		if !ok {
			if otherwise == nil {
				return Credential{}, nil
			}
			return otherwise(ctx, registry)
		}
		what := func(err error) error {
			return fmt.Errorf("log in to registry %s as %s, with %s of host %s: %w", registry, login.Username, login.Password, host, err)
		}
		if resolve == nil {
			return Credential{}, what(ErrNoSecrets)
		}
		password, err := resolve(ctx, host, login.Password)
		switch {
		case err != nil:
			return Credential{}, what(err)
		case password == "":
			return Credential{}, what(errors.New("the secret is empty"))
		}
		return Credential{Username: login.Username, Password: password}, nil
	}
}

// CheckName says what is wrong with the name of a registry, as a person writes it in a
// host's settings; both are empty when nothing is.
func CheckName(name string) (problem, hint string) {
	named, err := reference.ParseNormalizedNamed(name + "/x")
	switch {
	case err != nil || name == "":
		return "is no registry", "write its host name, and its port where images have one: registry.example.com:5000"
	case reference.Domain(named) == DockerHub && Canonical(name) != DockerHub:
		return "is no registry: the engine takes it for a part of a name on " + DockerHub, "write its host name with a dot or a port, as images have it"
	case Canonical(reference.Domain(named)) != Canonical(name):
		return "is more than the name of a registry", "write " + reference.Domain(named)
	}
	return "", ""
}
