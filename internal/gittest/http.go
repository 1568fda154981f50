package gittest

import (
	"bytes"
	"context"
	"encoding/pem"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/cgi"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	stdsync "sync"
	"sync/atomic"
	"testing"
)

// HTTPOptions says how a repo is served. The zero value is plain HTTP for
// everybody.
type HTTPOptions struct {
	// Password is asked for, also for reading, when it is set.
	Password string
	// User is the only one who may log in, when it is set.
	User string
	// TLS serves HTTPS, with a certificate that only CAFile vouches for.
	TLS bool
	// Version0 is for a server that knows no other version of the protocol.
	Version0 bool
	// Insist, when set, must be in what is asked of upload-pack, in its first line: else the
	// answer is empty, as that of Azure DevOps for multi_ack.
	Insist string
}

// HTTPServer serves one repo over smart HTTP. It is safe for concurrent use.
type HTTPServer struct {
	// URL is the address of the repo, without credentials.
	URL string
	// CAFile is the certificate authority in PEM form; empty without TLS.
	CAFile string

	options  HTTPOptions
	backend  http.Handler
	bytesOut atomic.Int64

	mu       stdsync.Mutex
	requests []string
	deny     int
	released chan struct{} // nil unless requests hang
}

// ServeHTTP serves a repo on a loopback port until the end of the test.
func ServeHTTP(t testing.TB, repo *Repo, options HTTPOptions) *HTTPServer {
	t.Helper()
	s := &HTTPServer{options: options, backend: &cgi.Handler{
		Path:   filepath.Join(repo.Git("--exec-path"), "git-http-backend"),
		Env:    append([]string{"GIT_PROJECT_ROOT=" + filepath.Dir(repo.Dir), "GIT_HTTP_EXPORT_ALL=1"}, environment()...),
		Stderr: io.Discard,
		// It says so when a client has heard enough.
		Logger: slog.NewLogLogger(slog.DiscardHandler, slog.LevelError),
	}}
	server := httptest.NewUnstartedServer(s)
	server.Listener = &countingListener{server.Listener, &s.bytesOut}
	if options.TLS {
		server.StartTLS()
		s.CAFile = filepath.Join(t.TempDir(), "ca.pem")
		ca := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
		if err := os.WriteFile(s.CAFile, ca, 0o600); err != nil {
			t.Fatal(err)
		}
	} else {
		server.Start()
	}
	s.URL = server.URL + "/" + filepath.Base(repo.Dir)
	t.Cleanup(func() {
		s.Hang(false)
		server.CloseClientConnections()
		server.Close()
	})
	return s
}

// Requests returns the requests so far, in order, refused ones included: the method
// and the path with its query, as in "GET /infra.git/info/refs?service=git-upload-pack".
func (s *HTTPServer) Requests() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]string(nil), s.requests...)
}

// BytesOut counts the bytes that the server sent so far, headers and TLS included.
func (s *HTTPServer) BytesOut() int64 { return s.bytesOut.Load() }

// ResetCounters makes Requests and BytesOut start anew.
func (s *HTTPServer) ResetCounters() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.requests = nil
	s.bytesOut.Store(0)
}

// Hang makes the server accept requests and never answer them, until the client
// gives up or Hang(false), which ends those that hang with 503.
func (s *HTTPServer) Hang(on bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case on && s.released == nil:
		s.released = make(chan struct{})
	case !on && s.released != nil:
		close(s.released)
		s.released = nil
	}
}

// Deny makes the server answer everything with a status, such as 403 or 404; 0 ends
// that.
func (s *HTTPServer) Deny(status int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.deny = status
}

// ServeHTTP implements http.Handler.
func (s *HTTPServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	s.requests = append(s.requests, r.Method+" "+r.URL.RequestURI())
	deny, released := s.deny, s.released
	s.mu.Unlock()
	switch {
	case released != nil:
		hang(r.Context(), r.Body, released)
		w.WriteHeader(http.StatusServiceUnavailable)
	case deny != 0:
		http.Error(w, http.StatusText(deny), deny)
	case !s.allowed(r):
		w.Header().Set("WWW-Authenticate", `Basic realm="gittest"`)
		http.Error(w, "who are you?", http.StatusUnauthorized)
	default:
		s.serve(w, r)
	}
}

// hang reads the body first: the server notices that the client is gone only then.
func hang(ctx context.Context, body io.Reader, released <-chan struct{}) {
	_, _ = io.Copy(io.Discard, body)
	select {
	case <-ctx.Done():
	case <-released:
	}
}

func (s *HTTPServer) allowed(r *http.Request) bool {
	user, password, _ := r.BasicAuth()
	return (s.options.User == "" || user == s.options.User) &&
		(s.options.Password == "" || password == s.options.Password)
}

// serve hands the request to git. CGI has no chunked bodies, so such a one is read
// whole.
func (s *HTTPServer) serve(w http.ResponseWriter, r *http.Request) {
	if r.ContentLength < 0 {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		r.Body, r.ContentLength, r.TransferEncoding = io.NopCloser(bytes.NewReader(body)), int64(len(body)), nil
	}
	if s.options.Version0 {
		r.Header.Del("Git-Protocol")
	}
	if s.options.Insist != "" && r.Method == http.MethodPost && strings.HasSuffix(r.URL.Path, "/git-upload-pack") {
		body, err := io.ReadAll(r.Body)
		first, _, _ := bytes.Cut(body, []byte("\n"))
		if err != nil || !bytes.Contains(first, []byte(s.options.Insist)) {
			return
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
	}
	s.backend.ServeHTTP(w, r)
}

// countingListener counts what is written to its connections.
type countingListener struct {
	net.Listener
	out *atomic.Int64
}

// Accept implements net.Listener.
func (l *countingListener) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &countingConn{conn, l.out}, nil
}

type countingConn struct {
	net.Conn
	out *atomic.Int64
}

// Write counts first, so that whoever has read an answer finds it counted.
func (c *countingConn) Write(p []byte) (int, error) {
	c.out.Add(int64(len(p)))
	return c.Conn.Write(p)
}
