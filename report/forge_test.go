package report_test

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	stdsync "sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gitsync/gitsync/report"
	"github.com/gitsync/gitsync/report/forge"
)

// fakeForge remembers what it was told, in order, and answers as it is told to.
type fakeForge struct {
	mu          stdsync.Mutex
	calls       int
	statuses    []forge.Status
	deployments []forge.Deployment
	// answer is asked before each call; an error of its own is returned. Nil for none.
	answer func(call int) error
}

var errDown = errors.New("post status: connection refused")

func (f *fakeForge) ask() error {
	f.calls++
	if f.answer == nil {
		return nil
	}
	return f.answer(f.calls)
}

func (f *fakeForge) Status(_ context.Context, s forge.Status) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.ask(); err != nil {
		return err
	}
	f.statuses = append(f.statuses, s)
	return nil
}

func (f *fakeForge) Deployment(_ context.Context, d forge.Deployment) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.ask(); err != nil {
		return err
	}
	f.deployments = append(f.deployments, d)
	return nil
}

// answers changes how the forge answers; nil for well.
func (f *fakeForge) answers(answer func(call int) error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.answer = answer
}

func down(int) error { return errDown }

// lines are the statuses that the forge has, in the order of their arrival.
func (f *fakeForge) lines() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	var list []string
	for _, s := range f.statuses {
		list = append(list, fmt.Sprintf("%s %s %s: %s", s.Commit[:2], s.Context, s.State, s.Description))
	}
	return list
}

func (f *fakeForge) count() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.calls
}

// picky is a forge that chokes on one commit.
type picky struct {
	*fakeForge
	commit string
}

func (p *picky) Status(ctx context.Context, s forge.Status) error {
	if s.Commit == p.commit {
		return errDown
	}
	return p.fakeForge.Status(ctx, s)
}

// fakePeople remember their messages.
type fakePeople struct {
	mu     stdsync.Mutex
	titles []string
	err    error
	hang   bool
}

func (p *fakePeople) Send(ctx context.Context, title, _ string) error {
	if p.hang {
		<-ctx.Done()
		return ctx.Err()
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.err != nil {
		return p.err
	}
	p.titles = append(p.titles, title)
	return nil
}

// works lets messages through from now on.
func (p *fakePeople) works() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.err = nil
}

// running runs a test in a world with a clock of its own, with a reporter at work.
func running(t *testing.T, o report.Options, test func(t *testing.T, r *report.Reporter)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		r := report.New(o)
		stop := start(t.Context(), t, r)
		test(t, r)
		stop()
	})
}

// start lets a reporter work until the function is called that it returns.
func start(ctx context.Context, t *testing.T, r *report.Reporter) func() {
	ctx, cancel := context.WithCancel(ctx)
	var group stdsync.WaitGroup
	group.Go(func() {
		if err := r.Run(ctx); err != nil {
			t.Errorf("run: %v", err)
		}
	})
	return func() {
		cancel()
		group.Wait()
	}
}

// pass lets time pass, until all is quiet.
func pass(d time.Duration) {
	<-time.After(d)
	synctest.Wait()
}

func outboxFile(t *testing.T) string { return filepath.Join(t.TempDir(), "outbox.json") }

// at is a fleet at another commit: one letter for its hash.
func at(letter rune, hosts ...report.Host) report.Fleet {
	f := fleet(hosts...)
	hash := make([]rune, 40)
	for i := range hash {
		hash[i] = letter
	}
	f.Commit = string(hash)
	return f
}

// fresh is a host that nothing was deployed to yet, so that it has no drift status.
func fresh(name string, phase report.Phase) report.Host {
	h := report.Host{Name: name, Phase: phase}
	if phase == report.Failed {
		h.Problems = []report.Problem{{Container: "db", Text: "never healthy"}}
	}
	return h
}
