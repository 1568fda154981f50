package sync_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/gitsync/gitsync/container"
	"github.com/gitsync/gitsync/internal/gittest"
	"github.com/gitsync/gitsync/sync"
)

// idlers are the instances that say on the machine that they manage it.
func (w *world) idlers() []container.LeaseHolder {
	var idle []container.LeaseHolder
	for _, h := range container.LeaseHolders(rows(w.machine)) {
		if h.Idle {
			idle = append(idle, h)
		}
	}
	return idle
}

func TestADaemonSaysThatItManagesAHostUntilItEnds(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(o *sync.Options) { o.Now = time.Now })
	w.commit(map[string]string{web1: web("app:1")}, "One")
	w.cycle()
	if got := w.idlers(); len(got) > 0 {
		t.Fatalf("after a single cycle %+v manages the host", got)
	}
	w.open(w.repo.Dir)
	stop := w.daemon(20 * time.Millisecond)
	eventually(t, "the daemon says that it manages the host", func() bool { return len(w.idlers()) == 1 })
	if got := w.idlers(); got[0].Address != w.repo.Dir+"#main" {
		t.Errorf("it says %+v", got)
	}
	stop()
	if got := w.idlers(); len(got) > 0 {
		t.Errorf("after its end %+v manages the host", got)
	}
}

func TestAHostThatDoesNotValidateIsStillManaged(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(o *sync.Options) { o.Now = time.Now })
	w.commit(map[string]string{web1: web("app:1")}, "One")
	w.cycle()
	w.open(w.repo.Dir)
	defer w.daemon(20 * time.Millisecond)()
	eventually(t, "the daemon says that it manages the host", func() bool { return len(w.idlers()) == 1 })
	for _, image := range []string{"db:1", "db:2"} {
		w.commit(map[string]string{web1: "containers: {web: {imag: x}}\n", db1: database(image)}, "A typo, and "+image)
		eventually(t, "the other host follows to "+image, func() bool { return w.machine.Containers()["db"].Image == image })
	}
	if got := w.idlers(); len(got) == 0 {
		t.Error("a typo took back that the daemon manages the host")
	}
}

// Somebody else with a copy of all that the repo has, its history included, cannot be told
// from the repo that moved: as long as a daemon of that one is there, nothing is taken over.
func TestNothingIsTakenOverWhileTheRepoHasADaemonElsewhere(t *testing.T) {
	t.Parallel()
	for name, atWork := range map[string]bool{"an idle one": false, "one at work": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.commit(map[string]string{web1: web("app:1")}, "One")
			w.cycle()
			before := w.machine.Containers()["web"]
			copied := copied(t, w.repo, "main", branch)
			elsewhere := w.another()
			elsewhere.open(w.repo.Dir)
			var end func()
			if atWork {
				w.commit(map[string]string{web1: web("app:2")}, "Two")
				result := inTheMiddle(t, elsewhere)
				end = func() { result() }
			} else {
				elsewhere.opts.Now = time.Now
				elsewhere.open(w.repo.Dir)
				end = elsewhere.daemon(20 * time.Millisecond)
				eventually(t, "the daemon says that it manages the host", func() bool { return len(w.idlers()) == 1 })
			}
			w.movesTo(copied, gittest.ServeHTTP(t, copied, gittest.HTTPOptions{}).URL)
			w.opts.AllowPrune = true
			r := w.syncer.Cycle(t.Context())
			if r.Converged() || !strings.Contains(fmt.Sprint(problems(r)...), ", so that no other address gets its containers") {
				t.Errorf("the copy: %v", problems(r))
			}
			if got := w.machine.Containers()["web"]; got.ID != before.ID && !atWork {
				t.Errorf("the copy changed %+v", got)
			}
			end()
			if atWork {
				return
			}
			// The daemon of the old address has ended: the repo has moved.
			w.wait(time.Hour)
			w.cycle()
			w.runs("web", "app:1")
			if got := w.machine.Containers()["web"]; got.ID != before.ID {
				t.Errorf("the move created %+v anew", got)
			}
		})
	}
}
