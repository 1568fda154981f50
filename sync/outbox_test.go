package sync_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/gitsync/gitsync/gitrepo"
	"github.com/gitsync/gitsync/sync"
)

// behind deploys versions while the state branch is protected, and returns the commits.
func (w *world) behind(versions ...string) []string {
	w.t.Helper()
	w.repo.RefuseBranch(branch, "protected")
	var commits []string
	for _, version := range versions {
		commits = append(commits, w.commit(map[string]string{web1: web("app:" + version)}, "Version "+version))
		w.wait(time.Minute)
		w.fail()
		w.runs("web", "app:"+version)
	}
	return commits
}

// entries are the newest commits of the state branch, the oldest first: the source, and when
// that was deployed.
func (w *world) entries(n int) []string {
	w.t.Helper()
	log := strings.Fields(w.repo.Git("log", fmt.Sprintf("-%d", n), "--format=%(trailers:key=Gitsync-Source,valueonly,separator=)@%at", branch))
	slices.Reverse(log)
	return log
}

func TestEachCommitThatCouldNotBeRecordedIsRecordedInOrderLater(t *testing.T) {
	for _, restarted := range []bool{false, true} {
		w := newWorld(t)
		w.commit(map[string]string{web1: web("app:1")}, "One")
		w.cycle()
		before := len(w.diary())
		begun := w.time()
		var want []string
		for i, commit := range w.behind("2", "3", "4") {
			want = append(want, fmt.Sprintf("%s@%d", commit, begun.Add(time.Duration(i+1)*time.Minute).Unix()))
		}
		if restarted {
			w.open(w.repo.Dir)
		}
		w.wait(time.Hour)
		w.fail()
		w.repo.RefuseBranch(branch, "")
		w.still(func() { w.cycle() })
		if got := w.entries(3); !slices.Equal(got, want) {
			t.Errorf("restarted %v: recorded are %v, want %v", restarted, got, want)
		}
		w.open(w.repo.Dir)
		w.cycle()
		if got := len(w.diary()) - before; got != 3 {
			t.Errorf("restarted %v: %d commits of the state branch, want 3: %v", restarted, got, w.diary())
		}
		if record := w.repo.Show(branch, "hosts/web1/state.yaml"); !strings.Contains(record, "app:4") {
			t.Errorf("the record: %s", record)
		}
	}
}

func TestWhatWaitsSaysSinceWhenAndWhyAndTheLogSaysItOnce(t *testing.T) {
	w := newWorld(t)
	w.commit(map[string]string{web1: web("app:1")}, "One")
	w.cycle()
	var log bytes.Buffer
	ctx := zerolog.New(&log).Level(zerolog.InfoLevel).WithContext(t.Context())
	w.repo.RefuseBranch(branch, "protected")
	begun := w.time()
	for _, version := range []string{"2", "3", "3"} {
		w.commit(map[string]string{web1: web("app:" + version)}, "Version "+version)
		w.syncer.Cycle(ctx)
		w.wait(time.Hour)
	}
	if n := strings.Count(log.String(), "without writing to the state branch"); n != 1 {
		t.Errorf("the log says it %d times:\n%s", n, &log)
	}
	// status is another process, that only reads.
	opts := w.opts
	opts.DataDir, opts.ReadOutbox, opts.Remote = "", filepath.Join(w.opts.DataDir, sync.OutboxDir), w.remote
	status, err := sync.New(opts)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = status.Close() }()
	r := status.Plan(t.Context())
	var backlog *sync.Backlog
	if err := errors.Join(r.StateErrs...); !errors.As(err, &backlog) || !r.Failed() {
		t.Fatalf("the status says %v", err)
	}
	if backlog.Commits != 2 || backlog.Records != 2 || !backlog.Since.Equal(begun) || !backlog.Kept {
		t.Errorf("it is %+v", backlog)
	}
	for _, part := range []string{branch, "protected", "since 2026-02-03T04:05:06Z", "2 deployments", "data directory"} {
		if !strings.Contains(backlog.Error(), part) {
			t.Errorf("it lacks %q: %v", part, backlog)
		}
	}
	if r.HasChanges() {
		t.Errorf("the plan does not know what waits")
	}
	log.Reset()
	w.repo.RefuseBranch(branch, "")
	w.syncer.Cycle(ctx)
	if !strings.Contains(log.String(), "can be written again") {
		t.Errorf("the log does not say that it works again:\n%s", &log)
	}
	w.cycle()
}

