package registry

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync/atomic"
	"syscall"
	"time"
)

const (
	// maxBody bounds an answer: registries take manifests of 4 MiB at most.
	maxBody = 4 << 20
	// maxHeader bounds the header of an answer.
	maxHeader = 64 << 10
	// maxRequests bounds what is asked about one image: logins, redirects and retries.
	maxRequests = 24
)

// newWeb returns the transport below all guards.
func newWeb() *http.Transport {
	dialer := &net.Dialer{Timeout: 10 * time.Second, Control: refuseLinkLocal}
	return &http.Transport{
		Proxy: http.ProxyFromEnvironment, DialContext: dialer.DialContext, ForceAttemptHTTP2: true,
		TLSHandshakeTimeout: 10 * time.Second, IdleConnTimeout: 30 * time.Second, MaxIdleConnsPerHost: 4,
		MaxResponseHeaderBytes: maxHeader,
		// What is unpacked has no bound.
		DisableCompression: true,
	}
}

// refuseLinkLocal keeps a registry from sending us to the metadata service of a cloud,
// under whatever name.
func refuseLinkLocal(_, address string, _ syscall.RawConn) error {
	at, err := netip.ParseAddrPort(address)
	if err != nil {
		return nil //nolint:nilerr // it is no IP address, as for a socket of a proxy
	}
	if ip := at.Addr().Unmap(); ip.IsLinkLocalUnicast() || ip == netip.MustParseAddr("fd00:ec2::254") {
		return errors.New("no registry is at a link-local address")
	}
	return nil
}

// guard is the way to one registry, for one question. The library above it decides to
// whom the credential is shown; what it must never do ends here.
type guard struct {
	web      http.RoundTripper
	registry string
	// loggedIn says that there is a credential.
	loggedIn bool
	asked    atomic.Int32
}

// RoundTrip implements http.RoundTripper.
func (g *guard) RoundTrip(r *http.Request) (*http.Response, error) {
	if g.asked.Add(1) > maxRequests {
		return nil, fmt.Errorf("the registry asks for more than %d requests", maxRequests)
	}
	if r.URL.Scheme != "https" && (r.URL.Scheme != "http" || !isLoopback(r.URL.Hostname())) {
		return nil, fmt.Errorf("%s://%s is not spoken to: it must be HTTPS", r.URL.Scheme, r.URL.Host)
	}
	if isLoopback(r.URL.Hostname()) && !g.isLocal() {
		return nil, fmt.Errorf("%s sends us to %s on this machine", g.registry, r.URL.Host)
	}
	answer, err := g.web.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	if err := g.checkRedirect(r, answer); err != nil {
		_ = answer.Body.Close()
		return nil, err
	}
	answer.Body = &boundedBody{ReadCloser: answer.Body, left: maxBody}
	return answer, nil
}

// checkRedirect refuses redirects of a login: where the first question of all, or that for
// a token, leads to another host, that one would say where the credential goes. Questions
// for manifests may be redirected, since they are asked again without it.
func (g *guard) checkRedirect(r *http.Request, answer *http.Response) error {
	to, err := answer.Location()
	if err != nil || answer.StatusCode < 300 || answer.StatusCode > 399 {
		return nil //nolint:nilerr // it is no redirect
	}
	if g.loggedIn && !strings.EqualFold(to.Host, r.URL.Host) && !strings.Contains(r.URL.Path, "/manifests/") {
		return fmt.Errorf("%s sends the login on to %s, which is refused", r.URL.Host, to.Host)
	}
	return nil
}

// isLocal says whether the registry itself is on this machine.
func (g *guard) isLocal() bool {
	host := g.registry
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	return isLoopback(host)
}

// isLoopback says whether a host is this machine by its name, as engines decide it.
func isLoopback(host string) bool {
	ip, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && ip.Unmap().IsLoopback()
}

// boundedBody is a body that ends with an error where it is too long.
type boundedBody struct {
	io.ReadCloser
	left int64
}

// Read implements io.Reader.
func (b *boundedBody) Read(p []byte) (int, error) {
	if b.left <= 0 {
		return 0, fmt.Errorf("the answer has more than %d bytes", maxBody)
	}
	if int64(len(p)) > b.left {
		p = p[:b.left]
	}
	n, err := b.ReadCloser.Read(p)
	b.left -= int64(n)
	return n, err
}
