package lossy_test

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/gitsync/gitsync/internal/lossy"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// gate is a reader that takes nothing until it is opened.
type gate struct {
	open chan struct{}
	mu   sync.Mutex
	text strings.Builder
	err  error
}

func (g *gate) Write(p []byte) (int, error) {
	<-g.open
	g.mu.Lock()
	defer g.mu.Unlock()
	g.text.Write(p)
	return len(p), g.err
}

func (g *gate) String() string {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.text.String()
}

func notice(dropped int) []byte { return fmt.Appendf(nil, "[%d missing]\n", dropped) }

func TestLinesThatNobodyReadsAreDroppedAndCounted(t *testing.T) {
	out := &gate{open: make(chan struct{})}
	w := lossy.New(out, 50, notice)
	for i := range 100 {
		// It would hang here for ever, if a write waited.
		fmt.Fprintf(w, "line %02d..\n", i)
	}
	if got := w.Dropped(); got != 95 {
		t.Errorf("%d lines dropped, want 95", got)
	}
	if w.Close(time.Millisecond) {
		t.Error("all is written, they say, and nobody reads")
	}
	close(out.open)
	if !w.Close(time.Minute) {
		t.Error("not all is written")
	}
	want := "line 00..\nline 01..\nline 02..\nline 03..\nline 04..\n[95 missing]\n"
	if got := out.String(); got != want {
		t.Errorf("written:\n%swant:\n%s", got, want)
	}
}

func TestAllLinesAreWrittenInOrderWhereSomebodyReads(t *testing.T) {
	out := &gate{open: make(chan struct{})}
	close(out.open)
	w := lossy.New(out, 1<<20, notice)
	var want strings.Builder
	for i := range 1000 {
		fmt.Fprintf(w, "%d\n", i)
		fmt.Fprintf(&want, "%d\n", i)
	}
	if !w.Close(time.Minute) || out.String() != want.String() || w.Dropped() != 0 {
		t.Errorf("%d dropped, written:\n%s", w.Dropped(), out)
	}
}

func TestAReaderThatIsGoneDropsLinesAndEndsNothing(t *testing.T) {
	out := &gate{open: make(chan struct{}), err: errors.New("broken pipe")}
	close(out.open)
	w := lossy.New(out, 1<<20, notice)
	for range 10 {
		fmt.Fprintln(w, "line")
	}
	if !w.Close(time.Minute) || w.Dropped() != 10 {
		t.Errorf("%d lines dropped, want 10", w.Dropped())
	}
}

func TestAWriterThatWasNeverUsedHasNothingToClose(t *testing.T) {
	w := lossy.New(&gate{}, 1, notice)
	if w.Begun() || !w.Close(time.Nanosecond) {
		t.Error("it was begun")
	}
}
