package sync_test

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gitsync/gitsync/container"
	"github.com/gitsync/gitsync/runtime/memory"
	"github.com/gitsync/gitsync/state"
	"github.com/gitsync/gitsync/sync"
)

const (
	hostA = "hosts/aa/containers.yaml"
	hostB = "hosts/bb/containers.yaml"
	allow = "\n\nprune: allow"
)

// stack is a containers.yaml with a web server, and a database that has a volume without a
// name, of these versions.
func stack(web, db string) string {
	return fmt.Sprintf("containers:\n  web: {image: 'web:%s', ports: ['8080:80'], update: {monitor: 1ms}}\n  db: {image: 'db:%s', mounts: [/data], update: {monitor: 1ms}}\n", web, db)
}

// rename commits other files for hosts, whose directories are all removed first.
func (w *world) rename(files map[string]string, message string) string {
	w.t.Helper()
	return w.repo.Replace("main", "hosts", files, message)
}

// once runs a single cycle, as run --once does.
func (w *world) once() *sync.Result {
	w.t.Helper()
	r := w.syncer.Once(w.t.Context())
	if !r.Converged() {
		w.t.Fatalf("the cycle did not converge: %v", problems(r))
	}
	return r
}

// volume is where a container's volume without a name is.
func (w *world) volume(name string) string {
	w.t.Helper()
	config, _ := w.machine.Config(name)
	if len(config.Mounts) != 1 || config.Mounts[0].Source == "" {
		w.t.Fatalf("%s has no volume: %+v", name, config.Mounts)
	}
	return config.Mounts[0].Source
}

// belongs checks by the labels which host each container is of, and that all run, with
// nothing left over.
func (w *world) belongs(want map[string]string) {
	w.t.Helper()
	got := map[string]string{}
	for name, c := range w.machine.Containers() {
		got[name] = c.Labels[container.LabelHost]
		if c.Status != "running" {
			w.t.Errorf("%s is %s", name, c.Status)
		}
	}
	if !maps.Equal(got, want) {
		w.t.Errorf("there are %v, want %v", got, want)
	}
}

// recorded checks which hosts the state branch knows, and that the last cycle left nothing
// to do.
func (w *world) recorded(hosts ...string) {
	w.t.Helper()
	if got := w.repo.Git("ls-tree", "--name-only", branch, "hosts/"); got != "hosts/"+strings.Join(hosts, "\nhosts/") {
		w.t.Errorf("on record are %q, want %v", got, hosts)
	}
	before, diary := w.machine.Containers(), len(w.diary())
	w.open(w.repo.Dir)
	w.once()
	for name, c := range w.machine.Containers() {
		if before[name].ID != c.ID {
			w.t.Errorf("%s was made once more", name)
		}
	}
	if len(w.diary()) != diary {
		w.t.Errorf("the next cycle records more: %v", w.diary())
	}
}

func newStack(t *testing.T, change ...func(*sync.Options)) *world {
	w := newWorld(t, change...)
	w.commit(map[string]string{hostA: stack("1", "1")}, "start")
	w.cycle()
	return w
}

