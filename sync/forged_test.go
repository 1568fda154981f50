package sync_test

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gitsync/gitsync/container"
	"github.com/gitsync/gitsync/container/types"
	"github.com/gitsync/gitsync/host"
	"github.com/gitsync/gitsync/runtime"
	"github.com/gitsync/gitsync/sync"
)

const branch = "gitsync/state"

// forge pushes another record of a host to the state branch.
func (w *world) forgeText(host string, replace ...string) {
	w.t.Helper()
	path := "hosts/" + host + "/state.yaml"
	record := w.repo.Show(branch, path)
	forged := strings.NewReplacer(replace...).Replace(record + "\n")
	if forged == record+"\n" {
		w.t.Fatalf("nothing of %q is in %s", replace, record)
	}
	w.repo.Commit(branch, map[string]string{path: forged}, "Forged")
}

// foreign makes a container that gitsync did not create, and returns its ID.
func (w *world) foreign(name string, labels map[string]string) string {
	w.t.Helper()
	id, err := w.watched.Full.Create(w.t.Context(), &types.ContainerConfig{Name: name, Image: "theirs:1", Labels: labels})
	if err == nil {
		err = w.watched.Full.Start(w.t.Context(), id)
	}
	if err != nil {
		w.t.Fatal(err)
	}
	return id
}

// innocent checks that no call was about these containers, and that nothing evil came.
func (w *world) innocent(ids ...string) {
	w.t.Helper()
	for _, call := range w.watched.Calls() {
		for _, id := range ids {
			if strings.Contains(call, id) && !slices.Contains([]string{"status", "describe", "inspect"}, strings.Fields(call)[0]) {
				w.t.Errorf("a call about a container of somebody else: %s", call)
			}
		}
		if strings.Contains(call, "evil") {
			w.t.Errorf("a call with what was forged: %s", call)
		}
	}
	for name, c := range w.machine.Containers() {
		if strings.Contains(c.Image, "evil") {
			w.t.Errorf("%s runs %s", name, c.Image)
		}
	}
}

// lostData is a new gitsync whose data directory is lost, so that it knows no record.
func (w *world) lostData() {
	w.t.Helper()
	w.opts.DataDir = w.t.TempDir()
	w.open(w.repo.Dir)
}

func TestARecordWithTheIDOfAForeignContainerTouchesNothing(t *testing.T) {
	for _, labels := range []map[string]string{
		nil,
		{container.LabelHost: "web1", container.LabelContainer: "web", container.LabelOwner: "example.com/other#main"},
		{container.LabelHost: "web1", container.LabelContainer: "other", container.LabelOwner: "example.com/other#main"},
	} {
		for _, lost := range []bool{false, true} {
			w := newWorld(t)
			w.commit(map[string]string{web1: web("app:1"), db1: database("db:1")}, "One")
			w.cycle()
			theirs := w.foreign("theirs", labels)
			ours := w.machine.Containers()["web"].ID
			w.forgeText("web1", ours, theirs)
			if lost {
				w.lostData()
			}
			w.watched.Reset()
			w.cycle()
			w.commit(map[string]string{web1: web("app:2")}, "Two")
			w.cycle()
			w.forgeText("web1", w.machine.Containers()["web"].ID, theirs)
			w.repo.Remove("main", "hosts/web1")
			w.opts.AllowPrune = true
			w.open(w.repo.Dir)
			w.syncer.Cycle(t.Context())
			w.innocent(theirs)
			w.runs("theirs", "theirs:1")
			w.runs("web", "")
		}
	}
}

func TestALabelledContainerThatOnlyAForgedRecordKnowsIsLeft(t *testing.T) {
	w := newWorld(t)
	w.commit(map[string]string{web1: web("app:1"), "hosts/web1/host.yaml": "drift: {policy: report}\n"}, "One")
	w.cycle()
	labels := maps.Clone(w.machine.Containers()["web"].Labels)
	labels[container.LabelContainer] = "copy"
	id := w.foreign("copy", labels)
	w.forgeText("web1", "previousState:\n", "previousState:\n  copy:\n    container:\n      config:\n        image: evil:1\n        name: copy\n      runtime:\n        memory: {}\n      status:\n        id: "+id+"\n        status: running\n    host:\n      direct: {}\n")
	w.watched.Reset()
	w.cycle()
	w.cycle()
	w.innocent(id)
	w.runs("copy", "theirs:1")
	w.runs("web", "app:1")
}

