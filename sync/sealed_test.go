package sync_test

import (
	"encoding/hex"
	"errors"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gitsync/gitsync/gitrepo/signature"
	"github.com/gitsync/gitsync/host/ssh"
	"github.com/gitsync/gitsync/internal/gittest"
	"github.com/gitsync/gitsync/state"
	"github.com/gitsync/gitsync/sync"
	"github.com/gitsync/gitsync/trust"
)

// signers is a file of allowed signers.
func signers(keys ...gittest.Key) string {
	text := ""
	for _, k := range keys {
		text += "agent " + k.Public + "\n"
	}
	return text
}

// seal signs with a key, and lets those of allowed count.
func (w *world) seal(t *testing.T, key gittest.Key, allowed ...gittest.Key) *trust.Seal {
	t.Helper()
	own, err := ssh.ReadKey(key.File, "")
	if err != nil {
		t.Fatal(err)
	}
	list, err := signature.ParseSigners("signers", []byte(signers(allowed...)))
	if err != nil {
		t.Fatal(err)
	}
	return &trust.Seal{
		Sign:  func(payload []byte) (string, error) { return signature.SignSSH(own, payload) },
		Rules: func() (signature.Rules, error) { return signature.Rules{Kind: signature.SSH, Signers: list}, nil },
		Now:   w.time,
	}
}

// newSealed is a world whose state branch is signed, and the key.
func newSealed(t *testing.T) (*world, gittest.Key) {
	t.Helper()
	key := gittest.NewSSHKey(t)
	w := newWorld(t)
	w.opts.Seal = w.seal(t, key, key)
	w.open(w.repo.Dir)
	return w, key
}

// judged checks that git itself takes the tip of the state branch for signed by a key.
func (w *world) judged(allowed ...gittest.Key) {
	w.t.Helper()
	file := filepath.Join(w.t.TempDir(), "signers")
	if err := os.WriteFile(file, []byte(signers(allowed...)), 0o600); err != nil {
		w.t.Fatal(err)
	}
	cmd := exec.CommandContext(w.t.Context(), "git", "-c", "gpg.ssh.allowedSignersFile="+file, "verify-commit", branch)
	cmd.Dir = w.repo.Dir
	if out, err := cmd.CombinedOutput(); err != nil {
		w.t.Errorf("git verify-commit: %v: %s", err, out)
	}
	w.repo.Git("fsck", "--strict")
}

// still checks that a cycle only looks.
func (w *world) still(cycle func()) {
	w.t.Helper()
	before := w.machine.Containers()["web"].ID
	w.watched.Reset()
	cycle()
	for _, call := range w.watched.Calls() {
		if !slices.Contains([]string{"list", "describe", "find", "status", "inspect"}, strings.Fields(call)[0]) {
			w.t.Errorf("a call: %s", call)
		}
	}
	if w.machine.Containers()["web"].ID != before {
		w.t.Error("the container is another one")
	}
}

func TestRecordsAreSignedAndGitAgrees(t *testing.T) {
	w, key := newSealed(t)
	w.commit(map[string]string{web1: web("app:1")}, "One")
	w.cycle()
	w.judged(key)
	w.commit(map[string]string{web1: web("app:2")}, "Two")
	w.cycle()
	w.judged(key)
	if len(w.diary()) != 2 {
		t.Errorf("the diary has %v", w.diary())
	}
	// What is signed is believed without a data directory, and looked at for nothing.
	w.opts.DataDir = ""
	w.open(w.repo.Dir)
	w.still(func() { w.cycle() })
	w.repo.Remove("main", "hosts/web1")
	w.commit(map[string]string{db1: database("db:1")}, "Three\n\nprune: allow")
	w.cycle()
	w.runs("web", "")
	w.judged(key)
}

