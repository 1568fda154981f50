package trust_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/gitsync/gitsync/gitrepo"
	"github.com/gitsync/gitsync/gitrepo/signature"
	"github.com/gitsync/gitsync/internal/gittest"
	"github.com/gitsync/gitsync/trust"
)

var then = time.Date(2026, 2, 3, 4, 5, 6, 0, time.UTC)

// world is a repo with a gate before it.
type world struct {
	t     *testing.T
	repo  *gittest.Repo
	store *gitrepo.Store
	gate  *trust.Gate
	alice gittest.Key
	forge gittest.Key
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{t: t, repo: gittest.NewRepo(t), alice: gittest.NewSSHKey(t), forge: gittest.NewSSHKey(t)}
	remote, err := gitrepo.NewRemote(w.repo.Dir, gitrepo.Auth{})
	if err != nil {
		t.Fatal(err)
	}
	if w.store, err = gitrepo.OpenStore("", remote, "main"); err != nil {
		t.Fatal(err)
	}
	memory, err := trust.OpenMemory(filepath.Join(t.TempDir(), "dir", "trust.json"), false)
	if err != nil {
		t.Fatal(err)
	}
	w.gate = &trust.Gate{Memory: memory, Now: func() time.Time { return then.Add(time.Hour) }, Keys: func() (trust.Keys, error) {
		people, err := signature.ParseSigners("people", []byte("alice "+w.alice.Public))
		if err != nil {
			t.Fatal(err)
		}
		forge, err := signature.ParseSigners("forge", []byte("forge "+w.forge.Public))
		return trust.Keys{
			Rules: signature.Rules{Kind: signature.Any, Signers: people}, Forge: &signature.Rules{Kind: signature.Any, Signers: forge},
		}, err
	}}
	return w
}

func (w *world) commit(branch, content string) string {
	return w.repo.Commit(branch, map[string]string{"a": content}, "Say "+content)
}

func (w *world) signed(branch, content string) string {
	w.t.Helper()
	w.commit(branch, content)
	return w.repo.Sign(branch, w.alice, then)
}

// admit checks what becomes of the tip.
func (w *world) admit(want error, claimed ...gitrepo.Hash) {
	w.t.Helper()
	tip := gitrepo.Hash(w.repo.Hash("main"))
	before := w.gate.Memory.Accepted()
	who, err := w.gate.Admit(w.t.Context(), w.store, tip, claimed)
	if !errors.Is(err, want) {
		w.t.Fatalf("%v, want %v", err, want)
	}
	if err == nil {
		err = w.gate.Accept(tip)
	}
	if want == nil && (who.Fingerprint == "" || w.gate.Memory.Accepted() != tip) {
		w.t.Errorf("signed by %v, accepted %s", who, w.gate.Memory.Accepted())
	}
	if want != nil && (w.gate.Memory.Accepted() != before || !strings.Contains(err.Error(), tip.Short())) {
		w.t.Errorf("accepted %s, and says %v", w.gate.Memory.Accepted(), err)
	}
}

func TestASignedCommitIsAdmittedAndNoOther(t *testing.T) {
	w := newWorld(t)
	w.commit("main", "1")
	w.admit(trust.ErrRefused)
	w.admit(signature.ErrUnsigned)
	w.repo.Sign("main", gittest.NewSSHKey(t), then)
	w.admit(signature.ErrUnknownKey)
	w.repo.Sign("main", w.alice, then)
	w.admit(nil)
	w.commit("main", "2")
	w.admit(signature.ErrUnsigned)
	// An unsigned commit below a signed one is what somebody who may has built upon.
	w.signed("main", "3")
	w.admit(nil)
}

func TestACommitThatIsNotBuiltOnTheAcceptedOneIsRefused(t *testing.T) {
	for name, rewind := range map[string]func(w *world, first, second string){
		"an older commit":      func(w *world, first, _ string) { w.repo.ResetBranch("main", first) },
		"beside it":            func(w *world, first, _ string) { w.repo.ResetBranch("main", first); w.signed("main", "other") },
		"without common start": func(w *world, _, _ string) { w.repo.ResetBranch("main", w.signed("fresh", "other")) },
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			first := w.signed("main", "1")
			second := w.signed("main", "2")
			w.admit(nil)
			rewind(w, first, second)
			w.admit(trust.ErrRewind)
			w.repo.ResetBranch("main", second)
			w.admit(nil)
			rewind(w, first, second)
			w.gate.AllowRewind = true
			w.admit(nil)
			w.gate.AllowRewind = false
			w.admit(nil)
			w.repo.ResetBranch("main", second)
			if name == "an older commit" {
				w.admit(nil)
			} else {
				w.admit(trust.ErrRewind)
			}
		})
	}
}

