package forge_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/gitsync/gitsync/report/forge"
)

// protocol is how a forge is asked for a status and given one.
type protocol struct {
	kind         forge.Kind
	header       [2]string
	list, create string
	none, same   string // answers to list
	noneStatus   int
	body         string // of create
}

func protocols() []protocol {
	return []protocol{
		{
			kind: forge.GitHub, header: [2]string{"Authorization", "Bearer " + token},
			list:   "GET /api/v3/repos/acme/infra/commits/" + commit + "/status?per_page=100&page=1",
			create: "POST /api/v3/repos/acme/infra/statuses/" + commit,
			none:   `{"state": "pending", "statuses": []}`,
			same: `{"statuses": [{"context": "ci", "state": "failure", "description": null, "target_url": null},
				{"context": "gitsync/deploy", "state": "success", "description": "14 hosts", "target_url": "https://status.example.com/"}]}`,
			body: `{"state": "success", "context": "gitsync/deploy", "description": "14 hosts", "target_url": "https://status.example.com/"}`,
		},
		{
			kind: forge.GitLab, header: [2]string{"Private-Token", token},
			list:   "GET /api/v4/projects/acme%2Finfra/repository/commits/" + commit + "/statuses?name=gitsync%2Fdeploy&page=1&per_page=100",
			create: "POST /api/v4/projects/acme%2Finfra/statuses/" + commit,
			none:   `[]`,
			same: `[{"id": 8, "name": "gitsync/deploy", "status": "success", "description": "14 hosts", "target_url": "https://status.example.com/"},
				{"id": 7, "name": "gitsync/deploy", "status": "pending", "description": null, "target_url": null}]`,
			body: `{"state": "success", "name": "gitsync/deploy", "description": "14 hosts", "target_url": "https://status.example.com/"}`,
		},
		{
			kind: forge.Gitea, header: [2]string{"Authorization", "token " + token},
			list:   "GET /api/v1/repos/acme/infra/commits/" + commit + "/status?limit=50&page=1",
			create: "POST /api/v1/repos/acme/infra/statuses/" + commit,
			none:   `{"state": "", "statuses": null}`,
			same:   `{"statuses": [{"context": "gitsync/deploy", "status": "success", "description": "14 hosts", "target_url": "https://status.example.com/"}]}`,
			body:   `{"state": "success", "context": "gitsync/deploy", "description": "14 hosts", "target_url": "https://status.example.com/"}`,
		},
		{
			kind: forge.Bitbucket, header: [2]string{"Authorization", "Bearer " + token},
			list:       "GET /repositories/acme/infra/commit/" + commit + "/statuses/build/gitsync%2Fdeploy",
			create:     "POST /repositories/acme/infra/commit/" + commit + "/statuses/build",
			none:       `{"type": "error", "error": {"message": "no such status"}}`,
			noneStatus: http.StatusNotFound,
			same:       `{"key": "gitsync/deploy", "state": "SUCCESSFUL", "description": "14 hosts", "url": "https://status.example.com/"}`,
			body: `{"state": "SUCCESSFUL", "key": "gitsync/deploy", "name": "gitsync/deploy", "description": "14 hosts",
				"url": "https://status.example.com/"}`,
		},
	}
}

// each runs a test for each kind of forge.
func each(t *testing.T, test func(t *testing.T, p protocol)) {
	for _, p := range protocols() {
		t.Run(string(p.kind), func(t *testing.T) { test(t, p) })
	}
}

func TestAStatusThatIsNotThereIsPosted(t *testing.T) {
	each(t, func(t *testing.T, p protocol) {
		server := newForge(t,
			exchange{ask: p.list, status: p.noneStatus, answer: p.none},
			exchange{ask: p.create, body: p.body, status: http.StatusCreated, answer: `{"id": 1}`},
		)
		client := newClient(t, p.kind, server.URL)
		if err := client.Status(t.Context(), deployed()); err != nil {
			t.Fatal(err)
		}
		server.checkHeader(t, p.header[0], p.header[1])
		server.checkHeader(t, "User-Agent", "gitsync")
	})
}

