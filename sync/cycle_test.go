package sync_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gitsync/gitsync/container"
	"github.com/gitsync/gitsync/gitrepo"
	"github.com/gitsync/gitsync/layout"
	"github.com/gitsync/gitsync/runtime"
	"github.com/gitsync/gitsync/state"
	"github.com/gitsync/gitsync/sync"
)

func TestCommitsBecomeContainersAndADiary(t *testing.T) {
	w := newWorld(t)
	first := w.commit(map[string]string{web1: web("nginx:1.26"), db1: database("postgres:16")}, "start")
	w.cycle()
	w.runs("web", "nginx:1.26")
	w.runs("db", "postgres:16")
	second := w.commit(map[string]string{web1: web("nginx:1.27")}, "bump")
	w.cycle()
	w.runs("web", "nginx:1.27")
	w.machine.Remove("db")
	w.cycle()
	w.runs("db", "postgres:16")
	third := w.commit(map[string]string{web1: "containers: {}\n"}, "stop web\n\nprune: allow")
	w.cycle()
	w.runs("web", "")
	want := []string{
		fmt.Sprintf("Deploy %.7s to web1: remove web (no longer desired)", third),
		"Repair db1: create db (container is gone from the host)",
		fmt.Sprintf("Deploy %.7s to web1: replace web (image nginx:1.26 → 1.27)", second),
		fmt.Sprintf("Deploy %.7s to db1, web1: create db web", first),
	}
	if got := w.diary(); !slices.Equal(got, want) {
		t.Errorf("diary\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func TestACycleWithNothingToDoLooksAndNoMore(t *testing.T) {
	w := newWorld(t)
	w.commit(map[string]string{web1: web("nginx:1.26") + "    configFiles: {/srv/web.conf: x}\n", db1: database("postgres:16")}, "start")
	w.cycle()
	w.cycle()
	diary := len(w.diary())
	w.watched.Reset()
	w.cycle()
	if got, want := fmt.Sprint(w.watched.Calls()), "[list  list ]"; got != want {
		t.Errorf("calls %s, want one list for each of two hosts", got)
	}
	w.commit(map[string]string{"README.md": "no host is touched"}, "words")
	w.watched.Reset()
	w.cycle()
	if got, want := fmt.Sprint(w.watched.Calls()), "[list  list ]"; got != want {
		t.Errorf("calls after a commit that touches no host: %s, want %s", got, want)
	}
	if got := len(w.diary()); got != diary {
		t.Errorf("%d commits on the state branch, want %d", got, diary)
	}
}

func TestConfigFilesAreReadBackWhenDue(t *testing.T) {
	w := newWorld(t)
	w.commit(map[string]string{web1: web("nginx:1.26") + "    configFiles: {/srv/web.conf: wanted}\n"}, "start")
	w.cycle()
	w.machine.WriteHostFile("/srv/web.conf", "by hand")
	w.cycle()
	if f, _ := w.machine.HostFile("/srv/web.conf"); f.Content != "by hand" {
		t.Errorf("the file was looked at before it was due")
	}
	w.wait(6 * time.Minute)
	w.cycle()
	if f, _ := w.machine.HostFile("/srv/web.conf"); f.Content != "wanted" {
		t.Errorf("file holds %q", f.Content)
	}
	if got, want := w.diary()[0], "Repair web1: restart web (config file /srv/web.conf differs on the host)"; got != want {
		t.Errorf("diary begins with %q, want %q", got, want)
	}
}

func TestAnInvalidHostStaysAsItIsAndTheOthersGoOn(t *testing.T) {
	w := newWorld(t)
	w.commit(map[string]string{web1: web("nginx:1.26"), db1: database("postgres:16")}, "start")
	w.cycle()
	w.commit(map[string]string{web1: "containers:\n  web:\n    imag: nginx:1.27\n", db1: database("postgres:17")}, "a typo")
	r := w.fail()
	if want := `hosts/web1/containers.yaml:3:5: unknown key "imag" (did you mean "image"?)`; !strings.Contains(r.Mistakes.Error(), want) {
		t.Errorf("mistakes %v, want %s", r.Mistakes, want)
	}
	w.runs("web", "nginx:1.26")
	w.runs("db", "postgres:17")
	w.commit(map[string]string{web1: web("nginx:1.27")}, "mended")
	w.cycle()
	w.runs("web", "nginx:1.27")
}

func TestAVanishedTreeRemovesNothing(t *testing.T) {
	w := newWorld(t, func(o *sync.Options) { o.AllowPrune = true })
	w.commit(map[string]string{web1: web("nginx:1.26"), db1: database("postgres:16"), "README.md": "x"}, "start")
	w.cycle()
	w.repo.Remove("main", "hosts")
	if r := w.fail(); !errors.Is(r.Err, layout.ErrNoHosts) {
		t.Errorf("cycle: %v, want ErrNoHosts", r.Err)
	}
	w.runs("web", "nginx:1.26")
	w.runs("db", "postgres:16")
}

// A repo that is too large for one load must be split: time does not heal that.
func TestARepoThatIsTooLargeNeedsACommit(t *testing.T) {
	w := newWorld(t)
	w.commit(map[string]string{web1: web("nginx:1.26")}, "start")
	w.cycle()
	many := map[string]string{}
	for i := range layout.MaxHosts + 1 {
		many[fmt.Sprintf("hosts/h%d/containers.yaml", i)] = "containers: {}\n"
	}
	w.commit(many, "too many")
	if r := w.fail(); !errors.Is(r.Err, layout.ErrTooLarge) || sync.React(r.Err) != sync.NeedsCommit {
		t.Errorf("cycle: %v, %s, want a commit to be needed", r.Err, sync.React(r.Err))
	}
	w.runs("web", "nginx:1.26")
}

func TestBranchesThatComeAndGo(t *testing.T) {
	w := newWorld(t)
	if r := w.fail(); !errors.Is(r.Err, gitrepo.ErrEmptyRemote) {
		t.Errorf("cycle on an empty repo: %v", r.Err)
	}
	first := w.commit(map[string]string{web1: web("nginx:1.26")}, "start")
	w.cycle()
	w.commit(map[string]string{web1: web("nginx:1.27")}, "bump")
	w.cycle()
	w.repo.ResetBranch("main", first)
	w.cycle()
	w.runs("web", "nginx:1.26")

	w.repo.DeleteBranch("main")
	w.machine.SetStatus("web", "exited")
	if r := w.fail(); !errors.Is(r.GitErr, gitrepo.ErrBranchNotFound) {
		t.Errorf("cycle without the branch: %v", r.GitErr)
	}
	w.runs("web", "nginx:1.26")
	w.repo.ResetBranch("main", first)
	w.cycle()
}

func TestALostStateBranchRestartsNothing(t *testing.T) {
	w := newWorld(t)
	w.commit(map[string]string{web1: web("nginx:1.26")}, "start")
	w.cycle()
	id := w.machine.Containers()["web"].ID
	w.repo.DeleteBranch("gitsync/state")
	w.cycle()
	if got := w.machine.Containers()["web"].ID; got != id {
		t.Errorf("web was created anew")
	}
	if got, want := w.diary(), []string{"Record what runs on web1"}; !slices.Equal(got, want) {
		t.Errorf("diary %q, want %q", got, want)
	}
}

func TestARecordThatCannotBePushedIsPushedLater(t *testing.T) {
	w := newWorld(t)
	commit := w.commit(map[string]string{web1: web("nginx:1.26")}, "start")
	w.repo.RefusePushes("closed for today")
	r := w.fail()
	if err := errors.Join(r.StateErrs...); r.Err != nil || !errors.Is(err, gitrepo.ErrPushRefused) || !strings.Contains(err.Error(), "closed for today") {
		t.Errorf("cycle: %v, %v, want ErrPushRefused with the hook's words", r.Err, err)
	}
	w.runs("web", "nginx:1.26")
	w.repo.RefusePushes("")
	w.cycle()
	message := w.repo.Git("log", "-1", "--format=%B", "gitsync/state")
	for _, part := range []string{"web1/web: create: new container", "Gitsync-Source: " + commit, "Gitsync-Result: success", "Gitsync-Host: web1"} {
		if !strings.Contains(message, part) {
			t.Errorf("message lacks %q:\n%s", part, message)
		}
	}
}

func TestSomebodyElsesStateIsKept(t *testing.T) {
	w := newWorld(t)
	w.commit(map[string]string{web1: web("nginx:1.26")}, "start")
	w.cycle()
	w.repo.Commit("gitsync/state", map[string]string{"hosts/other/state.yaml": "theirs"}, "theirs")
	w.commit(map[string]string{web1: web("nginx:1.27")}, "bump")
	if r := w.fail(); len(r.StateErrs) != 1 || r.Err != nil {
		t.Errorf("of a record that cannot be read: %v", problems(r))
	}
	if got := w.repo.Show("gitsync/state", "hosts/other/state.yaml"); got != "theirs" {
		t.Errorf("their record holds %q", got)
	}
	if got := len(w.diary()); got != 3 {
		t.Errorf("%d commits on the state branch, want 3", got)
	}
}

func TestAFailureIsRecordedOnceAndRetriedWithAPause(t *testing.T) {
	w := newWorld(t)
	w.machine.MissingImage("nginx:nope")
	commit := w.commit(map[string]string{web1: web("nginx:nope"), db1: database("postgres:16")}, "start")
	r := w.fail()
	if err := hostNamed(t, r, "web1").Err; !errors.Is(err, runtime.ErrImageNotFound) || sync.React(err) != sync.NeedsCommit {
		t.Errorf("web1: %v, want ErrImageNotFound, which needs a commit", err)
	}
	w.runs("db", "postgres:16")
	w.watched.Reset()
	if r := w.fail(); !errors.Is(hostNamed(t, r, "web1").Err, container.ErrHeld) || slices.Contains(w.watched.Calls(), "pull nginx:nope") {
		t.Errorf("web1 is tried again at once: %v, %v", hostNamed(t, r, "web1").Err, w.watched.Calls())
	}
	if want := []string{fmt.Sprintf("Deploy %.7s to db1, fail on web1: web: ", commit)}; len(w.diary()) != 1 || !strings.HasPrefix(w.diary()[0], want[0]) {
		t.Errorf("diary %q, want one entry %q", w.diary(), want)
	}
	w.wait(10 * time.Second)
	w.fail()
	if !slices.Contains(w.watched.Calls(), "pull nginx:nope") || len(w.diary()) != 2 {
		t.Errorf("web1 is not tried again: %v, diary %q", w.watched.Calls(), w.diary())
	}
	w.commit(map[string]string{web1: web("nginx:1.27")}, "mended")
	w.cycle()
	w.runs("web", "nginx:1.27")
	entries, err := w.syncer.History(t.Context(), 10)
	if err != nil || len(entries) != 4 || entries[0].Result != state.Success || entries[1].Result != state.Failure {
		t.Errorf("history %+v, %v", entries, err)
	}
}

func hostNamed(t *testing.T, r *sync.Result, name string) *sync.HostResult {
	t.Helper()
	for _, h := range r.Hosts {
		if h.Name == name {
			return h
		}
	}
	t.Fatalf("no host %s in the result", name)
	return nil
}

func TestPlanTouchesNothing(t *testing.T) {
	w := newWorld(t)
	w.commit(map[string]string{web1: web("nginx:1.26")}, "start")
	r := w.syncer.Plan(t.Context())
	if !r.HasChanges() || len(w.machine.Containers()) != 0 || w.diary() != nil {
		t.Errorf("plan %v, containers %v, diary %v", r.HasChanges(), w.machine.Containers(), w.diary())
	}
}

func TestOnlyTheHostsThatWereAskedForAreHandled(t *testing.T) {
	w := newWorld(t, func(o *sync.Options) { o.Hosts = []string{"web1"} })
	w.commit(map[string]string{web1: web("nginx:1.26"), db1: database("postgres:16")}, "start")
	w.cycle()
	w.runs("web", "nginx:1.26")
	w.runs("db", "")
}

func TestWhatWasDoneIsRecordedAlsoWhenWeAreToldToStop(t *testing.T) {
	w := newWorld(t)
	commit := w.commit(map[string]string{web1: web("nginx:1.26")}, "start")
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	w.watched.After = func(_ int, method, _ string) error {
		if method == "start" {
			cancel()
		}
		return nil
	}
	w.syncer.Cycle(ctx)
	w.runs("web", "nginx:1.26")
	if want := fmt.Sprintf("Stop half-way through %.7s on web1: create web (new container)", commit); len(w.diary()) != 1 || w.diary()[0] != want {
		t.Errorf("diary %q, want %q", w.diary(), want)
	}
}
