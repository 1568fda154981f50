package registry

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/distribution/reference"
)

// DockerHub is the registry of images whose names have none.
const DockerHub = "docker.io"

// Credential is what one registry is logged in to with. The zero value is none: then
// images are pulled anonymously. It prints as nothing that is secret.
type Credential struct {
	// Username and Password are those of the registry's accounts.
	Username, Password string
	// IdentityToken takes the place of both: a token that was given at a login.
	IdentityToken string
	// Withheld is why there is none although one is known; it holds no secret.
	Withheld string
}

// Credentials returns the credential for a registry, as [Of] names it. The error says
// which registry it is about, and holds no secret. It is safe for concurrent use.
type Credentials func(ctx context.Context, registry string) (Credential, error)

// IsZero says whether there is none.
func (c Credential) IsZero() bool {
	return c.Username == "" && c.Password == "" && c.IdentityToken == ""
}

// String returns a text without what is secret.
func (c Credential) String() string {
	if c.IsZero() {
		return "no credential"
	}
	return "a credential"
}

// GoString returns a text without what is secret.
func (c Credential) GoString() string { return c.String() }

// MarshalJSON returns a text without what is secret.
func (c Credential) MarshalJSON() ([]byte, error) { return json.Marshal(c.String()) }

// Redact replaces in a text what is secret in the credential, also where it is encoded
// as in a request to a registry, in a URL or in JSON.
func (c Credential) Redact(text string) string {
	var forms []string
	for _, secret := range []string{c.Password, c.IdentityToken} {
		if secret == "" {
			continue
		}
		forms = append(forms, secret, url.QueryEscape(secret), url.PathEscape(secret), inJSON(secret), inGo(secret))
		for _, plain := range []string{secret, c.Username + ":" + secret} {
			for _, encoding := range []*base64.Encoding{base64.StdEncoding, base64.URLEncoding, base64.RawStdEncoding, base64.RawURLEncoding} {
				forms = append(forms, encoding.EncodeToString([]byte(plain)))
			}
		}
	}
	// The longest first: one may hold another.
	slices.SortFunc(forms, func(a, b string) int { return len(b) - len(a) })
	for _, form := range forms {
		text = strings.ReplaceAll(text, form, "***")
	}
	return text
}

// inJSON is how a text looks inside the quotes of JSON.
func inJSON(s string) string {
	raw, err := json.Marshal(s)
	if err != nil {
		return s
	}
	return string(raw[1 : len(raw)-1])
}

// inGo is how a text looks inside the quotes of Go.
func inGo(s string) string {
	q := strconv.Quote(s)
	return q[1 : len(q)-1]
}

// Of returns the registry that an image comes from: its host name in lower case, with
// the port where the reference has one; [DockerHub] where it names none.
func Of(image string) (string, error) {
	named, err := reference.ParseNormalizedNamed(image)
	if err != nil {
		return "", fmt.Errorf("image %q: %w", image, err)
	}
	return Canonical(reference.Domain(named)), nil
}

// Canonical returns the name of a registry as [Of] has it.
func Canonical(name string) string {
	name = strings.ToLower(name)
	if name == "index.docker.io" {
		return DockerHub
	}
	return name
}

// For returns the credential for an image; none when there are no credentials.
func (c Credentials) For(ctx context.Context, image string) (Credential, error) {
	if c == nil {
		return Credential{}, nil
	}
	registry, err := Of(image)
	if err != nil {
		return Credential{}, err
	}
	return c(ctx, registry)
}
