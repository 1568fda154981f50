package report_test

import (
	"bytes"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/rs/zerolog"

	"github.com/gitsync/gitsync/report"
	"github.com/gitsync/gitsync/report/forge"
)

func same(t *testing.T, what string, got, want []string) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", what, diff)
	}
}

func TestAStatusIsToldOnlyWhenItChanged(t *testing.T) {
	f := &fakeForge{}
	running(t, report.Options{Forge: f}, func(t *testing.T, r *report.Reporter) {
		for _, phase := range []report.Phase{report.Working, report.Working, report.Deployed, report.Deployed, report.Failed} {
			r.Tell(t.Context(), at('a', fresh("web1", phase)))
			pass(time.Minute)
		}
		same(t, "statuses", f.lines(), []string{
			"aa gitsync/deploy pending: web1 at work",
			"aa gitsync/deploy success: web1 deployed",
			"aa gitsync/deploy failure: web1 failed: db: never healthy",
		})
	})
}

func TestAForgeThatIsDownForTenCyclesIsToldAllInOrder(t *testing.T) {
	f := &fakeForge{answer: down}
	file := outboxFile(t)
	running(t, report.Options{Forge: f, File: file}, func(t *testing.T, r *report.Reporter) {
		for i := range 10 {
			r.Tell(t.Context(), at(rune('a'+i), fresh("web1", report.Working)))
			pass(time.Minute)
			r.Tell(t.Context(), at(rune('a'+i), fresh("web1", report.Deployed)))
			pass(4 * time.Minute)
		}
		if n := f.count(); n > 20 {
			t.Errorf("a forge that is down was asked %d times in 50 minutes", n)
		}
		f.answers(nil)
		pass(11 * time.Minute)
		var want []string
		for i := range 10 {
			want = append(want, strings.Repeat(string(rune('a'+i)), 2)+" gitsync/deploy success: web1 deployed")
		}
		same(t, "statuses", f.lines(), want)
	})
}

func TestWhatCouldNotBeToldIsToldAfterARestart(t *testing.T) {
	f := &fakeForge{answer: down}
	people := &fakePeople{err: errDown}
	o := report.Options{Forge: f, Notifier: people, File: outboxFile(t)}
	running(t, o, func(t *testing.T, r *report.Reporter) {
		r.Tell(t.Context(), at('a', fresh("web1", report.Failed)))
		r.Tell(t.Context(), at('b', fresh("web1", report.Deployed)))
		pass(time.Minute)
	})
	if info, err := os.Stat(o.File); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the file: %v, %v, want mode 0600", info, err)
	}
	f.answers(nil)
	people.works()
	running(t, o, func(t *testing.T, r *report.Reporter) {
		r.Tell(t.Context(), at('b', fresh("web1", report.Deployed)))
		pass(time.Second)
		same(t, "statuses", f.lines(), []string{
			"aa gitsync/deploy failure: web1 failed: db: never healthy",
			"bb gitsync/deploy success: web1 deployed",
		})
		same(t, "messages", people.titles, []string{"gitsync: web1 failed", "gitsync: web1 recovered"})
	})
}

func TestARateLimitIsWaitedOutAlsoByTheNextProcess(t *testing.T) {
	f := &fakeForge{}
	o := report.Options{Forge: f, File: outboxFile(t)}
	synctest.Test(t, func(t *testing.T) {
		until := time.Now().Add(20 * time.Minute)
		f.answers(func(int) error {
			if time.Now().Before(until) {
				return fmt.Errorf("post status: %w", &forge.RateLimited{Until: until, Err: errDown})
			}
			return nil
		})
		r := report.New(o)
		r.Tell(t.Context(), at('a', fresh("web1", report.Deployed)))
		if err := r.Flush(t.Context()); err == nil || !strings.Contains(err.Error(), "1 commit status update could not be sent yet") {
			t.Errorf("flush: %v, want what is left", err)
		}
		again := report.New(o)
		again.Tell(t.Context(), at('a', fresh("web1", report.Deployed)))
		_ = again.Flush(t.Context())
		stop := start(t.Context(), t, again)
		pass(19 * time.Minute)
		if n := f.count(); n != 1 {
			t.Errorf("the forge was asked %d times within its rate limit, want 1", n)
		}
		pass(2 * time.Minute)
		stop()
		same(t, "statuses", f.lines(), []string{"aa gitsync/deploy success: web1 deployed"})
	})
}

