package sync_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gitsync/gitsync/container"
	"github.com/gitsync/gitsync/container/types"
	"github.com/gitsync/gitsync/runtime/memory"
	"github.com/gitsync/gitsync/sync"
)

// crash and sick are images whose containers never become ready.
const (
	crash = "crash:1"
	sick  = "sick:1"
)

func newBrokenWorld(t *testing.T, change ...func(*sync.Options)) *world {
	w := newWorld(t, change...)
	w.machine.Behave(crash, memory.Behaviour{Ends: true, ExitCode: 3, Logs: "no such table: users\n"})
	w.machine.Behave(sick, memory.Behaviour{Health: types.HealthStarting})
	return w
}

// newBehaviour is what an image does after it was mended.
var newBehaviour = memory.Behaviour{}

func (w *world) tries(image string) int {
	n := 0
	for _, call := range w.watched.Calls() {
		if call == "create web.gitsync-new" {
			n++
		}
	}
	return n
}

func TestAFailedUpdateIsTriedAgainWithGrowingPauses(t *testing.T) {
	w := newBrokenWorld(t)
	w.commit(map[string]string{web1: web("nginx:1.26")}, "start")
	w.cycle()
	w.commit(map[string]string{web1: web(crash)}, "broken")
	var waited []time.Duration
	for range 6 {
		w.watched.Reset()
		pause := time.Duration(0)
		for w.tries(crash) == 0 {
			w.fail()
			w.runs("web", "nginx:1.26")
			// A new process knows it too.
			w.open(w.repo.Dir)
			w.wait(10 * time.Second)
			pause += 10 * time.Second
		}
		waited = append(waited, pause)
	}
	want := []time.Duration{10 * time.Second, 10 * time.Second, 20 * time.Second, 40 * time.Second, 80 * time.Second, 160 * time.Second}
	if !slices.Equal(waited, want) {
		t.Errorf("tries after %v, want %v", waited, want)
	}
}

func TestAContainerThatIsHeldBackIsStillRepaired(t *testing.T) {
	w := newBrokenWorld(t)
	w.commit(map[string]string{web1: web("nginx:1.26")}, "start")
	w.cycle()
	w.commit(map[string]string{web1: web(crash)}, "broken")
	w.fail()
	w.machine.SetStatus("web", "exited")
	w.fail()
	w.runs("web", "nginx:1.26")
	w.machine.Remove("web")
	w.fail()
	w.runs("web", "nginx:1.26")
}

func TestANewCommitOrAnOperatorEndsThePause(t *testing.T) {
	w := newBrokenWorld(t)
	w.commit(map[string]string{web1: web("nginx:1.26")}, "start")
	w.cycle()
	w.commit(map[string]string{web1: web(crash)}, "broken")
	w.fail()
	w.machine.Behave(crash, memory.Behaviour{})
	w.fail()
	w.runs("web", "nginx:1.26")
	if retried, err := w.syncer.Retry(t.Context(), []string{"web1/web"}); err != nil || !slices.Equal(retried, []string{"web1/web"}) {
		t.Fatalf("retry: %v, %v", retried, err)
	}
	if want := "Retry web1/web: asked for by an operator"; w.diary()[0] != want {
		t.Errorf("diary begins with %q, want %q", w.diary()[0], want)
	}
	w.cycle()
	w.runs("web", crash)
	if _, err := w.syncer.Retry(t.Context(), []string{"web1"}); !errors.Is(err, sync.ErrNothingToRetry) {
		t.Errorf("retry of what works: %v, want ErrNothingToRetry", err)
	}

	w.machine.Behave(sick, memory.Behaviour{Ends: true})
	w.commit(map[string]string{web1: web(sick)}, "broken again")
	w.fail()
	w.commit(map[string]string{web1: web("nginx:1.27")}, "mended")
	w.cycle()
	w.runs("web", "nginx:1.27")
}

