package sync_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/gitsync/gitsync/runtime"
	"github.com/gitsync/gitsync/sync"
)

// daemon lets the syncer run until the test ends.
func (w *world) daemon(interval time.Duration) (stop func()) {
	w.t.Helper()
	schedule, err := sync.Every(interval)
	if err != nil {
		w.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(w.t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = w.syncer.Run(ctx, schedule)
	}()
	return func() {
		cancel()
		<-done
	}
}

// A host that accepts and says nothing must cost the others nothing: neither their
// commits nor their records wait for it.
func TestAHostThatHangsDelaysNoOther(t *testing.T) {
	w, m := newMachines(t, func(o *sync.Options) {
		o.Now, o.Patience, o.WatchInterval, o.CheckTimeout = time.Now, 20*time.Millisecond, 10*time.Millisecond, time.Hour
	})
	hosts := merged(on("bad", "x", map[string]string{"xx": "x:1"}), on("good", "a", map[string]string{"aa": "a:1"}))
	m.hang("x")
	w.commit(hosts, "start")
	stop := w.daemon(30 * time.Millisecond)
	defer stop()
	eventually(t, "the healthy host is deployed", func() bool { return m.runs("a") == "aa" })
	for i := range 3 {
		name := fmt.Sprintf("b%d", i)
		w.commit(on("good", "a", map[string]string{"aa": "a:1", name: "b:1"}), "commit "+name)
		eventually(t, "the healthy host follows "+name, func() bool { return m.runs("a") == "aa "+name })
		eventually(t, "and that is recorded", func() bool {
			return w.repo.Git("log", "--all", "--format=%H", "-S", name+":", "--", "hosts/good/state.yaml") != ""
		})
	}
	if got := m.runs("x"); got != "" {
		t.Fatalf("the host that hangs runs %q", got)
	}
	m.find("x")
	eventually(t, "the host converges when it answers, without a commit", func() bool { return m.runs("x") == "xx" })
}

// The newest commit counts for a host that was away while several landed.
func TestAHostThatReturnsFollowsTheNewestCommit(t *testing.T) {
	w, m := newMachines(t, func(o *sync.Options) {
		o.Now, o.Patience, o.WatchInterval, o.CheckTimeout = time.Now, 20*time.Millisecond, 10*time.Millisecond, time.Hour
	})
	m.hang("x")
	w.commit(merged(on("bad", "x", map[string]string{"xx": "x:1"}), on("good", "a", nil)), "start")
	stop := w.daemon(30 * time.Millisecond)
	defer stop()
	for i := range 3 {
		w.commit(merged(on("bad", "x", map[string]string{fmt.Sprintf("x%d", i): "x:1"}), on("good", "a", map[string]string{fmt.Sprintf("a%d", i): "a:1"})), fmt.Sprintf("commit %d\n\nprune: allow", i))
		eventually(t, "the healthy host follows", func() bool { return m.runs("a") == fmt.Sprintf("a%d", i) })
	}
	m.find("x")
	eventually(t, "the host follows the newest commit", func() bool { return m.runs("x") == "x2" })
}

func TestTheRecordTellsSinceWhenAHostIsSilentAndThatItIsBack(t *testing.T) {
	w, m := newMachines(t)
	w.commit(on("web1", "a", map[string]string{"web": "nginx:1"}), "start")
	w.cycle()
	m.lose("a")
	lost := w.time()
	w.fail()
	if got := len(w.diary()); got != 1 {
		t.Errorf("%d entries, want none for one failure: it may be a restart", got)
	}
	for range 5 {
		w.wait(time.Hour)
		w.fail()
	}
	if got := w.diary(); len(got) != 2 || got[0] != "Lose web1: connect to a: "+runtime.ErrUnreachable.Error()+": no route to host" {
		t.Errorf("the diary tells %q, want the loss once", got)
	}
	w.open(w.repo.Dir)
	w.fail()
	h := hostNamed(t, w.syncer.Plan(t.Context()), "web1")
	if f := h.Record.Failures[""]; !f.Since.Equal(lost) {
		t.Errorf("the record says since %s, want %s", f.Since, lost)
	}
	m.find("a")
	w.wait(time.Hour)
	w.cycle()
	if got := w.diary()[0]; got != "Find web1 again: no container changes" {
		t.Errorf("the diary tells %q, want that it is back", got)
	}
}

// With more dead hosts than are handled at once the healthy ones are still begun.
func TestManyDeadHostsDoNotTakeThePlacesOfOthers(t *testing.T) {
	w, m := newMachines(t, func(o *sync.Options) {
		o.Now, o.Parallel, o.CheckTimeout, o.Patience = time.Now, 2, 50*time.Millisecond, time.Minute
	})
	files := on("good", "a", map[string]string{"aa": "a:1"})
	for i := range 8 {
		address := fmt.Sprintf("x%d", i)
		m.hang(address)
		files = merged(files, on(address, address, map[string]string{"xx": "x:1"}))
	}
	w.commit(files, "start")
	w.fail()
	if got := m.runs("a"); got != "aa" {
		t.Fatalf("the healthy host runs %q", got)
	}
	w.commit(on("good", "a", map[string]string{"aa": "a:2"}), "next")
	w.fail()
	if got := m.world("a").Containers()["aa"].Image; got != "a:2" {
		t.Errorf("the healthy host runs %s, want a:2", got)
	}
}