func TestWhatIsRefusedForGoodHoldsUpNothingAndIsSaidOnce(t *testing.T) {
	f := &fakeForge{answer: func(call int) error {
		if call == 1 {
			return fmt.Errorf("post status: 422: %w", forge.ErrRefused)
		}
		return nil
	}}
	var log bytes.Buffer
	ctx := zerolog.New(&log).WithContext(t.Context())
	r := report.New(report.Options{Forge: f})
	for range 5 {
		r.Tell(ctx, at('a', fresh("web1", report.Failed)))
		if err := r.Flush(ctx); err != nil {
			t.Errorf("flush: %v", err)
		}
	}
	r.Tell(ctx, at('b', fresh("web1", report.Deployed)))
	if err := r.Flush(ctx); err != nil {
		t.Errorf("flush: %v", err)
	}
	same(t, "statuses", f.lines(), []string{"bb gitsync/deploy success: web1 deployed"})
	if n := strings.Count(log.String(), "\n"); n != 1 {
		t.Errorf("it is said %d times, want once:\n%s", n, &log)
	}
}

func TestATokenThatIsRefusedIsSaidOnceAndTriedAgain(t *testing.T) {
	f := &fakeForge{answer: func(int) error { return fmt.Errorf("post status: 401: %w", forge.ErrAuth) }}
	var log bytes.Buffer
	synctest.Test(t, func(t *testing.T) {
		ctx := zerolog.New(&log).Level(zerolog.InfoLevel).WithContext(t.Context())
		r := report.New(report.Options{Forge: f})
		stop := start(ctx, t, r)
		r.Tell(ctx, at('a', fresh("web1", report.Deployed)))
		pass(35 * time.Minute)
		if n := f.count(); n != 4 {
			t.Errorf("asked %d times in 35 minutes, want 4", n)
		}
		if n := strings.Count(log.String(), "the token is refused"); n != 1 {
			t.Errorf("it is said %d times, want once:\n%s", n, &log)
		}
		f.answers(nil)
		pass(10 * time.Minute)
		stop()
		same(t, "statuses", f.lines(), []string{"aa gitsync/deploy success: web1 deployed"})
	})
}

func TestPeopleWhoDoNotAnswerHoldUpNoStatusAndNoDeploy(t *testing.T) {
	f := &fakeForge{}
	running(t, report.Options{Forge: f, Notifier: &fakePeople{hang: true}}, func(t *testing.T, r *report.Reporter) {
		begun := time.Now()
		r.Tell(t.Context(), at('a', fresh("web1", report.Failed)))
		r.Tell(t.Context(), at('b', fresh("web1", report.Deployed)))
		if took := time.Since(begun); took > 0 {
			t.Errorf("telling took %s", took)
		}
		synctest.Wait()
		if got := len(f.lines()); got != 2 {
			t.Errorf("the forge has %d statuses, want 2: %v", got, f.lines())
		}
	})
}

func TestAFlushIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := report.New(report.Options{Notifier: &fakePeople{hang: true}})
		r.Tell(t.Context(), at('a', fresh("web1", report.Failed)))
		begun := time.Now()
		err := r.Flush(t.Context())
		if took := time.Since(begun); took != report.FlushTime {
			t.Errorf("it took %s, want %s", took, report.FlushTime)
		}
		if err == nil || !strings.Contains(err.Error(), "1 message could not be sent, and will not be") {
			t.Errorf("got %v, want what is lost", err)
		}
	})
}

func TestACommitThatAnotherTakesThePlaceOfIsNotPendingForEver(t *testing.T) {
	f := &fakeForge{}
	running(t, report.Options{Forge: f, Deployments: true, Branch: "main"}, func(t *testing.T, r *report.Reporter) {
		r.Tell(t.Context(), at('a', fresh("web1", report.Working)))
		pass(time.Minute)
		r.Tell(t.Context(), at('b', fresh("web1", report.Deployed)))
		pass(time.Minute)
		same(t, "statuses", f.lines(), []string{
			"aa gitsync/deploy pending: web1 at work",
			"aa gitsync/deploy error: superseded by bbbbbbb while web1 at work",
			"bb gitsync/deploy success: web1 deployed",
		})
	})
	var got []string
	for _, d := range f.deployments {
		got = append(got, fmt.Sprintf("%s %s %s %s", d.Commit[:2], d.Branch, d.Environment, d.State))
	}
	same(t, "deployments", got, []string{"aa main web1 pending", "aa main web1 error"})
}

