package gitrepo

import (
	"context"
	"errors"
	"io"
	"net/http"
	stdsync "sync"
	"time"
)

// pushes returns a client for pushes, which speaks to no other server than home, whatever
// the address looks like that a redirect leads to, and leaves one that is too slow.
func (b *bounded) pushes() *http.Client {
	return &http.Client{Transport: homebound{bounded: b, refs: refsPace, push: packPace}, CheckRedirect: onlyAtFirst}
}

// homebound sends requests to the server at home alone, which must answer them at a pace: one
// for references, and one for what is pushed.
type homebound struct {
	*bounded
	refs, push pace
}

// RoundTrip implements http.RoundTripper, as that of [bounded] does.
func (h homebound) RoundTrip(request *http.Request) (*http.Response, error) {
	if err := h.strayPush(request.URL); err != nil {
		return nil, err
	}
	pace := h.push
	if request.Method == http.MethodGet {
		pace = h.refs
	}
	ctx, cancel := context.WithCancelCause(request.Context())
	watch := newWatch(pace, cancel)
	response, err := h.bounded.RoundTrip(watch.over(request.WithContext(ctx)))
	watch.stop()
	if err != nil {
		if cause := context.Cause(ctx); errors.Is(cause, errSlow) {
			err = cause
		}
		cancel(nil)
		return nil, err
	}
	body := newPaced(response.Body, pace, func() { cancel(errSlow) })
	response.Body = &ending{body, func() { cancel(nil) }}
	return response, nil
}

// watch ends a request whose server does not take what is sent at the pace, or does not begin
// to answer.
type watch struct {
	pace   pace
	cancel context.CancelCauseFunc

	mu      stdsync.Mutex
	timer   *time.Timer
	stopped bool
}

func newWatch(p pace, cancel context.CancelCauseFunc) *watch {
	w := &watch{pace: p, cancel: cancel}
	w.expect(p.first, p.unanswered())
	return w
}

// expect says that what was waited for came, and how long the next thing may take.
func (w *watch) expect(within time.Duration, otherwise error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.timer != nil {
		w.timer.Stop()
	}
	if !w.stopped {
		w.timer = time.AfterFunc(within, func() { w.cancel(otherwise) })
	}
}

// stop says that the server answers.
func (w *watch) stop() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.stopped = true
	w.timer.Stop()
}

// over returns the request with its content watched, also when it is sent once more.
func (w *watch) over(request *http.Request) *http.Request {
	if request.Body == nil || request.Body == http.NoBody {
		return request
	}
	request.Body = &sending{request.Body, w}
	if again := request.GetBody; again != nil {
		request.GetBody = func() (io.ReadCloser, error) {
			body, err := again()
			if err != nil {
				return nil, err
			}
			return &sending{body, w}, nil
		}
	}
	return request
}

// sending is the content of a request. Whoever asks for more of it has sent what came before,
// so it is given out in the portions that must be taken in time.
type sending struct {
	io.ReadCloser
	watch *watch
}

// Read implements io.Reader.
func (s *sending) Read(p []byte) (int, error) {
	n, err := s.ReadCloser.Read(p[:min(len(p), s.watch.pace.least)])
	if err != nil {
		s.watch.expect(s.watch.pace.first, s.watch.pace.unanswered())
	} else {
		s.watch.expect(s.watch.pace.window, s.watch.pace.taken())
	}
	return n, err
}

// Close implements io.Closer: nothing more is sent.
func (s *sending) Close() error {
	s.watch.expect(s.watch.pace.first, s.watch.pace.unanswered())
	return s.ReadCloser.Close()
}

// ending is an answer that ends its request.
type ending struct {
	io.ReadCloser
	end func()
}

// Close implements io.Closer.
func (e *ending) Close() error {
	defer e.end()
	return e.ReadCloser.Close()
}
