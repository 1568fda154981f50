package panics_test

import (
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/gitsync/gitsync/internal/panics"
)

func TestAPanicBecomesAnError(t *testing.T) {
	err := panics.Catch(func() error { panic(io.ErrUnexpectedEOF) })
	var p *panics.Error
	if !errors.As(err, &p) || !errors.Is(err, io.ErrUnexpectedEOF) || !strings.Contains(string(p.Stack), "panics_test.go") {
		t.Errorf("got %v, %+v", err, p)
	}
	if err := panics.Catch(func() error { return io.EOF }); !errors.Is(err, io.EOF) {
		t.Errorf("got %v", err)
	}
	if err := panics.Catch(func() error { var none []int; none[len(none)] = 1; return nil }); !errors.As(err, &p) {
		t.Errorf("got %v", err)
	}
}
