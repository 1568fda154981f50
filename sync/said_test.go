package sync_test

import (
	"strings"
	"testing"

	"github.com/gitsync/gitsync/gitrepo/signature"
	"github.com/gitsync/gitsync/internal/gittest"
	"github.com/gitsync/gitsync/trust"
)

// merge merges topic into main as a forge does: with its own key, and a message of its own.
func (w *world) merge(forge gittest.Key, message string) {
	w.t.Helper()
	hash := w.repo.Git("commit-tree", "-p", w.repo.Hash("main"), "-p", w.repo.Hash("topic"), "-m", message, "topic^{tree}")
	w.repo.ResetBranch("main", strings.TrimSpace(hash))
	w.repo.Sign("main", forge, w.time())
}

func TestAMergeOfTheForgeLiftsNoPruneGuard(t *testing.T) {
	for name, test := range map[string]struct {
		topic, merge string
		held         bool
	}{
		"the forge says it":         {"Empty it", "Merge\n\nprune: allow", true},
		"the merged commit says it": {"Empty it\n\nprune: allow", "Merge", false},
	} {
		t.Run(name, func(t *testing.T) {
			w, k := newSignedWorld(t)
			forge := gittest.NewSSHKey(t)
			people := w.opts.Verify.Keys
			w.opts.Verify.Merges = trust.ExactMerges
			w.opts.Verify.Keys = func() (trust.Keys, error) {
				keys, err := people()
				if err != nil {
					return keys, err
				}
				signers, err := signature.ParseSigners("forge", []byte("forge "+forge.Public))
				keys.Forge = &signature.Rules{Kind: signature.SSH, Signers: signers}
				return keys, err
			}
			w.signed(k, map[string]string{web1: web("app:1")}, "One")
			w.cycle()
			w.repo.ResetBranch("topic", w.repo.Hash("main"))
			w.repo.Commit("topic", map[string]string{web1: "containers: {}\n"}, test.topic)
			w.repo.Sign("topic", k.alice, w.time())
			w.merge(forge, test.merge)
			if test.held {
				w.fail()
				w.open(w.repo.Dir)
				w.fail()
				w.runs("web", "app:1")
				return
			}
			w.cycle()
			w.runs("web", "")
		})
	}
}