func TestAStatusThatIsThereIsNotPostedAgain(t *testing.T) {
	each(t, func(t *testing.T, p protocol) {
		server := newForge(t, exchange{ask: p.list, answer: p.same})
		client := newClient(t, p.kind, server.URL)
		if err := client.Status(t.Context(), deployed()); err != nil {
			t.Fatal(err)
		}
	})
}

func TestATokenThatMayNotLookMayStillPost(t *testing.T) {
	each(t, func(t *testing.T, p protocol) {
		for _, status := range []int{http.StatusForbidden, http.StatusNotFound} {
			server := newForge(t,
				exchange{ask: p.list, status: status, answer: `{"message": "no"}`},
				exchange{ask: p.create, body: p.body, status: http.StatusCreated, answer: `{"id": 1}`},
			)
			if err := newClient(t, p.kind, server.URL).Status(t.Context(), deployed()); err != nil {
				t.Errorf("%d: %v", status, err)
			}
		}
	})
}

func TestACommitThatIsNotThereIsRefusedWhateverThePostAnswers(t *testing.T) {
	each(t, func(t *testing.T, p protocol) {
		if p.kind == forge.Bitbucket {
			// Its 404 says that the commit has no such status.
			return
		}
		server := newForge(t,
			exchange{ask: p.list, status: http.StatusNotFound, answer: `{"message": "no"}`},
			exchange{ask: p.create, body: p.body, status: http.StatusInternalServerError, answer: `{"message": "object does not exist"}`},
		)
		if err := newClient(t, p.kind, server.URL).Status(t.Context(), deployed()); !errors.Is(err, forge.ErrRefused) {
			t.Errorf("got %v, want %v", err, forge.ErrRefused)
		}
	})
}

func TestWhatDiffersWithEachTryIsNoChange(t *testing.T) {
	each(t, func(t *testing.T, p protocol) {
		first, second := deployed(), deployed()
		first.Description = "web1 web: endpoint 0f3c9a1d2e4b failed after 1.2s: read 10.0.0.1:41234: reset at 12:01:02"
		second.Description = "web1 web: endpoint 9ab0c1d2e3f4 failed after 0.35s: read 10.0.0.1:53210: reset at 12:06:02"
		server := newForge(t, exchange{ask: p.list, answer: strings.Replace(p.same, "14 hosts", first.Description, 1)})
		if err := newClient(t, p.kind, server.URL).Status(t.Context(), second); err != nil {
			t.Fatal(err)
		}
	})
}

func TestEachPartOfAStatusCountsAsAChange(t *testing.T) {
	each(t, func(t *testing.T, p protocol) {
		for name, change := range map[string]func(*forge.Status){
			"state":       func(s *forge.Status) { s.State = forge.Failure },
			"description": func(s *forge.Status) { s.Description = "13 of 14 hosts" },
			"target":      func(s *forge.Status) { s.TargetURL = "https://status.example.com/2" },
		} {
			posted := 0
			transport := answers(func(r *http.Request) (int, string) {
				if r.Method == http.MethodPost {
					posted++
					return http.StatusCreated, `{}`
				}
				return http.StatusOK, p.same
			})
			client := newClient(t, p.kind, "https://forge.example.com", func(c *forge.Config) { c.Transport = transport })
			status := deployed()
			change(&status)
			if err := client.Status(t.Context(), status); err != nil {
				t.Fatal(err)
			}
			if posted != 1 {
				t.Errorf("a changed %s was posted %d times, want once", name, posted)
			}
		}
	})
}

