package sync_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/gitsync/gitsync/container"
	"github.com/gitsync/gitsync/container/types"
	"github.com/gitsync/gitsync/internal/gittest"
	"github.com/gitsync/gitsync/sync"
)

// attack lets somebody who writes B's state branch claim what A has. It returns B.
func attack(t *testing.T, a *world, files map[string]string, claim func(b *world), ranBefore bool) *world {
	t.Helper()
	b := newWorld(t)
	b.machine, b.watched = a.machine, a.watched
	b.commit(files, "B's own")
	if ranBefore {
		b.syncer.Cycle(t.Context())
		if c, there := b.machine.Containers()["own"]; !there || c.Status != types.StatusRunning {
			t.Fatalf("B's own container is %+v", c)
		}
	}
	claim(b)
	return b
}

const own = "containers:\n  own:\n    image: b:1\n    update: {monitor: 1ms}\n"

func TestWhoClaimsTheIdentityOfAnotherRepoGetsNothing(t *testing.T) {
	t.Parallel()
	for _, old := range []bool{false, true} {
		for claimName, claim := range map[string]func(a, b *world){
			"the identity": func(a, b *world) {
				b.repo.Commit(branch, map[string]string{"repo.yaml": a.repo.Show(branch, "repo.yaml")}, "Forged")
			},
			"the whole state branch": func(a, b *world) {
				b.repo.DeleteBranch(branch)
				a.repo.Git("push", "--quiet", b.repo.Dir, branch+":"+branch)
			},
			"identity, records and adoptions": func(a, b *world) {
				repo := a.repo.Show(branch, "repo.yaml") + "\nadopted:\n"
				for _, identity := range []string{"", "  repo: " + strings.TrimPrefix(strings.TrimSpace(a.repo.Show(branch, "repo.yaml")), "identity: ") + "\n"} {
					repo += "- host: web1\n  owner: " + a.repo.Dir + "#main\n" + identity
				}
				b.repo.Commit(branch, map[string]string{"repo.yaml": repo, "hosts/web1/state.yaml": a.repo.Show(branch, "hosts/web1/state.yaml")}, "Forged")
			},
		} {
			for filesName, files := range map[string]map[string]string{
				"wants none of it": {web1: own},
				"wants the name":   {web1: own + strings.TrimPrefix(web("evil:1"), "containers:\n")},
				"wants the same":   {web1: own + strings.TrimPrefix(web("app:1"), "containers:\n")},
			} {
				for _, ranBefore := range []bool{false, true} {
					for _, lost := range []bool{false, true} {
						t.Run(fmt.Sprintf("%s, older labels %t, B %s, ran before %t, lost its data %t", claimName, old, filesName, ranBefore, lost), func(t *testing.T) {
							t.Parallel()
							claims(t, old, lost, func(a *world) *world {
								return attack(t, a, files, func(b *world) { claim(a, b) }, ranBefore)
							})
						})
					}
				}
			}
		}
	}
}

// claims checks that A keeps what it has while B claims it, and B what it has.
func claims(t *testing.T, old, lost bool, attack func(a *world) *world) {
	t.Helper()
	a := newWorld(t)
	a.commit(map[string]string{web1: web("app:1")}, "One")
	a.deployedBy(old)
	if old {
		a.cycle()
	}
	before := a.machine.Containers()["web"]
	b := attack(a)
	if lost {
		b.lostData()
	}
	b.opts.AllowPrune, b.opts.RetryNow, b.opts.RepairNow = true, true, true
	b.open(b.repo.Dir)
	b.watched.Reset()
	for range 3 {
		b.syncer.Cycle(t.Context())
		b.wait(time.Hour)
	}
	b.innocent(before.ID)
	if got := a.machine.Containers()["web"]; got.ID != before.ID || got.Status != types.StatusRunning {
		t.Errorf("A's container is %+v", got)
	}
	// A loses nothing either by what B's labels say now, nor does B.
	ownBefore := b.machine.Containers()["own"].ID
	a.watched.Reset()
	a.cycle()
	a.onlyLooked()
	if got := b.machine.Containers()["own"]; got.ID != ownBefore || ownBefore == "" {
		t.Errorf("B's container is %+v", got)
	}
	a.commit(map[string]string{web1: web("app:2")}, "Two")
	a.cycle()
	a.runs("web", "app:2")
}