func TestARenamedDirectoryIsDeployedInOneCycle(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		files map[string]string
		want  map[string]string
		hosts []string
	}{
		"renamed":              {map[string]string{hostB: stack("1", "1")}, map[string]string{"web": "bb", "db": "bb"}, []string{"bb"}},
		"renamed, and updated": {map[string]string{hostB: stack("2", "2")}, map[string]string{"web": "bb", "db": "bb"}, []string{"bb"}},
		"split": {map[string]string{
			hostA: "containers:\n  web: {image: 'web:1', ports: ['8080:80'], update: {monitor: 1ms}}\n",
			hostB: "containers:\n  db: {image: 'db:1', mounts: [/data], update: {monitor: 1ms}}\n",
		}, map[string]string{"web": "aa", "db": "bb"}, []string{"aa", "bb"}},
		"a port goes to another name": {map[string]string{
			hostB: "containers:\n  proxy: {image: 'proxy:1', ports: ['8080:80'], update: {monitor: 1ms}}\n  db: {image: 'db:1', mounts: [/data], update: {monitor: 1ms}}\n",
		}, map[string]string{"proxy": "bb", "db": "bb"}, []string{"bb"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newStack(t)
			volume := w.volume("db")
			// All runs, but what is being replaced at the moment.
			w.watched.Before = func(int, string, string) error {
				up := 0
				for _, c := range w.machine.Containers() {
					if c.Status == "running" {
						up++
					}
				}
				if up == 0 {
					t.Error("nothing runs")
				}
				return nil
			}
			plan := w.rename(tt.files, "rename"+allow)
			if plan == "" {
				t.Fatal("nothing was committed")
			}
			if text := hostNamed(t, w.syncer.Plan(t.Context()), "bb").Plan.String(); !strings.Contains(text, "replace db: it comes from host aa, on the same machine") {
				t.Errorf("the plan is\n%s", text)
			}
			w.once()
			w.watched.Before = nil
			w.belongs(tt.want)
			if got := w.volume("db"); got != volume {
				t.Errorf("the volume is %s, want %s", got, volume)
			}
			w.recorded(tt.hosts...)
		})
	}
}

func TestTwoDirectoriesThatAreSwappedAreDeployedInOneCycle(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	one, two := stack("1", "1"), these("n1", "n2")
	w.commit(map[string]string{hostA: one, hostB: two}, "start")
	w.cycle()
	volume := w.volume("db")
	w.commit(map[string]string{hostA: two, hostB: one}, "swap"+allow)
	w.once()
	w.belongs(map[string]string{"web": "bb", "db": "bb", "n1": "aa", "n2": "aa"})
	if got := w.volume("db"); got != volume {
		t.Errorf("the volume is %s, want %s", got, volume)
	}
	w.recorded("aa", "bb")
}

func TestARenameThatIsHeldBackChangesNothing(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(w *world){
		"in this process":        func(*world) {},
		"without data directory": func(w *world) { w.lostData() },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newStack(t)
			before := w.machine.Containers()
			w.rename(map[string]string{hostB: stack("2", "1")}, "rename")
			change(w)
			const text = "the repo removes 2 of the 2 containers that were deployed"
			for range 3 {
				r := w.syncer.Once(t.Context())
				for host, want := range map[string]string{"aa": "its removal is held back, since " + text, "bb": "host aa, on the same machine, has web, and its removal there is held back, since " + text} {
					if err := hostNamed(t, r, host).Err; !errors.Is(err, container.ErrBlocked) || !strings.Contains(err.Error(), want) {
						t.Errorf("%s: %v, want %q", host, err, want)
					}
				}
				w.wait(time.Hour)
			}
			for name, c := range before {
				if w.machine.Containers()[name].ID != c.ID {
					t.Errorf("%s is another one", name)
				}
			}
			w.belongs(map[string]string{"web": "aa", "db": "aa"})
			w.commit(map[string]string{"README.md": "x"}, "Yes"+allow)
			w.once()
			w.belongs(map[string]string{"web": "bb", "db": "bb"})
			w.runs("web", "web:2")
			w.recorded("bb")
		})
	}
}

func TestARenameThatFailsLeavesWhatRuns(t *testing.T) {
	t.Parallel()
	for name, fail := range map[string]func(w *world){
		"the image is not there": func(w *world) { w.machine.MissingImage("web:2") },
		"its start is refused":   func(w *world) { w.machine.Behave("web:2", memory.Behaviour{Refuses: "no"}) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newStack(t)
			id := w.machine.Containers()["web"].ID
			fail(w)
			w.rename(map[string]string{hostB: stack("2", "1")}, "rename"+allow)
			r := w.syncer.Once(t.Context())
			if h := hostNamed(t, r, "bb"); h.Err == nil || !strings.Contains(h.Err.Error(), "bb/web") {
				t.Errorf("bb: %v, want that web failed", h.Err)
			}
			// The others go on, and what failed is kept up.
			w.belongs(map[string]string{"web": "aa", "db": "bb"})
			w.machine.SetStatus("web", "exited")
			w.wait(time.Second)
			w.syncer.Once(t.Context())
			w.belongs(map[string]string{"web": "aa", "db": "bb"})
			if got := w.machine.Containers()["web"].ID; got != id {
				t.Errorf("web is %s, want %s", got, id)
			}
			w.commit(map[string]string{hostB: stack("3", "1")}, "repair it"+allow)
			w.once()
			w.belongs(map[string]string{"web": "bb", "db": "bb"})
			w.runs("web", "web:3")
			w.recorded("bb")
		})
	}
}

