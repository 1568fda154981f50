package registry

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/distribution/reference"
	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"
)

// ErrNoImage means that the registry answered, and has no such image or does not show it
// to us.
var ErrNoImage = errors.New("no such image")

const (
	// defaultTimeout is how long the answer about one image may take, logins included.
	defaultTimeout = 30 * time.Second
	// retryPause is the pause before the one more try after an error that may pass.
	retryPause = 300 * time.Millisecond
)

// Client asks registries for digests. It is safe for concurrent use.
type Client struct {
	// Credentials are asked with what a registry is logged in to; nil means anonymously.
	Credentials Credentials
	// Timeout is how long the answer about one image may take; 0 means 30 seconds.
	Timeout time.Duration

	web *http.Transport
}

// NewClient returns a client, which is to be closed.
func NewClient(credentials Credentials) *Client {
	return &Client{Credentials: credentials, web: newWeb()}
}

// Close closes idle connections.
func (c *Client) Close() { c.web.CloseIdleConnections() }

// Digest returns what an image's tag stands for now: the digest of the image, or that of
// the index for several platforms, as sha256:…. A digest in the reference is ignored.
//
// The registry is spoken to by HTTPS, and by HTTP on this machine only. Its answers are
// bounded, together they may take as long as the client's time-out, and the credential is
// sent to the registry, and to the token service that it names for HTTPS, but never where
// a redirect leads. That the content has this digest is not checked: whoever pulls does.
//
// Errors: [ErrNoImage], those of the credentials, and that of the context.
func (c *Client) Digest(ctx context.Context, image string) (string, error) {
	tag, err := tagOf(image)
	if err != nil {
		return "", err
	}
	ctx, cancel := context.WithTimeoutCause(ctx, cmp.Or(c.Timeout, defaultTimeout), errSlow)
	defer cancel()
	credential, err := c.Credentials.For(ctx, image)
	if err != nil {
		return "", err
	}
	found, err := c.ask(ctx, tag, credential)
	if err != nil {
		return "", fmt.Errorf("ask %s for %s: %w", tag.RegistryStr(), reference.Path(mustParse(image))+":"+tag.TagStr(), credential.CleanError(explain(ctx, err)))
	}
	return found, nil
}

var errSlow = errors.New("the registry did not answer in time")

// tagOf returns the image's tag, without its digest.
func tagOf(image string) (name.Tag, error) {
	named, err := reference.ParseNormalizedNamed(image)
	if err != nil {
		return name.Tag{}, fmt.Errorf("image %q: %w", image, err)
	}
	text := strings.ToLower(reference.Domain(named)) + "/" + reference.Path(named)
	if tagged, ok := named.(reference.Tagged); ok {
		text += ":" + tagged.Tag()
	}
	return name.NewTag(text)
}

// mustParse parses what was parsed before.
func mustParse(image string) reference.Named {
	named, err := reference.ParseNormalizedNamed(image)
	if err != nil {
		panic("registry: " + err.Error())
	}
	return named
}

// ask asks without the content first, which is cheap, and at Docker Hub does not count
// as a pull. Not every registry tells the digest then, or says what is wrong.
func (c *Client) ask(ctx context.Context, tag name.Tag, credential Credential) (string, error) {
	auth := authn.Anonymous
	if !credential.IsZero() {
		auth = authn.FromConfig(authn.AuthConfig{
			Username: credential.Username, Password: credential.Password, IdentityToken: credential.IdentityToken,
		})
	}
	guarded := &guard{web: c.web, registry: tag.RegistryStr(), loggedIn: !credential.IsZero()}
	opts := []remote.Option{
		remote.WithContext(ctx), remote.WithAuth(auth), remote.WithTransport(guarded),
		remote.WithRetryBackoff(remote.Backoff{Duration: retryPause, Factor: 1, Steps: 2}),
	}
	if head, err := remote.Head(tag, opts...); err == nil && checkDescriptor(*head) == nil {
		return head.Digest.String(), nil
	} else if ctx.Err() != nil {
		return "", err
	}
	whole, err := remote.Get(tag, opts...)
	if err != nil {
		return "", err
	}
	if err := checkDescriptor(whole.Descriptor); err != nil {
		return "", err
	}
	return whole.Digest.String(), nil
}

// checkDescriptor says whether the registry speaks of an image, by a digest that engines
// take.
func checkDescriptor(d v1.Descriptor) error {
	switch {
	case !d.MediaType.IsImage() && !d.MediaType.IsIndex():
		return fmt.Errorf("what it has there is no image, but %q", string(d.MediaType))
	case d.Digest.Algorithm != "sha256" || len(d.Digest.Hex) != 64:
		return fmt.Errorf("it names a digest that is none of sha256")
	}
	return nil
}

// explain says what an error of the library means.
func explain(ctx context.Context, err error) error {
	if cause := context.Cause(ctx); cause != nil {
		return cause
	}
	if strings.Contains(err.Error(), "no token in bearer response") {
		// The library quotes all of it.
		return errors.New("its token service gave no token")
	}
	var answer *transport.Error
	if errors.As(err, &answer) {
		switch answer.StatusCode {
		case http.StatusNotFound:
			return fmt.Errorf("%w: %w: check its name and tag", ErrNoImage, err)
		case http.StatusUnauthorized, http.StatusForbidden:
			return fmt.Errorf("%w: %w: check its name, and that you are logged in (docker login)", ErrNoImage, err)
		}
	}
	return err
}
