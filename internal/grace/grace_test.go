package grace_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gitsync/gitsync/internal/grace"
)

func TestWorkGoesOnForAWhileAfterACancellation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		parent, cancel := context.WithCancel(t.Context())
		ctx, done := grace.Context(parent, time.Hour, 10*time.Second)
		defer done()
		begun := time.Now()
		cancel()
		<-ctx.Done()
		if got := time.Since(begun); got != 10*time.Second {
			t.Errorf("it went on for %s, want 10s", got)
		}
	})
}

func TestWorkIsBoundedWithoutACancellation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, done := grace.Context(t.Context(), time.Minute, time.Second)
		defer done()
		begun := time.Now()
		<-ctx.Done()
		if got := time.Since(begun); got != time.Minute {
			t.Errorf("it went on for %s, want 1m", got)
		}
	})
}
