package forge

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// The classes of errors that say how to react. [RateLimited] is another one; whatever is
// none of them may be over the next time.
var (
	// ErrAuth: the forge does not know us, or does not let us. A person must act.
	ErrAuth = errors.New("not allowed")
	// ErrRefused: the forge will not take this, however often it is asked.
	ErrRefused = errors.New("refused")
	// ErrUnsupported: the forge has no such thing.
	ErrUnsupported = errors.New("this kind of forge has no records of deployments")

	errNotFound  = fmt.Errorf("%w", ErrRefused)
	errForbidden = fmt.Errorf("%w", ErrAuth)
)

// RateLimited says that the forge wants to be left alone for a while.
type RateLimited struct {
	// Until is when it may be asked again, at most an hour from now.
	Until time.Time
	// Err is what it answered.
	Err error
}

func (e *RateLimited) Error() string {
	return fmt.Sprintf("%v: asked too often, again from %s on", e.Err, e.Until.UTC().Format(time.RFC3339))
}

// Unwrap returns what the forge answered.
func (e *RateLimited) Unwrap() error { return e.Err }

const (
	// waitUnnamed is how long to wait when a forge says that it was asked too often, and
	// not until when: GitHub's documentation asks for a minute at least.
	waitUnnamed = time.Minute
	// maxWait bounds what a forge may ask for; GitHub's limits are by the hour.
	maxWait = time.Hour
	// maxMessage is how much of a forge's message is told.
	maxMessage = 200
)

// answerError is the error for an answer that is not a success.
func (c *Client) answerError(method, path string, response *http.Response, content []byte) error {
	path, _, _ = strings.Cut(path, "?")
	needs := permission(c.config.Kind, strings.Replace(path, escapePath(c.config.Repo), "", 1))
	told := fmt.Errorf("%s %s: %d %s", method, path, response.StatusCode, http.StatusText(response.StatusCode))
	// Before it is cut, so that no part of a token is left.
	content = []byte(c.redact(string(content), response.Request))
	text := message(response.Header.Get("Content-Type"), content)
	if text != "" {
		told = fmt.Errorf("%w, %q", told, text)
	}
	status := response.StatusCode
	if until, ok := c.limitedUntil(response, text); ok {
		return &RateLimited{Until: until, Err: told}
	}
	switch {
	case status == http.StatusUnauthorized:
		return fmt.Errorf("%w: %w: the token is not accepted; it was withdrawn, has expired, or is for another forge", ErrAuth, told)
	case status == http.StatusForbidden:
		return fmt.Errorf("%w: %w: the token needs %s", errForbidden, told, needs)
	case status == http.StatusNotFound:
		return fmt.Errorf("%w: %w: there is no such repo or commit, or the token does not see it; it needs %s",
			errNotFound, told, needs)
	case strings.Contains(text, "maximum number of statuses"):
		return fmt.Errorf("%w: %w: the forge takes no more for this commit and context, the next commit gets one again",
			ErrRefused, told)
	case status == http.StatusRequestTimeout, status == http.StatusConflict, status == http.StatusTooEarly:
		return told
	case status >= 300 && status < 500:
		return fmt.Errorf("%w: %w", ErrRefused, told)
	}
	return told
}

// permission is what the token needs, by what was asked for.
func permission(kind Kind, path string) string {
	deployments := strings.Contains(path, "/deployments")
	switch {
	case strings.HasSuffix(path, "/access_tokens") || strings.HasSuffix(path, "/installation"):
		return "the App to be installed for this repo, and --forge-app-id and --forge-app-key-file to belong together"
	case kind == GitHub && deployments:
		return "the permission \"Deployments: read and write\" (classic: the scope repo_deployment)"
	case kind == GitHub:
		return "the permission \"Commit statuses: read and write\" (classic: the scope repo:status)"
	case kind == GitLab:
		return "the scope api, and a role that may push to the branch: Developer, or Maintainer where it is protected"
	case kind == Gitea:
		return "the scope write:repository, of a user who may write to the repo"
	}
	return "the permission \"Repositories: read and write\""
}

// limitedUntil tells whether an answer means that we asked too often, and when it may be
// asked again.
func (c *Client) limitedUntil(response *http.Response, text string) (time.Time, bool) {
	head, now := response.Header, c.config.Now()
	retryAfter := head.Get("Retry-After")
	limited := response.StatusCode == http.StatusTooManyRequests ||
		response.StatusCode == http.StatusForbidden &&
			(retryAfter != "" || head.Get("X-RateLimit-Remaining") == "0" || strings.Contains(text, "rate limit"))
	if !limited {
		return time.Time{}, false
	}
	until := now.Add(waitUnnamed)
	if at, ok := retryTime(retryAfter, now); ok {
		until = at
	} else if at, ok := resetTime(head); ok {
		until = at
	}
	if until.Before(now.Add(time.Second)) {
		until = now.Add(time.Second)
	}
	if until.After(now.Add(maxWait)) {
		until = now.Add(maxWait)
	}
	return until, true
}

// retryTime reads Retry-After: seconds, or a date (RFC 9110, section 10.2.3).
func retryTime(text string, now time.Time) (time.Time, bool) {
	if seconds, err := strconv.ParseInt(text, 10, 32); err == nil {
		return now.Add(time.Duration(seconds) * time.Second), true
	}
	at, err := http.ParseTime(text)
	return at, err == nil
}

// resetTime reads when a limit is lifted, in seconds since 1970: GitHub's header, or
// GitLab's.
func resetTime(head http.Header) (time.Time, bool) {
	for _, name := range []string{"X-RateLimit-Reset", "RateLimit-Reset"} {
		if seconds, err := strconv.ParseInt(head.Get(name), 10, 64); err == nil {
			return time.Unix(seconds, 0), true
		}
	}
	return time.Time{}, false
}

// message is what a forge says in the body of an error: the first line of its text, or of
// what its JSON has for people.
func message(contentType string, content []byte) string {
	var parsed struct {
		Message json.RawMessage   `json:"message"`
		Error   json.RawMessage   `json:"error"`
		Errors  []json.RawMessage `json:"errors"`
	}
	if json.Unmarshal(content, &parsed) != nil {
		if !strings.HasPrefix(contentType, "text/plain") {
			return ""
		}
		first, _, _ := strings.Cut(strings.TrimSpace(string(content)), "\n")
		return line(first, maxMessage)
	}
	var said []string
	for _, raw := range append([]json.RawMessage{parsed.Message, parsed.Error}, parsed.Errors...) {
		if text := words(raw); text != "" {
			said = append(said, text)
		}
	}
	return line(strings.Join(said, "; "), maxMessage)
}

// words are the text of a JSON string, of an object's message, or else the JSON itself.
func words(raw json.RawMessage) string {
	var text string
	if len(raw) == 0 || string(raw) == "null" || json.Unmarshal(raw, &text) == nil {
		return text
	}
	var object struct {
		Message string `json:"message"`
		Field   string `json:"field"`
		Code    string `json:"code"`
	}
	if json.Unmarshal(raw, &object) == nil {
		switch {
		case object.Message != "":
			return object.Message
		case object.Field != "":
			return object.Field + " " + object.Code
		}
	}
	return string(raw)
}

// redact takes what we signed a request with out of what a forge said.
func (c *Client) redact(text string, request *http.Request) string {
	for _, value := range []string{
		string(c.config.Token), request.Header.Get("Private-Token"), request.Header.Get("Authorization"),
	} {
		if secret := value[strings.LastIndex(value, " ")+1:]; secret != "" {
			text = strings.ReplaceAll(text, secret, "(secret)")
		}
	}
	return text
}