func TestStatesAreSaidInTheForgesWords(t *testing.T) {
	states := []forge.State{forge.Pending, forge.Success, forge.Warning, forge.Failure, forge.Error}
	for kind, want := range map[forge.Kind][]string{
		forge.GitHub:    {"pending", "success", "failure", "failure", "error"},
		forge.GitLab:    {"pending", "success", "failed", "failed", "failed"},
		forge.Gitea:     {"pending", "success", "warning", "failure", "error"},
		forge.Bitbucket: {"INPROGRESS", "SUCCESSFUL", "FAILED", "FAILED", "FAILED"},
	} {
		for i, state := range states {
			status := deployed()
			status.State = state
			if got := posted(t, kind, status)["state"]; got != want[i] {
				t.Errorf("%s: %s is said as %v, want %s", kind, state, got, want[i])
			}
		}
	}
}

func TestDescriptionsAreCutBetweenCharacters(t *testing.T) {
	each(t, func(t *testing.T, p protocol) {
		status := deployed()
		status.Description = strings.Repeat("ä", 139) + "öü"
		got, _ := posted(t, p.kind, status)["description"].(string)
		if want := strings.Repeat("ä", 139) + "…"; got != want || utf8.RuneCountInString(got) != 140 {
			t.Errorf("got %q, want %q", got, want)
		}
		status.Description = "web1:\n\tdb \x1b[2J is 🔥\u202e"
		if got, want := posted(t, p.kind, status)["description"], "web1: db [2J is \ufffd"; got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	})
}

func TestACutStatusIsRecognised(t *testing.T) {
	status := deployed()
	status.Description = strings.Repeat("very long ", 40)
	body := posted(t, forge.Gitea, status)
	there, _ := json.Marshal(body["description"])
	server := newForge(t, exchange{
		ask: protocols()[2].list,
		answer: fmt.Sprintf(`{"statuses": [{"context": "gitsync/deploy", "status": "success", "description": %s,
			"target_url": "https://status.example.com/"}]}`, there),
	})
	if err := newClient(t, forge.Gitea, server.URL).Status(t.Context(), status); err != nil {
		t.Fatal(err)
	}
}

func TestBitbucketGetsAPageAndAShortKey(t *testing.T) {
	status := deployed()
	status.TargetURL = ""
	status.Context = "gitsync/deploy/a-very-long-name-of-an-instance-0"
	first := posted(t, forge.Bitbucket, status, func(c *forge.Config) { c.URL = "" })
	if got, want := first["url"], "https://bitbucket.org/acme/infra/commits/"+commit; got != want {
		t.Errorf("url: got %v, want %s", got, want)
	}
	if first["name"] != status.Context {
		t.Errorf("name: got %v, want %s", first["name"], status.Context)
	}
	status.Context = "gitsync/deploy/a-very-long-name-of-an-instance-1"
	second := posted(t, forge.Bitbucket, status)
	key, _ := first["key"].(string)
	if len(key) != 40 || first["key"] == second["key"] {
		t.Errorf("got the keys %v and %v, want two different ones of 40 characters", first["key"], second["key"])
	}
}

func TestGitLabRefusingTheSameStateIsSuccess(t *testing.T) {
	p := protocols()[1]
	refusal := func(from string) exchange {
		return exchange{
			ask: p.create, body: strings.Replace(p.body, "success", "pending", 1), status: http.StatusBadRequest,
			answer: `{"message": "Cannot transition status via :enqueue from :` + from +
				` (Reason(s): Status cannot transition via \"enqueue\")"}`,
		}
	}
	status := deployed()
	status.State = forge.Pending
	server := newForge(t, exchange{ask: p.list, answer: p.none}, refusal("pending"))
	if err := newClient(t, forge.GitLab, server.URL).Status(t.Context(), status); err != nil {
		t.Errorf("the state is pending already: %v", err)
	}
	server = newForge(t, exchange{ask: p.list, answer: p.none}, refusal("running"))
	if err := newClient(t, forge.GitLab, server.URL).Status(t.Context(), status); err == nil {
		t.Error("the state is another one, and the refusal is not told")
	}
}

