package gitrepo

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"
)

const (
	// maxAnswer bounds what a server may send where no pack is expected.
	maxAnswer = 64 << 20
	// maxError bounds the page that comes with an error, which nobody reads.
	maxError = 64 << 10
	// maxPack bounds a pack.
	maxPack = 1 << 30
)

// newHTTPClient returns a client with bounds, which trusts further authorities.
func newHTTPClient(home *url.URL, caFile string) (*http.Client, error) {
	roots, err := x509.SystemCertPool()
	if err != nil {
		roots = x509.NewCertPool()
	}
	if caFile != "" {
		pem, err := os.ReadFile(caFile)
		if err != nil {
			return nil, fmt.Errorf("read the certificate authorities: %w", err)
		}
		if !roots.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("read the certificate authorities: %s holds no PEM certificate", caFile)
		}
	}
	return &http.Client{Transport: &bounded{&http.Transport{
		Proxy:                  http.ProxyFromEnvironment,
		DialContext:            (&net.Dialer{Timeout: 30 * time.Second, KeepAlive: 30 * time.Second}).DialContext,
		TLSClientConfig:        &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12},
		TLSHandshakeTimeout:    30 * time.Second,
		ResponseHeaderTimeout:  2 * time.Minute,
		IdleConnTimeout:        90 * time.Second,
		MaxIdleConnsPerHost:    2,
		MaxResponseHeaderBytes: 1 << 20,
		ForceAttemptHTTP2:      true,
	}, home}}, nil
}

// bounded limits the size of answers: the library reads them whole.
type bounded struct {
	*http.Transport
	home *url.URL
}

// RoundTrip implements http.RoundTripper.
func (b *bounded) RoundTrip(request *http.Request) (*http.Response, error) {
	// The library gives its credentials to whoever a redirect led to before.
	if request.URL.Host != b.home.Host || request.URL.Scheme != b.home.Scheme {
		request = request.Clone(request.Context())
		request.Header.Del("Authorization")
	}
	response, err := b.Transport.RoundTrip(request)
	if err != nil {
		return nil, err
	}
	limit := int64(maxAnswer)
	if response.StatusCode >= http.StatusMultipleChoices {
		limit = maxError
	} else if strings.HasSuffix(request.URL.Path, "/git-upload-pack") {
		limit = maxPack
	}
	response.Body = &limited{ReadCloser: response.Body, left: limit}
	return response, nil
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
