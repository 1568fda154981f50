package forge_test

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"reflect"
	stdsync "sync"
	"testing"

	"github.com/gitsync/gitsync/report/forge"
)

const (
	commit = "0123456789abcdef0123456789abcdef01234567"
	token  = "t0ken"
	target = "https://status.example.com/"
)

// request is what counts of a request.
type request struct {
	Method, Path string
	Query        url.Values
	Body         any
}

// recorder is a forge that keeps what it is asked, and answers with a library's own types.
type recorder struct {
	*httptest.Server
	mu      stdsync.Mutex
	asked   []request
	headers []http.Header
}

// record starts a recorder; answer has the answer by method and path, nil for 404.
func record(t *testing.T, answer func(ask string) any) *recorder {
	t.Helper()
	r := &recorder{}
	r.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, got *http.Request) {
		content, err := io.ReadAll(got.Body)
		if err != nil {
			t.Error(err)
		}
		kept := request{Method: got.Method, Path: got.URL.EscapedPath(), Query: got.URL.Query()}
		if len(bytes.TrimSpace(content)) > 0 {
			if err := json.Unmarshal(content, &kept.Body); err != nil {
				t.Errorf("%s %s: %v in %s", kept.Method, kept.Path, err, content)
			}
		}
		r.mu.Lock()
		r.asked = append(r.asked, kept)
		r.headers = append(r.headers, got.Header.Clone())
		r.mu.Unlock()
		value := answer(got.Method + " " + got.URL.EscapedPath())
		w.Header().Set("Content-Type", "application/json")
		switch {
		case value == nil:
			w.WriteHeader(http.StatusNotFound)
			value = map[string]string{"message": "not found"}
		case got.Method == http.MethodPost:
			w.WriteHeader(http.StatusCreated)
		}
		if err := json.NewEncoder(w).Encode(value); err != nil {
			t.Error(err)
		}
	}))
	t.Cleanup(r.Close)
	return r
}

// take returns what was asked, and forgets it.
func (r *recorder) take() []request {
	r.mu.Lock()
	defer r.mu.Unlock()
	asked := r.asked
	r.asked = nil
	return asked
}

// checkHeaders checks that all requests signed in the same way: ours and the library's.
func (r *recorder) checkHeaders(t *testing.T, name string) {
	t.Helper()
	for _, header := range r.headers {
		if got, want := header.Get(name), r.headers[0].Get(name); got == "" || got != want {
			t.Errorf("%s: got %q, want %q", name, got, want)
		}
	}
}

// sameRequests checks that ours were the library's.
func sameRequests(t *testing.T, ours, theirs []request) {
	t.Helper()
	if len(ours) != len(theirs) {
		t.Fatalf("got %d requests, want %d:\n%+v\n%+v", len(ours), len(theirs), ours, theirs)
	}
	for i := range ours {
		if !reflect.DeepEqual(ours[i], theirs[i]) {
			t.Errorf("request %d:\ngot  %+v\nwant %+v", i, ours[i], theirs[i])
		}
	}
}

func open(t *testing.T, kind forge.Kind, address string, changes ...func(*forge.Config)) *forge.Client {
	t.Helper()
	config := forge.Config{Kind: kind, URL: address, Repo: "acme/infra", Token: token}
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

func succeeded() forge.Status {
	return forge.Status{Commit: commit, Context: deploy, State: forge.Success, Description: "14 hosts", TargetURL: target}
}

func deployment(state forge.State) forge.Deployment {
	return forge.Deployment{
		Commit: commit, Branch: "main", Environment: "web1", State: state, Description: "3 containers", TargetURL: target,
	}
}

// must ends the test when a call of a library failed.
func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
