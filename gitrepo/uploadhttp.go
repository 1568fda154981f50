package gitrepo

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	githttp "github.com/go-git/go-git/v5/plumbing/transport/http"

	"github.com/gitsync/gitsync/gitrepo/protocol"
)

const (
	infoRefs   = "/info/refs"
	uploadPack = "git-upload-pack"
)

// httpConversation is one over HTTP, where each request stands for itself.
type httpConversation struct {
	remote *Remote
	// base is the address of the repo: where a redirect led, if one did.
	base       string
	redirected bool
	// old says that the server is not asked for version 2.
	old bool
	// answer is what is read; cancel ends its request.
	answer io.ReadCloser
	cancel context.CancelCauseFunc
}

func (r *Remote) openHTTP(old bool) *httpConversation {
	return &httpConversation{remote: r, base: r.endpoint.String(), old: old}
}

// greet implements conversation.
func (h *httpConversation) greet(ctx context.Context, keep func(string) bool) (protocol.Server, []protocol.Ref, error) {
	request, err := http.NewRequest(http.MethodGet, h.base+infoRefs+"?service="+uploadPack, nil)
	if err != nil {
		return protocol.Server{}, nil, err
	}
	reader, err := h.send(ctx, request, refsPace, newBudget(maxRefs, "the list of references"))
	if err != nil {
		return protocol.Server{}, nil, err
	}
	return greeting(reader, keep)
}

// ask implements conversation.
func (h *httpConversation) ask(ctx context.Context, content []byte, p pace, limit *budget) (*protocol.Reader, error) {
	request, err := http.NewRequest(http.MethodPost, h.base+"/"+uploadPack, bytes.NewReader(content))
	if err != nil {
		return nil, err
	}
	request.Header.Set("Content-Type", "application/x-git-upload-pack-request")
	request.Header.Set("Accept", "application/x-git-upload-pack-result")
	return h.send(ctx, request, p, limit)
}

func (h *httpConversation) send(ctx context.Context, request *http.Request, p pace, limit *budget) (*protocol.Reader, error) {
	if err := h.Close(); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	timer := time.AfterFunc(p.first, func() {
		cancel(p.unanswered())
	})
	defer timer.Stop()
	request.Header.Set("User-Agent", "git/2.0 (gitsync)")
	if !h.old {
		request.Header.Set("Git-Protocol", protocol.Version)
	}
	response, err := h.remote.client.Do(request.WithContext(ctx)) //nolint:bodyclose // Close does it
	if err != nil {
		if cause := context.Cause(ctx); errors.Is(cause, errSlow) {
			err = cause
		}
		cancel(nil)
		return nil, err
	}
	body := newPaced(response.Body, p, func() { cancel(errSlow) })
	response.Body, h.answer, h.cancel = body, body, cancel
	if err := githttp.NewErr(response); err != nil {
		return nil, errors.Join(err, ignored(h.Close()))
	}
	if err := h.follow(request, response); err != nil {
		return nil, errors.Join(err, ignored(h.Close()))
	}
	return protocol.NewReader(limit.reader(body)), nil
}

// follow remembers where a redirect led.
func (h *httpConversation) follow(asked *http.Request, response *http.Response) error {
	at := *response.Request.URL
	if at.Scheme == asked.URL.Scheme && at.Host == asked.URL.Host && at.Path == asked.URL.Path {
		return nil
	}
	path, ok := strings.CutSuffix(at.Path, infoRefs)
	if !ok {
		return fmt.Errorf("a redirect leads to %s, which is not the address of a Git repo", Redact(at.String()))
	}
	at.Path, at.RawPath, at.RawQuery, at.User = path, "", "", nil
	h.base, h.redirected = at.String(), true
	return nil
}

// The rest of an answer is read up to these bounds before it is closed, since a connection
// is used again only when nothing is left in it.
const (
	restBytes = 4 << 10
	restTime  = time.Second
)

// Close implements conversation.
func (h *httpConversation) Close() error {
	if h.answer == nil {
		return nil
	}
	timer := time.AfterFunc(restTime, func() { h.cancel(nil) })
	defer timer.Stop()
	_, _ = io.CopyN(io.Discard, h.answer, restBytes)
	_ = h.answer.Close() // of what is no longer wanted
	h.cancel(nil)
	h.answer = nil
	return nil
}

// onlyAtFirst follows redirects of the first request alone, as git does, and none that
// gives up encryption.
func onlyAtFirst(request *http.Request, via []*http.Request) error {
	switch {
	case via[0].Method != http.MethodGet:
		return fmt.Errorf("a redirect of a %s request is not followed: set the address that it leads to: %s", via[0].Method, Redact(request.URL.String()))
	case len(via) >= 10:
		return errors.New("more than 10 redirects")
	case via[len(via)-1].URL.Scheme == "https" && request.URL.Scheme != "https":
		return fmt.Errorf("a redirect from https:// to %s is not followed", Redact(request.URL.String()))
	}
	return nil
}

// greeting reads what a server says first.
func greeting(reader *protocol.Reader, keep func(string) bool) (protocol.Server, []protocol.Ref, error) {
	server, refs, err := reader.Greeting(keep)
	switch {
	case errors.Is(err, protocol.ErrTooMany):
		err = fmt.Errorf("%w: %w", ErrTooLarge, err)
	case errors.Is(err, ErrTooLarge):
		err = fmt.Errorf("%w: the server knows no protocol version 2, and sends all references: enable that version there (git 2.18 or later; over SSH AcceptEnv GIT_PROTOCOL in sshd_config), or mirror the branch to a repo without the others", err)
	}
	return server, refs, aboutRefs(err)
}
