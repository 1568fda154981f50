package report_test

import (
	"bytes"
	"fmt"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rs/zerolog"

	"github.com/gitsync/gitsync/report"
	"github.com/gitsync/gitsync/report/forge"
)

// numbered is a fleet at the commit of a number.
func numbered(n int, hosts ...report.Host) report.Fleet {
	f := fleet(hosts...)
	f.Commit = fmt.Sprintf("%040d", n)
	return f
}

func TestTheOutboxIsBoundedAndKeepsTheNewest(t *testing.T) {
	f := &fakeForge{answer: down}
	r := report.New(report.Options{Forge: f})
	for i := range 1200 {
		r.Tell(t.Context(), numbered(i, fresh("web1", report.Deployed)))
	}
	f.answers(nil)
	if err := r.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n, last := len(f.statuses), f.statuses[len(f.statuses)-1].Commit; n != 1000 || last != fmt.Sprintf("%040d", 1199) {
		t.Errorf("%d statuses came, the last of %s; want 1000 and that of the newest", n, last)
	}
}

func TestAFullOutboxDropsWhatIsSuperseded(t *testing.T) {
	f, people := &fakeForge{answer: down}, &fakePeople{}
	o := report.Options{Forge: f, Notifier: people, Statuses: report.StatusOptions{PerHost: true}}
	r := report.New(o)
	// The first words about web1 are the last ones, too: later there is only web2.
	r.Tell(t.Context(), numbered(0, fresh("web1", report.Failed)))
	for i := range 600 {
		r.Tell(t.Context(), numbered(1+i, fresh("web2", report.Deployed)))
	}
	f.answers(nil)
	if err := r.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	if len(f.statuses) < 990 || f.statuses[0].Context != "gitsync/deploy/web1" {
		t.Errorf("%d statuses came, the first is %v; want that of web1", len(f.statuses), f.statuses[0])
	}
	same(t, "messages", people.titles, []string{"gitsync: web1 failed"})
}

func TestAChangeThatIsTakenBackInTimeIsNotTold(t *testing.T) {
	f := &fakeForge{}
	r := report.New(report.Options{Forge: f})
	for _, phase := range []report.Phase{report.Deployed, report.Failed, report.Deployed} {
		r.Tell(t.Context(), at('a', fresh("web1", phase)))
		if phase == report.Failed {
			continue // the forge is told of it when it is over already
		}
		if err := r.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	same(t, "statuses", f.lines(), []string{"aa gitsync/deploy success: web1 deployed"})
}

func TestAnIdleCycleWritesNothing(t *testing.T) {
	o := report.Options{Forge: &fakeForge{}, File: outboxFile(t)}
	r := report.New(o)
	tell := func() os.FileInfo {
		r.Tell(t.Context(), at('a', fresh("web1", report.Deployed)))
		if err := r.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
		info, err := os.Stat(o.File)
		if err != nil {
			t.Fatal(err)
		}
		return info
	}
	if before, after := tell(), tell(); !os.SameFile(before, after) {
		t.Error("the file was replaced though nothing changed")
	}
}

func TestAMessageThatNobodyTakesForADayIsDropped(t *testing.T) {
	people := &fakePeople{err: errDown}
	running(t, report.Options{Notifier: people}, func(t *testing.T, r *report.Reporter) {
		r.Tell(t.Context(), at('a', fresh("web1", report.Failed)))
		pass(25 * time.Hour)
		r.Tell(t.Context(), at('b', fresh("web1", report.Deployed)))
		pass(time.Minute)
		people.works()
		pass(time.Hour)
		same(t, "messages", people.titles, []string{"gitsync: web1 recovered"})
	})
}

func TestThatAForgeHasNoDeploymentsIsSaidOnce(t *testing.T) {
	f, log := &fakeForge{answer: func(call int) error {
		if call%2 == 0 { // each status is followed by a deployment
			return fmt.Errorf("record a deployment: %w", forge.ErrUnsupported)
		}
		return nil
	}}, bytes.Buffer{}
	synctest.Test(t, func(t *testing.T) {
		ctx := zerolog.New(&log).Level(zerolog.InfoLevel).WithContext(t.Context())
		r := report.New(report.Options{Forge: f, Deployments: true})
		for _, letter := range "abc" {
			r.Tell(ctx, at(letter, fresh("web1", report.Failed)))
			if err := r.Flush(ctx); err != nil {
				t.Error(err)
			}
		}
	})
	if n := strings.Count(log.String(), "\n"); n != 1 || len(f.statuses) != 3 {
		t.Errorf("said %d times, want once; %d statuses, want 3:\n%s", n, len(f.statuses), &log)
	}
}
