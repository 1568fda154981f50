package gitrepo

import (
	"errors"
	"fmt"
	"io"
	stdsync "sync"
	"time"
)

// pace is how fast a remote must send, or take what is pushed: so many bytes in each so long
// of waiting for it. Before the first of those that it sends it may take longer, since it has
// to find out what to send.
type pace struct {
	least         int
	first, window time.Duration
}

// The paces of references, and of packs: for those a server counts and compresses first,
// and says meanwhile only that it is still there.
var (
	refsPace = pace{least: 1 << 10, first: 20 * time.Second, window: 10 * time.Second}
	packPace = pace{least: 1 << 10, first: 2 * time.Minute, window: 20 * time.Second}
)

// errSlow means that the remote sends, or takes, too little.
var errSlow = errors.New("the remote is too slow")

// sent and taken are the errors for a remote that was slower than the pace.
func (p pace) sent(within time.Duration) error { return p.slow("sent", within) }

func (p pace) taken() error { return p.slow("took", p.window) }

func (p pace) slow(did string, within time.Duration) error {
	return fmt.Errorf("%w: it %s less than %d bytes in %s: the remote, or what is between, is overloaded or broken", errSlow, did, p.least, within)
}

// unanswered is the error for a remote that did not begin to answer.
func (p pace) unanswered() error { return fmt.Errorf("%w: no answer in %s", errSlow, p.first) }

// paced is a connection that fails when the remote is slower than the pace. The time that
// the reader takes itself does not count.
type paced struct {
	io.ReadCloser
	// abort ends the connection, so that a read which waits returns.
	abort func()

	mu     stdsync.Mutex
	pace   pace
	limit  time.Duration // how long this window is
	waited time.Duration // how much of it is over
	seen   int           // what came in it
	slow   error
}

func newPaced(r io.ReadCloser, p pace, abort func()) *paced {
	return &paced{ReadCloser: r, pace: p, limit: p.first, abort: abort}
}

// restart begins with the first window of another pace.
func (p *paced) restart(with pace) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.pace, p.limit, p.waited, p.seen = with, with.first, 0, 0
}

// Read implements io.Reader.
func (p *paced) Read(buffer []byte) (int, error) {
	p.mu.Lock()
	left := p.limit - p.waited
	p.mu.Unlock()
	timer := time.AfterFunc(max(left, 0), p.expire)
	begun := time.Now()
	n, err := p.ReadCloser.Read(buffer)
	timer.Stop()
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.slow != nil {
		return 0, p.slow
	}
	p.waited += time.Since(begun)
	if p.seen += n; p.seen >= p.pace.least {
		p.limit, p.waited, p.seen = p.pace.window, 0, 0
	}
	return n, err
}

// expire ends the connection. A read that has just returned ends with the error too: the
// window was over.
func (p *paced) expire() {
	p.mu.Lock()
	if p.slow == nil {
		p.slow = p.pace.sent(p.limit)
	}
	p.mu.Unlock()
	p.abort()
}
