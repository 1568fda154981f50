// Package grace lets work that has begun come to its end when it is told to stop.
package grace

import (
	"context"
	"time"
)

// Context returns a context that ends after the time-out, or, when its parent is
// cancelled, after the grace period. Values come from the parent. The caller calls
// the function that it returns when the work is done.
func Context(parent context.Context, timeout, grace time.Duration) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(parent), timeout)
	stop := context.AfterFunc(parent, func() {
		timer := time.AfterFunc(grace, cancel)
		context.AfterFunc(ctx, func() { timer.Stop() })
	})
	return ctx, func() {
		stop()
		cancel()
	}
}
