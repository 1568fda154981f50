// Package lossy writes without ever waiting: lines go through a bounded buffer to whoever
// reads them, and are dropped and counted while nobody does.
//
// What is guaranteed: Write returns at once, whatever the reader does; lines keep their
// order, and are written whole or not at all; where some were dropped a line says how many,
// as soon as the reader takes anything again. What is not: that a line which was taken is
// read; [Writer.Close] waits for that, for a while.
package lossy

import (
	"io"
	stdsync "sync"
	"time"

	"golang.org/x/sync/errgroup"
)

// Writer hands lines over to another writer. It is safe for concurrent use.
type Writer struct {
	out    io.Writer
	most   int
	notice func(dropped int) []byte
	// group is what writes; it ends with Close, or with the process when a write hangs.
	group errgroup.Group

	mu    stdsync.Mutex
	lines [][]byte
	// bytes are those of lines, and of what is being written.
	bytes int
	// missing are lines that were dropped since a notice said so, and dropped are all.
	missing int
	dropped uint64
	begun   bool
	closed  bool
	wake    chan struct{}
	idle    chan struct{}
}

// New returns a writer that keeps so many bytes at most until out has taken them. The
// notice, which may not be nil, is what is written where lines are missing.
func New(out io.Writer, most int, notice func(dropped int) []byte) *Writer {
	return &Writer{out: out, most: most, notice: notice, wake: make(chan struct{}, 1), idle: make(chan struct{})}
}

// Write takes a line, or drops it. It never waits, and never fails.
func (w *Writer) Write(line []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed || w.bytes+len(line) > w.most {
		w.missing++
		w.dropped++
		return len(line), nil
	}
	if !w.begun {
		w.begun = true
		w.group.Go(w.run)
	}
	w.lines = append(w.lines, append([]byte(nil), line...))
	w.bytes += len(line)
	select {
	case w.wake <- struct{}{}:
	default:
	}
	return len(line), nil
}

// Dropped returns how many lines were dropped so far.
func (w *Writer) Dropped() uint64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.dropped
}

// Begun says whether anything was written.
func (w *Writer) Begun() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.begun
}

// Close waits until all is written, but not longer than that; nothing is taken any more
// then. It says whether all is written.
func (w *Writer) Close(longest time.Duration) (written bool) {
	w.mu.Lock()
	begun := w.begun
	w.closed = true
	w.mu.Unlock()
	if !begun {
		return true
	}
	select {
	case w.wake <- struct{}{}:
	default:
	}
	timer := time.NewTimer(longest)
	defer timer.Stop()
	select {
	case <-w.idle:
		return true
	case <-timer.C:
		return false
	}
}

// run writes what is there until the writer is closed.
func (w *Writer) run() error {
	defer close(w.idle)
	for {
		lines, missing, closed := w.take()
		if len(lines) == 0 && missing == 0 {
			if closed {
				return nil
			}
			<-w.wake
			continue
		}
		for _, line := range lines {
			_, err := w.out.Write(line)
			w.wrote(len(line), err)
		}
		if missing > 0 {
			_, _ = w.out.Write(w.notice(missing + w.missingHere()))
		}
	}
}

// take returns the lines that wait, and how many are missing after them.
func (w *Writer) take() (lines [][]byte, missing int, closed bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	lines, w.lines = w.lines, nil
	missing, w.missing = w.missing, 0
	return lines, missing, w.closed
}

// missingHere returns how many lines are missing since [Writer.take], if none was taken
// meanwhile.
func (w *Writer) missingHere() (missing int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.lines) > 0 {
		return 0
	}
	missing, w.missing = w.missing, 0
	return missing
}

// wrote makes room. A line that the reader refuses, since it is not there any more, is
// dropped.
func (w *Writer) wrote(bytes int, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.bytes -= bytes
	if err != nil {
		w.dropped++
	}
}