func TestAPausedUpdateWaitsForAPerson(t *testing.T) {
	w := newBrokenWorld(t)
	paused := func(image string) string {
		return "containers:\n  web:\n    image: " + image + "\n    update: {monitor: 1ms, failureAction: pause}\n"
	}
	w.commit(map[string]string{web1: paused("nginx:1.26")}, "start")
	w.cycle()
	w.commit(map[string]string{web1: paused(crash)}, "broken")
	w.fail()
	w.wait(1000 * time.Hour)
	w.watched.Reset()
	w.fail()
	if w.tries(crash) != 0 {
		t.Error("it was tried again by itself")
	}
	w.runs("web", "nginx:1.26")
	w.machine.Behave(crash, memory.Behaviour{})
	if _, err := w.syncer.Retry(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	w.cycle()
	w.runs("web", crash)
}

func TestANewerCommitEndsTheWaitForTheOlderOne(t *testing.T) {
	w := newBrokenWorld(t, func(o *sync.Options) { o.WatchInterval = time.Millisecond })
	w.commit(map[string]string{web1: web("nginx:1.26"), db1: database("postgres:16")}, "start")
	w.cycle()
	slow := "containers:\n  web:\n    image: " + sick + "\n    update: {timeout: 10m}\n"
	w.commit(map[string]string{web1: slow}, "never ready")
	committed := false
	w.watched.Before = func(_ int, method, _ string) error {
		if method == "inspect" && !committed && len(w.watched.Calls()) > 12 {
			committed = true
			w.commit(map[string]string{web1: web("nginx:1.27")}, "newer")
		}
		return nil
	}
	w.watched.Reset()
	r := w.syncer.Once(t.Context())
	if !r.Converged() {
		t.Fatalf("the newer commit did not converge: %v", problems(r))
	}
	w.runs("web", "nginx:1.27")
	diary := w.diary()
	if len(diary) != 3 || !strings.HasPrefix(diary[0], "Deploy ") || !strings.HasPrefix(diary[1], "Give way to a newer commit than ") {
		t.Errorf("the diary tells %q", diary)
	}
}

func TestRemovingTooMuchNeedsToBeAllowed(t *testing.T) {
	three := map[string]string{web1: "containers:\n  aa: {image: a, update: {monitor: 1ms}}\n  bb: {image: a, update: {monitor: 1ms}}\n  cc: {image: a, update: {monitor: 1ms}}\n"}
	one := map[string]string{web1: "containers:\n  aa: {image: a, update: {monitor: 1ms}}\n"}
	none := map[string]string{web1: "containers: {}\n"}
	for name, tt := range map[string]struct {
		files   map[string]string
		message string
		change  func(*sync.Options)
		left    int
	}{
		"two of three are held back":                           {one, "less", nil, 3},
		"all are held back":                                    {none, "nothing", nil, 3},
		"the commit's message allows it":                       {none, "nothing\n\nPrune: allow\n", nil, 0},
		"a word in the middle of the message does not":         {none, "do not prune: allow nothing", nil, 3},
		"a flag allows it":                                     {one, "less", func(o *sync.Options) { o.AllowPrune = true }, 1},
		"gitsync.yaml may allow more, and not all":             {none, "nothing", func(*sync.Options) {}, 3},
		"gitsync.yaml with a higher limit allows two of three": {map[string]string{web1: one[web1], "gitsync.yaml": "prune: {maxFraction: 0.7}\n"}, "less", nil, 1},
		"gitsync.yaml switches the limit off":                  {map[string]string{web1: none[web1], "gitsync.yaml": "prune: allow\n"}, "nothing", nil, 0},
	} {
		t.Run(name, func(t *testing.T) {
			var changes []func(*sync.Options)
			if tt.change != nil {
				changes = append(changes, tt.change)
			}
			w := newWorld(t, changes...)
			w.commit(three, "start")
			w.cycle()
			w.commit(tt.files, tt.message)
			r := w.syncer.Cycle(t.Context())
			if held := tt.left == 3; held == r.Converged() {
				t.Errorf("converged %v: %v", r.Converged(), problems(r))
			}
			if got := len(w.machine.Containers()); got != tt.left {
				t.Errorf("%d containers are left, want %d", got, tt.left)
			}
		})
	}
}

func TestWhatCouldNotBeRemovedStaysOnRecord(t *testing.T) {
	w := newWorld(t)
	two := "containers:\n  aa: {image: a, update: {monitor: 1ms}}\n  bb: {image: a, update: {monitor: 1ms}}\n"
	w.commit(map[string]string{web1: two}, "start")
	w.cycle()
	w.watched.Before = func(_ int, method, _ string) error {
		if method == "delete" {
			return errors.New("device or resource busy")
		}
		return nil
	}
	w.commit(map[string]string{web1: "containers:\n  aa: {image: a, update: {monitor: 1ms}}\n"}, "less")
	w.fail()
	w.commit(map[string]string{web1: "containers:\n  aa: {image: b, update: {monitor: 1ms}}\n"}, "the record moves on")
	w.fail()
	if record := w.repo.Show("gitsync/state", "hosts/web1/state.yaml"); !strings.Contains(record, "  bb:\n") {
		t.Errorf("the record forgot it:\n%s", record)
	}
	w.watched.Before = nil
	w.wait(time.Hour)
	w.cycle()
	if _, there := w.machine.Containers()["bb"]; there {
		t.Error("it was never removed")
	}
}

func TestAProtectedContainerNeedsTwoCommitsToGo(t *testing.T) {
	w := newWorld(t)
	spec := func(protect bool) string {
		return fmt.Sprintf("containers:\n  db: {image: a, protect: %v, update: {monitor: 1ms}}\n  aa: {image: a, update: {monitor: 1ms}}\n", protect)
	}
	rest := "containers:\n  aa: {image: a, update: {monitor: 1ms}}\n"
	moved := "containers:\n  db: {image: a, update: {monitor: 1ms}}\n"
	w.commit(map[string]string{web1: spec(true)}, "start")
	w.cycle()
	id := w.machine.Containers()["db"].ID
	w.commit(map[string]string{web1: rest, "hosts/web2/containers.yaml": moved}, "move it\n\nprune: allow")
	r := w.fail()
	for _, host := range []string{"web1", "web2"} {
		if err := hostNamed(t, r, host).Err; !errors.Is(err, container.ErrBlocked) {
			t.Errorf("%s: %v, want ErrBlocked", host, err)
		}
	}
	w.repo.DeleteBranch("gitsync/state")
	w.open(w.repo.Dir)
	w.fail()
	if got := w.machine.Containers()["db"].ID; got != id {
		t.Errorf("db is %s, want the one that was protected", got)
	}
	w.commit(map[string]string{web1: spec(false), "hosts/web2/containers.yaml": "containers: {}\n"}, "take the protection off")
	w.cycle()
	w.commit(map[string]string{web1: rest}, "remove it")
	w.cycle()
	w.runs("db", "")
}

func TestAnUpdateThatWasInterruptedAndFailsIsTriedAnewAtOnce(t *testing.T) {
	w := newBrokenWorld(t)
	w.commit(map[string]string{web1: web("nginx:1.26")}, "start")
	w.cycle()
	w.commit(map[string]string{web1: web("app:2")}, "next")
	dead := false
	w.watched.Before = func(_ int, method, subject string) error {
		dead = dead || method == "inspect" && w.machine.Containers()["web"].Image == "app:2"
		if dead {
			return errKilled
		}
		return nil
	}
	w.fail()
	// Whoever killed it left the container in a bad way, too.
	w.machine.Behave("app:2", memory.Behaviour{Health: types.HealthUnhealthy})
	w.watched.Before = nil
	w.watched.After = func(_ int, method, _ string) error {
		if method == "delete" {
			w.machine.Behave("app:2", memory.Behaviour{})
		}
		return nil
	}
	w.open(w.repo.Dir)
	w.wait(time.Minute)
	if r := w.syncer.Once(t.Context()); !r.Converged() {
		t.Fatalf("it did not converge: %v", problems(r))
	}
	w.runs("web", "app:2")
}