func TestADeploymentIsToldForEachHostWhenItsStateChanges(t *testing.T) {
	f := &fakeForge{}
	running(t, report.Options{Forge: f, Deployments: true, Branch: "main"}, func(t *testing.T, r *report.Reporter) {
		done := fresh("web1", report.Deployed)
		done.Deployed = at('a').Commit
		untouched := deployed("web2")
		for _, hosts := range [][]report.Host{
			{fresh("web1", report.Working), untouched},
			{done, untouched},
			{drifted("web1", memory), host("web2", report.Away)},
			{fresh("web1", report.Failed), host("web2", report.Failed, "db", "never healthy")},
		} {
			r.Tell(t.Context(), at('a', hosts...))
			pass(time.Minute)
		}
	})
	var got []string
	for _, d := range f.deployments {
		got = append(got, d.Environment+" "+string(d.State))
	}
	same(t, "deployments", got, []string{"web1 pending", "web1 success", "web1 failure", "web2 failure"})
}

func TestADamagedFileIsStartedAnewWithAWarning(t *testing.T) {
	for _, content := range []string{"", "{", `{"version":99}`, `[]`} {
		f, o, log := &fakeForge{}, report.Options{File: outboxFile(t)}, bytes.Buffer{}
		o.Forge = f
		if err := os.WriteFile(o.File, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		ctx := zerolog.New(&log).WithContext(t.Context())
		r := report.New(o)
		r.Tell(ctx, at('a', fresh("web1", report.Deployed)))
		if err := r.Flush(ctx); err != nil || len(f.lines()) != 1 {
			t.Errorf("%q: flush: %v; the forge has %v", content, err, f.lines())
		}
		if n := strings.Count(log.String(), "starting anew"); n != 1 {
			t.Errorf("%q: warned %d times, want once: %s", content, n, &log)
		}
	}
}

func TestAFileThatCannotBeWrittenFailsNothing(t *testing.T) {
	f, log := &fakeForge{}, bytes.Buffer{}
	ctx := zerolog.New(&log).WithContext(t.Context())
	r := report.New(report.Options{Forge: f, File: outboxFile(t) + "/not/there"})
	r.Tell(ctx, at('a', fresh("web1", report.Deployed)))
	if err := r.Flush(ctx); err != nil || len(f.lines()) != 1 {
		t.Errorf("flush: %v; the forge has %v", err, f.lines())
	}
	if n := strings.Count(log.String(), "will be lost"); n != 1 {
		t.Errorf("warned %d times, want once: %s", n, &log)
	}
}

func TestAnotherForgeIsToldAnew(t *testing.T) {
	o := report.Options{File: outboxFile(t)}
	for _, target := range []string{"github acme/infra", "gitea acme/infra"} {
		f := &fakeForge{}
		o.Forge, o.Target = f, target
		r := report.New(o)
		for range 2 {
			r.Tell(t.Context(), at('a', fresh("web1", report.Deployed)))
			if err := r.Flush(t.Context()); err != nil {
				t.Error(err)
			}
		}
		same(t, target, f.lines(), []string{"aa gitsync/deploy success: web1 deployed"})
	}
}

func TestAStatusThatTheForgeChokesOnHoldsUpTheOthersForAWhileOnly(t *testing.T) {
	f := &fakeForge{}
	choking := &picky{fakeForge: f, commit: at('a').Commit}
	running(t, report.Options{Forge: choking}, func(t *testing.T, r *report.Reporter) {
		for _, letter := range "abcd" {
			r.Tell(t.Context(), at(letter, fresh("web1", report.Deployed)))
		}
		pass(6 * time.Hour)
		var got []string
		for _, line := range f.lines() {
			got = append(got, line[:2])
		}
		if !slices.Equal(got, []string{"bb", "cc", "dd"}) {
			t.Errorf("the forge has %v, want b, c, d", got)
		}
	})
}
