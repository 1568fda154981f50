package server_test

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/gitsync/gitsync/server"
)

// serve starts the server on a port of its own, and ends it with the test.
func (l *listener) serve(t *testing.T) (address string, stop func() error) {
	t.Helper()
	socket, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- l.Serve(ctx, socket) }()
	stop = sync.OnceValue(func() error {
		cancel()
		return <-done
	})
	t.Cleanup(func() {
		if err := stop(); err != nil {
			t.Errorf("serve: %v", err)
		}
	})
	return socket.Addr().String(), stop
}

func dial(t *testing.T, address string) net.Conn {
	t.Helper()
	conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(30 * time.Second)); err != nil {
		t.Fatal(err)
	}
	return conn
}

// begin sends the head of a request that is signed, wrongly, and says how long its body is.
func begin(t *testing.T, address string, length int) net.Conn {
	t.Helper()
	conn := dial(t, address)
	fmt.Fprintf(conn, "POST /webhook HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nX-Gitea-Signature: 00\r\nContent-Length: %d\r\n\r\n", length)
	return conn
}

// status reads the answer, or its absence.
func status(t *testing.T, conn net.Conn) int {
	t.Helper()
	response, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		return 0
	}
	_ = response.Body.Close()
	return response.StatusCode
}

func TestASenderThatDripsIsCutOff(t *testing.T) {
	l := newListener(t, func(o *server.Options) { o.Timeout = 100 * time.Millisecond })
	address, _ := l.serve(t)
	head := dial(t, address)
	fmt.Fprint(head, "POST /webhook HTTP/1.1\r\nHost: x\r\nX-Slow: ")
	body := begin(t, address, 100)
	fmt.Fprint(body, "{")
	// Both end by the server's doing, well before our own deadline.
	for name, conn := range map[string]net.Conn{"head": head, "body": body} {
		if _, err := io.ReadAll(conn); err != nil {
			t.Errorf("%s: the connection is still open: %v", name, err)
		}
	}
}

func TestABodyThatIsTooLargeIsNotRead(t *testing.T) {
	l := newListener(t)
	address, _ := l.serve(t)
	if got := status(t, begin(t, address, 25<<20)); got != http.StatusRequestEntityTooLarge {
		t.Errorf("announced: answer %d, want 413", got)
	}
	body := `{"x":"` + strings.Repeat("a", 9<<20) + `"}`
	r := post(body, headers("github", body)...)
	r.ContentLength = -1
	l.send(t, r, http.StatusRequestEntityTooLarge, "the next poll", 0)
	body = `{"ref":"refs/heads/main","x":"` + strings.Repeat("a", 7<<20) + `"}`
	l.send(t, post(body, headers("github", body)...), http.StatusAccepted, "a cycle begins", 1)
}

func TestPayloadsInMemoryAreCounted(t *testing.T) {
	l := newListener(t, func(o *server.Options) { o.Timeout = time.Minute })
	address, _ := l.serve(t)
	for range 4 {
		conn := dial(t, address)
		fmt.Fprint(conn, "POST /webhook HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nX-Gitea-Signature: 00\r\nExpect: 100-continue\r\nContent-Length: 100\r\n\r\n")
		// Asking for the body is the server's word that it counts this one.
		if line, err := bufio.NewReader(conn).ReadString('\n'); !strings.Contains(line, " 100 ") {
			t.Fatalf("answer %q (%v), want 100", line, err)
		}
	}
	conn := begin(t, address, 2)
	fmt.Fprint(conn, "{}")
	if got := status(t, conn); got != http.StatusServiceUnavailable {
		t.Errorf("answer %d with four bodies under way, want 503", got)
	}
}