func TestAForgedRecordNeverBecomesWhatRuns(t *testing.T) {
	for _, lost := range []bool{false, true} {
		w := newWorld(t)
		w.commit(map[string]string{web1: web("app:1")}, "One")
		w.cycle()
		// An update that fails keeps up what was deployed before, by the record.
		w.machine.MissingImage("app:2")
		w.commit(map[string]string{web1: web("app:2")}, "Two")
		w.fail()
		w.forgeText("web1", "image: app:1", "image: evil:1")
		if lost {
			w.lostData()
		}
		w.machine.Remove("web")
		w.watched.Reset()
		for range 3 {
			w.syncer.Cycle(t.Context())
			w.wait(time.Second)
		}
		w.innocent()
		// Nor does it become our word.
		w.commit(map[string]string{web1: web("app:3")}, "Three")
		w.cycle()
		w.runs("web", "app:3")
		w.innocent()
		if text := w.repo.Show(branch, "hosts/web1/state.yaml"); strings.Contains(text, "evil") {
			t.Errorf("we say what was forged: %s", text)
		}
	}
}

func TestNobodyLogsInToAnAddressThatOnlyTheStateBranchKnows(t *testing.T) {
	for _, lost := range []bool{false, true} {
		w, m := newMachines(t)
		w.commit(merged(on("web1", "a", map[string]string{"web": "nginx:1"}), on("web2", "b", map[string]string{"web2": "nginx:1"})), "One")
		w.cycle()
		m.seen = func(address string) {
			if strings.Contains(address, "evil") {
				t.Errorf("a login to %s", address)
			}
		}
		// Of a host that is in the repo, of one that is not, and of one that never was.
		w.forgeText("web1", "address: a", "address: evil1")
		record := w.repo.Show(branch, "hosts/web2/state.yaml")
		w.repo.Commit(branch, map[string]string{"hosts/ghost/state.yaml": strings.ReplaceAll(record, "address: b", "address: evil2")}, "Forged")
		if lost {
			w.lostData()
		}
		r := w.fail()
		for _, h := range r.Hosts {
			if h.Name == "ghost" && (!errors.Is(h.Err, sync.ErrUnconfirmed) || sync.React(h.Err) != sync.NeedsPerson || !strings.Contains(h.Err.Error(), "gitsync forget ghost")) {
				t.Errorf("of the ghost: %v", h.Err)
			}
			if h.Name != "ghost" && h.Err != nil {
				t.Errorf("%s: %v", h.Name, h.Err)
			}
		}
		if r := w.syncer.Plan(t.Context()); r.Err != nil {
			t.Error(r.Err)
		}
		if a, b := m.runs("a"), m.runs("b"); a != "web" || b != "web2" {
			t.Errorf("%q and %q run", a, b)
		}
		// A host that leaves the repo while its record is forged.
		w.forgeText("web2", "address: b", "address: evil3")
		w.repo.Remove("main", "hosts/web2")
		w.fail()
		if b := m.runs("b"); b != "web2" {
			t.Errorf("%q runs", b)
		}
		// What the operator believes is done.
		if err := errors.Join(w.syncer.Forget(t.Context(), "ghost"), w.syncer.Forget(t.Context(), "web2")); err != nil {
			t.Fatal(err)
		}
		w.wait(time.Hour)
		w.cycle()
	}
}

func TestAHostThatLeftIsCleanedWhenItsRecordIsOurs(t *testing.T) {
	for _, trust := range []bool{false, true} {
		w, m := newMachines(t)
		w.commit(merged(on("web1", "a", map[string]string{"web": "nginx:1"}), on("web2", "b", nil)), "One")
		w.cycle()
		w.repo.Remove("main", "hosts/web1")
		w.commit(map[string]string{"README.md": "x"}, "Give web1 up\n\nprune: allow")
		if trust {
			w.opts.TrustRecords = true
			w.lostData()
		} else {
			w.open(w.repo.Dir)
		}
		w.cycle()
		if got := m.runs("a"); got != "" {
			t.Errorf("%q runs", got)
		}
	}
}

