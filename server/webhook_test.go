package server_test

import (
	"crypto/hmac"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync/atomic"
	"testing"

	"go.uber.org/goleak"

	"github.com/gitsync/gitsync/server"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const secretText = "It's a Secret to Everybody"

// listener is a server that counts the cycles that it starts.
type listener struct {
	*server.Server
	cycles atomic.Int32
}

func newListener(t *testing.T, change ...func(*server.Options)) *listener {
	t.Helper()
	l := &listener{}
	secret, err := server.NewSecret(secretText + "\n")
	if err != nil {
		t.Fatal(err)
	}
	opts := server.Options{Secret: secret, Branch: "main", Trigger: func() { l.cycles.Add(1) }}
	for _, f := range change {
		f(&opts)
	}
	if l.Server, err = server.New(opts); err != nil {
		t.Fatal(err)
	}
	return l
}

// send hands a request to the server, and checks its answer and whether a cycle started.
func (l *listener) send(t *testing.T, r *http.Request, status int, says string, cycles int) {
	t.Helper()
	before := int(l.cycles.Load())
	w := httptest.NewRecorder()
	l.Handler().ServeHTTP(w, r)
	if w.Code != status || !strings.Contains(w.Body.String(), says) {
		t.Errorf("answer %d %q, want %d and %q", w.Code, w.Body, status, says)
	}
	if got := int(l.cycles.Load()) - before; got != cycles {
		t.Errorf("%d cycles started, want %d", got, cycles)
	}
}

// post is a request as a forge makes it.
func post(body string, headers ...string) *http.Request {
	r := httptest.NewRequest(http.MethodPost, "/webhook", strings.NewReader(body))
	r.Header.Set("Content-Type", "application/json")
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		r.Header.Set(name, value)
	}
	return r
}

func sign(body string) string {
	mac := hmac.New(sha256.New, []byte(secretText))
	mac.Write([]byte(body))
	return hex.EncodeToString(mac.Sum(nil))
}

func signSHA1(body string) string {
	mac := hmac.New(sha1.New, []byte(secretText))
	mac.Write([]byte(body))
	return hex.EncodeToString(mac.Sum(nil))
}

