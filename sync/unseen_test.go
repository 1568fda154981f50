package sync_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gitsync/gitsync/container/types"
	"github.com/gitsync/gitsync/report"
	"github.com/gitsync/gitsync/runtime"
	"github.com/gitsync/gitsync/state"
	"github.com/gitsync/gitsync/sync"
)

// reportedDrift is a world with drift at all depths that is only reported, and recorded.
func reportedDrift(t *testing.T) (w *world, reporter *told, unreachable *atomic.Bool) {
	t.Helper()
	reporter, unreachable = &told{}, &atomic.Bool{}
	w = newWorld(t, func(o *sync.Options) { o.Reporter = reporter })
	w.watched.Before = func(int, string, string) error {
		if unreachable.Load() {
			return fmt.Errorf("ask the engine: %w", runtime.ErrUnreachable)
		}
		return nil
	}
	w.commit(map[string]string{
		"hosts/web1/host.yaml": "drift: {policy: report}\n",
		web1: "containers:\n  web: {image: nginx, memory: 512m, update: {monitor: 1ms}, configFiles: {/srv/web.conf: {content: hello, mode: \"0644\"}}}\n" +
			"  other: {image: nginx, update: {monitor: 1ms}}\n",
	}, "start")
	w.cycle()
	w.machine.Change("web", func(c *types.ContainerConfig) { c.Memory = 1 << 30 })
	w.machine.WriteHostFile("/srv/web.conf", "changed")
	w.machine.SetStatus("other", types.StatusExited)
	w.wait(10 * time.Minute)
	w.cycle()
	if got := w.diary()[0]; !strings.HasPrefix(got, "Find drift on web1") {
		t.Fatalf("the diary says %q", got)
	}
	return w, reporter, unreachable
}

// recordedFields are those that differ by the record of web1.
func (w *world) recordedFields() []string {
	w.t.Helper()
	record, err := state.Parse([]byte(w.repo.Show("gitsync/state", "hosts/web1/state.yaml")))
	if err != nil {
		w.t.Fatal(err)
	}
	var fields []string
	for _, d := range record.Drift {
		fields = append(fields, d.Container+" "+d.Field)
	}
	slices.Sort(fields)
	return fields
}

func reportedFields(f report.Fleet) []string {
	var fields []string
	for _, h := range f.Hosts {
		for _, d := range h.Drift {
			fields = append(fields, d.Container+" "+d.Field)
		}
	}
	slices.Sort(fields)
	return fields
}

// A check that did not look at a thing says nothing about it: no partial check, no host
// that does not answer, and no new process that knows only the record, ends what was found.
func TestDriftIsGoneOnlyWhenACheckFoundItSo(t *testing.T) {
	t.Parallel()
	w, reporter, unreachable := reportedDrift(t)
	all := []string{"other status", "web configFiles./srv/web.conf", "web memory"}
	still := func(when string) {
		t.Helper()
		if got := w.recordedFields(); !slices.Equal(got, all) {
			t.Errorf("%s: the record has %q", when, got)
		}
		if got := reportedFields(reporter.last()); !slices.Equal(got, all) {
			t.Errorf("%s: it is reported as %q", when, got)
		}
		if i := slices.IndexFunc(w.diary(), func(line string) bool { return strings.Contains(line, "gone") }); i >= 0 {
			t.Errorf("%s: the diary says %q", when, w.diary()[i])
		}
	}
	still("found")
	// What events ask for is a check of presence alone.
	w.cycle()
	w.cycle()
	still("after a partial check")
	unreachable.Store(true)
	for range 3 {
		w.wait(10 * time.Minute)
		w.fail()
	}
	still("while the host does not answer")
	w.opts.DataDir = t.TempDir()
	w.open(w.repo.Dir)
	w.fail()
	still("after a restart, with the record alone")
	unreachable.Store(false)
	w.wait(2 * time.Hour)
	w.cycle()
	w.cycle()
	still("when the host answers again")
	// One of them ends by a check of presence.
	w.machine.SetStatus("other", types.StatusRunning)
	w.cycle()
	all = all[1:]
	if got := w.diary()[0]; got != "Some drift on web1 is gone: other (status: exited instead of running)" {
		t.Errorf("the diary says %q", got)
	}
	w.machine.Change("web", func(c *types.ContainerConfig) { c.Memory = 512 << 20 })
	w.machine.WriteHostFile("/srv/web.conf", "hello")
	w.cycle()
	if got := w.recordedFields(); !slices.Equal(got, all) {
		t.Errorf("put right by hand, and not looked at: the record has %q", got)
	}
	before := len(w.diary())
	w.wait(10 * time.Minute)
	w.cycle()
	w.cycle()
	w.wait(10 * time.Minute)
	w.cycle()
	if got := w.diary(); got[0] != "Drift on web1 is gone" || len(got) != before+1 {
		t.Errorf("the diary says %q, want once that it is gone", got[:len(got)-before])
	}
	if got := reportedFields(reporter.last()); len(got) > 0 {
		t.Errorf("it is reported as %q", got)
	}
}

