package docker

import (
	"fmt"
	"net/http"
	stdsync "sync"
	"time"
)

// clock is the engine's, as its last answer told it.
type clock struct {
	mu   stdsync.Mutex
	last time.Time
}

// answered reads the time of an answer. One that has none says nothing.
func (c *clock) answered(header http.Header) {
	at, err := http.ParseTime(header.Get("Date"))
	if err != nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.last = at
}

// Time implements runtime.Clock. It counts whole seconds.
func (r *Runtime) Time() (time.Time, error) {
	r.clock.mu.Lock()
	defer r.clock.mu.Unlock()
	if r.clock.last.IsZero() {
		return time.Time{}, fmt.Errorf("docker at %s does not say its time: its answers have no Date header; a proxy before its socket must let it through", r.address)
	}
	return r.clock.last, nil
}
