package sync_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gitsync/gitsync/internal/gittest"
	"github.com/gitsync/gitsync/state"
	"github.com/gitsync/gitsync/sync"
)

// point moves the state branch to an object, whatever Git would say to it.
func (w *world) point(hash string) {
	w.t.Helper()
	if err := os.WriteFile(filepath.Join(w.repo.Dir, "refs", "heads", branch), []byte(hash+"\n"), 0o600); err != nil {
		w.t.Fatal(err)
	}
}

// pushTree makes a tree the tip of the state branch, on top of the one that is there.
func (w *world) pushTree(tree [20]byte) {
	w.t.Helper()
	text := fmt.Sprintf("tree %x\nparent %s\nauthor x <x@x> 1770000000 +0000\ncommitter x <x@x> 1770000000 +0000\n\nForged\n", tree, w.repo.Hash(branch))
	w.point(fmt.Sprintf("%x", w.repo.Object(gittest.CommitKind, []byte(text))))
}

// rootWith is the root of the state branch with more entries.
func (w *world) rootWith(entries ...gittest.TreeEntry) [20]byte {
	w.t.Helper()
	all := []gittest.TreeEntry{
		{Mode: "100644", Name: "README.md", Hash: w.repo.HashOf(branch, "README.md")},
		{Mode: "40000", Name: "hosts", Hash: w.repo.HashOf(branch, "hosts")},
	}
	all = append(all, entries...)
	slices.SortStableFunc(all, func(a, b gittest.TreeEntry) int { return strings.Compare(a.Name, b.Name) })
	return w.repo.Object(gittest.TreeKind, gittest.MakeTree(all...))
}

// unreadable are ways in which one commit makes the state branch unreadable.
var unreadable = map[string]func(w *world){
	"hosts is a file": func(w *world) {
		w.repo.Remove(branch, "hosts")
		w.repo.Commit(branch, map[string]string{"hosts": "x"}, "Forged")
	},
	"hosts is a link": func(w *world) {
		w.repo.Remove(branch, "hosts")
		w.repo.Symlink(branch, "hosts", "/etc")
	},
	"hosts is a submodule": func(w *world) {
		w.repo.Remove(branch, "hosts")
		w.repo.Submodule(branch, "hosts", w.repo.Hash("main"))
	},
	"a name is there twice": func(w *world) {
		blob := w.repo.Object(gittest.BlobKind, []byte("x"))
		w.pushTree(w.rootWith(gittest.TreeEntry{Mode: "100644", Name: "a", Hash: blob}, gittest.TreeEntry{Mode: "100644", Name: "a", Hash: blob}))
	},
	"hosts is there twice": func(w *world) {
		w.pushTree(w.rootWith(gittest.TreeEntry{Mode: "40000", Name: "hosts", Hash: w.repo.HashOf(branch, "hosts")}))
	},
	"300 levels": func(w *world) {
		w.repo.Commit(branch, map[string]string{strings.Repeat("d/", 300) + "f": "x"}, "Forged")
	},
	"an object is missing": func(w *world) {
		blob := w.repo.Object(gittest.BlobKind, []byte("will be missing"))
		w.pushTree(w.rootWith(gittest.TreeEntry{Mode: "100644", Name: "junk", Hash: blob}))
		name := fmt.Sprintf("%x", blob)
		if err := os.Remove(filepath.Join(w.repo.Dir, "objects", name[:2], name[2:])); err != nil {
			w.t.Fatal(err)
		}
	},
	"a file of 140 MB": func(w *world) {
		w.repo.Commit(branch, map[string]string{"junk": strings.Repeat("\x00", 140<<20)}, "Forged")
	},
	"a commit with an author that nobody has": func(w *world) {
		text := fmt.Sprintf("tree %s\nparent %s\nauthor \ncommitter \n\nForged\n", w.repo.Git("rev-parse", branch+"^{tree}"), w.repo.Hash(branch))
		w.point(fmt.Sprintf("%x", w.repo.Object(gittest.CommitKind, []byte(text))))
	},
}

func TestAStateBranchThatCannotBeReadMeansNoRecordsAndIsPutBack(t *testing.T) {
	for name, tamper := range unreadable {
		for _, lost := range []bool{false, true} {
			if lost && name == "a file of 140 MB" {
				continue // it takes seconds
			}
			t.Run(fmt.Sprintf("%s, lost %v", name, lost), func(t *testing.T) {
				w := newWorld(t)
				w.commit(map[string]string{web1: web("app:1"), db1: database("db:1")}, "One")
				w.cycle()
				before := w.machine.Containers()["web"].ID
				tamper(w)
				forged := w.repo.Hash(branch)
				if lost {
					w.lostData()
				}
				r := w.syncer.Cycle(t.Context())
				if r.Err != nil || r.GitErr != nil || len(r.Hosts) != 2 {
					t.Fatalf("the cycle ended: %v, %v", r.Err, r.GitErr)
				}
				if w.machine.Containers()["web"].ID != before {
					t.Error("the container is another one")
				}
				// Drift is repaired, and a commit is deployed.
				w.machine.Remove("db")
				w.commit(map[string]string{web1: web("app:2")}, "Two")
				for range 3 {
					r = w.syncer.Cycle(t.Context())
				}
				w.runs("web", "app:2")
				w.runs("db", "db:1")
				if !r.Converged() {
					t.Errorf("the branch is not put back: %v %v", problems(r), r.StateErrs)
				}
				w.repo.Git("merge-base", "--is-ancestor", forged, branch)
				other, err := state.Parse([]byte(w.repo.Show(branch, "hosts/web1/state.yaml")))
				if err != nil || other.PreviousState["web"].Container.Config.Image != "app:2" {
					t.Errorf("the record: %v, %+v", err, other)
				}
			})
		}
	}
}

