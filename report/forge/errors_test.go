package forge_test

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/gitsync/gitsync/report/forge"
)

// refusal is an answer that is not a success, to a look at Gitea or whatever kind.
type refusal struct {
	status int
	header map[string]string
	body   string
}

// refused is the error of a status that a forge answers so.
func refused(t *testing.T, kind forge.Kind, answer refusal) error {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if kind == forge.Bitbucket && r.Method == http.MethodGet {
			_, _ = w.Write([]byte(`{}`)) // so that it is the post that fails
			return
		}
		for name, value := range answer.header {
			w.Header().Set(name, value)
		}
		w.WriteHeader(answer.status)
		_, _ = w.Write([]byte(answer.body))
	}))
	defer server.Close()
	client := newClient(t, kind, server.URL)
	defer client.Close()
	err := client.Status(t.Context(), deployed())
	if err == nil {
		t.Fatalf("%s: %d is no error", kind, answer.status)
	}
	checkSecret(t, err)
	return err
}

func TestWhoIsNotAllowedIsToldWhatIsNeeded(t *testing.T) {
	for kind, want := range map[forge.Kind]string{
		forge.GitHub: "repo:status", forge.GitLab: "scope api", forge.Gitea: "write:repository", forge.Bitbucket: "Repositories: read and write",
	} {
		err := refused(t, kind, refusal{status: 401, body: `{"message": "Bad credentials ` + token + `"}`})
		if !errors.Is(err, forge.ErrAuth) || !strings.Contains(err.Error(), "Bad credentials") {
			t.Errorf("%s: 401: got %v, want ErrAuth", kind, err)
		}
		err = refused(t, kind, refusal{status: 403, body: `{"message": "Resource not accessible"}`})
		if !errors.Is(err, forge.ErrAuth) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: 403: got %v, want ErrAuth and %q", kind, err, want)
		}
		err = refused(t, kind, refusal{status: 404, body: `{"message": "Not Found"}`})
		if !errors.Is(err, forge.ErrRefused) || errors.Is(err, forge.ErrAuth) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: 404: got %v, want ErrRefused and %q", kind, err, want)
		}
	}
}

func TestErrorsSayWhereWhatAndWhy(t *testing.T) {
	p := protocols()[0]
	server := newForge(t, exchange{ask: p.list, answer: p.none}, exchange{ask: p.create, body: p.body, status: 422, answer: `{"message": "Validation Failed",
		"errors": [{"resource": "Status", "code": "custom", "message": "This SHA and context has reached the maximum number of statuses."}]}`})
	err := newClient(t, forge.GitHub, server.URL).Status(t.Context(), deployed())
	want := "post the commit status gitsync/deploy at " + strings.TrimPrefix(server.URL, "http://") +
		" for acme/infra: refused: POST /repos/acme/infra/statuses/" + commit + `: 422 Unprocessable Entity, ` +
		`"Validation Failed; This SHA and context has reached the maximum number of statuses.": ` +
		"the forge takes no more for this commit and context, the next commit gets one again"
	if err == nil || err.Error() != want || !errors.Is(err, forge.ErrRefused) {
		t.Errorf("got  %v\nwant %s", err, want)
	}
}

func TestRefusalsAreForGoodAndTroubleIsNot(t *testing.T) {
	each(t, func(t *testing.T, p protocol) {
		for status, forGood := range map[int]bool{
			400: true, 405: true, 410: true, 422: true, 408: false, 409: false, 500: false, 502: false, 503: false, 504: false,
		} {
			err := refused(t, p.kind, refusal{status: status, header: map[string]string{"Content-Type": "text/html"}, body: "<html>" + token})
			if got := errors.Is(err, forge.ErrRefused); got != forGood || errors.Is(err, forge.ErrAuth) {
				t.Errorf("%d: got %v, want it to be for good: %v", status, err, forGood)
			}
		}
	})
}