func TestWithoutADataDirectoryItIsSaidThatWhatWaitsIsNotKept(t *testing.T) {
	w := newWorld(t, func(o *sync.Options) { o.DataDir = "" })
	w.repo.Commit("main", map[string]string{web1: web("app:1")}, "One")
	w.repo.RefuseBranch(branch, "protected")
	r := w.fail()
	if err := errors.Join(r.StateErrs...); !errors.Is(err, gitrepo.ErrPushRefused) || !strings.Contains(err.Error(), "lost with this process") || sync.React(err) != sync.NeedsPerson {
		t.Errorf("it says %v", err)
	}
	w.repo.RefuseBranch(branch, "")
	w.cycle()
}

func TestAnOutboxThatIsDamagedEndsNothing(t *testing.T) {
	w := newWorld(t)
	w.commit(map[string]string{web1: web("app:1")}, "One")
	w.cycle()
	w.behind("2", "3")
	files, err := filepath.Glob(filepath.Join(w.opts.DataDir, sync.OutboxDir, "*.json"))
	if err != nil || len(files) != 2 {
		t.Fatalf("waiting are %v, %v", files, err)
	}
	for _, file := range files {
		if err := os.WriteFile(file, []byte("x"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	w.open(w.repo.Dir)
	w.repo.RefuseBranch(branch, "")
	w.still(func() { w.cycle() })
	if record := w.repo.Show(branch, "hosts/web1/state.yaml"); !strings.Contains(record, "app:3") {
		t.Errorf("the labels are not recorded: %s", record)
	}
}

func TestWhatAnotherInstanceRecordedLaterIsKept(t *testing.T) {
	w := newWorld(t)
	w.commit(map[string]string{web1: web("app:1"), db1: database("db:1")}, "One")
	w.cycle()
	w.behind("2")
	w.repo.RefuseBranch(branch, "")
	// Another instance deploys to the host meanwhile, and to another one.
	newer := w.time().Add(time.Minute).Format(time.RFC3339)
	theirs := strings.NewReplacer("image: app:1", "image: app:9", "deployedAt: \"2026-02-03T04:05:06Z\"", "deployedAt: \""+newer+"\"").
		Replace(w.repo.Show(branch, "hosts/web1/state.yaml"))
	if !strings.Contains(theirs, newer) {
		t.Fatalf("no time in %s", theirs)
	}
	w.repo.Commit(branch, map[string]string{"hosts/web1/state.yaml": theirs + "\n"}, "Theirs")
	w.close()
	tip := w.repo.Hash(branch)
	// Only what waits is written: nobody looks at the host.
	w.open(w.repo.Dir)
	w.machine.Remove("web")
	w.syncer.Cycle(t.Context())
	log := w.repo.Git("log", "--reverse", "--format=%H", tip+".."+branch)
	first, _, _ := strings.Cut(log, "\n")
	if got := w.repo.Show(first, "hosts/web1/state.yaml"); !strings.Contains(got, "app:9") {
		t.Errorf("the newer record of another instance is lost: %s", got)
	}
	if message := w.repo.Git("log", "-1", "--format=%B", first); !strings.Contains(message, "Gitsync-Source: ") || !strings.Contains(message, "app:1 to app:2") && !strings.Contains(message, "web1/web: ") {
		t.Errorf("what was deployed is not recorded: %s", message)
	}
}

func TestASignedStateBranchSignsWhatWaited(t *testing.T) {
	w, key := newSealed(t)
	w.commit(map[string]string{web1: web("app:1")}, "One")
	w.cycle()
	w.behind("2", "3")
	w.open(w.repo.Dir)
	w.repo.RefuseBranch(branch, "")
	w.cycle()
	w.judged(key)
	if got := len(w.diary()); got != 3 {
		t.Errorf("the diary has %v", w.diary())
	}
}

// A kill at any request to Git while what waited is written loses nothing, and writes
// nothing twice.
func TestAKillWhileWhatWaitedIsWritten(t *testing.T) {
	prepare := func(t *testing.T) (*world, *reaper, []string) {
		w, r := newMortalWorld(t)
		w.commit(map[string]string{web1: web("app:1")}, "One")
		w.cycle()
		commits := w.behind("2", "3")
		w.repo.RefuseBranch(branch, "")
		return w, r, commits
	}
	w, r, _ := prepare(t)
	r.set(0, false)
	w.cycle()
	total := r.made()
	w.close()
	for k := 1; k <= total; k++ {
		for _, late := range []bool{false, true} {
			w, r, commits := prepare(t)
			r.set(k, late)
			w.syncer.Cycle(t.Context())
			r.set(0, false)
			w.open(w.remote.String())
			w.settle()
			var got []string
			for _, entry := range w.entries(2) {
				source, _, _ := strings.Cut(entry, "@")
				got = append(got, source)
			}
			if !slices.Equal(got, commits) || len(w.diary()) != 3 {
				t.Errorf("call %d, late %v: the diary has %v of %v, want %v", k, late, w.diary(), got, commits)
			}
			w.close()
		}
	}
	if total < 3 {
		t.Errorf("%d calls", total)
	}
}
