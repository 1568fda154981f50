package forge

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"time"
)

// Kind is which software a forge runs.
type Kind string

// The kinds.
const (
	GitHub Kind = "github"
	GitLab Kind = "gitlab"
	// Gitea is Forgejo too: their APIs are the same for what is told here.
	Gitea     Kind = "gitea"
	Bitbucket Kind = "bitbucket"
)

// Kinds are all kinds, for help texts.
func Kinds() []Kind { return []Kind{GitHub, GitLab, Gitea, Bitbucket} }

// Secret is a text that prints as nothing: a token, a private key.
type Secret string

// String says only whether there is a secret.
func (s Secret) String() string {
	if s == "" {
		return ""
	}
	return "(secret)"
}

// GoString is String, for %#v.
func (s Secret) GoString() string { return s.String() }

// MarshalText is String, for JSON and YAML.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// Config says where a forge is and who we are there.
type Config struct {
	// Kind is which software it runs.
	Kind Kind
	// URL is the base of its API, such as https://git.example.com/api/v4; the forge's own
	// address does too.
	URL string
	// Repo is owner/name; at GitLab group/…/name.
	Repo string
	// Token is sent with each request. At Bitbucket, a token that belongs to a person is
	// email:token.
	Token Secret
	// TokenFile is a file with the token, read anew for each call so that it may be
	// rotated; Token counts before it.
	TokenFile string
	// App signs in as a GitHub App instead of by a token.
	App *App
	// CAFile has certificates in PEM that are trusted besides the system's; empty for none.
	CAFile string
	// Timeout bounds each request; zero means 30 s.
	Timeout time.Duration
	// Transport carries the requests; nil means one of our own, with the proxy that the
	// environment names.
	Transport http.RoundTripper
	// Now is the clock; nil means time.Now.
	Now func() time.Time
}

// App is a GitHub App. It signs in by its private key, and acts by a token that GitHub
// gives for an hour, for one repo.
type App struct {
	// ID is the App's client ID or its number.
	ID string
	// Key is the private key as GitHub hands it out, in PEM.
	Key Secret
	// KeyFile holds the key, and counts before Key. It is read again when it changes.
	KeyFile string
	// Installation is the number of its installation; 0 means that of the repo.
	Installation int64
}

const requestTimeout = 30 * time.Second

// New returns a client for the repo that config names. Nothing is asked of the forge yet.
func New(config Config) (*Client, error) {
	if config.Timeout == 0 {
		config.Timeout = requestTimeout
	}
	if config.Now == nil {
		config.Now = time.Now
	}
	if err := config.checkRepo(); err != nil {
		return nil, err
	}
	base, err := config.apiBase()
	if err != nil {
		return nil, err
	}
	if config.Transport == nil {
		if config.Transport, err = newTransport(config.CAFile); err != nil {
			return nil, err
		}
	}
	client := &Client{config: config, base: base, http: &http.Client{
		Transport: config.Transport, CheckRedirect: checkRedirect,
	}}
	if err := client.signIn(); err != nil {
		return nil, err
	}
	switch config.Kind {
	case GitHub:
		client.provider = &github{client}
	case GitLab:
		client.provider = &gitlab{client}
	case Gitea:
		client.provider = &gitea{client}
	case Bitbucket:
		client.provider = &bitbucket{client}
	}
	return client, nil
}

// signIn sets how requests are authenticated.
func (c *Client) signIn() error {
	switch {
	case c.config.App != nil && c.config.Kind != GitHub:
		return fmt.Errorf("a forge of kind %s has no Apps: use a token", c.config.Kind)
	case c.config.App != nil:
		app, err := newAppToken(c)
		if err != nil {
			return err
		}
		c.app = app
	case c.config.Token == "" && c.config.TokenFile == "":
		return errors.New("no token for the forge: set --forge-token-file or $GITSYNC_FORGE_TOKEN")
	}
	return nil
}

func (c Config) checkRepo() error {
	if !slices.Contains(Kinds(), c.Kind) {
		return fmt.Errorf("unknown kind of forge %q: set --forge to one of %v", c.Kind, Kinds())
	}
	parts := strings.Split(c.Repo, "/")
	for _, part := range parts {
		if part == "" || part == "." || part == ".." || strings.ContainsAny(part, " \t\r\n?#%\\") {
			return fmt.Errorf("repo %q is not of the form owner/name: set --forge-repo", c.Repo)
		}
	}
	if len(parts) < 2 || len(parts) > 2 && c.Kind != GitLab {
		return fmt.Errorf("repo %q is not of the form owner/name: set --forge-repo", c.Repo)
	}
	return nil
}

// apiPaths are what the base of each API ends in, where it is not on a host of its own.
var apiPaths = map[Kind]string{GitHub: "/api/v3", GitLab: "/api/v4", Gitea: "/api/v1"}

// apiBase is the base of the API, without a slash at its end.
func (c Config) apiBase() (*url.URL, error) {
	text := c.URL
	if text == "" && c.Kind == Bitbucket {
		text = "https://api.bitbucket.org/2.0"
	}
	base, err := url.Parse(text)
	if err != nil {
		// The error holds the address, and with it what may be a password.
		return nil, errors.New("the forge's address cannot be read: set --forge-url to the base of its API")
	}
	if base.Scheme != "https" && base.Scheme != "http" || base.Host == "" {
		return nil, fmt.Errorf("the forge's address %q is not an http(s) URL: set --forge-url to the base of its API",
			base.Redacted())
	}
	if base.User != nil || base.RawQuery != "" || base.Fragment != "" {
		return nil, fmt.Errorf("the forge's address at %s has a user, a query or a fragment: give the token by --forge-token-file",
			base.Host)
	}
	base.Path = strings.TrimRight(base.Path, "/")
	base.RawPath = ""
	if end := apiPaths[c.Kind]; !strings.HasSuffix(base.Path, end) && !hasAPIHost(c.Kind, base) {
		base.Path += end
	}
	return base, nil
}

// hasAPIHost tells whether the API is at the root of its host: that of github.com and of
// GitHub's cloud for enterprises is.
func hasAPIHost(kind Kind, base *url.URL) bool {
	host := base.Hostname()
	return kind == GitHub && (host == "api.github.com" ||
		strings.HasPrefix(host, "api.") && strings.HasSuffix(host, ".ghe.com"))
}

func newTransport(caFile string) (*http.Transport, error) {
	transport := &http.Transport{
		Proxy:                  http.ProxyFromEnvironment,
		ForceAttemptHTTP2:      true,
		TLSHandshakeTimeout:    10 * time.Second,
		IdleConnTimeout:        30 * time.Second,
		MaxIdleConnsPerHost:    2,
		MaxResponseHeaderBytes: 64 << 10,
	}
	if caFile == "" {
		return transport, nil
	}
	pem, err := os.ReadFile(caFile)
	if err != nil {
		return nil, fmt.Errorf("read the forge's certificates: %w", err)
	}
	pool, err := x509.SystemCertPool()
	if err != nil {
		pool = x509.NewCertPool()
	}
	if !pool.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("read the forge's certificates: no certificate in PEM in %s", caFile)
	}
	transport.TLSClientConfig = &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}
	return transport, nil
}
