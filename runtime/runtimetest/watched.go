package runtimetest

import (
	"context"
	"os"
	stdsync "sync"
	"time"

	"github.com/gitsync/gitsync/container/types"
	"github.com/gitsync/gitsync/runtime"
)

// Full is a runtime with all optional powers.
type Full interface {
	runtime.Runtime
	runtime.Discarder
	runtime.Lister
	runtime.MountLister
	runtime.Finder
	runtime.Renamer
	runtime.Puller
	runtime.LogReader
	runtime.Inspector
	runtime.Signaler
	runtime.Stager
	runtime.Describer
	runtime.Adjuster
	runtime.Watcher
	runtime.Clock
}

// Watched is a runtime that tells of each call. It is safe for concurrent use when
// its functions are.
type Watched struct {
	Full
	// Before, when set, is called before each call, with the call's number from 1,
	// its method and what it is about. Its error is returned instead of the call.
	Before func(n int, method, subject string) error
	// After, when set, is called after each call that worked. Its error is returned
	// although the call worked.
	After func(n int, method, subject string) error

	mu    stdsync.Mutex
	calls []string
}

var _ Full = (*Watched)(nil)

// Calls returns the calls so far, as "method subject".
func (w *Watched) Calls() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return append([]string(nil), w.calls...)
}

// Reset forgets the calls so far.
func (w *Watched) Reset() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.calls = nil
}

func (w *Watched) do(method, subject string, call func() error) error {
	w.mu.Lock()
	w.calls = append(w.calls, method+" "+subject)
	n := len(w.calls)
	w.mu.Unlock()
	if w.Before != nil {
		if err := w.Before(n, method, subject); err != nil {
			return err
		}
	}
	if err := call(); err != nil {
		return err
	}
	if w.After != nil {
		return w.After(n, method, subject)
	}
	return nil
}

// Create implements runtime.Runtime.
func (w *Watched) Create(ctx context.Context, config *types.ContainerConfig) (id string, err error) {
	err = w.do("create", config.Name, func() error {
		id, err = w.Full.Create(ctx, config)
		return err
	})
	return id, err
}

// Delete implements runtime.Runtime.
func (w *Watched) Delete(ctx context.Context, id string) error {
	return w.do("delete", id, func() error { return w.Full.Delete(ctx, id) })
}

// Discard implements runtime.Discarder.
func (w *Watched) Discard(ctx context.Context, id string) error {
	return w.do("delete", id, func() error { return w.Full.Discard(ctx, id) })
}

// Start implements runtime.Runtime.
func (w *Watched) Start(ctx context.Context, id string) error {
	return w.do("start", id, func() error { return w.Full.Start(ctx, id) })
}

// Status implements runtime.Runtime.
func (w *Watched) Status(ctx context.Context, id string) (status types.ContainerStatus, err error) {
	err = w.do("status", id, func() error {
		status, err = w.Full.Status(ctx, id)
		return err
	})
	return status, err
}

// Stop implements runtime.Runtime.
func (w *Watched) Stop(ctx context.Context, id string) error {
	return w.do("stop", id, func() error { return w.Full.Stop(ctx, id) })
}

// Copy implements runtime.Runtime.
func (w *Watched) Copy(ctx context.Context, id string, files []*types.File) error {
	return w.do("copy", id, func() error { return w.Full.Copy(ctx, id, files) })
}

// Read implements runtime.Runtime.
func (w *Watched) Read(ctx context.Context, id string, paths []string) (files []*types.File, err error) {
	err = w.do("read", id, func() error {
		files, err = w.Full.Read(ctx, id, paths)
		return err
	})
	return files, err
}

// Stat implements runtime.Runtime.
func (w *Watched) Stat(ctx context.Context, id string, paths []string) (modes map[string]os.FileMode, err error) {
	err = w.do("stat", id, func() error {
		modes, err = w.Full.Stat(ctx, id, paths)
		return err
	})
	return modes, err
}

// List implements runtime.Lister.
func (w *Watched) List(ctx context.Context, labels map[string]string) (rows []types.ContainerSummary, err error) {
	err = w.do("list", "", func() error {
		rows, err = w.Full.List(ctx, labels)
		return err
	})
	return rows, err
}

// HostMounts implements runtime.MountLister.
func (w *Watched) HostMounts(ctx context.Context) (mounts []types.HostMount, err error) {
	err = w.do("mounts", "", func() error {
		mounts, err = w.Full.HostMounts(ctx)
		return err
	})
	return mounts, err
}

// Find implements runtime.Finder.
func (w *Watched) Find(ctx context.Context, name string) (row types.ContainerSummary, err error) {
	err = w.do("find", name, func() error {
		row, err = w.Full.Find(ctx, name)
		return err
	})
	return row, err
}

// Rename implements runtime.Renamer.
func (w *Watched) Rename(ctx context.Context, id, name string) error {
	return w.do("rename", name, func() error { return w.Full.Rename(ctx, id, name) })
}

// HasImage implements runtime.Puller.
func (w *Watched) HasImage(ctx context.Context, image string) (has bool, err error) {
	err = w.do("has-image", image, func() error {
		has, err = w.Full.HasImage(ctx, image)
		return err
	})
	return has, err
}

// Pull implements runtime.Puller.
func (w *Watched) Pull(ctx context.Context, image string, opts runtime.PullOptions) error {
	return w.do("pull", image, func() error { return w.Full.Pull(ctx, image, opts) })
}

// Logs implements runtime.LogReader.
func (w *Watched) Logs(ctx context.Context, id string, lines int) (text string, err error) {
	err = w.do("logs", id, func() error {
		text, err = w.Full.Logs(ctx, id, lines)
		return err
	})
	return text, err
}

// Inspect implements runtime.Inspector.
func (w *Watched) Inspect(ctx context.Context, id string) (details types.ContainerDetails, err error) {
	err = w.do("inspect", id, func() error {
		details, err = w.Full.Inspect(ctx, id)
		return err
	})
	return details, err
}

// Signal implements runtime.Signaler.
func (w *Watched) Signal(ctx context.Context, id, signal string) error {
	return w.do("signal", id, func() error { return w.Full.Signal(ctx, id, signal) })
}

// CopyStaged implements runtime.Stager.
func (w *Watched) CopyStaged(ctx context.Context, id, staging string, files []*types.File) error {
	return w.do("copy", id, func() error { return w.Full.CopyStaged(ctx, id, staging, files) })
}

// Describe implements runtime.Describer.
func (w *Watched) Describe(ctx context.Context, id string) (facts types.ContainerFacts, err error) {
	err = w.do("describe", id, func() error {
		facts, err = w.Full.Describe(ctx, id)
		return err
	})
	return facts, err
}

// Adjust implements runtime.Adjuster.
func (w *Watched) Adjust(ctx context.Context, id string, config *types.ContainerConfig) error {
	return w.do("adjust", id, func() error { return w.Full.Adjust(ctx, id, config) })
}

// Pause implements runtime.Adjuster.
func (w *Watched) Pause(ctx context.Context, id string) error {
	return w.do("pause", id, func() error { return w.Full.Pause(ctx, id) })
}

// Unpause implements runtime.Adjuster.
func (w *Watched) Unpause(ctx context.Context, id string) error {
	return w.do("unpause", id, func() error { return w.Full.Unpause(ctx, id) })
}

// Watch implements runtime.Watcher. After is called when the stream ends well, which it
// never does.
func (w *Watched) Watch(ctx context.Context, since time.Time, ready func(), seen func(runtime.Event)) error {
	return w.do("watch", "", func() error { return w.Full.Watch(ctx, since, ready, seen) })
}
