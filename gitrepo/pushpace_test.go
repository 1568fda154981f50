package gitrepo

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/protocol/packp"
)

// A server that takes a push byte by byte, or answers it so, holds nobody up: it is left long
// before the push as a whole is over.
func TestAServerThatIsSlowWithAPushIsLeft(t *testing.T) {
	t.Parallel()
	drip := func(w http.ResponseWriter, r *http.Request) {
		ticker := time.NewTicker(10 * time.Millisecond)
		defer ticker.Stop()
		for {
			_, _ = w.Write([]byte("0"))
			_ = http.NewResponseController(w).Flush()
			select {
			case <-r.Context().Done():
				return
			case <-ticker.C:
			}
		}
	}
	for name, c := range map[string]struct {
		method, want string
		size         int
		serve        http.HandlerFunc
	}{
		"with its references": {http.MethodGet, "it sent less", 0, drip},
		"with what is pushed": {http.MethodPost, "it took less", 64 << 20, func(_ http.ResponseWriter, r *http.Request) {
			<-r.Context().Done()
		}},
		"with the beginning of its answer": {http.MethodPost, "no answer", 5 << 10, func(_ http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body)
			<-r.Context().Done()
		}},
		"with its answer": {http.MethodPost, "it sent less", 5 << 10, func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body)
			drip(w, r)
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			err := pushQuickly(t, c.method, c.size, c.serve)
			if !errors.Is(err, errSlow) || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want that %s", err, c.want)
			}
		})
	}
}

// pushQuickly sends a request as a push does, to a server that must be quick about it, and
// reads the answer.
func pushQuickly(t *testing.T, method string, size int, serve http.HandlerFunc) error {
	t.Helper()
	quick := pace{least: 1 << 10, first: 2 * time.Second, window: time.Second}
	ctx, cancel := context.WithCancel(context.Background())
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { serve(w, r.WithContext(ctx)) }))
	defer server.Close()
	defer server.CloseClientConnections()
	defer cancel()
	home, err := url.Parse(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	b, err := newBounded(home, &credentials{}, "")
	if err != nil {
		t.Fatal(err)
	}
	defer b.CloseIdleConnections()
	client := &http.Client{Transport: homebound{bounded: b, refs: quick, push: quick}}
	request, err := http.NewRequestWithContext(t.Context(), method, server.URL+"/x.git/git-receive-pack", bytes.NewReader(make([]byte, size)))
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() {
		response, err := client.Do(request)
		if err == nil {
			_, err = io.Copy(io.Discard, response.Body)
			_ = response.Body.Close()
		}
		done <- err
	}()
	select {
	case err := <-done:
		return err
	case <-time.After(20 * time.Second):
		t.Fatal("the push goes on")
	}
	return nil
}

// The same over a stream, whose command reads what is pushed.
func TestACommandThatTakesTooLittleOfAPushIsLeft(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		step  int64
		pause time.Duration
		slow  bool
	}{
		"a byte a minute": {1, time.Minute, true},
		"nothing":         {1, 24 * time.Hour, true},
		"just enough":     {1 << 10, packPace.window - time.Second, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				r, w := io.Pipe()
				gone := make(chan struct{})
				go func() {
					defer close(gone)
					for {
						<-time.After(c.pause) // of the bubble's clock
						if _, err := io.CopyN(io.Discard, r, c.step); err != nil {
							return
						}
					}
				}()
				s := &stream{process: &process{in: w, stderr: &tail{}, end: func() error { return errors.Join(w.Close(), r.Close()) }}}
				request := packp.NewReferenceUpdateRequest()
				request.Commands = []*packp.Command{{Name: "refs/heads/main", New: plumbing.NewHash("11")}}
				request.Packfile = io.NopCloser(bytes.NewReader(make([]byte, 16<<10)))
				begun := time.Now()
				_, err := (&receiveSession{stream: s}).ReceivePack(t.Context(), request)
				if errors.Is(err, errSlow) != c.slow || !c.slow && err != nil {
					t.Errorf("got %v", err)
				}
				if took := time.Since(begun); c.slow && took > packPace.window {
					t.Errorf("it was left after %s", took)
				}
				_ = s.endOnce()
				<-gone
			})
		})
	}
}