// Where the state branch says another identity than the containers of this address carry,
// these count, also when nothing else is known.
func TestAForgedIdentityIsNotThatOfOurContainers(t *testing.T) {
	t.Parallel()
	for _, lost := range []bool{false, true} {
		w := newWorld(t)
		w.commit(map[string]string{web1: web("app:1"), db1: database("db:1")}, "One")
		w.cycle()
		before := w.machine.Containers()
		w.repo.Commit(branch, map[string]string{"repo.yaml": "identity: \"" + strings.Repeat("0", 32) + "\"\n"}, "Forged")
		if lost {
			w.lostData()
		}
		w.watched.Reset()
		w.cycle()
		w.onlyLooked()
		w.commit(map[string]string{web1: web("app:2")}, "Two")
		w.cycle()
		w.runs("web", "app:2")
		if got, want := w.machine.Containers()["web"].Labels[container.LabelRepo], before["web"].Labels[container.LabelRepo]; got != want {
			t.Errorf("lost data %t: the identity is %s, want %s", lost, got, want)
		}
	}
}

// What another repo deployed when it was at our address is not ours.
func TestAnotherIdentityAtOurAddressIsNotOurs(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.commit(map[string]string{web1: own}, "One")
	w.cycle()
	labels := w.machine.Containers()["own"].Labels
	theirs := map[string]string{}
	for key, value := range labels {
		theirs[key] = value
	}
	theirs[container.LabelRepo], theirs[container.LabelContainer] = strings.Repeat("a", 32), "web"
	id := w.foreign("web", theirs)
	w.watched.Reset()
	w.cycle()
	w.commit(map[string]string{web1: own + strings.TrimPrefix(web("app:1"), "containers:\n")}, "Two")
	r := w.fail()
	if err := hostNamed(t, r, "web1").Err; !errors.Is(err, container.ErrBlocked) || !strings.Contains(err.Error(), "identity of another repo") {
		t.Errorf("web1: %v", err)
	}
	w.innocent(id)
	w.runs("web", "theirs:1")
}

// With --verify, what only the state branch says takes nothing over: an operator does.
func TestWithVerifiedCommitsAnIdentityMustBeKnown(t *testing.T) {
	t.Parallel()
	for _, known := range []bool{false, true} {
		w, k := newSignedWorld(t)
		w.signed(k, map[string]string{web1: web("app:1")}, "One")
		w.cycle()
		id, from := w.machine.Containers()["web"].ID, w.repo.Dir+"#main"
		repo := copied(t, w.repo, "main", branch)
		w.movesTo(repo, gittest.ServeHTTP(t, repo, gittest.HTTPOptions{}).URL)
		if !known {
			w.opts.Elsewhere = nil
		}
		w.open(w.opts.Remote.String())
		w.watched.Reset()
		if known {
			w.cycle()
			w.onlyLooked()
			continue
		}
		r := w.fail()
		if err := hostNamed(t, r, "web1").Err; !errors.Is(err, container.ErrBlocked) || !strings.Contains(err.Error(), "with --verify") {
			t.Errorf("web1: %v", err)
		}
		w.innocent(id)
		if _, err := w.syncer.Adopt(t.Context(), sync.AdoptOptions{From: []string{from}, By: "kim@laptop"}); err != nil {
			t.Fatal(err)
		}
		w.watched.Reset()
		w.cycle()
		w.onlyLooked()
	}
}

