package trust

import (
	"github.com/gitsync/gitsync/gitrepo"
	"github.com/gitsync/gitsync/gitrepo/signature"
)

// Admission is why a commit may be deployed.
type Admission struct {
	// Signer answers for the commit. It is set as far as it is known of a refused one too.
	signature.Signer
	// Said are the messages that people signed who may: that of the commit, or, where a forge
	// signed a merge, those of the commits that it merged. What a forge says is not among them.
	Said []string
}

// maxSaid bounds how many commits below a merge are looked at for what people said.
const maxSaid = 200

// said returns the messages of the commits that a merge brought in and that are signed by
// somebody who may. Those that the branch had before do not count again.
func (g *Gate) said(keys Keys, lineage *gitrepo.Lineage, known bool) []string {
	tip := lineage.Tip
	before := ancestors(lineage, tip.Parents[:1], nil)
	var said []string
	for _, hash := range reached(lineage, tip.Parents[1:], before) {
		c, err := lineage.Commit(hash)
		if err != nil {
			continue
		}
		if _, err := keys.Rules.Verify(g.claim(c.Signed, known)); err == nil {
			said = append(said, c.Message)
		}
		if len(said) == maxSaid {
			break
		}
	}
	return said
}

// ancestors returns commits and what they were built on, as far as that is known.
func ancestors(lineage *gitrepo.Lineage, of []gitrepo.Hash, without map[gitrepo.Hash]bool) map[gitrepo.Hash]bool {
	found := map[gitrepo.Hash]bool{}
	for _, hash := range reached(lineage, of, without) {
		found[hash] = true
	}
	return found
}

// reached returns the same in order, the nearest first.
func reached(lineage *gitrepo.Lineage, from []gitrepo.Hash, without map[gitrepo.Hash]bool) []gitrepo.Hash {
	var out []gitrepo.Hash
	seen := map[gitrepo.Hash]bool{}
	for queue := from; len(queue) > 0; {
		hash := queue[0]
		queue = queue[1:]
		if seen[hash] || without[hash] {
			continue
		}
		seen[hash] = true
		out = append(out, hash)
		if c, err := lineage.Commit(hash); err == nil {
			queue = append(queue[:len(queue):len(queue)], c.Parents...)
		}
	}
	return out
}

// Said returns what people who may have signed of a commit that the store holds: for going
// on with it without the remote.
func (g *Gate) Said(store *gitrepo.Store, commit gitrepo.Hash) []string {
	g.mu.Lock()
	defer g.mu.Unlock()
	keys, err := g.Keys()
	if err != nil {
		return nil
	}
	c, err := store.Signed(commit)
	if err != nil {
		return nil
	}
	if _, err := keys.Rules.Verify(g.claim(c.Signed, true)); err != nil {
		return nil
	}
	return []string{c.Message}
}