func TestARewindIsFoundAfterTheMemoryIsLost(t *testing.T) {
	w := newWorld(t)
	first := w.signed("main", "1")
	second := w.signed("main", "2")
	w.repo.ResetBranch("main", first)
	w.admit(trust.ErrRewind, gitrepo.Hash(second))
	w.admit(trust.ErrRewind, gitrepo.Hash(first), gitrepo.Hash(second))
	w.admit(trust.ErrRewind, "0123456789012345678901234567890123456789")
	w.repo.ResetBranch("main", second)
	w.signed("main", "3")
	w.admit(nil, gitrepo.Hash(second), gitrepo.Hash(first))
	// What is remembered wins over what the state branch says.
	w.signed("main", "4")
	w.admit(nil, "0123456789012345678901234567890123456789")
}

func TestASignedTagCountsForItsCommit(t *testing.T) {
	w := newWorld(t)
	w.commit("main", "1")
	w.repo.SignTag("v1", "main", w.alice, then)
	w.admit(trust.ErrRefused)
	w.gate.Tags = "v*"
	w.admit(nil)
	w.commit("main", "2")
	w.admit(trust.ErrRefused)
	w.repo.SignTag("nightly", "main", w.alice, then)
	w.repo.SignTag("v2-by-other", "main", gittest.NewSSHKey(t), then)
	w.repo.Git("tag", "-a", "-m", "Unsigned", "v2-unsigned", "main")
	w.admit(trust.ErrRefused)
	// A tag object under a name that its signer did not give it.
	w.repo.Git("update-ref", "refs/tags/v9", w.repo.Git("rev-parse", "refs/tags/nightly"))
	w.admit(trust.ErrRefused)
	w.repo.SignTag("v2", "main", w.alice, then)
	w.admit(nil)
}

// merge makes a merge commit of a branch into main, signed by the forge.
func (w *world) merge(branch, tree string) {
	w.t.Helper()
	main := w.repo.Hash("main")
	hash := strings.TrimSpace(w.repo.Git("commit-tree", "-p", main, "-p", w.repo.Hash(branch), "-m", "Merge "+branch, tree+"^{tree}"))
	w.repo.ResetBranch("main", hash)
	w.repo.Sign("main", w.forge, then)
}

func TestAMergeOfTheForgeCountsWhenItHoldsWhatSomebodySigned(t *testing.T) {
	for name, test := range map[string]struct {
		make func(w *world)
		want error
	}{
		"up to date, signed": {func(w *world) { w.signed("topic", "2"); w.merge("topic", "topic") }, nil},
		"unsigned branch":    {func(w *world) { w.commit("topic", "2"); w.merge("topic", "topic") }, trust.ErrRefused},
		"another tree": {func(w *world) {
			w.signed("topic", "2")
			w.repo.ResetBranch("evil", w.repo.Hash("topic"))
			w.commit("evil", "root for me")
			w.merge("topic", "evil")
		}, trust.ErrRefused},
		"behind main": {func(w *world) {
			w.signed("topic", "2")
			w.signed("main", "3")
			w.merge("topic", "topic")
		}, trust.ErrRefused},
		"no merge":          {func(w *world) { w.commit("main", "2"); w.repo.Sign("main", w.forge, then) }, trust.ErrRefused},
		"signed by nobody":  {func(w *world) { w.forge = gittest.NewSSHKey(w.t); w.signed("topic", "2"); w.merge("topic", "topic") }, nil},
		"an old one, again": {func(w *world) { w.merge("main", "main~1") }, trust.ErrRefused},
	} {
		for _, memory := range []bool{true, false} {
			t.Run(name, func(t *testing.T) {
				w := newWorld(t)
				w.gate.Merges = trust.ExactMerges
				w.signed("main", "0")
				w.signed("main", "1")
				if memory {
					w.admit(nil)
				}
				w.repo.ResetBranch("topic", w.repo.Hash("main"))
				if name == "signed by nobody" {
					keys := w.gate.Keys
					known, _ := keys()
					w.gate.Keys = func() (trust.Keys, error) { return known, nil }
					test.want = trust.ErrRefused
				}
				test.make(w)
				w.admit(test.want)
			})
		}
	}
}

