package ssh_test

import (
	"context"
	"errors"
	"net"
	"net/http"
	"path/filepath"
	"testing"
	"time"

	"github.com/gitsync/gitsync/internal/dockertest"
	"github.com/gitsync/gitsync/internal/sshdtest"
)

// The HTTP client of Docker needs no more of a connection than what a channel of
// SSH can do: no deadlines.
func TestDockerAnswersThroughAConnection(t *testing.T) {
	socket := dockertest.Socket(t)
	c := connect(t, sshdtest.Serve(t))
	transport := &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return c.DialContext(ctx, "unix", socket)
	}}
	defer transport.CloseIdleConnections()
	for range 3 {
		request, err := http.NewRequestWithContext(withPatience(t), http.MethodGet, "http://docker/_ping", nil)
		if err != nil {
			t.Fatal(err)
		}
		response, err := transport.RoundTrip(request)
		if err != nil {
			t.Fatal(err)
		}
		_ = response.Body.Close()
		if got, want := response.StatusCode, http.StatusOK; got != want {
			t.Errorf("ping: status %d, want %d", got, want)
		}
	}
}

// A request that is under way when the connection is lost ends at once, and the next one
// logs in again.
func TestARequestThatIsCutOffEndsAndTheNextOneWorks(t *testing.T) {
	s := sshdtest.Serve(t)
	socket := filepath.Join(t.TempDir(), "docker.sock")
	listener, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	begun, end := make(chan struct{}), make(chan struct{})
	server := &http.Server{ReadHeaderTimeout: time.Minute, Handler: http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/wait" {
			close(begun)
			<-end
		}
	})}
	served := make(chan struct{})
	go func() {
		defer close(served)
		_ = server.Serve(listener)
	}()
	t.Cleanup(func() {
		close(end)
		_ = server.Close()
		<-served
	})
	c := connect(t, s)
	transport := &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return c.DialContext(ctx, "unix", socket)
	}}
	t.Cleanup(transport.CloseIdleConnections)
	ask := func(path string) error {
		request, err := http.NewRequestWithContext(withPatience(t), http.MethodGet, "http://docker"+path, nil)
		if err != nil {
			return err
		}
		response, err := transport.RoundTrip(request)
		if err != nil {
			return err
		}
		return response.Body.Close()
	}
	asked := make(chan error, 1)
	go func() { asked <- ask("/wait") }()
	<-begun
	s.Stop()
	if err := <-asked; err == nil || errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("the request that is cut off: %v, want an error at once", err)
	}
	s.Start()
	if err := ask("/"); err != nil {
		t.Errorf("the next request: %v", err)
	}
}