// tampers are what somebody does to a signed state branch who may push.
var tampers = map[string]func(w *world, key gittest.Key){
	"an unsigned commit on top": func(w *world, _ gittest.Key) { w.forgeText("web1", "image: app:2", "image: evil:2") },
	"two of them": func(w *world, _ gittest.Key) {
		w.forgeText("web1", "image: app:2", "image: evil:2")
		w.repo.Commit(branch, map[string]string{"hosts/ghost/state.yaml": w.repo.Show(branch, "hosts/web1/state.yaml")}, "Forged")
	},
	"a commit signed by another key": func(w *world, _ gittest.Key) {
		w.forgeText("web1", "image: app:2", "image: evil:2")
		w.repo.Sign(branch, gittest.NewSSHKey(w.t), w.time())
	},
	"a replay":         func(w *world, _ gittest.Key) { w.repo.ResetBranch(branch, w.repo.Git("rev-parse", branch+"~1")) },
	"a deleted branch": func(w *world, _ gittest.Key) { w.repo.DeleteBranch(branch) },
	"a forged record below a merge": func(w *world, _ gittest.Key) {
		good := w.repo.Hash(branch)
		w.forgeText("web1", "image: app:2", "image: evil:2")
		merge := w.repo.Git("commit-tree", "-p", good, "-p", branch, "-m", "Merge", branch+"^{tree}")
		w.repo.ResetBranch(branch, strings.TrimSpace(merge))
	},
	"a suspension": func(w *world, _ gittest.Key) {
		w.repo.Commit(branch, map[string]string{"hosts/web1/suspended.yaml": "suspended:\n  \"\":\n    since: 2026-01-01T00:00:00Z\n"}, "Suspend web1")
	},
	"a commit signed for another branch": func(w *world, key gittest.Key) {
		w.wait(time.Minute)
		w.forgeText("web1", "image: app:2", "image: evil:2")
		tree := w.repo.Git("rev-parse", branch+"^{tree}")
		hash := w.repo.Git("commit-tree", "-p", branch+"~1", "-m", "Evil\n\nGitsync-Branch: gitsync/other", tree)
		w.repo.ResetBranch(branch, strings.TrimSpace(hash))
		w.repo.Sign(branch, key, w.time())
	},
	"a signed commit of the source": func(w *world, key gittest.Key) {
		w.wait(time.Minute)
		w.repo.ResetBranch(branch, w.repo.Hash("main"))
		w.repo.Sign(branch, key, w.time())
	},
	"a commit that is none": func(w *world, _ gittest.Key) {
		tree := w.repo.Git("rev-parse", branch+"^{tree}")
		raw := w.repo.Object(gittest.CommitKind, []byte("tree "+tree+"\nparent "+w.repo.Hash(branch)+"\nauthor M <m@x> 1767323045 +0000\ncommitter M <m@x> 1767323045 +0000\ngpgsig a\ngpgsig b\n\nEvil\n"))
		w.repo.ResetBranch(branch, hex.EncodeToString(raw[:]))
	},
}

func TestWhatNobodySignedDecidesNothingAndIsTakenBack(t *testing.T) {
	for name, tamper := range tampers {
		for _, process := range []string{"the same", "a new one", "one without a data directory", "one whose data directory is lost"} {
			t.Run(name+", "+process, func(t *testing.T) {
				w, key := newSealed(t)
				w.commit(map[string]string{web1: web("app:1")}, "One")
				w.cycle()
				w.wait(time.Minute)
				w.commit(map[string]string{web1: web("app:2")}, "Two")
				w.cycle()
				good := w.repo.Show(branch, "hosts/web1/state.yaml")
				tamper(w, key)
				tampered := w.repo.Hash(branch)
				switch process {
				case "a new one":
					w.open(w.repo.Dir)
				case "one without a data directory":
					w.opts.DataDir = ""
					w.open(w.repo.Dir)
				case "one whose data directory is lost":
					w.lostData()
				}
				w.still(func() { w.cycle() })
				w.innocent()
				w.mended(key, name, process, tampered, good)
				// It goes on as ever.
				w.still(func() { w.cycle() })
				w.wait(time.Minute)
				w.commit(map[string]string{web1: web("app:3")}, "Three")
				w.cycle()
				w.runs("web", "app:3")
				w.judged(key)
			})
		}
	}
}

// mended checks that the branch is as it was signed last, and built on what somebody pushed.
func (w *world) mended(key gittest.Key, tamper, process, tampered, good string) {
	w.t.Helper()
	if tamper == "a replay" && strings.HasPrefix(process, "one") {
		// It cannot be told from what is right: what runs says more, and is recorded.
		w.t.Log(w.diary())
		return
	}
	w.judged(key)
	if tampered != "" && !slices.Contains(strings.Fields(w.repo.Git("rev-list", branch)), tampered) {
		w.t.Errorf("the tip is not built on what was there: %v", w.diary())
	}
	if got := w.repo.Show(branch, "hosts/web1/state.yaml"); got != good && !strings.HasPrefix(process, "one") {
		w.t.Errorf("the record is %s, want %s", got, good)
	}
	for _, file := range w.repo.Tree(branch) {
		if !slices.Contains([]string{"README.md", "hosts/web1/state.yaml", "repo.yaml"}, file) {
			w.t.Errorf("%s is in the branch", file)
		}
	}
}