func TestAStateBranchThatCannotBeReadIsAnErrorOfItsOwnKind(t *testing.T) {
	w := newWorld(t)
	w.commit(map[string]string{web1: web("app:1")}, "One")
	w.cycle()
	unreadable["a name is there twice"](w)
	r := w.fail()
	if r.Err != nil || len(r.StateErrs) != 1 || !errors.Is(r.StateErrs[0], state.ErrUnreadable) || sync.React(r.StateErrs[0]) != sync.NeedsPerson {
		t.Errorf("the errors are %v and %v", r.Err, r.StateErrs)
	}
	if text := r.StateErrs[0].Error(); !strings.Contains(text, branch) || !strings.Contains(text, w.repo.Git("log", "-1", "--skip=1", "--format=%h", "--abbrev=7", branch)) {
		t.Errorf("the error does not say where: %s", text)
	}
	w.cycle()
}

func TestARecordThatCannotBeReadAffectsItsHostAlone(t *testing.T) {
	bomb := "a: &a [x,x,x,x,x,x,x,x,x,x]\n"
	for i := range 9 {
		one := string(rune('b' + i))
		bomb += one + ": &" + one + " [" + strings.TrimSuffix(strings.Repeat("*"+string(rune('a'+i))+",", 10), ",") + "]\n"
	}
	const path = "hosts/web1/state.yaml"
	for name, tamper := range map[string]func(w *world){
		"not YAML":    func(w *world) { w.repo.Commit(branch, map[string]string{path: "\x00{["}, "Forged") },
		"wrong types": func(w *world) { w.repo.Commit(branch, map[string]string{path: "previousState: [1, 2]\n"}, "Forged") },
		"null": func(w *world) {
			w.repo.Commit(branch, map[string]string{path: "previousState: {web: null}\n"}, "Forged")
		},
		"a bomb":  func(w *world) { w.repo.Commit(branch, map[string]string{path: bomb}, "Forged") },
		"a cycle": func(w *world) { w.repo.Commit(branch, map[string]string{path: "a: &a [*a]\n"}, "Forged") },
		"a million values": func(w *world) {
			w.repo.Commit(branch, map[string]string{path: "a: [" + strings.Repeat("{},", 1<<20) + "{}]\n"}, "Forged")
		},
		"a directory": func(w *world) {
			w.repo.Remove(branch, path)
			w.repo.Commit(branch, map[string]string{path + "/x": "x"}, "Forged")
		},
		"a link": func(w *world) {
			w.repo.Remove(branch, path)
			w.repo.Symlink(branch, path, "/etc/passwd")
		},
		"a submodule": func(w *world) {
			w.repo.Remove(branch, path)
			w.repo.Submodule(branch, path, w.repo.Hash("main"))
		},
		"rubbish about the repo": func(w *world) { w.repo.Commit(branch, map[string]string{"repo.yaml": "identity: [1]\n"}, "Forged") },
	} {
		for _, lost := range []bool{false, true} {
			if lost && name != "not YAML" && name != "rubbish about the repo" {
				continue // they are told apart by what is read alone
			}
			t.Run(fmt.Sprintf("%s, lost %v", name, lost), func(t *testing.T) {
				w := newWorld(t)
				w.commit(map[string]string{web1: web("app:1"), db1: database("db:1"), "hosts/empty/containers.yaml": "containers: {}\n"}, "One")
				w.cycle()
				identity := w.repo.Show(branch, "repo.yaml")
				untouched := w.repo.Show(branch, "hosts/db1/state.yaml")
				tamper(w)
				if lost {
					w.lostData()
				}
				r := w.fail()
				if r.Err != nil || len(r.StateErrs) != 1 || !errors.Is(r.StateErrs[0], state.ErrUnreadable) {
					t.Fatalf("the errors are %v and %v", r.Err, r.StateErrs)
				}
				w.still(func() { w.cycle() })
				if w.repo.Show(branch, "repo.yaml") != identity || w.repo.Show(branch, "hosts/db1/state.yaml") != untouched {
					t.Error("what can be read, or what the labels say, is changed")
				}
			})
		}
	}
}

