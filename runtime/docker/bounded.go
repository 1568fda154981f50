package docker

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
)

const (
	// maxList bounds a list of containers. Ten thousand take half of it.
	maxList = 64 << 20
	// maxAnswer bounds what an engine answers to other calls.
	maxAnswer = 8 << 20
	// maxValues bounds how many objects and lists of JSON an answer holds: each takes a
	// hundred times the memory that it takes in the answer.
	maxValues = 1 << 20
	// maxMessage bounds one message of a stream: an event, or a line of a pull.
	maxMessage = 1 << 20
)

var (
	// errAnswer means that an engine answers what no engine does.
	errAnswer = errors.New("the engine's answer makes no sense")
	// errTooLarge means that an engine answers more than any engine has to say.
	errTooLarge = errors.New("the engine's answer is too large")
)

// bounded is the way to an engine that may be hostile: what it answers is bounded, since
// the client's library reads most of it whole.
type bounded struct {
	http.RoundTripper
	clock *clock
}

// RoundTrip implements http.RoundTripper.
func (b bounded) RoundTrip(request *http.Request) (*http.Response, error) {
	response, err := b.RoundTripper.RoundTrip(request)
	if err != nil {
		return nil, err
	}
	b.clock.answered(response.Header)
	at := request.URL.Path
	switch {
	case strings.HasSuffix(at, "/events"), strings.HasSuffix(at, "/images/create"):
		response.Body = &messages{ReadCloser: response.Body}
	case strings.HasSuffix(at, "/archive"), strings.HasSuffix(at, "/logs"):
		// Their readers stop by themselves.
	case strings.HasSuffix(at, "/containers/json"):
		response.Body = &answer{ReadCloser: response.Body, limit: maxList}
	default:
		response.Body = &answer{ReadCloser: response.Body, limit: maxAnswer}
	}
	return response, nil
}

// answer fails when there is more than allowed.
type answer struct {
	io.ReadCloser
	size, values, limit int
}

// Read implements io.Reader.
func (a *answer) Read(p []byte) (int, error) {
	n, err := a.ReadCloser.Read(p)
	a.size += n
	a.values += bytes.Count(p[:n], []byte("{")) + bytes.Count(p[:n], []byte("["))
	if a.size > a.limit {
		return 0, fmt.Errorf("%w: it has more than %d MiB", errTooLarge, a.limit>>20)
	}
	if a.values > maxValues {
		return 0, fmt.Errorf("%w: it holds more than %d values", errTooLarge, maxValues)
	}
	return n, err
}

// messages fails when a line is longer than allowed. There may be any number of them.
type messages struct {
	io.ReadCloser
	size int
}

// Read implements io.Reader.
func (m *messages) Read(p []byte) (int, error) {
	n, err := m.ReadCloser.Read(p)
	if end := bytes.LastIndexByte(p[:n], '\n'); end >= 0 {
		m.size = n - end - 1
	} else {
		m.size += n
	}
	if m.size > maxMessage {
		return 0, fmt.Errorf("%w: one of its messages has more than %d MiB", errTooLarge, maxMessage>>20)
	}
	return n, err
}
