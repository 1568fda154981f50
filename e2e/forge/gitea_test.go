package forge_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"code.gitea.io/sdk/gitea"
	"go.uber.org/goleak"

	"github.com/gitsync/gitsync/e2e/forge/internal/giteatest"
	"github.com/gitsync/gitsync/report/forge"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// newClient is a client with a token that may do no more than is needed.
func newClient(t *testing.T, server *giteatest.Server, repo string, changes ...func(*forge.Config)) *forge.Client {
	t.Helper()
	config := forge.Config{
		Kind: forge.Gitea, URL: server.URL, Repo: repo, Token: forge.Secret(server.NewToken(t, "write:repository")),
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

func TestARealGitea(t *testing.T) {
	server := giteatest.Start(t)
	t.Run("shows each state as it was said", func(t *testing.T) { showsEachState(t, server) })
	t.Run("is told the same once", func(t *testing.T) { isToldOnce(t, server) })
	t.Run("shows the page that was linked", func(t *testing.T) { showsPages(t, server) })
	t.Run("turns strangers away", func(t *testing.T) { turnsAway(t, server) })
	t.Run("calls at a push", func(t *testing.T) { callsAtAPush(t, server) })
}

const deploy = "gitsync/deploy"

func showsEachState(t *testing.T, server *giteatest.Server) {
	repo := server.NewRepo(t)
	client := newClient(t, server, repo.Name)
	hash := repo.Push(t, "main", map[string]string{"README.md": "hello"}, "say hello")
	for state, want := range map[forge.State]gitea.StatusState{
		forge.Pending: gitea.StatusPending, forge.Success: gitea.StatusSuccess, forge.Warning: gitea.StatusWarning,
		forge.Failure: gitea.StatusFailure, forge.Error: gitea.StatusError,
	} {
		status := forge.Status{
			Commit: hash, Context: deploy + "/" + string(state), State: state,
			Description: strings.Repeat("ä", 150), TargetURL: "https://status.example.com/" + string(state),
		}
		if err := client.Status(t.Context(), status); err != nil {
			t.Fatal(err)
		}
		got, ok := repo.Status(t, hash, status.Context)
		if !ok {
			t.Fatalf("%s: there is no status", state)
		}
		if got.State != want || got.TargetURL != status.TargetURL || got.Description != strings.Repeat("ä", 139)+"…" {
			t.Errorf("%s: got %s, %q, %q", state, got.State, got.Description, got.TargetURL)
		}
	}
}

func isToldOnce(t *testing.T, server *giteatest.Server) {
	repo := server.NewRepo(t)
	hash := repo.Push(t, "main", map[string]string{"README.md": "hello"}, "say hello")
	say := func(state forge.State, description string) {
		t.Helper()
		// A client that starts anew knows nothing of what was posted before.
		status := forge.Status{Commit: hash, Context: deploy, State: state, Description: description}
		if err := newClient(t, server, repo.Name).Status(t.Context(), status); err != nil {
			t.Fatal(err)
		}
	}
	for i, step := range []struct {
		state       forge.State
		description string
		want        int
	}{
		{forge.Pending, "2 hosts", 1},
		{forge.Pending, "2 hosts", 1},
		{forge.Success, "2 hosts", 2},
		{forge.Success, "2 hosts", 2},
		{forge.Success, "3 hosts", 3},
		{forge.Pending, "2 hosts", 4},
	} {
		say(step.state, step.description)
		statuses := repo.Statuses(t, hash)
		if len(statuses) != step.want {
			t.Errorf("step %d: got %d statuses, want %d", i, len(statuses), step.want)
		}
		if got, _ := repo.Status(t, hash, deploy); string(got.State) != string(step.state) || got.Description != step.description {
			t.Errorf("step %d: got %s %q", i, got.State, got.Description)
		}
	}
}

func showsPages(t *testing.T, server *giteatest.Server) {
	repo := server.NewRepo(t)
	repo.Publish(t)
	repo.Push(t, "main", map[string]string{"README.md": "hello"}, "begin")
	hash := repo.Push(t, "gitsync/state", map[string]string{"README.md": "hello"}, "say hello")
	client := newClient(t, server, repo.Name)
	for _, page := range []string{client.Page("gitsync/state", ""), client.Page("", hash)} {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, page, nil)
		if err != nil {
			t.Fatal(err)
		}
		response, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Do(request)
		if err != nil {
			t.Fatal(err)
		}
		content, err := io.ReadAll(response.Body)
		if closeErr := response.Body.Close(); err != nil || closeErr != nil {
			t.Fatal(err, closeErr)
		}
		if response.StatusCode != http.StatusOK || !strings.Contains(string(content), "say hello") {
			t.Errorf("%s: %s, and does not show the commit\n%s", page, response.Status, content)
		}
	}
}

func turnsAway(t *testing.T, server *giteatest.Server) {
	repo := server.NewRepo(t)
	hash := repo.Push(t, "main", map[string]string{"README.md": "hello"}, "say hello")
	for name, test := range map[string]struct {
		change func(*forge.Config)
		want   error
	}{
		"a wrong token":         {func(c *forge.Config) { c.Token = "wrong" }, forge.ErrAuth},
		"a token that may read": {func(c *forge.Config) { c.Token = forge.Secret(server.NewToken(t, "read:repository")) }, forge.ErrAuth},
		"a repo that is not":    {func(c *forge.Config) { c.Repo = server.User + "/nothing" }, forge.ErrRefused},
	} {
		client := newClient(t, server, repo.Name, test.change)
		err := client.Status(t.Context(), forge.Status{Commit: hash, Context: deploy, State: forge.Success})
		if !errors.Is(err, test.want) {
			t.Errorf("%s: got %v, want %v", name, err, test.want)
		}
	}
	if got := repo.Statuses(t, hash); len(got) != 0 {
		t.Errorf("got %d statuses, want none", len(got))
	}
	unknown := strings.Repeat("0123456789", 4)
	if err := newClient(t, server, repo.Name).Status(t.Context(), forge.Status{
		Commit: unknown, Context: deploy, State: forge.Success,
	}); !errors.Is(err, forge.ErrRefused) {
		t.Errorf("a commit that is not there: got %v, want ErrRefused", err)
	}
}

func callsAtAPush(t *testing.T, server *giteatest.Server) {
	called := make(chan *http.Request, 1)
	hook := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		select {
		case called <- r:
		default: // it is called again when it is slow
		}
	}))
	defer hook.Close()
	repo := server.NewRepo(t)
	repo.Webhook(t, hook.URL+"/hooks/gitea", "a secret")
	hash := repo.Push(t, "main", map[string]string{"README.md": "hello"}, "say hello")
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	select {
	case r := <-called:
		if r.Header.Get("X-Gitea-Event") != "push" || r.Header.Get("X-Gitea-Signature") == "" {
			t.Errorf("got the headers %v", r.Header)
		}
	case <-ctx.Done():
		t.Fatal("the webhook was not called")
	}
	if got := repo.Head(t, "main"); got != hash {
		t.Errorf("main: got %s, want %s", got, hash)
	}
}