func TestHealthAnswersBesideAnyNumberOfSlowConnections(t *testing.T) {
	// Nothing here ends by a time-out: each slow one would last for minutes.
	l := newListener(t, func(o *server.Options) { o.Timeout = 10 * time.Minute })
	address, _ := l.serve(t)
	slow := map[string]string{
		"silent":        "",
		"half a line":   "GET /hea",
		"half a head":   "POST /webhook HTTP/1.1\r\nHost: x\r\nX-Slow: ",
		"half a body":   "POST /webhook HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nX-Gitea-Signature: 00\r\nContent-Length: 100\r\n\r\n{",
		"idle after it": "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n",
	}
	for name, text := range slow {
		for range 100 {
			fmt.Fprint(dial(t, address), text)
		}
		conn := dial(t, address)
		fmt.Fprint(conn, "GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
		if got := status(t, conn); got != http.StatusOK {
			t.Errorf("%s: answer %d, want 200", name, got)
		}
	}
	body := `{"ref":"refs/heads/main"}`
	conn := dial(t, address)
	fmt.Fprintf(conn, "POST /webhook HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
	if got := status(t, conn); got != http.StatusUnauthorized {
		t.Errorf("a webhook: answer %d, want 401", got)
	}
}

func TestWhoHasTheMostConnectionsLosesOne(t *testing.T) {
	l := newListener(t, func(o *server.Options) { o.Timeout = 10 * time.Minute })
	address, _ := l.serve(t)
	// The request that is slow to come is the oldest one, from another address.
	from := &net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, 2)}}
	proxy, err := from.DialContext(t.Context(), "tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = proxy.Close() }()
	fmt.Fprint(proxy, "GET /healthz HTTP/1.1\r\nHost: x\r\n")
	for range 300 {
		dial(t, address)
	}
	conn := dial(t, address)
	fmt.Fprint(conn, "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
	if got := status(t, conn); got != http.StatusOK {
		t.Errorf("answer %d, want 200", got)
	}
	fmt.Fprint(proxy, "\r\n")
	if got := status(t, proxy); got != http.StatusOK {
		t.Errorf("the request that was there first: answer %d, want 200", got)
	}
}

func TestHealthSaysWhatIsWrong(t *testing.T) {
	health := server.Health{}
	l := newListener(t, func(o *server.Options) { o.Health = func() server.Health { return health } })
	get := func() *http.Request { return httptest.NewRequest(http.MethodGet, "/healthz", nil) }
	l.send(t, get(), http.StatusOK, "ok\n", 0)
	health = server.Health{Text: "ok: 3 log lines dropped"}
	l.send(t, get(), http.StatusOK, "3 log lines dropped", 0)
	health = server.Health{Failing: true, Text: "no cycle has ended"}
	l.send(t, get(), http.StatusServiceUnavailable, "no cycle has ended", 0)
}

func TestServeEndsWithItsContext(t *testing.T) {
	address, stop := newListener(t).serve(t)
	conn := dial(t, address)
	fmt.Fprint(conn, "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
	if got := status(t, conn); got != http.StatusOK {
		t.Errorf("answer %d, want 200", got)
	}
	if err := stop(); err != nil {
		t.Errorf("serve: %v", err)
	}
	if _, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", address); err == nil {
		t.Error("it still listens")
	}
}

func TestABrokenListenerIsAnError(t *testing.T) {
	socket, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_ = socket.Close()
	if err := newListener(t).Serve(t.Context(), socket); err == nil || !strings.Contains(err.Error(), "listen on 127.0.0.1:") {
		t.Errorf("serve: %v, want an error that names the address", err)
	}
}

func TestAPanicEndsNothing(t *testing.T) {
	l := newListener(t, func(o *server.Options) { o.Trigger = func() { panic("oh no") } })
	body := `{"ref":"refs/heads/main"}`
	var log bytes.Buffer
	r := post(body, headers("github", body)...)
	r = r.WithContext(zerolog.New(&log).WithContext(r.Context()))
	l.send(t, r, http.StatusInternalServerError, "something is wrong with gitsync", 0)
	if !strings.Contains(log.String(), "oh no") {
		t.Errorf("the log does not tell of it: %s", &log)
	}
}

func TestStrangersDoNotFillTheLog(t *testing.T) {
	l := newListener(t)
	var log bytes.Buffer
	ctx := zerolog.New(&log).WithContext(t.Context())
	for range 100 {
		l.send(t, post("{}").WithContext(ctx), http.StatusUnauthorized, "", 0)
	}
	if lines := strings.Count(log.String(), "\n"); lines == 0 || lines > 20 {
		t.Errorf("%d lines in the log, want a few", lines)
	}
}