func TestRateLimitsSayUntilWhen(t *testing.T) {
	unix := func(d time.Duration) string { return strconv.FormatInt(now.Add(d).Unix(), 10) }
	for name, test := range map[string]struct {
		answer refusal
		want   time.Duration
	}{
		"seconds":            {refusal{status: 429, header: map[string]string{"Retry-After": "90"}}, 90 * time.Second},
		"a date":             {refusal{status: 429, header: map[string]string{"Retry-After": now.Add(2 * time.Minute).Format(http.TimeFormat)}}, 2 * time.Minute},
		"GitHub's reset":     {refusal{status: 403, header: map[string]string{"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": unix(20 * time.Minute)}}, 20 * time.Minute},
		"GitLab's reset":     {refusal{status: 429, header: map[string]string{"RateLimit-Reset": unix(30 * time.Second)}}, 30 * time.Second},
		"GitHub's secondary": {refusal{status: 403, body: `{"message": "You have exceeded a secondary rate limit"}`}, time.Minute},
		"403 with seconds":   {refusal{status: 403, header: map[string]string{"Retry-After": "5"}}, 5 * time.Second},
		"nothing":            {refusal{status: 429}, time.Minute},
		"the past":           {refusal{status: 429, header: map[string]string{"Retry-After": "-5"}}, time.Second},
		"next year":          {refusal{status: 429, header: map[string]string{"Retry-After": "31536000"}}, time.Hour},
		"nonsense":           {refusal{status: 429, header: map[string]string{"Retry-After": "soon", "RateLimit-Reset": "later"}}, time.Minute},
	} {
		err := refused(t, forge.GitHub, test.answer)
		var limited *forge.RateLimited
		if !errors.As(err, &limited) {
			t.Errorf("%s: got %v, want *RateLimited", name, err)
			continue
		}
		if got := limited.Until.Sub(now); got != test.want {
			t.Errorf("%s: got %s, want %s", name, got, test.want)
		}
		if errors.Is(err, forge.ErrAuth) || errors.Is(err, forge.ErrRefused) {
			t.Errorf("%s: %v is of two classes", name, err)
		}
	}
}

// transient checks that an error is of none of the classes: again, later.
func transient(t *testing.T, err error) {
	t.Helper()
	var limited *forge.RateLimited
	if err == nil || errors.Is(err, forge.ErrAuth) || errors.Is(err, forge.ErrRefused) || errors.As(err, &limited) {
		t.Errorf("got %v, want an error that may be over the next time", err)
	}
	checkSecret(t, err)
}

func TestAForgeThatDoesNotAnswerIsTransient(t *testing.T) {
	asked := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		close(asked)
		<-r.Context().Done()
	}))
	defer server.Close()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	finished := make(chan error, 1)
	client := newClient(t, forge.Gitea, server.URL)
	go func() { finished <- client.Status(ctx, deployed()) }()
	<-asked
	cancel()
	err := <-finished
	transient(t, err)
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want context.Canceled in it", err)
	}
}

func TestEachRequestIsBounded(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }))
	defer server.Close()
	client := newClient(t, forge.Gitea, server.URL, func(c *forge.Config) { c.Timeout = time.Millisecond })
	err := client.Status(t.Context(), deployed())
	transient(t, err)
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v, want context.DeadlineExceeded in it", err)
	}
}

func TestAConnectionThatIsCutIsTransient(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		conn, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		_ = conn.(*net.TCPConn).SetLinger(0) // a reset, not an end
		_ = conn.Close()
	}))
	defer server.Close()
	transient(t, newClient(t, forge.GitHub, server.URL).Status(t.Context(), deployed()))
}

func TestAForgeThatIsNotThereIsTransient(t *testing.T) {
	server := httptest.NewServer(http.NotFoundHandler())
	server.Close()
	transient(t, newClient(t, forge.GitHub, server.URL).Status(t.Context(), deployed()))
}

