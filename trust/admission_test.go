package trust_test

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/gitsync/gitsync/gitrepo"
	"github.com/gitsync/gitsync/internal/gittest"
	"github.com/gitsync/gitsync/trust"
)

// say commits with a message, signed by alice when that is said.
func (w *world) say(branch, message string, signed bool) {
	w.t.Helper()
	w.repo.Commit(branch, map[string]string{"a": message}, message)
	if signed {
		w.repo.Sign(branch, w.alice, then)
	}
}

// mergeSaying merges topic into main as a forge does, with a message.
func (w *world) mergeSaying(message string) {
	w.t.Helper()
	hash := w.repo.Git("commit-tree", "-p", w.repo.Hash("main"), "-p", w.repo.Hash("topic"), "-m", message, "topic^{tree}")
	w.repo.ResetBranch("main", strings.TrimSpace(hash))
	w.repo.Sign("main", w.forge, then)
}

func TestOnlyWhatPeopleSignedIsSaid(t *testing.T) {
	const magic = "prune: allow"
	for name, test := range map[string]struct {
		push func(w *world)
		said bool
	}{
		"a signed commit":       {func(w *world) { w.say("main", magic, true) }, true},
		"one below it":          {func(w *world) { w.say("main", magic, true); w.say("main", "2", true) }, false},
		"the forge":             {func(w *world) { w.say("topic", "2", true); w.mergeSaying(magic) }, false},
		"the merged commit":     {func(w *world) { w.say("topic", magic, true); w.mergeSaying("Merge") }, true},
		"one below the merged":  {func(w *world) { w.say("topic", magic, true); w.say("topic", "3", true); w.mergeSaying("Merge") }, true},
		"an unsigned one below": {func(w *world) { w.say("topic", magic, false); w.say("topic", "3", true); w.mergeSaying("Merge") }, false},
		"another's one below": {func(w *world) {
			w.say("topic", magic, false)
			w.repo.Sign("topic", gittest.NewSSHKey(w.t), then)
			w.say("topic", "3", true)
			w.mergeSaying("Merge")
		}, false},
		"what was there before": {func(w *world) { w.say("topic", "2", true); w.mergeSaying("Merge " + magic) }, false},
		"a tagged commit's text": {func(w *world) {
			w.say("main", magic, false)
			w.repo.SignTag("v1", "main", w.alice, then)
			w.gate.Tags = "v*"
		}, true},
	} {
		for _, memory := range []bool{true, false} {
			t.Run(name, func(t *testing.T) {
				w := newWorld(t)
				w.gate.Merges = trust.ExactMerges
				// What was said of an earlier deployment does not count again.
				w.say("main", "0\n\n"+magic, true)
				w.say("main", "1", true)
				if memory {
					w.admit(nil)
				}
				w.repo.ResetBranch("topic", w.repo.Hash("main"))
				test.push(w)
				who, err := w.gate.Admit(t.Context(), w.store, gitrepo.Hash(w.repo.Hash("main")), nil)
				if err != nil {
					t.Fatal(err)
				}
				if said := slices.ContainsFunc(who.Said, func(text string) bool { return strings.Contains(text, magic) }); said != test.said {
					t.Errorf("said is %q", who.Said)
				}
			})
		}
	}
}

// The state branch names commits after the loss of the data directory: what cannot be looked
// up refuses the tip, and does not end the process.
func TestATipThatCannotBeReadIsRefusedOnce(t *testing.T) {
	w := newWorld(t)
	w.repo.Commit("main", map[string]string{"a": "1"}, strings.Repeat("x", 5<<20))
	w.repo.Sign("main", w.alice, then)
	w.admit(trust.ErrRefused)
	w.admit(gitrepo.ErrTooLarge)
	w.signed("main", "2")
	w.admit(nil)
}

