package gitrepo

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"mime"
	"net/http"
	"net/url"
	"strings"
)

// notUsed says which of Git's ways to log in gitsync does not know.
const notUsed = "gitsync uses neither .netrc, nor credential helpers, nor the URLs and proxies of git config"

// refusal returns the error for an answer that is none of Git's, in the words that an
// operator needs; nil for an answer that is, and for what the library has words for.
func (b *bounded) refusal(request *http.Request, response *http.Response) error {
	switch code := response.StatusCode; {
	case code == http.StatusUnauthorized:
		return b.unauthorized(request)
	case code == http.StatusProxyAuthRequired:
		return proxyRefusal()
	case code == http.StatusTooManyRequests:
		return fmt.Errorf("%w: the remote is asked too often (HTTP 429): it is tried again at the next poll; a longer --interval helps", ErrUnreachable)
	case code >= http.StatusInternalServerError:
		return fmt.Errorf("%w: the remote failed (HTTP %d %s): that is the server's, or a proxy's before it; it is tried again at the next poll",
			ErrUnreachable, code, http.StatusText(code))
	case code == http.StatusOK && strings.HasSuffix(request.URL.Path, "/info/refs") && isPage(response.Header):
		return operatorError{fmt.Errorf("%w: a web page answers at %s, and no Git server: check the path of the repo's URL (a login page of a proxy looks so too)", ErrUnreachable, withoutQuery(request.URL))}
	}
	return nil
}

// strayPush refuses a push that a redirect leads to another server, with or without
// credentials: what is recorded there is what others would go by. The same server may ask for
// HTTPS.
func (b *bounded) strayPush(to *url.URL) error {
	secured := to.Hostname() == b.home.Hostname() && to.Scheme == "https" && b.home.Scheme == "http"
	if b.isHome(to) || secured {
		return nil
	}
	return operatorError{fmt.Errorf("%w: %s redirects the push to %s, and pushes follow no redirect to another server: if the repo has moved there, write its address as --repo",
		ErrPushRefused, withoutQuery(b.home), withoutQuery(to))}
}

// unauthorized says whose credentials are refused, and why none were sent.
func (b *bounded) unauthorized(request *http.Request) error {
	origin := b.credentials.origin
	switch {
	case !b.isHome(request.URL) && origin != "":
		return operatorError{fmt.Errorf("%w: %s redirects to %s, where credentials are not sent to: if that is the forge, write its address as --repo",
			ErrAuth, withoutQuery(b.home), withoutQuery(request.URL))}
	case origin != "":
		return fmt.Errorf("%w: the remote rejects the token of %s, for the user %s: check that it has not expired, and that it may read the repo and write the state branch; a file that is rotated is read again by itself",
			ErrAuth, origin, b.credentials.shownUser())
	}
	return fmt.Errorf("%w: the remote asks for credentials: set --git-token-file or $GITSYNC_GIT_TOKEN (%s)", ErrAuth, notUsed)
}

// shownUser is the user, unless that may be a token.
func (c *credentials) shownUser() string {
	if c.file == nil && c.password == "" || len(c.user) >= 12 {
		return redacted
	}
	return fmt.Sprintf("%q", c.user)
}

// proxyRefusal is the error for a proxy that asks for credentials.
func proxyRefusal() error {
	return operatorError{fmt.Errorf("%w: the proxy asks for credentials (HTTP 407): write them into the URL of $HTTPS_PROXY, $HTTP_PROXY or $ALL_PROXY, or except the remote's host with $NO_PROXY (%s)", ErrUnreachable, notUsed)}
}

// onProxyAnswer is for http.Transport, which has but the text of a status otherwise.
func onProxyAnswer(_ context.Context, _ *url.URL, _ *http.Request, answer *http.Response) error {
	if answer.StatusCode == http.StatusProxyAuthRequired {
		return proxyRefusal()
	}
	return nil
}

// isPage says whether an answer is for people, whom no Git server speaks to.
func isPage(header http.Header) bool {
	kind, _, err := mime.ParseMediaType(header.Get("Content-Type"))
	return err == nil && (kind == "text/html" || kind == "application/xhtml+xml" || kind == "application/json")
}

// withoutQuery is an address without what may be secret in it, and without what Git adds.
func withoutQuery(u *url.URL) string {
	return strings.TrimSuffix(printable((&url.URL{Scheme: u.Scheme, Host: u.Host, Path: u.Path}).String()), "/info/refs")
}

// untrusted returns the error for a server's certificate that is not trusted; nil for any
// other error.
func untrusted(err error) error {
	var certificate *tls.CertificateVerificationError
	if !errors.As(err, &certificate) {
		return nil
	}
	return operatorError{fmt.Errorf("%w: the server's certificate is not trusted: %s: if it is signed by an authority of your own, give that with --git-ca-file", ErrUnreachable, printable(certificate.Err.Error()))}
}
