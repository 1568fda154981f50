package gitrepo

import (
	"cmp"
	"context"
	"encoding/base64"
	"net/url"
	"slices"
	"strings"
	stdsync "sync"

	"github.com/gitsync/gitsync/internal/follow"
)

// defaultUser logs in with a token where nobody says who it belongs to: forges look at the
// token alone.
const defaultUser = "git"

// credentials are what is sent to an http(s) remote. The password is, first to last: that
// of the token file, of [Auth], of the URL. The user is: that of [Auth], of the URL,
// [defaultUser] with a password.
type credentials struct {
	user, password string
	// origin says where the password is from; empty when there is none.
	origin string
	file   *follow.File[string]

	mu stdsync.Mutex
	// used are the passwords that were sent so far: an answer to each may quote it.
	used []string
}

func newCredentials(inURL *url.Userinfo, auth Auth) (*credentials, error) {
	c := &credentials{user: auth.Username, password: auth.Password, origin: cmp.Or(auth.PasswordOrigin, "the token that is given")}
	inURLPassword, _ := inURL.Password()
	switch {
	case auth.PasswordFile != "":
		var err error
		if c.file, err = follow.Open(auth.PasswordFile, follow.Line(auth.PasswordFile, "token"), follow.Options{}); err != nil {
			return nil, err
		}
		c.origin = auth.PasswordFile
	case auth.Password != "":
	case inURLPassword != "":
		c.password, c.origin = inURLPassword, "the repo's URL"
	case inURL.Username() != "" && auth.Username == "":
		// Forges take a token in the place of the user, too.
		c.origin = "the repo's URL"
	default:
		c.origin = ""
	}
	c.user = cmp.Or(c.user, inURL.Username())
	if c.user == "" && c.origin != "" {
		c.user = defaultUser
	}
	return c, nil
}

// current returns the value of an Authorization header; empty where nothing is known to
// log in with.
func (c *credentials) current(ctx context.Context) string {
	if c.file != nil {
		return c.header(c.file.Current(ctx))
	}
	return c.header(c.password)
}

// renewed returns the header once more when the token file holds another token than the one
// that was refused; empty when it does not.
func (c *credentials) renewed(ctx context.Context, refused string) string {
	if c.file == nil {
		return ""
	}
	token, _ := c.file.Reread(ctx)
	if header := c.header(token); header != refused {
		return header
	}
	return ""
}

func (c *credentials) header(password string) string {
	if c.user == "" && password == "" {
		return ""
	}
	c.mu.Lock()
	if !slices.Contains(c.used, password) {
		c.used = append(c.used, password)
	}
	c.mu.Unlock()
	return "Basic " + base64.StdEncoding.EncodeToString([]byte(c.user+":"+password))
}

// secrets are all forms of what was sent so far.
func (c *credentials) secrets() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.used) == 0 {
		return secretsOf(c.user, c.password)
	}
	var all []string
	for _, password := range c.used {
		all = append(all, secretsOf(c.user, password)...)
	}
	slices.SortFunc(all, func(a, b string) int { return cmp.Or(len(b)-len(a), strings.Compare(a, b)) })
	return slices.Compact(all)
}