func payload(t *testing.T, forge string) string {
	t.Helper()
	data, err := os.ReadFile("testdata/" + forge + ".json")
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// headers are those of each forge for a push.
func headers(forge, body string) []string {
	switch forge {
	case "github":
		return []string{
			"User-Agent: GitHub-Hookshot/044aadd", "X-GitHub-Event: push", "X-GitHub-Delivery: 72d3162e-cc78-11e3-81ab-4c9367dc0958",
			"X-Hub-Signature: sha1=" + signSHA1(body), "X-Hub-Signature-256: sha256=" + sign(body),
		}
	case "gitea":
		return []string{
			"X-Gitea-Event: push", "X-Gitea-Event-Type: push", "X-Gitea-Signature: " + sign(body), "X-Gogs-Event: push", "X-Gogs-Signature: " + sign(body),
			"X-GitHub-Event: push", "X-Hub-Signature: sha1=" + signSHA1(body), "X-Hub-Signature-256: sha256=" + sign(body),
		}
	case "forgejo":
		return []string{"X-Forgejo-Event: push", "X-Forgejo-Signature: " + sign(body), "X-Gitea-Event: push", "X-Gitea-Signature: " + sign(body)}
	case "gitlab":
		return []string{"User-Agent: GitLab/18.6.0", "X-Gitlab-Event: Push Hook", "X-Gitlab-Instance: https://gitlab.example.com", "X-Gitlab-Token: " + secretText}
	}
	return []string{"User-Agent: Bitbucket-Webhooks/2.0", "X-Event-Key: repo:push", "X-Attempt-Number: 1", "X-Hub-Signature: sha256=" + sign(body)}
}

var files = map[string]string{"github": "github", "gitea": "gitea", "forgejo": "gitea", "gitlab": "gitlab", "bitbucket": "bitbucket"}

func TestAPushToTheFollowedBranchStartsACycle(t *testing.T) {
	for forge, file := range files {
		t.Run(forge, func(t *testing.T) {
			body := payload(t, file)
			newListener(t).send(t, post(body, headers(forge, body)...), http.StatusAccepted, "a cycle begins", 1)
		})
	}
}

func TestAPushElsewhereStartsNone(t *testing.T) {
	for forge, file := range files {
		for _, ref := range []string{"refs/heads/gitsync/state", "refs/heads/maine", "refs/tags/main", "main", "refs/heads/"} {
			t.Run(forge+" "+ref, func(t *testing.T) {
				body := strings.ReplaceAll(payload(t, file), `"ref": "refs/heads/main"`, `"ref": "`+ref+`"`)
				body = strings.ReplaceAll(body, `"type": "branch", "name": "main"`, `"type": "branch", "name": "x`+ref+`"`)
				newListener(t).send(t, post(body, headers(forge, body)...), http.StatusAccepted, "ignored: the push is not to branch main", 0)
			})
		}
	}
}

func TestATagOfTheSameNameStartsNone(t *testing.T) {
	body := `{"push":{"changes":[{"new":{"type":"tag","name":"main"}},{"new":null}]}}`
	newListener(t).send(t, post(body, headers("bitbucket", body)...), http.StatusAccepted, "ignored", 0)
}

func TestWithoutTheSecretNothingHappens(t *testing.T) {
	body := payload(t, "github")
	good, other := sign(body), sign(body+" ")
	for name, given := range map[string][]string{
		"none":                               {},
		"empty":                              {"X-Hub-Signature-256: "},
		"no digits":                          {"X-Hub-Signature-256: sha256="},
		"of another body":                    {"X-Hub-Signature-256: sha256=" + other},
		"cut short":                          {"X-Hub-Signature-256: sha256=" + good[:62]},
		"without its prefix":                 {"X-Hub-Signature-256: " + good},
		"rubbish":                            {"X-Hub-Signature-256: sha256=zz"},
		"of SHA-1 only":                      {"X-Hub-Signature: sha1=" + signSHA1(body)},
		"of SHA-1 under the name of SHA-256": {"X-Hub-Signature-256: sha1=" + signSHA1(body)},
		"of SHA-1, said to be SHA-256":       {"X-Hub-Signature-256: sha256=" + signSHA1(body)},
		"of Gitea for another body":          {"X-Gitea-Signature: " + other},
		"of Forgejo for another body":        {"X-Forgejo-Signature: " + other},
		"of Bitbucket for another body":      {"X-Hub-Signature: sha256=" + other},
		"right and wrong":                    {"X-Hub-Signature-256: sha256=" + good, "X-Gitea-Signature: " + other},
		"wrong and right":                    {"X-Hub-Signature-256: sha256=" + other, "X-Gitea-Signature: " + good},
		"a wrong token":                      {"X-Gitlab-Token: " + secretText[1:]},
		"an empty token":                     {"X-Gitlab-Token: "},
		"the token as a signature":           {"X-Gitea-Signature: " + hex.EncodeToString([]byte(secretText))},
	} {
		t.Run(name, func(t *testing.T) {
			l := newListener(t)
			r := post(body, append(given, "X-GitHub-Event: push")...)
			l.send(t, r, http.StatusUnauthorized, "the signature is missing or wrong\n", 0)
		})
	}
}

func TestTheForgesOwnExamplesOfSignaturesAreUnderstood(t *testing.T) {
	// From GitHub's "Validating webhook deliveries" and Bitbucket's "Manage webhooks". They
	// sign what is no JSON, so that they come as far as the next step.
	l := newListener(t)
	l.send(t, post("Hello, World!", "X-GitHub-Event: push", "X-Hub-Signature-256: sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"),
		http.StatusBadRequest, "not the JSON of a push", 0)
	l.send(t, post("Hello World!", "X-Event-Key: repo:push", "X-Hub-Signature: sha256=a4771c39fbe90f317c7824e83ddef3caae9cb3d976c214ace1f2937e133263c9"),
		http.StatusBadRequest, "not the JSON of a push", 0)
}

func TestOtherEventsAreAnsweredWithoutACycle(t *testing.T) {
	body := payload(t, "github")
	l := newListener(t)
	signed := "X-Hub-Signature-256: sha256=" + sign(body)
	token := "X-Gitlab-Token: " + secretText
	l.send(t, post(body, signed, "X-GitHub-Event: ping"), http.StatusOK, "pong", 0)
	l.send(t, post(body, signed, "X-GitHub-Event: pull_request"), http.StatusAccepted, "only pushes", 0)
	l.send(t, post(body, signed, "X-Gitea-Event: create"), http.StatusAccepted, "only pushes", 0)
	l.send(t, post(body, token, "X-Gitlab-Event: Tag Push Hook"), http.StatusAccepted, "only pushes", 0)
	l.send(t, post(body, signed, "X-Event-Key: repo:fork"), http.StatusAccepted, "only pushes", 0)
	l.send(t, post(body, signed), http.StatusBadRequest, "no event", 0)
}

func TestGitLabsSystemHooksCountWhenTheyArePushes(t *testing.T) {
	l := newListener(t)
	hook := []string{"X-Gitlab-Event: System Hook", "X-Gitlab-Token: " + secretText}
	l.send(t, post(payload(t, "gitlab"), hook...), http.StatusAccepted, "a cycle begins", 1)
	l.send(t, post(`{"event_name":"project_create","name":"x"}`, hook...), http.StatusAccepted, "ignored", 0)
}

func TestRubbishIsRefused(t *testing.T) {
	l := newListener(t)
	for body, says := range map[string]string{
		"":                           "not the JSON of a push",
		"{":                          "not the JSON of a push",
		"[]":                         "not the JSON of a push",
		`"x"`:                        "not the JSON of a push",
		`{"ref":1}`:                  "not the JSON of a push",
		`{"ref":"a"} {}`:             "not the JSON of a push",
		`{"push":{"changes":"s3"}}`:  "not the JSON of a push",
		strings.Repeat("[", 100_000): "not the JSON of a push",
		"null":                       "names no ref",
		"{}":                         "names no ref",
		`{"ref":null}`:               "names no ref",
	} {
		l.send(t, post(body, headers("github", body)...), http.StatusBadRequest, says, 0)
	}
	body := "payload=%7B%7D"
	form := post(body, append(headers("github", body), "Content-Type: application/x-www-form-urlencoded")...)
	l.send(t, form, http.StatusUnsupportedMediaType, "application/json", 0)
	form.Header.Del("Content-Type")
	form = post(body, headers("github", body)...)
	form.Header.Del("Content-Type")
	l.send(t, form, http.StatusUnsupportedMediaType, "application/json", 0)
}

func TestOnlyTwoPathsAreThere(t *testing.T) {
	l := newListener(t)
	for _, tt := range []struct {
		method, path string
		status       int
	}{
		{http.MethodGet, "/webhook", http.StatusMethodNotAllowed},
		{http.MethodPut, "/webhook", http.StatusMethodNotAllowed},
		{http.MethodPost, "/healthz", http.StatusMethodNotAllowed},
		{http.MethodPost, "/", http.StatusNotFound},
		{http.MethodPost, "/webhook/", http.StatusNotFound},
		{http.MethodGet, "/metrics", http.StatusNotFound},
		{http.MethodHead, "/healthz", http.StatusOK},
		{http.MethodGet, "/healthz", http.StatusOK},
	} {
		l.send(t, httptest.NewRequest(tt.method, tt.path, nil), tt.status, "", 0)
	}
	l.send(t, httptest.NewRequest(http.MethodGet, "/healthz", nil), http.StatusOK, "ok\n", 0)
}

func TestASecretPrintsAsNothing(t *testing.T) {
	secret, err := server.NewSecret("hush")
	if err != nil {
		t.Fatal(err)
	}
	asJSON, err := json.Marshal(map[string]any{"secret": secret})
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{fmt.Sprint(secret), fmt.Sprintf("%+v %#v %s %q %x %d", secret, secret, secret, secret, secret, secret), string(asJSON)} {
		if strings.Contains(text, "hush") || strings.Contains(text, hex.EncodeToString([]byte("hush"))) || strings.Contains(text, "104 117") {
			t.Errorf("the secret is printed: %s", text)
		}
	}
	if _, err := server.NewSecret(" \n"); err == nil {
		t.Error("an empty secret is accepted")
	}
	if _, err := server.New(server.Options{Branch: "main", Trigger: func() {}}); err == nil {
		t.Error("a server without a secret is accepted")
	}
}
