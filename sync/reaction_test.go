package sync_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/gitsync/gitsync/container"
	"github.com/gitsync/gitsync/internal/disk"
	"github.com/gitsync/gitsync/layout"
	"github.com/gitsync/gitsync/runtime"
	"github.com/gitsync/gitsync/sync"
)

func TestAnErrorSaysWhatItNeeds(t *testing.T) {
	for _, c := range []struct {
		err  error
		want sync.Reaction
	}{
		{errors.New("no answer"), sync.Retry},
		{runtime.ErrUnreachable, sync.Retry},
		{runtime.ErrImageNotFound, sync.NeedsCommit},
		{layout.Mistakes{{File: "hosts/web1/containers.yaml"}}, sync.NeedsCommit},
		// The file or the mount moves, or a commit takes the other mount away first.
		{container.ErrWritable, sync.NeedsCommit},
		{container.ErrNestedMount, sync.NeedsCommit},
		{errors.Join(fmt.Errorf("it was started, and stopped again: %w", container.ErrNestedMount), errors.New("stop it: no answer")), sync.NeedsCommit},
		{errors.Join(container.ErrNestedMount, container.ErrInterrupted), sync.Retry},
		{container.ErrBlocked, sync.NeedsPerson},
		{sync.ErrUnknownMachine, sync.NeedsPerson},
		{disk.ErrUnwritable, sync.NeedsPerson},
	} {
		if got := sync.React(fmt.Errorf("host web1: container web: %w", c.err)); got != c.want {
			t.Errorf("%v: got %q, want %q", c.err, got, c.want)
		}
	}
}
