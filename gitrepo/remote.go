package gitrepo

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	stdsync "sync"
	"time"

	"github.com/go-git/go-git/v5/plumbing/transport"
	githttp "github.com/go-git/go-git/v5/plumbing/transport/http"

	"github.com/gitsync/gitsync/gitrepo/protocol"
	"github.com/gitsync/gitsync/host/ssh"
)

const (
	// refsTimeout bounds a reference advertisement.
	refsTimeout = time.Minute
	// transferTimeout bounds a fetch or a push.
	transferTimeout = 15 * time.Minute
)

// Auth says how to log in to a remote. It is used for that remote only. The zero
// value means no credentials.
type Auth struct {
	// Username and Password are for http(s); a token is a password. Those in the URL count
	// where these are empty. Without any user it is git.
	Username, Password string
	// PasswordOrigin says where Password is from, for errors: $GITSYNC_GIT_TOKEN.
	PasswordOrigin string
	// PasswordFile holds the password, in one line, and counts before Password. It is read
	// again when it changes, and when the remote refuses what it held.
	PasswordFile string
	// CAFile holds certificate authorities, in PEM form, to trust besides the
	// system's. It is read again when it changes.
	CAFile string
	// SSH is for ssh remotes. The user is git where neither the address nor the
	// ssh_config says one, and a host is never trusted on first use.
	SSH ssh.Options
}

// Remote is a repo somewhere. It is safe for concurrent use.
type Remote struct {
	// shown is the URL without credentials, identity what stays the same however
	// the repo is reached.
	shown, identity string

	// path is set for local repos.
	path string
	// http and client are set for http(s) remotes, with endpoint and credentials, which the
	// client sends: http pushes, and client fetches.
	http        transport.Transport
	client      *http.Client
	endpoint    *transport.Endpoint
	credentials *credentials
	idle        func()
	// ssh is set for SSH remotes.
	ssh        *ssh.Config
	sshOptions ssh.Options
	sshPath    string

	mu stdsync.Mutex
	// known is what the http(s) server said about itself, nil before it did; old says that
	// it only claims to know protocol version 2.
	known *protocol.Server
	old   bool
	// refused are filters that the server does not know, whatever it says, and until when they
	// are not used; the zero time is for ever.
	refused map[string]time.Time
}

// scpLike is user@host:path, as git understands it.
var scpLike = regexp.MustCompile(`^(?:([^@/:]+)@)?(\[[^]]+\]|[^:/@]+):(.*)$`)

// NewRemote reads an address: a directory, file://, http://, https://, ssh://, or
// user@host:path. It makes no call over the network.
func NewRemote(address string, auth Auth) (*Remote, error) {
	if address == "" {
		return nil, errors.New("the address of the repo is empty")
	}
	if scheme, _, ok := strings.Cut(address, "://"); ok {
		return newURL(scheme, address, auth)
	}
	if _, err := os.Stat(address); err == nil || strings.HasPrefix(address, "/") || strings.HasPrefix(address, ".") {
		return newLocal(address)
	}
	if m := scpLike.FindStringSubmatch(address); m != nil {
		return newSSH(m[1], strings.Trim(m[2], "[]"), 0, m[3], auth), nil
	}
	return newLocal(address)
}

func newURL(scheme, address string, auth Auth) (*Remote, error) {
	u, err := url.Parse(address)
	if err != nil {
		// The error of the parser quotes the address, with its password.
		return nil, errors.New("the address of the repo is no valid URL")
	}
	switch scheme {
	case "file":
		return newLocal(u.Path)
	case "http", "https":
		return newHTTP(u, auth)
	case "ssh", "git+ssh":
		port, _ := strconv.Atoi(u.Port())
		return newSSH(u.User.Username(), u.Hostname(), port, u.Path, auth), nil
	}
	return nil, fmt.Errorf("repo address %s: %s:// is not supported: use https://, ssh://, file:// or a path", Redact(address), scheme)
}

func newLocal(path string) (*Remote, error) {
	absolute, err := filepath.Abs(path)
	if err != nil {
		return nil, fmt.Errorf("repo address %s: %w", path, err)
	}
	return &Remote{path: absolute, shown: absolute, identity: absolute}, nil
}

func newHTTP(u *url.URL, auth Auth) (*Remote, error) {
	credentials, err := newCredentials(u.User, auth)
	if err != nil {
		return nil, fmt.Errorf("read the token: %w", err)
	}
	plain := *u
	plain.User = nil
	bounded, err := newBounded(&plain, credentials, auth.CAFile)
	if err != nil {
		return nil, err
	}
	endpoint, err := transport.NewEndpoint(plain.String())
	if err != nil {
		return nil, fmt.Errorf("repo address %s cannot be read", Redact(u.String()))
	}
	return &Remote{
		shown: Redact(u.String()), identity: identity(u.Host, u.Path),
		http: githttp.NewClientWithOptions(bounded.pushes(), nil), client: bounded.fetches(), endpoint: endpoint, credentials: credentials, idle: bounded.CloseIdleConnections,
	}, nil
}

func newSSH(user, host string, port int, path string, auth Auth) *Remote {
	options := auth.SSH
	options.DefaultUser, options.TrustOnFirstUse, options.Git = "git", false, true
	config := &ssh.Config{Address: host, Port: port, User: user}
	return &Remote{
		ssh: config, sshPath: path,
		sshOptions: options,
		shown:      "ssh://" + cmp.Or(user, "git") + "@" + config.HostPort() + "/" + strings.TrimPrefix(path, "/"),
		identity:   identity(host, path),
	}
}

// identity is the host and the path, without what depends on the way there.
func identity(host, path string) string {
	path = strings.TrimSuffix(strings.Trim(path, "/"), ".git")
	return strings.ToLower(host) + "/" + path
}

// String returns the address without credentials.
func (r *Remote) String() string { return r.shown }

// Identity names the repo, in the same way for each way to reach it:
// example.com/acme/infra. That of a local repo is its absolute path.
func (r *Remote) Identity() string { return r.identity }

// Close closes idle connections.
func (r *Remote) Close() error {
	if r.idle != nil {
		r.idle()
	}
	return nil
}

// redact takes credentials out of a text, which may hold what a server said: it ends up
// on one line, without control characters.
func (r *Remote) redact(text string) string {
	if r.credentials != nil {
		for _, secret := range r.credentials.secrets() {
			text = strings.ReplaceAll(text, secret, redacted)
		}
	}
	return printable(text)
}

// receivePack opens a session that pushes. It ends with the context.
func (r *Remote) receivePack(ctx context.Context) (transport.ReceivePackSession, error) {
	if r.http != nil {
		return r.http.NewReceivePackSession(r.ownEndpoint(), nil)
	}
	s, err := r.openStream(ctx, "receive-pack", "")
	if err != nil {
		return nil, err
	}
	return &receiveSession{stream: s}, nil
}

// ownEndpoint returns a copy: a session writes into it where a redirect leads.
func (r *Remote) ownEndpoint() *transport.Endpoint {
	endpoint := *r.endpoint
	return &endpoint
}
