package sync_test

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/gitsync/gitsync/internal/panics"
)

// A panic in a host's work is that host's error: the others follow, and so does this one
// when it is over.
func TestAPanicOnAHostEndsNothingElse(t *testing.T) {
	for _, method := range []string{"list", "create", "start", "pull"} {
		t.Run(method, func(t *testing.T) {
			w := newWorld(t)
			broken, all := true, method == "list" || method == "start"
			w.watched.Before = func(_ int, called, subject string) error {
				if broken && called == method && (all || strings.Contains(subject, "web") || strings.Contains(subject, "nginx")) {
					panic("the engine's answer is odd")
				}
				return nil
			}
			w.commit(map[string]string{web1: web("nginx:1"), db1: database("postgres:1")}, "start")
			var log bytes.Buffer
			r := w.syncer.Cycle(zerolog.New(zerolog.SyncWriter(&log)).WithContext(t.Context()))
			if r.Err != nil {
				t.Fatalf("the cycle ended: %v", r.Err)
			}
			var caught *panics.Error
			for _, h := range r.Hosts {
				if h.Name == "web1" && !errors.As(h.Err, &caught) {
					t.Errorf("web1: %v, want the panic", h.Err)
				}
			}
			if !strings.Contains(log.String(), "panic_test.go") {
				t.Errorf("the log has no stack: %s", log.String())
			}
			if !all {
				w.runs("db", "postgres:1")
			}
			broken = false
			w.wait(time.Hour)
			w.cycle()
			w.runs("web", "nginx:1")
		})
	}
}
