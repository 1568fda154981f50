package forge

import (
	"context"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/gitsync/gitsync/internal/follow"
)

const (
	// GitHub takes at most ten minutes, and its clock may be behind ours:
	// https://docs.github.com/en/apps/creating-github-apps/authenticating-with-a-github-app/generating-a-json-web-token-jwt-for-a-github-app
	jwtBack, jwtAhead = time.Minute, 9 * time.Minute
	// tokenMargin is how long before its end a token is no longer used.
	tokenMargin = 5 * time.Minute
)

// appToken keeps the token that GitHub gives to an App, which lives for an hour.
type appToken struct {
	client *Client
	app    App
	// key returns the key of now.
	key func(context.Context) *rsa.PrivateKey

	turn    chan struct{} // holds one element while nobody has its turn with what follows
	value   string
	expires time.Time
	install int64
}

func newAppToken(client *Client) (*appToken, error) {
	app := *client.config.App
	if app.ID == "" {
		return nil, errors.New("the GitHub App has no ID: set --forge-app-id")
	}
	key, err := app.openKey()
	if err != nil {
		return nil, fmt.Errorf("read the GitHub App's key: %w: set --forge-app-key-file to the file that GitHub gave", err)
	}
	t := &appToken{client: client, app: app, key: key, install: app.Installation, turn: make(chan struct{}, 1)}
	t.turn <- struct{}{}
	return t, nil
}

// openKey reads the key, and returns what follows its file.
func (a *App) openKey() (func(context.Context) *rsa.PrivateKey, error) {
	if a.KeyFile == "" {
		key, err := parseKey([]byte(a.Key))
		return func(context.Context) *rsa.PrivateKey { return key }, err
	}
	file, err := follow.Open(a.KeyFile, parseKey, follow.Options{})
	if err != nil {
		return nil, err
	}
	return file.Current, nil
}

// parseKey reads an RSA key. Its errors hold nothing of it.
func parseKey(text []byte) (*rsa.PrivateKey, error) {
	block, _ := pem.Decode(text)
	if block == nil {
		return nil, errors.New("it is not in PEM")
	}
	if key, err := x509.ParsePKCS1PrivateKey(block.Bytes); err == nil {
		return key, nil
	}
	parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, errors.New("it is not a private key")
	}
	key, ok := parsed.(*rsa.PrivateKey)
	if !ok {
		return nil, errors.New("it is not an RSA key")
	}
	return key, nil
}

// token is the App's token for the repo; a new one where the last is about to expire.
func (t *appToken) token(ctx context.Context) (string, error) {
	select {
	case <-t.turn:
	case <-ctx.Done():
		return "", fmt.Errorf("sign in as a GitHub App: %w", ctx.Err())
	}
	defer func() { t.turn <- struct{}{} }()
	if t.value != "" && t.client.config.Now().Before(t.expires.Add(-tokenMargin)) {
		return t.value, nil
	}
	if err := t.renew(ctx); err != nil {
		return "", fmt.Errorf("sign in as a GitHub App: %w", err)
	}
	return t.value, nil
}

// forget drops a token that GitHub does not take any more. Where another one is being
// asked for at the moment, there is nothing to drop.
func (t *appToken) forget() {
	select {
	case <-t.turn:
		t.value, t.install = "", t.app.Installation
		t.turn <- struct{}{}
	default:
	}
}

func (t *appToken) renew(ctx context.Context) error {
	signed, err := t.jwt(ctx)
	if err != nil {
		return err
	}
	authorize := header{"Authorization", "Bearer " + signed}
	if t.install == 0 {
		var installation struct {
			ID int64 `json:"id"`
		}
		if err := t.client.send(ctx, http.MethodGet, t.client.repoPath("/installation"), authorize, nil, &installation); err != nil {
			return err
		}
		t.install = installation.ID
	}
	// Least privilege: a token for this repo alone, whatever else the App is installed for.
	_, name, _ := strings.Cut(t.client.config.Repo, "/")
	var granted struct {
		Token     string    `json:"token"`
		ExpiresAt time.Time `json:"expires_at"`
	}
	err = t.client.send(ctx, http.MethodPost, fmt.Sprintf("/app/installations/%d/access_tokens", t.install), authorize, struct {
		Repositories []string `json:"repositories"`
	}{[]string{name}}, &granted)
	if err != nil {
		return err
	}
	if granted.Token == "" {
		return fmt.Errorf("%w: GitHub gave no token", ErrAuth)
	}
	t.value, t.expires = granted.Token, granted.ExpiresAt
	return nil
}

// jwt says that we have the App's key: RS256 of RFC 7515.
func (t *appToken) jwt(ctx context.Context) (string, error) {
	now := t.client.config.Now()
	claims, err := json.Marshal(struct {
		IssuedAt int64  `json:"iat"`
		Expires  int64  `json:"exp"`
		Issuer   string `json:"iss"`
	}{now.Add(-jwtBack).Unix(), now.Add(jwtAhead).Unix(), t.app.ID})
	if err != nil {
		return "", err
	}
	encode := base64.RawURLEncoding.EncodeToString
	text := encode([]byte(`{"alg":"RS256","typ":"JWT"}`)) + "." + encode(claims)
	digest := sha256.Sum256([]byte(text))
	signature, err := rsa.SignPKCS1v15(rand.Reader, t.key(ctx), crypto.SHA256, digest[:])
	if err != nil {
		return "", fmt.Errorf("sign: %w", err)
	}
	return text + "." + encode(signature), nil
}
