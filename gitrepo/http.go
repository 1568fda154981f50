package gitrepo

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	stdsync "sync"
	"time"

	"github.com/gitsync/gitsync/internal/follow"
)

const (
	// maxAnswer bounds what a server may send where no pack is expected.
	maxAnswer = 64 << 20
	// maxError bounds the page that comes with an error, which nobody reads.
	maxError = 64 << 10
	// maxPack bounds a pack.
	maxPack = 1 << 30
)

// newBounded returns what carries requests within bounds, logs in to home alone, and trusts
// further authorities. Both follow their files.
func newBounded(home *url.URL, credentials *credentials, caFile string) (*bounded, error) {
	b := &bounded{home: home, credentials: credentials}
	if caFile != "" {
		var err error
		if b.authorities, err = follow.Open(caFile, func(data []byte) (*x509.CertPool, error) { return readAuthorities(caFile, data) }, follow.Options{}); err != nil {
			return nil, fmt.Errorf("read the certificate authorities: %w", err)
		}
	}
	return b, nil
}

// fetches returns a client for fetches.
func (b *bounded) fetches() *http.Client {
	return &http.Client{Transport: b, CheckRedirect: onlyAtFirst}
}

// readAuthorities adds those of a file to the system's.
func readAuthorities(name string, pem []byte) (*x509.CertPool, error) {
	roots, err := x509.SystemCertPool()
	if err != nil {
		roots = x509.NewCertPool()
	}
	if !roots.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("%s holds no PEM certificate", name)
	}
	return roots, nil
}

// bounded limits the size of answers, since the library reads them whole, logs in, and says
// what is wrong with answers that are none of Git's.
type bounded struct {
	home        *url.URL
	credentials *credentials
	// authorities are nil where only those of the system are trusted.
	authorities *follow.File[*x509.CertPool]

	mu stdsync.Mutex
	// current is for requests from now on; it trusts roots.
	current *http.Transport
	roots   *x509.CertPool
}

// wire returns what carries requests: another one when other authorities are trusted than
// before.
func (b *bounded) wire(ctx context.Context) *http.Transport {
	var roots *x509.CertPool
	if b.authorities != nil {
		roots = b.authorities.Current(ctx)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.current != nil && b.roots == roots {
		return b.current
	}
	if b.current != nil {
		b.current.CloseIdleConnections()
	}
	b.roots = roots
	b.current = &http.Transport{
		Proxy:                  proxyFromEnvironment(),
		OnProxyConnectResponse: onProxyAnswer,
		DialContext:            (&net.Dialer{Timeout: 30 * time.Second, KeepAlive: 30 * time.Second}).DialContext,
		TLSClientConfig:        &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12},
		TLSHandshakeTimeout:    30 * time.Second,
		ResponseHeaderTimeout:  2 * time.Minute,
		IdleConnTimeout:        90 * time.Second,
		MaxIdleConnsPerHost:    2,
		MaxResponseHeaderBytes: 1 << 20,
		ForceAttemptHTTP2:      true,
	}
	return b.current
}

// CloseIdleConnections is what http.Client calls.
func (b *bounded) CloseIdleConnections() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.current != nil {
		b.current.CloseIdleConnections()
	}
}

// isHome says whether an address is at the server that the credentials are for.
func (b *bounded) isHome(u *url.URL) bool {
	return u.Host == b.home.Host && u.Scheme == b.home.Scheme
}

// RoundTrip implements http.RoundTripper, but that it returns an error for an answer which
// is none of Git's.
func (b *bounded) RoundTrip(request *http.Request) (*http.Response, error) {
	ctx := request.Context()
	request = request.Clone(ctx)
	// Credentials are for nobody that a redirect leads to.
	request.Header.Del("Authorization")
	login := ""
	if b.isHome(request.URL) {
		login = b.credentials.current(ctx)
	}
	response, err := b.send(request, login)
	if err == nil && response.StatusCode == http.StatusUnauthorized && login != "" {
		response, err = b.sendAgain(request, response, login)
	}
	if err != nil {
		return nil, err
	}
	if err := b.refusal(request, response); err != nil {
		_ = response.Body.Close()
		return nil, err
	}
	limit := int64(maxAnswer)
	if response.StatusCode >= http.StatusMultipleChoices {
		limit = maxError
	} else if strings.HasSuffix(request.URL.Path, "/git-upload-pack") {
		limit = maxPack
	} else if strings.HasSuffix(request.URL.Path, infoRefs) && request.URL.Query().Get("service") == uploadPack {
		// These are read as a stream. Those of a push are held in memory.
		limit = maxRefs
	}
	response.Body = &limited{ReadCloser: response.Body, left: limit}
	return response, nil
}

func (b *bounded) send(request *http.Request, login string) (*http.Response, error) {
	if login != "" {
		request.Header.Set("Authorization", login)
	}
	response, err := b.wire(request.Context()).RoundTrip(request)
	if certificate := untrusted(err); certificate != nil {
		return nil, certificate
	}
	return response, err
}

// sendAgain answers a refusal with the token that the file holds by now, if that is another
// one, and the request can be sent twice.
func (b *bounded) sendAgain(request *http.Request, refused *http.Response, login string) (*http.Response, error) {
	again := request.Clone(request.Context())
	if request.Body != nil && request.Body != http.NoBody {
		if request.GetBody == nil {
			return refused, nil
		}
		body, err := request.GetBody()
		if err != nil {
			return refused, nil //nolint:nilerr // the refusal says more
		}
		again.Body = body
	}
	renewed := b.credentials.renewed(request.Context(), login)
	if renewed == "" {
		if again.Body != nil {
			_ = again.Body.Close()
		}
		return refused, nil
	}
	_ = refused.Body.Close()
	return b.send(again, renewed)
}

// limited fails, rather than ends, when there is more than allowed.
type limited struct {
	io.ReadCloser
	left int64
}

// Read implements io.Reader.
func (l *limited) Read(p []byte) (int, error) {
	if l.left <= 0 {
		return 0, fmt.Errorf("the remote's answer is %w", ErrTooLarge)
	}
	if int64(len(p)) > l.left {
		p = p[:l.left]
	}
	n, err := l.ReadCloser.Read(p)
	l.left -= int64(n)
	return n, err
}