// A merge may bring in more history than is looked at. That is no reason to refuse the tip for
// ever: whoever has looked at it lets it be.
func TestAHistoryThatIsTooLargeWaitsForAnOperator(t *testing.T) {
	for name, claimed := range map[string]bool{"accepted before": false, "named by the state branch": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			first := gitrepo.Hash(w.signed("main", "1"))
			var deployed []gitrepo.Hash
			if claimed {
				deployed = []gitrepo.Hash{first}
			} else {
				w.admit(nil)
			}
			w.repo.Commit("main", map[string]string{"a": "1"}, strings.Repeat("x", 5<<20))
			w.signed("main", "2")
			for range 2 {
				w.admit(trust.ErrRewind, deployed...)
				w.admit(gitrepo.ErrTooLarge, deployed...)
			}
			second := w.repo.Hash("main")
			w.commit("main", "3")
			w.gate.AllowRewind = true
			w.admit(trust.ErrRefused, deployed...)
			w.repo.ResetBranch("main", second)
			w.admit(nil, deployed...)
			w.gate.AllowRewind = false
			w.signed("main", "4")
			w.admit(nil, deployed...)
		})
	}
}

// Neither what came before a commit, nor a tag that others push on it, is its fault: it counts
// by its own signature, however large they are.
func TestACommitCountsWhateverIsBelowItOrPointsToIt(t *testing.T) {
	for name, c := range map[string]struct {
		prepare    func(w *world)
		push       func(w *world)
		remembered bool
	}{
		"a large history": {
			func(w *world) { w.gate.Merges = trust.ExactMerges },
			func(w *world) {
				w.repo.Commit("main", map[string]string{"a": "1"}, strings.Repeat("x", 5<<20))
				w.signed("main", "2")
			}, false,
		},
		"a large tag": {
			func(w *world) { w.gate.Tags = "v*" },
			func(w *world) { w.signed("main", "2"); w.largeTag("v9") }, false,
		},
		"a large tag, above an accepted commit": {
			func(w *world) { w.gate.Tags = "v*" },
			func(w *world) { w.signed("main", "2"); w.largeTag("v9") }, true,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.signed("main", "1")
			if c.remembered {
				w.admit(nil)
			}
			c.prepare(w)
			c.push(w)
			w.admit(nil)
		})
	}
}

// A tag that is too large may hide those that count: it says so, and removing it helps.
func TestALargeTagThatHidesAnotherIsNamedAndCanBeRemoved(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.gate.Tags = "v*"
	w.commit("main", "1")
	w.repo.SignTag("v1", "main", w.alice, then)
	w.largeTag("v9")
	w.admit(trust.ErrRefused)
	_, err := w.gate.Admit(t.Context(), w.store, gitrepo.Hash(w.repo.Hash("main")), nil)
	if err == nil || !strings.Contains(err.Error(), "too large") {
		t.Errorf("%v", err)
	}
	w.repo.Git("tag", "-d", "v9")
	w.admit(nil)
}

// largeTag tags main with more than is looked at.
func (w *world) largeTag(name string) {
	w.t.Helper()
	file := filepath.Join(w.t.TempDir(), "message")
	if err := os.WriteFile(file, bytes.Repeat([]byte("x"), 5<<20), 0o600); err != nil {
		w.t.Fatal(err)
	}
	w.repo.Git("tag", "-a", "-F", file, name, "main")
}

// A signature binds no branch: where that matters, keys that deploy sign tags and no commits.
func TestACommitOfAnotherBranchWaitsForTheTagOfWhoeverDeploys(t *testing.T) {
	w := newWorld(t)
	author := gittest.NewSSHKey(t)
	w.gate.Tags = "deploy-*"
	w.commit("main", "1")
	w.repo.SignTag("deploy-1", "main", w.alice, then)
	w.admit(nil)
	w.repo.ResetBranch("topic", w.repo.Hash("main"))
	w.commit("topic", "2")
	draft := w.repo.Sign("topic", author, then)
	w.repo.ResetBranch("main", draft)
	w.admit(trust.ErrRefused)
	w.repo.SignTag("deploy-by-author", "main", author, then)
	w.admit(trust.ErrRefused)
	w.repo.SignTag("deploy-2", "main", w.alice, then)
	w.admit(nil)
}