func TestTheTokenGoesToNoOtherHost(t *testing.T) {
	each(t, func(t *testing.T, p protocol) {
		thief := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			t.Errorf("another host was asked: %s %s", r.Method, r.URL)
		}))
		defer thief.Close()
		err := refused(t, p.kind, refusal{status: http.StatusTemporaryRedirect, header: map[string]string{"Location": thief.URL + "/api"}})
		if !errors.Is(err, forge.ErrRefused) || !strings.Contains(err.Error(), "--forge-url") {
			t.Errorf("got %v, want ErrRefused that says what to set", err)
		}
	})
}

func TestEncryptionIsNotGivenUp(t *testing.T) {
	asked := 0
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked++
		http.Redirect(w, r, "http://"+r.Host+r.RequestURI, http.StatusTemporaryRedirect)
	}))
	defer server.Close()
	client := newClient(t, forge.Gitea, server.URL, func(c *forge.Config) { c.Transport = server.Client().Transport })
	if err := client.Status(t.Context(), deployed()); !errors.Is(err, forge.ErrRefused) || asked != 1 {
		t.Errorf("got %v after %d requests, want ErrRefused after one", err, asked)
	}
}

func TestARepoThatMovedOnItsHostIsFollowed(t *testing.T) {
	p := protocols()[0]
	moved := func(path string) map[string]string { return map[string]string{"Location": path} }
	server := newForge(t,
		exchange{ask: p.list, status: http.StatusMovedPermanently, header: moved("/api/v3/repositories/1/status")},
		exchange{ask: "GET /api/v3/repositories/1/status", answer: p.none},
		exchange{ask: p.create, body: p.body, status: http.StatusTemporaryRedirect, header: moved("/api/v3/repositories/1/statuses")},
		exchange{ask: "POST /api/v3/repositories/1/statuses", body: p.body, status: http.StatusCreated, answer: `{}`},
		exchange{ask: p.list, answer: p.none},
		exchange{ask: p.create, body: p.body, status: http.StatusFound, header: moved("/api/v3/elsewhere")},
	)
	client := newClient(t, forge.GitHub, server.URL)
	if err := client.Status(t.Context(), deployed()); err != nil {
		t.Fatal(err)
	}
	if err := client.Status(t.Context(), deployed()); !errors.Is(err, forge.ErrRefused) {
		t.Errorf("a POST that would become a GET: got %v, want ErrRefused", err)
	}
}

func TestAnAnswerThatIsNotTheForgesIsRefused(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte("<html>please sign in</html>"))
	}))
	defer server.Close()
	err := newClient(t, forge.GitLab, server.URL).Status(t.Context(), deployed())
	if !errors.Is(err, forge.ErrRefused) || !strings.Contains(err.Error(), "check --forge") {
		t.Errorf("got %v, want ErrRefused that says what to check", err)
	}
	transport := answers(func(*http.Request) (int, string) { return http.StatusOK, strings.Repeat("[", 5<<20) })
	client := newClient(t, forge.GitLab, "https://x.example.com", func(c *forge.Config) { c.Transport = transport })
	if err := client.Status(t.Context(), deployed()); !errors.Is(err, forge.ErrRefused) || !strings.Contains(err.Error(), "longer than") {
		t.Errorf("got %v, want ErrRefused for its length", err)
	}
}

func TestAStatusThatCannotBeIsRefusedUnasked(t *testing.T) {
	server := newForge(t)
	client := newClient(t, forge.GitHub, server.URL)
	for _, change := range []func(*forge.Status){
		func(s *forge.Status) { s.Commit = "main" },
		func(s *forge.Status) { s.Commit = "../../../user" },
		func(s *forge.Status) { s.Context = "" },
		func(s *forge.Status) { s.State = "great" },
	} {
		status := deployed()
		change(&status)
		if err := client.Status(t.Context(), status); !errors.Is(err, forge.ErrRefused) {
			t.Errorf("%+v: got %v, want ErrRefused", status, err)
		}
	}
}
