package sync_test

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// forgeFailure says in the record of web1 that an update of its container failed.
func (w *world) forgeFailure(text string) {
	w.t.Helper()
	// It must be of the commit that is to be deployed.
	tree := w.repo.Git("rev-parse", "main:hosts/web1")
	record := w.repo.Show(branch, "hosts/web1/state.yaml")
	var lines []string
	for line := range strings.Lines(record + "\n") {
		if strings.HasPrefix(line, "tree:") {
			line = "tree: " + tree + "\n"
		}
		lines = append(lines, line)
	}
	forged := "failures:\n  web: " + text + "\n" + strings.Join(lines, "")
	w.repo.Commit(branch, map[string]string{"hosts/web1/state.yaml": forged}, "Forged")
}

func TestAForgedFailureWaitsNoLongerThanAFailureDoes(t *testing.T) {
	for name, tt := range map[string]struct {
		text string
		// waits is how long the update may wait.
		waits time.Duration
	}{
		"a year":                 {`{error: x, attempts: 1, nextAttempt: "2027-02-03T04:05:06Z"}`, 0},
		"a year, never tried":    {`{error: x, nextAttempt: "2027-02-03T04:05:06Z"}`, 0},
		"half an hour":           {`{error: x, attempts: 1, nextAttempt: "2026-02-03T04:35:06Z"}`, 30 * time.Minute},
		"paused":                 {`{error: x, attempts: 1, paused: true}`, 0},
		"paused with itself":     {`{error: x, attempts: 1, paused: true, with: web}`, 0},
		"tried without end":      {`{error: x, attempts: 9223372036854775807}`, 0},
		"tried less than never":  {`{error: x, attempts: -5}`, 0},
		"the end of time":        {`{error: x, attempts: 1, nextAttempt: "9999-12-31T23:59:59Z"}`, 0},
		"tried with what is not": {`{error: x, with: ghost, nextAttempt: "9999-12-31T23:59:59Z"}`, 0},
	} {
		for _, lost := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, lost %v", name, lost), func(t *testing.T) {
				w := newWorld(t)
				w.commit(map[string]string{web1: web("app:1")}, "One")
				w.cycle()
				w.commit(map[string]string{web1: web("app:2")}, "Two")
				w.forgeFailure(tt.text)
				if lost {
					w.lostData()
				}
				if tt.waits > 0 {
					w.fail()
					w.runs("web", "app:1")
					w.wait(tt.waits)
				}
				w.cycle()
				w.runs("web", "app:2")
			})
		}
	}
}