func TestEachMergeCountsWhereTheForgeIsTrusted(t *testing.T) {
	w := newWorld(t)
	w.gate.Merges = trust.TrustMerges
	w.signed("main", "1")
	w.admit(nil)
	w.repo.ResetBranch("topic", w.repo.Hash("main"))
	w.commit("topic", "2")
	w.merge("topic", "topic")
	w.admit(nil)
	w.commit("main", "3")
	w.repo.Sign("main", w.forge, then)
	w.admit(trust.ErrRefused)
}

func TestTheMemoryOutlivesTheProcess(t *testing.T) {
	file := filepath.Join(t.TempDir(), "data", "trust.json")
	m, err := trust.OpenMemory(file, false)
	if err != nil {
		t.Fatal(err)
	}
	tip := trust.Tip{Commit: "abc", When: then}
	err = errors.Join(m.Accept("def", then), m.Confirm(map[string]string{"web1": trust.Digest([]byte("record")), "web2": "x"}),
		m.Confirm(map[string]string{"web2": ""}), m.SetTip("gitsync/state", tip))
	if err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(file)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info, err)
	}
	for _, readOnly := range []bool{false, true} {
		again, err := trust.OpenMemory(file, readOnly)
		if err != nil {
			t.Fatal(err)
		}
		if again.Accepted() != "def" || !again.Confirmed("web1", trust.Digest([]byte("record"))) || again.Confirmed("web1", trust.Digest([]byte("forged"))) ||
			again.Confirmed("web2", "x") || again.Confirmed("web3", "") || again.Tip("gitsync/state") != tip {
			t.Error("it forgot, or believes too much")
		}
	}
	readOnly, _ := trust.OpenMemory(file, true)
	if err := readOnly.Accept("ghi", then); err != nil {
		t.Fatal(err)
	}
	if again, _ := trust.OpenMemory(file, true); again.Accepted() != "def" {
		t.Error("a read-only memory wrote")
	}
	if err := os.WriteFile(file, []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := trust.OpenMemory(file, false); err == nil || !strings.Contains(err.Error(), file) {
		t.Errorf("a damaged file: %v", err)
	}
}

// An operator's command beside a daemon: what one records the other knows at once.
func TestProcessesShareOneMemory(t *testing.T) {
	file := filepath.Join(t.TempDir(), "data", "trust.json")
	var memories [3]*trust.Memory
	for i := range memories {
		var err error
		if memories[i], err = trust.OpenMemory(file, i == 2); err != nil {
			t.Fatal(err)
		}
	}
	for i, m := range memories[:2] {
		if err := m.Confirm(map[string]string{fmt.Sprint("web", i): "digest"}); err != nil {
			t.Fatal(err)
		}
	}
	if err := memories[0].Accept("abc", then); err != nil {
		t.Fatal(err)
	}
	for i, m := range memories {
		if !m.Confirmed("web0", "digest") || !m.Confirmed("web1", "digest") || m.Accepted() != "abc" {
			t.Errorf("memory %d lacks what another one remembers", i)
		}
	}
}

func TestNobodyForgetsWhatAnotherOneRemembersAtTheSameTime(t *testing.T) {
	file := filepath.Join(t.TempDir(), "trust.json")
	const each = 20
	var group errgroup.Group
	for i := range 4 {
		m, err := trust.OpenMemory(file, false)
		if err != nil {
			t.Fatal(err)
		}
		group.Go(func() error {
			for n := range each {
				if err := m.Confirm(map[string]string{fmt.Sprint(i, " ", n): "digest"}); err != nil {
					return err
				}
			}
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		t.Fatal(err)
	}
	m, err := trust.OpenMemory(file, true)
	if err != nil {
		t.Fatal(err)
	}
	for i := range 4 {
		for n := range each {
			if !m.Confirmed(fmt.Sprint(i, " ", n), "digest") {
				t.Errorf("%d's record %d is forgotten", i, n)
			}
		}
	}
}