// Files that cannot be read are neither the same nor others.
func TestFilesThatCannotBeReadEndNoDrift(t *testing.T) {
	t.Parallel()
	w, reporter, _ := reportedDrift(t)
	w.watched.Before = func(_ int, method, _ string) error {
		if method == "read" {
			return errors.New("the disk is broken")
		}
		return nil
	}
	w.wait(10 * time.Minute)
	r := w.syncer.Cycle(t.Context())
	want := []string{"other status", "web configFiles./srv/web.conf", "web memory"}
	if got := w.recordedFields(); !slices.Equal(got, want) {
		t.Errorf("the record has %q", got)
	}
	if got := reportedFields(reporter.last()); !slices.Equal(got, want) {
		t.Errorf("it is reported as %q", got)
	}
	plan := r.Hosts[0].Plan.Hosts[0]
	if plan.Checked("web", "configFiles./srv/web.conf") || !plan.Checked("web", "memory") {
		t.Errorf("the plan says of what was not checked: %+v", plan.Unchecked)
	}
}

// What differed in a container went with it.
func TestANewContainerEndsTheDriftOfTheOldOne(t *testing.T) {
	t.Parallel()
	w, _, _ := reportedDrift(t)
	w.commit(map[string]string{
		web1: "containers:\n  web: {image: \"nginx:2\", memory: 512m, update: {monitor: 1ms}, configFiles: {/srv/web.conf: {content: hello, mode: \"0644\"}}}\n",
	}, "next")
	w.cycle()
	if got := w.recordedFields(); len(got) > 0 {
		t.Errorf("the record has %q", got)
	}
	w.runs("web", "nginx:2")
	w.runs("other", "")
}

// An update that fails leaves the old container, with what differs in it.
func TestAFailedUpdateEndsNoDrift(t *testing.T) {
	t.Parallel()
	w, _, _ := reportedDrift(t)
	w.watched.Before = func(_ int, method, _ string) error {
		if method == "create" {
			return runtime.ErrInvalid
		}
		return nil
	}
	w.commit(map[string]string{
		web1: "containers:\n  web: {image: \"nginx:2\", memory: 512m, update: {monitor: 1ms}, configFiles: {/srv/web.conf: {content: hello, mode: \"0644\"}}}\n",
	}, "next")
	w.fail()
	if got := w.recordedFields(); !slices.Contains(got, "web memory") || !slices.Contains(got, "web configFiles./srv/web.conf") {
		t.Errorf("the record has %q", got)
	}
}

// The three values: what differs is in the plan's drift, what was not compared is named,
// and all else is the same.
func TestAPlanSaysWhatWasNotChecked(t *testing.T) {
	t.Parallel()
	w, _, _ := reportedDrift(t)
	partial := w.cycle().Hosts[0].Plan.Hosts[0]
	w.wait(10 * time.Minute)
	full := w.cycle().Hosts[0].Plan.Hosts[0]
	for field, wants := range map[string][2]bool{
		"status": {true, true}, "memory": {false, true}, "env.A": {false, true}, "configFiles./srv/web.conf": {false, true},
	} {
		if partial.Checked("web", field) != wants[0] || full.Checked("web", field) != wants[1] {
			t.Errorf("%s: checked by a partial check: %v, by a full one: %v", field, partial.Checked("web", field), full.Checked("web", field))
		}
	}
	if len(full.Unchecked) > 0 {
		t.Errorf("a full check left out %+v", full.Unchecked)
	}
}

// A repair that is cut off half-way is none: it is not known whether anything is as it was.
func TestAnInterruptedRepairEndsNoDrift(t *testing.T) {
	t.Parallel()
	w, _, _ := reportedDrift(t)
	w.commit(map[string]string{"hosts/web1/host.yaml": "drift: {policy: repair}\n"}, "repair")
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	w.watched.Before = func(_ int, method, _ string) error {
		if method == "start" || method == "stop" || method == "adjust" {
			cancel()
			return context.Canceled
		}
		return nil
	}
	w.wait(10 * time.Minute)
	w.syncer.Cycle(ctx)
	want := []string{"other status", "web configFiles./srv/web.conf", "web memory"}
	if got := w.recordedFields(); !slices.Equal(got, want) {
		t.Errorf("the record has %q", got)
	}
	w.watched.Before = nil
	w.wait(10 * time.Minute)
	w.cycle()
	if got := w.recordedFields(); len(got) > 0 {
		t.Errorf("after the repair the record has %q", got)
	}
}

// A host that fails as a whole in the middle of a repair says of no container that it was
// repaired.
func TestARepairThatTheHostFailedInEndsNoDrift(t *testing.T) {
	t.Parallel()
	w, _, _ := reportedDrift(t)
	w.commit(map[string]string{"hosts/web1/host.yaml": "drift: {policy: repair}\n"}, "repair")
	w.watched.Before = func(_ int, method, _ string) error {
		switch method {
		case "create", "createEmpty", "start", "stop", "adjust":
			return fmt.Errorf("ask the engine: %w", runtime.ErrUnreachable)
		}
		return nil
	}
	w.wait(10 * time.Minute)
	w.fail()
	want := []string{"other status", "web configFiles./srv/web.conf", "web memory"}
	if got := w.recordedFields(); !slices.Equal(got, want) {
		t.Errorf("the record has %q", got)
	}
}