func TestListsAreReadToTheEndOfABound(t *testing.T) {
	each(t, func(t *testing.T, p protocol) {
		other := `{"context": "other", "name": "other", "state": "success", "status": "success"}`
		full := strings.TrimSuffix(strings.Repeat(other+",", 100), ",")
		asked := 0
		transport := answers(func(r *http.Request) (int, string) {
			if r.Method == http.MethodPost {
				return http.StatusCreated, `{}`
			}
			asked++
			if p.kind == forge.GitLab {
				return http.StatusOK, `[` + full + `]`
			}
			return http.StatusOK, `{"statuses": [` + full + `]}`
		})
		client := newClient(t, p.kind, "https://forge.example.com", func(c *forge.Config) { c.Transport = transport })
		if err := client.Status(t.Context(), deployed()); err != nil {
			t.Fatal(err)
		}
		want := 10
		if p.kind == forge.Bitbucket {
			want = 1 // asks for the one
		}
		if asked != want {
			t.Errorf("asked %d times, want %d", asked, want)
		}
	})
}

func TestARotatedTokenIsTakenFromItsFile(t *testing.T) {
	file := filepath.Join(t.TempDir(), "token")
	var seen []string
	transport := answers(func(r *http.Request) (int, string) {
		seen = append(seen, r.Header.Get("Authorization"))
		return http.StatusOK, protocols()[2].same
	})
	client := newClient(t, forge.Gitea, "https://forge.example.com", func(c *forge.Config) {
		c.Token, c.TokenFile, c.Transport = "", file, transport
	})
	for _, value := range []string{"one", "two"} {
		if err := os.WriteFile(file, []byte(value+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := client.Status(t.Context(), deployed()); err != nil {
			t.Fatal(err)
		}
	}
	if got := strings.Join(seen, ", "); got != "token one, token two" {
		t.Errorf("got %s", got)
	}
}

func TestATokenOfAPersonAtBitbucketSignsInByName(t *testing.T) {
	var seen string
	transport := answers(func(r *http.Request) (int, string) {
		name, password, _ := r.BasicAuth()
		seen = name + " " + password
		return http.StatusOK, protocols()[3].same
	})
	client := newClient(t, forge.Bitbucket, "", func(c *forge.Config) {
		c.Token, c.Transport = "ada@example.com:"+token, transport
	})
	if err := client.Status(context.Background(), deployed()); err != nil || seen != "ada@example.com "+token {
		t.Errorf("got %q, %v", seen, err)
	}
}

// answers is a transport that answers by a function, without a network.
type answers func(*http.Request) (status int, body string)

func (a answers) RoundTrip(r *http.Request) (*http.Response, error) {
	if err := r.Context().Err(); err != nil {
		return nil, err
	}
	status, body := a(r)
	return &http.Response{
		StatusCode: status, Header: http.Header{"Content-Type": {"application/json"}},
		Body: readCloser{strings.NewReader(body)}, Request: r,
	}, nil
}

type readCloser struct{ *strings.Reader }

func (readCloser) Close() error { return nil }

// posted is the body that a status is posted with, where there was none.
func posted(t *testing.T, kind forge.Kind, status forge.Status, changes ...func(*forge.Config)) map[string]any {
	t.Helper()
	body := map[string]any{}
	transport := answers(func(r *http.Request) (int, string) {
		if r.Method == http.MethodPost {
			if err := json.NewDecoder(r.Body).Decode(&body); err != nil {
				t.Error(err)
			}
			return http.StatusCreated, `{}`
		}
		if kind == forge.GitLab {
			return http.StatusOK, `[]`
		}
		return http.StatusOK, `{}`
	})
	changes = append(changes, func(c *forge.Config) { c.Transport = transport })
	if err := newClient(t, kind, "https://forge.example.com", changes...).Status(t.Context(), status); err != nil {
		t.Fatal(err)
	}
	return body
}
