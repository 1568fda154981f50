package ssh_test

import (
	"context"
	"net"
	"net/http"
	"testing"

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
