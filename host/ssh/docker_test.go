package ssh_test

import (
	"context"
	"net"
	"net/http"
	"os"
	"testing"

	"github.com/gitsync/gitsync/internal/sshdtest"
)

// dockerSocket is where Docker listens on most machines.
const dockerSocket = "/var/run/docker.sock"

// The HTTP client of Docker needs no more of a connection than what a channel of
// SSH can do: no deadlines.
func TestDockerAnswersThroughAConnection(t *testing.T) {
	if conn, err := net.Dial("unix", dockerSocket); err == nil {
		_ = conn.Close()
	} else if os.Getenv("GITSYNC_REQUIRE_DOCKER") != "" {
		t.Fatalf("Docker is required: %v", err)
	} else {
		t.Skipf("this test needs Docker: %v", err)
	}
	c := connect(t, sshdtest.Serve(t))
	transport := &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return c.DialContext(ctx, "unix", dockerSocket)
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