func TestOfAHostWithoutContainersARecordThatCannotBeReadIsWrittenAgain(t *testing.T) {
	w := newWorld(t)
	w.commit(map[string]string{web1: "containers: {}\n"}, "One")
	w.cycle()
	w.repo.Commit(branch, map[string]string{"hosts/web1/state.yaml": "{["}, "Forged")
	w.fail()
	w.cycle()
}

func TestAHostThatLeftIsForgottenAlthoughItsRecordCannotBeRead(t *testing.T) {
	w := newWorld(t)
	w.commit(map[string]string{web1: web("app:1"), db1: database("db:1")}, "One")
	w.cycle()
	w.repo.Commit(branch, map[string]string{"hosts/db1/state.yaml": "{["}, "Forged")
	w.repo.Remove("main", "hosts/db1")
	w.fail()
	w.runs("db", "db:1")
	if err := w.syncer.Forget(t.Context(), "db1"); err != nil {
		t.Fatal(err)
	}
	w.cycle()
	w.runs("db", "db:1")
}

func TestSuspensionsThatCannotBeReadHoldAsFarAsTheyCan(t *testing.T) {
	const path = "hosts/web1/suspended.yaml"
	for name, tt := range map[string]struct {
		text string
		// held says that the container is left alone.
		held bool
	}{
		"not YAML":                     {"suspended: {[", false},
		"a list":                       {"suspended: [web]\n", false},
		"a time that is none":          {"suspended: {web: {reason: mine, since: x}}\n", true},
		"an end that is none":          {"suspended: {web: {reason: mine, until: x}}\n", true},
		"the host, since a time":       {"suspended: {\"\": {since: x}}\n", true},
		"text":                         {"suspended: {web: forever}\n", true},
		"one that can be read":         {"suspended: {web: {since: 2026-02-03T04:05:06Z}, other: 1}\n", true},
		"of another container":         {"suspended: {other: {since: x}}\n", false},
		"one that has ended can be":    {"suspended: {web: {until: 2020-02-03T04:05:06Z}, other: 1}\n", false},
		"an end that can, a list else": {"suspended: {web: {until: 2020-02-03T04:05:06Z, reason: [x]}}\n", false},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.commit(map[string]string{web1: web("app:1")}, "One")
			w.cycle()
			w.repo.Commit(branch, map[string]string{path: tt.text}, "Forged")
			w.commit(map[string]string{web1: web("app:2")}, "Two")
			r := w.fail()
			if r.Err != nil || len(r.StateErrs) != 1 || !strings.Contains(r.StateErrs[0].Error(), path) {
				t.Errorf("the errors are %v and %v", r.Err, r.StateErrs)
			}
			want := map[bool]string{true: "app:1", false: "app:2"}[tt.held]
			w.runs("web", want)
			resumed, err := w.syncer.Resume(t.Context(), nil)
			if err != nil || len(resumed) == 0 {
				t.Fatalf("resumed %v, %v", resumed, err)
			}
			w.cycle()
			w.runs("web", "app:2")
		})
	}
}

func TestAHostIsSuspendedAlthoughItsSuspensionsCannotBeRead(t *testing.T) {
	w := newWorld(t)
	w.commit(map[string]string{web1: web("app:1") + "  other:\n    image: other:1\n    update: {monitor: 1ms}\n"}, "One")
	w.cycle()
	w.repo.Commit(branch, map[string]string{"hosts/web1/suspended.yaml": "suspended: {other: {since: x}}\n"}, "Forged")
	if err := w.syncer.Suspend(t.Context(), []sync.Target{{Host: "web1", Container: "web"}}, state.Suspension{Reason: "mine", Since: w.time()}); err != nil {
		t.Fatal(err)
	}
	w.commit(map[string]string{web1: web("app:2") + "  other:\n    image: other:2\n    update: {monitor: 1ms}\n"}, "Two")
	w.cycle()
	w.runs("web", "app:1")
	w.runs("other", "other:1")
}

func TestASignedStateBranchThatCannotBeReadIsPutBackToo(t *testing.T) {
	for name, tamper := range unreadable {
		if name == "a file of 140 MB" {
			continue // it takes seconds
		}
		t.Run(name, func(t *testing.T) {
			w, _ := newSealed(t)
			w.commit(map[string]string{web1: web("app:1"), db1: database("db:1")}, "One")
			w.cycle()
			tamper(w)
			w.commit(map[string]string{web1: web("app:2")}, "Two")
			r := w.syncer.Cycle(t.Context())
			if r.Err != nil || r.GitErr != nil {
				t.Fatalf("the cycle ended: %v, %v", r.Err, r.GitErr)
			}
			w.runs("web", "app:2")
			w.wait(time.Hour)
			for range 3 {
				w.syncer.Cycle(t.Context())
			}
			w.cycle()
			if record := w.repo.Show(branch, "hosts/web1/state.yaml"); !strings.Contains(record, "app:2") {
				t.Errorf("the record: %s", record)
			}
		})
	}
}
