package server

import (
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"slices"

	"github.com/rs/zerolog"
)

const (
	// maxBody bounds a payload. GitHub sends up to 25 MB, for a push of thousands of
	// commits: such a one is left to the next poll.
	maxBody = 8 << 20
	// maxBodies bounds how many payloads are held at once.
	maxBodies = 4
)

// answer is what a request gets.
type answer struct {
	status int
	text   string
}

func (s *Server) webhook(w http.ResponseWriter, r *http.Request) {
	forge, event := eventOf(r.Header)
	a := s.receive(w, r, event)
	log := zerolog.Ctx(r.Context())
	level := zerolog.DebugLevel
	switch {
	case a.status >= http.StatusBadRequest:
		// Anybody can make these lines.
		refused := log.Sample(s.refusals)
		log, level = &refused, zerolog.WarnLevel
	case a.status == http.StatusAccepted:
		level = zerolog.InfoLevel
	}
	log.WithLevel(level).Str("forge", forge).Str("from", r.RemoteAddr).Int("status", a.status).Str("answer", a.text).Msg("webhook")
	if a.status >= http.StatusBadRequest {
		// What is left of the body is not read.
		w.Header().Set("Connection", "close")
	}
	reply(w, a)
}

func reply(w http.ResponseWriter, a answer) {
	h := w.Header()
	h.Set("Content-Type", "text/plain; charset=utf-8")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cache-Control", "no-store")
	w.WriteHeader(a.status)
	// Who is gone misses the answer.
	_, _ = io.WriteString(w, a.text+"\n")
}

// receive goes through the steps of a request.
func (s *Server) receive(w http.ResponseWriter, r *http.Request, event kind) answer {
	given := proofs(r.Header)
	if len(given) == 0 {
		return turnedAway
	}
	body, refusal := s.read(w, r)
	switch {
	case refusal != nil:
		return *refusal
	case !s.secret(r.Context()).verify(given, body):
		return turnedAway
	case !isJSON(r.Header):
		return answer{http.StatusUnsupportedMediaType, "set the webhook's content type to application/json"}
	case event == unknown:
		return answer{http.StatusBadRequest, "the request names no event of a forge"}
	case event == ping:
		return answer{http.StatusOK, "pong"}
	case event == other:
		return answer{http.StatusAccepted, "ignored: only pushes start a cycle"}
	}
	branches, err := branchesOf(body)
	if err != nil {
		return answer{http.StatusBadRequest, err.Error()}
	}
	if !slices.Contains(branches, s.opts.Branch) {
		return answer{http.StatusAccepted, fmt.Sprintf("ignored: the push is not to branch %s", s.opts.Branch)}
	}
	s.opts.Trigger()
	return answer{http.StatusAccepted, "a cycle begins"}
}

// secret is what forges sign with now.
func (s *Server) secret(ctx context.Context) Secret {
	if s.opts.CurrentSecret != nil {
		return s.opts.CurrentSecret(ctx)
	}
	return s.opts.Secret
}

// turnedAway does not say whether a signature is missing or wrong.
var turnedAway = answer{http.StatusUnauthorized, "the signature is missing or wrong"}

// read returns the body, or why it is not read.
func (s *Server) read(w http.ResponseWriter, r *http.Request) ([]byte, *answer) {
	tooLarge := &answer{http.StatusRequestEntityTooLarge, "the payload is too large: the next poll sees the push"}
	if r.ContentLength > maxBody {
		return nil, tooLarge
	}
	select {
	case s.bodies <- struct{}{}:
	default:
		w.Header().Set("Retry-After", "10")
		return nil, &answer{http.StatusServiceUnavailable, "too many webhooks at once: the next poll sees the push"}
	}
	defer func() { <-s.bodies }()
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	var large *http.MaxBytesError
	switch {
	case errors.As(err, &large):
		return nil, tooLarge
	case err != nil:
		return nil, &answer{http.StatusBadRequest, "the body did not arrive as a whole"}
	}
	return body, nil
}

// isJSON says whether the body claims to be JSON. GitHub and Gitea can be set to send
// forms.
func isJSON(h http.Header) bool {
	media, _, err := mime.ParseMediaType(h.Get("Content-Type"))
	return err == nil && media == "application/json"
}