func TestWhatOthersSignedBelowAForgeryIsKept(t *testing.T) {
	mine, theirs := gittest.NewSSHKey(t), gittest.NewSSHKey(t)
	w := newWorld(t)
	w.opts.Hosts, w.opts.Seal = []string{"web1"}, w.seal(t, mine, mine, theirs)
	w.open(w.repo.Dir)
	w.commit(map[string]string{web1: web("app:1"), db1: database("db:1")}, "One")
	w.cycle()
	// Another gitsync with a key of its own records something, and somebody forges at once.
	other := w.opts
	other.Hosts, other.DataDir, other.Seal = []string{"db1"}, t.TempDir(), w.seal(t, theirs, mine, theirs)
	s, err := sync.New(other)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.Close() }()
	if r := s.Cycle(t.Context()); !r.Converged() {
		t.Fatal(problems(r))
	}
	w.judged(theirs)
	record := w.repo.Show(branch, "hosts/db1/state.yaml")
	w.forgeText("db1", "image: db:1", "image: evil:1")
	w.cycle()
	w.judged(mine)
	if got := w.repo.Show(branch, "hosts/db1/state.yaml"); got != record {
		t.Errorf("the other one's record is %s", got)
	}
	diary := len(w.diary())
	for range 2 {
		if r := s.Cycle(t.Context()); !r.Converged() {
			t.Fatal(problems(r))
		}
		w.cycle()
	}
	if len(w.diary()) != diary {
		t.Errorf("they go on writing: %v", w.diary())
	}
	w.innocent()
}

func TestGitsyncsThatDoNotAcceptEachOthersKeysDoNotTakeTurns(t *testing.T) {
	w, _ := newSealed(t)
	w.commit(map[string]string{web1: web("app:1")}, "One")
	w.cycle()
	theirs := gittest.NewSSHKey(t)
	other := w.opts
	other.DataDir, other.Seal = t.TempDir(), w.seal(t, theirs, theirs)
	s, err := sync.New(other)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.Close() }()
	for range 5 {
		s.Cycle(t.Context())
		w.syncer.Cycle(t.Context())
	}
	if n := len(w.diary()); n > 4 {
		t.Errorf("%d commits: %v", n, w.diary())
	}
}

func TestRecordsThatWereThereBeforeAreSignedWhenTheyAreTrusted(t *testing.T) {
	w := newWorld(t)
	w.commit(map[string]string{web1: web("app:1")}, "One")
	w.cycle()
	record := w.repo.Show(branch, "hosts/web1/state.yaml")
	w.repo.Commit(branch, map[string]string{"hosts/gone/state.yaml": record}, "By an older gitsync")
	key := gittest.NewSSHKey(t)
	w.opts.Seal = w.seal(t, key, key)
	w.opts.Seal.Believe = true
	w.open(w.repo.Dir)
	w.syncer.Cycle(t.Context())
	w.judged(key)
	if got := w.repo.Show(branch, "hosts/web1/state.yaml"); got != record {
		t.Errorf("the record is %s", got)
	}
	w.opts.Seal.Believe = false
	w.open(w.repo.Dir)
	w.still(func() { w.syncer.Cycle(t.Context()) })
}

func TestPeopleNeedAKeyToWriteASignedBranch(t *testing.T) {
	w, key := newSealed(t)
	w.commit(map[string]string{web1: web("app:1")}, "One")
	w.cycle()
	with := w.opts.Seal
	without := *with
	without.Sign = nil
	w.opts.Seal, w.opts.DataDir = &without, ""
	w.open(w.repo.Dir)
	targets := []sync.Target{{Host: "web1"}}
	suspension := state.Suspension{Reason: "restore", Since: w.time()}
	err := w.syncer.Suspend(t.Context(), targets, suspension)
	if !errors.Is(err, trust.ErrNoStateKey) || !strings.Contains(err.Error(), "--state-sign-key") || sync.React(err) != sync.NeedsPerson {
		t.Errorf("%v", err)
	}
	if r := w.syncer.Plan(t.Context()); r.Err != nil || r.HasChanges() {
		t.Errorf("a plan needs none: %v", problems(r))
	}
	w.opts.Seal = with
	w.open(w.repo.Dir)
	// Theirs does not sign what somebody forged: it builds on what was signed below.
	w.forgeText("web1", "image: app:1", "image: evil:1")
	if err := w.syncer.Suspend(t.Context(), targets, suspension); err != nil {
		t.Fatal(err)
	}
	w.judged(key)
	if text := w.repo.Show(branch, "hosts/web1/state.yaml"); strings.Contains(text, "evil") {
		t.Errorf("it signs what was forged: %s", text)
	}
	if r := w.cycle(); !maps.EqualFunc(r.Hosts[0].Suspended, state.Suspensions{"": suspension}, func(a, b state.Suspension) bool { return a.Reason == b.Reason }) {
		t.Errorf("suspended are %v", r.Hosts[0].Suspended)
	}
	// Where nothing is known that was signed, nothing is overwritten.
	w.repo.ResetBranch(branch, w.repo.Hash("main"))
	w.open(w.repo.Dir)
	if err := w.syncer.Suspend(t.Context(), targets, suspension); !errors.Is(err, trust.ErrUnsealed) {
		t.Errorf("%v", err)
	}
}
