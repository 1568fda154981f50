package gitrepo

import (
	"bytes"
	"errors"
	"io"
	"testing"
	"testing/synctest"
	"time"
)

// drip writes bytes in steps, each so long after the one before, until the reader is gone.
func drip(w *io.PipeWriter, step int, pause time.Duration, total int) {
	for sent := 0; sent < total; sent += step {
		<-time.After(pause) // of the bubble's clock
		if _, err := w.Write(bytes.Repeat([]byte("x"), step)); err != nil {
			return
		}
	}
	_ = w.Close()
}

func TestARemoteThatSendsTooLittleIsLeft(t *testing.T) {
	for name, c := range map[string]struct {
		step, total int
		pause       time.Duration
		// left is when it is left; 0 for never.
		left time.Duration
	}{
		"a byte a second":                          {1, 1 << 20, time.Second, refsPace.first},
		"nothing":                                  {1, 1, time.Hour, refsPace.first},
		"just below the rate":                      {1023, 1 << 20, 10*time.Second + time.Millisecond, 20*time.Second + 3*time.Millisecond},
		"just enough":                              {1024, 64 << 10, 9 * time.Second, 0},
		"a short answer after a long time":         {10, 10, refsPace.first - time.Second, 0},
		"a byte every 5 ms":                        {1, 3 << 10, time.Second / 200, 0},
		"much at once, after pauses that may last": {5 << 10, 50 << 10, 9 * time.Second, 0},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r, w := io.Pipe()
				gone := make(chan struct{})
				go func() {
					defer close(gone)
					drip(w, c.step, c.pause, c.total)
				}()
				begun := time.Now()
				n, err := io.Copy(io.Discard, newPaced(r, refsPace, func() { _ = r.Close() }))
				took := time.Since(begun)
				_ = r.Close()
				<-gone
				if c.left > 0 && (!errors.Is(err, errSlow) || took > c.left+refsPace.window) {
					t.Errorf("got %d bytes and %v after %s, want it to be left after %s", n, err, took, c.left)
				}
				if c.left == 0 && (err != nil || n != int64(c.total)) {
					t.Errorf("got %d bytes and %v, want all", n, err)
				}
			})
		})
	}
}

// A disk that is slow is not the remote's fault.
func TestTheTimeThatTheReaderTakesDoesNotCount(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPaced(io.NopCloser(bytes.NewReader(make([]byte, 100))), refsPace, func() { t.Error("it was left") })
		for range 100 {
			if _, err := p.Read(make([]byte, 1)); err != nil {
				t.Fatal(err)
			}
			<-time.After(time.Hour) // of the bubble's clock
		}
	})
}
