package registrytest

import (
	"fmt"
	"io"
	"log" //nolint:depguard // the registry wants one, to throw away what it says
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	stdsync "sync"
	"testing"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/random"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
)

// Options say how a registry is logged in to. The zero value is an open one.
type Options struct {
	// Username and Password are its account; empty means that it wants no login.
	Username, Password string
	// Token makes it give out tokens, in place of taking the password with each request.
	Token bool
	// Wrap, when set, is between the requests and the registry.
	Wrap func(http.Handler) http.Handler
}

// Request is what the registry was asked.
type Request struct {
	Method, Path, Authorization string
}

// Server is a registry.
type Server struct {
	// Address is host:port.
	Address string
	opts    Options

	mu       stdsync.Mutex
	requests []Request
}

const token = "a-token-of-the-test"

// Serve runs a registry until the end of the test.
func Serve(t testing.TB, opts Options) *Server {
	t.Helper()
	s := &Server{opts: opts}
	handler := registry.New(registry.Logger(log.New(io.Discard, "", 0)))
	if opts.Wrap != nil {
		handler = opts.Wrap(handler)
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		s.requests = append(s.requests, Request{r.Method, r.URL.Path, r.Header.Get("Authorization")})
		s.mu.Unlock()
		if s.admits(w, r) {
			handler.ServeHTTP(w, r)
		}
	}))
	t.Cleanup(server.Close)
	s.Address = strings.TrimPrefix(server.URL, "http://")
	return s
}

// admits says whether a request is for the registry, and answers it otherwise.
func (s *Server) admits(w http.ResponseWriter, r *http.Request) bool {
	username, password, basic := r.BasicAuth()
	right := basic && username == s.opts.Username && password == s.opts.Password
	switch {
	case s.opts.Username == "":
		return true
	case s.opts.Token && r.URL.Path == "/token" && right:
		_, _ = fmt.Fprintf(w, `{"token":%q,"access_token":%q,"expires_in":300}`, token, token)
		return false
	case s.opts.Token && r.Header.Get("Authorization") == "Bearer "+token, !s.opts.Token && right:
		return true
	case s.opts.Token:
		w.Header().Set("WWW-Authenticate", fmt.Sprintf(`Bearer realm="http://%s/token",service="test",scope="repository:test:pull"`, s.Address))
	default:
		w.Header().Set("WWW-Authenticate", `Basic realm="test"`)
	}
	w.WriteHeader(http.StatusUnauthorized)
	_, _ = io.WriteString(w, `{"errors":[{"code":"UNAUTHORIZED","message":"log in first"}]}`)
	return false
}

// Requests returns what the registry was asked so far.
func (s *Server) Requests() []Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.requests)
}

// Forget forgets the requests so far.
func (s *Server) Forget() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.requests = nil
}

// Push puts an image of random bytes into the registry, and returns its digest. The
// reference is a path and a tag.
func (s *Server) Push(t testing.TB, path string) string {
	t.Helper()
	image, err := random.Image(1<<10, 2)
	if err != nil {
		t.Fatal(err)
	}
	return s.write(t, path, image)
}

// PushFiles puts an image with these files, a tar archive, and an entrypoint into the
// registry, and returns its digest.
func (s *Server) PushFiles(t testing.TB, path string, archive []byte, entrypoint ...string) string {
	t.Helper()
	layer, err := tarball.LayerFromOpener(func() (io.ReadCloser, error) {
		return io.NopCloser(strings.NewReader(string(archive))), nil
	})
	if err != nil {
		t.Fatal(err)
	}
	image, err := mutate.AppendLayers(empty.Image, layer)
	if err == nil {
		image, err = mutate.ConfigFile(image, &v1.ConfigFile{
			OS: "linux", Architecture: "amd64", Config: v1.Config{Entrypoint: entrypoint},
			RootFS: v1.RootFS{Type: "layers", DiffIDs: diffIDs(t, image)},
		})
	}
	if err != nil {
		t.Fatal(err)
	}
	return s.write(t, path, image)
}

func diffIDs(t testing.TB, image v1.Image) []v1.Hash {
	t.Helper()
	config, err := image.ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	return config.RootFS.DiffIDs
}

// PushIndex puts an index of two images into the registry, and returns its digest.
func (s *Server) PushIndex(t testing.TB, path string) string {
	t.Helper()
	index, err := random.Index(1<<10, 1, 2)
	if err != nil {
		t.Fatal(err)
	}
	s.with(t, path, func(tag name.Tag, opts ...remote.Option) error { return remote.WriteIndex(tag, index, opts...) })
	digest, err := index.Digest()
	if err != nil {
		t.Fatal(err)
	}
	return digest.String()
}

func (s *Server) write(t testing.TB, path string, image v1.Image) string {
	t.Helper()
	s.with(t, path, func(tag name.Tag, opts ...remote.Option) error { return remote.Write(tag, image, opts...) })
	digest, err := image.Digest()
	if err != nil {
		t.Fatal(err)
	}
	return digest.String()
}

// with calls the function with the registry's own account.
func (s *Server) with(t testing.TB, path string, write func(name.Tag, ...remote.Option) error) {
	t.Helper()
	tag, err := name.NewTag(s.Address+"/"+path, name.Insecure)
	if err != nil {
		t.Fatal(err)
	}
	transport := &http.Transport{}
	defer transport.CloseIdleConnections()
	opts := []remote.Option{remote.WithTransport(transport), remote.WithContext(t.Context())}
	if s.opts.Username != "" {
		opts = append(opts, remote.WithAuth(&authn.Basic{Username: s.opts.Username, Password: s.opts.Password}))
	}
	if err := write(tag, opts...); err != nil {
		t.Fatal(err)
	}
}
