package server_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// FuzzPayload sends signed rubbish: it may start a cycle only by naming the branch, and
// never breaks anything or comes back in an answer.
func FuzzPayload(f *testing.F) {
	for _, forge := range []string{"github", "gitlab", "bitbucket"} {
		for _, body := range []string{
			`{"ref":"refs/heads/main"}`, `{"event_name":"push","ref":"refs/heads/main"}`, `{"event_name":"x"}`, "{}", "null", "[[[[", `{"ref":{}}`,
			`{"push":{"changes":[{"new":{"type":"branch","name":"main"}},null,{"new":null}]}}`, `{"push":null}`, "\xff", `{"ref":"refs/heads/\u0000<b>"}`,
		} {
			f.Add(forge, body)
		}
	}
	f.Fuzz(func(t *testing.T, forge, body string) {
		l := newListener(t)
		w := httptest.NewRecorder()
		l.Handler().ServeHTTP(w, post(body, headers(forge, body)...))
		switch started := l.cycles.Load() == 1; {
		case w.Code != http.StatusAccepted && w.Code != http.StatusBadRequest:
			t.Errorf("answer %d %q", w.Code, w.Body)
		case started != strings.Contains(w.Body.String(), "a cycle begins"):
			t.Errorf("started: %v, answer %q", started, w.Body)
		case started && !strings.Contains(body, "main") && !strings.Contains(body, `\u`):
			t.Errorf("a cycle started for %q", body)
		case strings.ContainsAny(w.Body.String(), "<>\x00"):
			t.Errorf("the payload is in the answer: %q", w.Body)
		}
	})
}