func TestAForgedRecordWritesNoFile(t *testing.T) {
	const file = "containers:\n  web:\n    image: app:1\n    update: {monitor: 1ms}\n    configFiles: {/srv/web.conf: ours}\n"
	w := newWorld(t)
	w.commit(map[string]string{web1: web("app:1")}, "One")
	w.cycle()
	// A file of somebody else, and a record that says it is ours.
	w.machine.WriteHostFile("/srv/web.conf", "theirs")
	w.forgeText("web1", "    host:\n", "    configFiles:\n      /srv/web.conf: evil\n      /etc/cron.d/evil: evil\n    host:\n")
	w.commit(map[string]string{web1: file}, "Two")
	r := w.fail()
	if f, _ := w.machine.HostFile("/srv/web.conf"); f.Content != "theirs" {
		t.Errorf("the file holds %q: %v", f.Content, problems(r))
	}
	if _, there := w.machine.HostFile("/etc/cron.d/evil"); there {
		t.Error("a forged file was written")
	}
	// Once it is ours a failed update puts back what was there, not what was forged.
	w.machine.RemoveHostFile("/srv/web.conf")
	w.wait(time.Hour)
	w.cycle()
	w.forgeText("web1", "/srv/web.conf: ours", "/srv/web.conf: evil")
	w.machine.MissingImage("app:2")
	w.commit(map[string]string{web1: strings.NewReplacer("app:1", "app:2", "ours", "new").Replace(file)}, "Three")
	w.fail()
	if f, _ := w.machine.HostFile("/srv/web.conf"); f.Content == "evil" {
		t.Error("a forged content was written")
	}
	if text := w.repo.Show(branch, "hosts/web1/state.yaml"); strings.Contains(text, "evil") {
		t.Errorf("we say what was forged: %s", text)
	}
}

func TestWhateverBecomesOfTheStateBranchNothingRestarts(t *testing.T) {
	for name, tamper := range map[string]func(w *world){
		"nothing":  func(*world) {},
		"deleted":  func(w *world) { w.repo.DeleteBranch(branch) },
		"replayed": func(w *world) { w.repo.ResetBranch(branch, w.repo.Git("rev-parse", branch+"~1")) },
		"garbage": func(w *world) {
			w.repo.Commit(branch, map[string]string{"hosts/web1/state.yaml": "\x00{[", "hosts/x/state.yaml": "a: &a [*a]"}, "Forged")
		},
		"huge": func(w *world) {
			w.repo.Commit(branch, map[string]string{"hosts/web1/state.yaml": strings.Repeat("#"+strings.Repeat("x", 1<<20)+"\n", 65)}, "Forged")
		},
		"emptied":   func(w *world) { w.repo.Remove(branch, "hosts/web1") },
		"unready":   func(w *world) { w.forgeText("web1", "image: app:2", "image: app:2\n      readyPending: true") },
		"other tag": func(w *world) { w.forgeText("web1", "image: app:2", "image: evil:2") },
	} {
		for _, lost := range []bool{false, true} {
			t.Run(name, func(t *testing.T) {
				w := newWorld(t)
				w.commit(map[string]string{web1: web("app:1")}, "One")
				w.cycle()
				w.commit(map[string]string{web1: web("app:2")}, "Two")
				w.cycle()
				before := w.machine.Containers()["web"].ID
				tamper(w)
				if lost {
					w.lostData()
				}
				w.watched.Reset()
				for range 2 {
					w.syncer.Cycle(t.Context())
				}
				for _, call := range w.watched.Calls() {
					if !slices.Contains([]string{"list", "describe", "find", "status", "inspect"}, strings.Fields(call)[0]) {
						t.Errorf("a call: %s", call)
					}
				}
				if w.machine.Containers()["web"].ID != before {
					t.Error("the container is another one")
				}
				w.innocent()
				// It goes on as ever, and removes what leaves the repo.
				w.opts.AllowPrune = true
				w.open(w.repo.Dir)
				w.commit(map[string]string{web1: "containers: {}\n"}, "Three")
				w.syncer.Cycle(t.Context())
				w.runs("web", "")
			})
		}
	}
}

func TestAFreshDataDirectoryWritesNothingWhereAllIsRight(t *testing.T) {
	w := newWorld(t)
	w.commit(map[string]string{web1: web("app:1"), db1: database("db:1")}, "One")
	w.cycle()
	entries := len(w.diary())
	w.lostData()
	w.cycle()
	w.cycle()
	if len(w.diary()) != entries {
		t.Errorf("the diary grew: %v", w.diary())
	}
	// By now the records are known to be right, so that a host that leaves is cleaned.
	w.opts.Connector = func(_ context.Context, _ host.Host, _ container.RuntimeConfig) (runtime.Runtime, func(), error) {
		return w.watched, func() {}, nil
	}
	w.opts.AllowPrune = true
	w.repo.Remove("main", "hosts/db1")
	w.open(w.repo.Dir)
	w.cycle()
	w.runs("db", "")
	w.runs("web", "app:1")
}
