package forge_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"reflect"
	"slices"
	"strings"
	stdsync "sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/gitsync/gitsync/report/forge"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	commit = "0123456789abcdef0123456789abcdef01234567"
	older  = "89abcdef0123456789abcdef0123456789abcdef"
	token  = "t0ken-that-nobody-may-see"
)

var now = time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)

// exchange is one request that is expected, and the answer to it.
type exchange struct {
	ask    string // method and path with its query, as on the wire
	body   string // JSON, compared as values; empty for none
	status int    // 0 means 200
	header map[string]string
	answer string
}

// fakeForge answers a list of requests, in order, and nothing else.
type fakeForge struct {
	*httptest.Server
	mu      stdsync.Mutex
	left    []exchange
	headers []http.Header
}

// newForge starts a forge that expects these requests, and no others.
func newForge(t *testing.T, exchanges ...exchange) *fakeForge {
	t.Helper()
	f := &fakeForge{left: exchanges}
	f.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.headers = append(f.headers, r.Header.Clone())
		if len(f.left) == 0 {
			t.Errorf("unexpected request: %s %s", r.Method, r.RequestURI)
			http.Error(w, "unexpected", http.StatusTeapot)
			return
		}
		next := f.left[0]
		f.left = f.left[1:]
		if got := r.Method + " " + r.RequestURI; got != next.ask {
			t.Errorf("request: got %s, want %s", got, next.ask)
		}
		checkBody(t, r, next.body)
		for name, value := range next.header {
			w.Header().Set(name, value)
		}
		if next.status == 0 {
			next.status = http.StatusOK
		}
		w.WriteHeader(next.status)
		_, _ = io.WriteString(w, next.answer)
	}))
	t.Cleanup(func() {
		f.Close()
		for _, missing := range f.left {
			t.Errorf("missing request: %s", missing.ask)
		}
	})
	return f
}

func checkBody(t *testing.T, r *http.Request, want string) {
	t.Helper()
	content, err := io.ReadAll(r.Body)
	if err != nil {
		t.Error(err)
	}
	if want == "" {
		if len(content) > 0 {
			t.Errorf("%s %s: got the body %s, want none", r.Method, r.RequestURI, content)
		}
		return
	}
	if got := r.Header.Get("Content-Type"); got != "application/json" {
		t.Errorf("%s %s: got the type %q, want application/json", r.Method, r.RequestURI, got)
	}
	if !reflect.DeepEqual(decode(t, string(content)), decode(t, want)) {
		t.Errorf("%s %s: got the body %s, want %s", r.Method, r.RequestURI, content, want)
	}
}

func decode(t *testing.T, text string) any {
	t.Helper()
	var value any
	if err := json.Unmarshal([]byte(text), &value); err != nil {
		t.Errorf("%v in %s", err, text)
	}
	return value
}

// checkHeader checks that each request had the header, with this value.
func (f *fakeForge) checkHeader(t *testing.T, name, want string) {
	t.Helper()
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.headers) == 0 {
		t.Error("no request was made")
	}
	for i, header := range f.headers {
		if got := header.Values(name); !slices.Equal(got, []string{want}) {
			t.Errorf("request %d: got %s: %q, want %q", i, name, got, want)
		}
	}
}

// newClient is a client of the forge at address; changes are made to its config last.
func newClient(t *testing.T, kind forge.Kind, address string, changes ...func(*forge.Config)) *forge.Client {
	t.Helper()
	config := forge.Config{
		Kind: kind, URL: address, Repo: "acme/infra", Token: token,
		Now: func() time.Time { return now },
	}
	for _, change := range changes {
		change(&config)
	}
	client, err := forge.New(config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	return client
}

// deployed is a status that says that all is well.
func deployed() forge.Status {
	return forge.Status{
		Commit: commit, Context: "gitsync/deploy", State: forge.Success,
		Description: "14 hosts", TargetURL: "https://status.example.com/",
	}
}

// checkSecret checks that an error does not hold the token.
func checkSecret(t *testing.T, err error) {
	t.Helper()
	if err != nil && strings.Contains(err.Error(), token) {
		t.Errorf("the error holds the token: %v", err)
	}
}
