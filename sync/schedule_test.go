package sync_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/gitsync/gitsync/sync"
)

func TestSchedulesThatAreRefused(t *testing.T) {
	for spec, says := range map[string]string{
		"":                 "has no times",
		"TZ=":              "has no times",
		"CRON_TZ=UTC":      "has no times",
		"61 * * * *":       "61",
		"0 0 30 2 *":       "never comes",
		"TZ=Nowhere * * *": "Nowhere",
		"* * * *":          "expected",
		"@every 0s":        "1s or longer",
		"@every -5m":       "1s or longer",
		"@every 200ms":     "1s or longer",
		"@every":           "@every",

		"CRON_TZ=UTC @every 0s": "1s or longer",
	} {
		if _, err := sync.Cron(spec); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%q: %v, want an error that says %q", spec, err, says)
		}
	}
	for _, spec := range []string{"*/5 * * * *", "@hourly", "CRON_TZ=Europe/Berlin 0 3 * * *", "@every 90s"} {
		if _, err := sync.Cron(spec); err != nil {
			t.Errorf("%q: %v", spec, err)
		}
	}
	if _, err := sync.Every(0); err == nil {
		t.Error("an interval of nothing is accepted")
	}
}

func FuzzCron(f *testing.F) {
	for _, seed := range []string{"*/5 * * * *", "TZ=", "CRON_TZ=UTC ", "@every 1s", "0 0 30 2 *", "TZ=\t*"} {
		f.Add(seed)
	}
	f.Fuzz(func(_ *testing.T, spec string) { _, _ = sync.Cron(spec) })
}

func TestRunPollsUntilItIsStopped(t *testing.T) {
	w := newWorld(t)
	w.opts.Now = nil
	w.open(w.repo.Dir)
	w.commit(map[string]string{web1: web("nginx:1.26")}, "start")
	schedule, err := sync.Every(10 * time.Millisecond)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- w.syncer.Run(ctx, schedule) }()
	eventually(t, "the first commit is deployed", func() bool { return w.machine.Containers()["web"].Image == "nginx:1.26" })
	w.commit(map[string]string{web1: web("nginx:1.27")}, "bump")
	eventually(t, "the second commit is deployed", func() bool { return w.machine.Containers()["web"].Image == "nginx:1.27" })
	w.machine.SetStatus("web", "exited")
	eventually(t, "a stopped container is started", func() bool { return w.machine.Containers()["web"].Status == "running" })
	cancel()
	select {
	case err := <-done:
		if err != nil {
			t.Errorf("run: %v", err)
		}
	case <-time.After(20 * time.Second):
		t.Fatal("run does not stop")
	}
}

// eventually waits, with a bound, until the condition holds.
func eventually(t *testing.T, what string, condition func() bool) {
	t.Helper()
	eventuallyWithin(t, time.Minute, what, condition)
}

func eventuallyWithin(t *testing.T, bound time.Duration, what string, condition func() bool) {
	t.Helper()
	deadline := time.NewTimer(bound)
	defer deadline.Stop()
	ticker := time.NewTicker(5 * time.Millisecond)
	defer ticker.Stop()
	for !condition() {
		select {
		case <-deadline.C:
			t.Fatalf("timed out: %s", what)
		case <-ticker.C:
		}
	}
}