func TestAnOperatorAdoptsWhatIsNotKnownToBeOurs(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.commit(map[string]string{web1: web("app:1") + withFile, db1: database("db:1")}, "One")
	w.cycle()
	before, from := w.machine.Containers(), w.repo.Dir+"#main"
	// A new repo, whose history is another one.
	w.repo = gittest.NewRepo(t)
	w.opts.DataDir = t.TempDir()
	w.open(w.repo.Dir)
	w.commit(map[string]string{web1: web("app:1") + withFile, db1: database("db:1")}, "All of it, squashed")
	r := w.fail()
	if err := hostNamed(t, r, "web1").Err; !strings.Contains(err.Error(), "gitsync adopt --from '"+from+"'") || strings.Contains(err.Error(), "remove or rename") {
		t.Errorf("web1: %v", err)
	}
	if _, err := w.syncer.Adopt(t.Context(), sync.AdoptOptions{From: []string{"git.example.com/x#main"}, By: "kim@laptop"}); !errors.Is(err, sync.ErrNothingToAdopt) || !strings.Contains(err.Error(), from) {
		t.Errorf("adopt from nobody: %v", err)
	}
	head := w.repo.Hash(branch)
	found, err := w.syncer.Adopt(t.Context(), sync.AdoptOptions{From: []string{from}, By: "kim@laptop", DryRun: true})
	if err != nil || len(found) != 2 || w.repo.Hash(branch) != head {
		t.Errorf("dry run: %+v, %v", found, err)
	}
	w.wait(time.Hour)
	if w.syncer.Cycle(t.Context()).Converged() {
		t.Error("a dry run adopted something")
	}
	found, err = w.syncer.Adopt(t.Context(), sync.AdoptOptions{From: []string{"other", from}, By: "kim@laptop", Reason: "new history"})
	if err != nil || len(found) != 2 || found[0].Host != "db1" || found[1].ID != before["web"].ID {
		t.Errorf("adopted %+v, %v", found, err)
	}
	if got, want := w.diary()[0], "Adopt 2 containers of "+from+" on db1, web1, asked for by kim@laptop: new history"; !strings.HasPrefix(want, strings.TrimSuffix(got, "…")) {
		t.Errorf("diary %q, want %q", got, want)
	}
	w.wait(time.Hour)
	w.watched.Reset()
	w.cycle()
	w.onlyLooked()
	w.commit(map[string]string{web1: web("app:2") + strings.ReplaceAll(withFile, "one", "two"), db1: "containers: {}\n"}, "Two\n\nprune: allow")
	w.cycle()
	w.runs("web", "app:2")
	w.runs("db", "")
	// What others write to the state branch adopts nothing.
	w.repo.Commit(branch, map[string]string{"repo.yaml": strings.Replace(w.repo.Show(branch, "repo.yaml"), "adopted:\n", "adopted:\n- host: web1\n  owner: theirs#main\n", 1)}, "Forged")
	id := w.foreign("theirs", map[string]string{container.LabelHost: "web1", container.LabelContainer: "theirs", container.LabelOwner: "theirs#main"})
	w.watched.Reset()
	w.cycle()
	w.innocent(id)
}

// A signed state branch tells all instances what an operator adopted.
func TestASignedAdoptionCountsEverywhere(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.commit(map[string]string{web1: web("app:1")}, "One")
	w.cycle()
	from := w.repo.Dir + "#main"
	w.repo, w.opts.DataDir = gittest.NewRepo(t), t.TempDir()
	key := gittest.NewSSHKey(t)
	w.opts.Seal = w.seal(t, key, key)
	w.open(w.repo.Dir)
	w.commit(map[string]string{web1: web("app:1")}, "Squashed")
	w.fail()
	if _, err := w.syncer.Adopt(t.Context(), sync.AdoptOptions{From: []string{from}, By: "kim@laptop"}); err != nil {
		t.Fatal(err)
	}
	w.judged(key)
	w.lostData()
	w.watched.Reset()
	w.cycle()
	w.onlyLooked()
	// Nobody else's word does.
	w.repo.Commit(branch, map[string]string{"repo.yaml": w.repo.Show(branch, "repo.yaml") + "- host: web1\n  owner: theirs#main\n"}, "Forged")
	id := w.foreign("theirs", map[string]string{container.LabelHost: "web1", container.LabelContainer: "theirs", container.LabelOwner: "theirs#main"})
	w.lostData()
	w.watched.Reset()
	w.syncer.Cycle(t.Context())
	w.innocent(id)
}