// Removed because of a mistake somewhere else it would be down until that is corrected.
func TestARenameToADirectoryWithAMistakeChangesNothing(t *testing.T) {
	t.Parallel()
	for _, mistake := range []string{"containers: [\n", strings.Replace(stack("1", "1"), "image: 'web:1'", "imagine: 'web:1'", 1)} {
		w := newStack(t)
		w.rename(map[string]string{hostB: mistake, db1: these("other")}, "rename"+allow)
		for range 2 {
			r := w.fail()
			if err := hostNamed(t, r, "aa").Err; !errors.Is(err, container.ErrBlocked) || !strings.Contains(err.Error(), "bb") {
				t.Errorf("aa: %v, want that it waits for bb", err)
			}
		}
		w.belongs(map[string]string{"web": "aa", "db": "aa", "other": "db1"})
		w.commit(map[string]string{hostB: stack("1", "1")}, "correct it"+allow)
		w.once()
		w.belongs(map[string]string{"web": "bb", "db": "bb", "other": "db1"})
	}
}

func TestWhatIsSuspendedOrProtectedIsNotHandedOn(t *testing.T) {
	t.Parallel()
	w := newStack(t)
	if err := w.syncer.Suspend(t.Context(), []sync.Target{{Host: "aa", Container: "web"}}, state.Suspension{Since: w.time()}); err != nil {
		t.Fatal(err)
	}
	w.rename(map[string]string{hostB: stack("2", "1")}, "rename"+allow)
	w.once()
	w.belongs(map[string]string{"web": "aa", "db": "bb"})
	if _, err := w.syncer.Resume(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	w.once()
	w.belongs(map[string]string{"web": "bb", "db": "bb"})

	w = newWorld(t)
	protected := strings.Replace(stack("1", "1"), "image: 'db:1'", "image: 'db:1', protect: true", 1)
	w.commit(map[string]string{hostA: protected}, "start")
	w.cycle()
	w.rename(map[string]string{hostB: protected}, "rename"+allow)
	if err := hostNamed(t, w.fail(), "bb").Err; err == nil || !strings.Contains(err.Error(), "it is protected on host aa") {
		t.Errorf("bb: %v, want that db is protected on aa", err)
	}
	w.belongs(map[string]string{"web": "bb", "db": "aa"})
}

// Killed at any call, the next process ends with all of it on the host that it goes to, with
// its data.
func TestAKillDuringARenameLosesNothing(t *testing.T) {
	t.Parallel()
	files := map[string]string{hostB: stack("2", "1")}
	run := func(k int, late bool) int {
		w, r := newMortalWorld(t)
		defer w.close()
		w.commit(map[string]string{hostA: stack("1", "1")}, "start")
		w.cycle()
		volume := w.volume("db")
		w.rename(files, "rename"+allow)
		r.set(k, late)
		w.syncer.Once(t.Context())
		calls := r.made()
		r.set(0, false)
		w.open(w.remote.String())
		w.wait(time.Hour)
		w.once()
		w.belongs(map[string]string{"web": "bb", "db": "bb"})
		w.runs("web", "web:2")
		if got := w.volume("db"); got != volume {
			t.Errorf("killed at call %d, late %v: the volume is %s, want %s", k, late, got, volume)
		}
		w.recorded("bb")
		return calls
	}
	total := run(0, false)
	for k := 1; k <= total; k += 3 {
		for _, late := range []bool{false, true} {
			if run(k, late); t.Failed() {
				t.Fatalf("killed at call %d of %d, late %v", k, total, late)
			}
		}
	}
}

// An update that was killed at any call before the directory is renamed is in nobody's way.
func TestARenameAfterAKillTakesTheInterruptedUpdateBack(t *testing.T) {
	t.Parallel()
	run := func(k int, late bool) int {
		w, r := newMortalWorld(t)
		defer w.close()
		w.commit(map[string]string{hostA: stack("1", "1")}, "start")
		w.cycle()
		volume := w.volume("db")
		w.commit(map[string]string{hostA: stack("2", "1")}, "an update that is killed")
		r.set(k, late)
		w.syncer.Once(t.Context())
		calls := r.made()
		r.set(0, false)
		w.open(w.remote.String())
		w.wait(time.Hour)
		w.rename(map[string]string{hostB: stack("2", "1")}, "rename"+allow)
		for range 3 {
			w.syncer.Once(t.Context())
			w.wait(time.Hour)
		}
		w.once()
		w.belongs(map[string]string{"web": "bb", "db": "bb"})
		w.runs("web", "web:2")
		if got := w.volume("db"); got != volume {
			t.Errorf("the volume is %s, want %s", got, volume)
		}
		w.recorded("bb")
		return calls
	}
	total := run(0, false)
	for k := 1; k <= total; k += 3 {
		if run(k, k%2 == 1); t.Failed() {
			t.Fatalf("killed at call %d of %d", k, total)
		}
	}
}

func TestARenameInADaemon(t *testing.T) {
	t.Parallel()
	w := newStack(t, func(o *sync.Options) { o.Now = time.Now })
	stop := w.daemon(20 * time.Millisecond)
	defer stop()
	w.rename(map[string]string{hostB: stack("2", "1")}, "rename"+allow)
	eventually(t, "all is on bb, and aa is forgotten", func() bool {
		hosts := []string{}
		for _, c := range w.machine.Containers() {
			hosts = append(hosts, c.Labels[container.LabelHost])
		}
		if idle := w.idlers(); len(idle) == 1 {
			// The daemon says that it manages what is there.
			hosts = slices.Delete(hosts, 0, 1)
		}
		return slices.Equal(hosts, []string{"bb", "bb"}) && w.repo.Git("ls-tree", "--name-only", branch, "hosts/") == "hosts/bb"
	})
}

// Its turn in a roll-out does not come, so what it takes over stays.
func TestARenameThatWaitsForItsTurnLeavesWhatRuns(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	settings := map[string]string{"gitsync.yaml": "rollout: {canary: [cc], monitor: 1h}\n"}
	w.commit(merged(settings, map[string]string{hostA: stack("1", "1"), "hosts/cc/containers.yaml": these("first")}), "start")
	w.syncer.Cycle(t.Context())
	w.wait(2 * time.Hour)
	w.cycle()
	w.rename(map[string]string{hostB: stack("2", "1"), "hosts/cc/containers.yaml": these("first", "second")}, "rename"+allow)
	for range 2 {
		w.syncer.Cycle(t.Context())
		w.belongs(map[string]string{"web": "aa", "db": "aa", "first": "cc", "second": "cc"})
	}
	w.wait(2 * time.Hour)
	w.once()
	w.belongs(map[string]string{"web": "bb", "db": "bb", "first": "cc", "second": "cc"})
}

// What was written for the old name is ours under the new one too.
func TestConfigFilesAreHandedOn(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	files := func(content string) string {
		return "containers:\n  web: {image: a, update: {monitor: 1ms}, configFiles: {/srv/web.conf: " + content + ", /srv/same.conf: same}}\n"
	}
	w.commit(map[string]string{hostA: files("one")}, "start")
	w.cycle()
	w.rename(map[string]string{hostB: files("two")}, "rename"+allow)
	w.once()
	if f, _ := w.machine.HostFile("/srv/web.conf"); f.Content != "two" {
		t.Errorf("the config file holds %q", f.Content)
	}
	w.recorded("bb")
}
