package main

import (
	"fmt"
	stdsync "sync"

	"github.com/docker/go-units"

	"github.com/gitsync/gitsync/runtime"
)

// progress shows how far pulls are, on one line that is written over. Without a
// terminal it shows nothing.
type progress struct {
	t  *terminal
	mu stdsync.Mutex
}

func newProgress(t *terminal) *progress { return &progress{t: t} }

func (p *progress) report() func(runtime.PullProgress) {
	if !p.t.tty {
		return nil
	}
	return func(pull runtime.PullProgress) {
		p.mu.Lock()
		defer p.mu.Unlock()
		end := "\r"
		if pull.Total > 0 && pull.Done >= pull.Total {
			end = "\n"
		}
		fmt.Fprintf(p.t.out, "\x1b[2Kpull %s: %s of %s%s", clean(pull.Image),
			units.BytesSize(float64(pull.Done)), units.BytesSize(float64(pull.Total)), end)
	}
}
