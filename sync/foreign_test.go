package sync_test

import (
	"bytes"
	"strings"
	"testing"

	"github.com/rs/zerolog"

	"github.com/gitsync/gitsync/internal/gittest"
)

// Files that nobody needs are not fetched; where the server cannot leave them out, the log
// says once what they cost.
func TestWhatFilesThatNobodyNeedsCostIsSaidOnce(t *testing.T) {
	for filter, want := range map[string]int{"true": 0, "false": 1} {
		w := newWorld(t)
		w.repo.Git("config", "uploadpack.allowFilter", filter)
		w.open(gittest.ServeHTTP(t, w.repo, gittest.HTTPOptions{Version0: true}).URL)
		w.commit(map[string]string{web1: web("app:1"), "video": strings.Repeat("x", 17<<20)}, "One")
		var log bytes.Buffer
		ctx := zerolog.New(&log).WithContext(t.Context())
		for _, image := range []string{"app:1", "app:2", "app:3"} {
			w.commit(map[string]string{web1: web(image)}, image)
			if r := w.syncer.Once(ctx); !r.Converged() {
				t.Fatal(problems(r))
			}
		}
		if got := strings.Count(log.String(), "17MiB"); got != want {
			t.Errorf("filters %s: it is said %d times, want %d:\n%s", filter, got, want, log.String())
		}
	}
}
