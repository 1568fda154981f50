package sync_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gitsync/gitsync/gitrepo"
	"github.com/gitsync/gitsync/gitrepo/signature"
	"github.com/gitsync/gitsync/internal/gittest"
	"github.com/gitsync/gitsync/report"
	"github.com/gitsync/gitsync/sync"
	"github.com/gitsync/gitsync/trust"
)

// keys are those of a world whose commits must be signed.
type keys struct {
	alice   gittest.Key
	options string
	revoked string
}

// newSignedWorld returns a world that deploys signed commits only.
func newSignedWorld(t *testing.T, change ...func(*sync.Options)) (*world, *keys) {
	t.Helper()
	k := &keys{alice: gittest.NewSSHKey(t)}
	gate := &trust.Gate{Keys: func() (trust.Keys, error) {
		signers, err := signature.ParseSigners("signers", []byte("alice "+k.options+" "+k.alice.Public))
		if err != nil {
			return trust.Keys{}, err
		}
		revoked, err := signature.ParseRevoked("revoked", []byte(k.revoked))
		return trust.Keys{Rules: signature.Rules{Kind: signature.SSH, Signers: signers, Revoked: revoked}}, err
	}}
	w := newWorld(t, append(change, func(o *sync.Options) { o.Verify, gate.Now = gate, o.Now })...)
	return w, k
}

// signed commits, with alice's signature.
func (w *world) signed(k *keys, files map[string]string, message string) string {
	w.t.Helper()
	w.commit(files, message)
	return w.repo.Sign("main", k.alice, w.time())
}

// reported is a reporter that keeps what it was told last.
type reported struct{ last report.Fleet }

func (r *reported) Tell(_ context.Context, f report.Fleet) { r.last = f }

func TestARefusedCommitChangesNothing(t *testing.T) {
	const evil = "evil:1"
	for name, test := range map[string]struct {
		push func(w *world, k *keys)
		want error
		says string
	}{
		"unsigned": {func(w *world, _ *keys) { w.commit(map[string]string{web1: web(evil)}, "prune: allow") }, signature.ErrUnsigned, "git commit -S"},
		"wrongly signed": {func(w *world, _ *keys) {
			w.commit(map[string]string{web1: web(evil)}, "Evil")
			w.repo.Sign("main", gittest.NewSSHKey(w.t), w.time())
		}, signature.ErrUnknownKey, "SHA256:"},
		"expired": {func(w *world, k *keys) {
			k.options = `valid-before="20260203040600Z"`
			w.commit(map[string]string{web1: web(evil)}, "Backdated")
			w.repo.Sign("main", k.alice, w.time())
			w.wait(time.Hour)
		}, signature.ErrExpired, "alice"},
		"revoked": {func(w *world, k *keys) {
			k.revoked = k.alice.Public
			w.signed(k, map[string]string{web1: web(evil)}, "Stolen")
		}, signature.ErrRevoked, "SHA256:"},
		"replayed": {func(w *world, _ *keys) { w.repo.ResetBranch("main", w.repo.Git("rev-parse", "main~1")) }, trust.ErrRewind, "--allow-rewind"},
		"not parsed": {func(w *world, _ *keys) {
			w.commit(map[string]string{web1: "containers: [", "gitsync.yaml": "prune: {maxFraction: 0}"}, "prune: allow")
		}, signature.ErrUnsigned, "not signed"},
		"emptied": {func(w *world, _ *keys) { w.repo.Remove("main", "hosts/web1") }, signature.ErrUnsigned, "not signed"},
	} {
		for _, restart := range []bool{false, true} {
			t.Run(name, func(t *testing.T) {
				refuse(t, test.push, restart, test.want, test.says)
			})
		}
	}
}

// refuse pushes a commit that must be refused, and then one that must not.
func refuse(t *testing.T, push func(w *world, k *keys), restart bool, want error, says string) {
	told := &reported{}
	w, k := newSignedWorld(t, func(o *sync.Options) { o.Reporter = told })
	w.signed(k, map[string]string{web1: web("app:1")}, "One")
	w.cycle()
	w.signed(k, map[string]string{web1: web("app:2")}, "Two")
	w.cycle()
	deployed := w.repo.Hash("main")
	push(w, k)
	refused := w.repo.Hash("main")
	diary := len(w.diary())
	if restart {
		w.open(w.repo.Dir)
	}
	w.watched.Reset()
	r := w.fail()
	if !errors.Is(r.GitErr, want) || !strings.Contains(r.GitErr.Error(), says) || !strings.Contains(r.GitErr.Error(), refused[:7]) {
		t.Errorf("%v, want %v", r.GitErr, want)
	}
	if reaction := sync.React(r.GitErr); reaction == sync.Retry {
		t.Errorf("the reaction is %s", reaction)
	}
	for _, call := range w.watched.Calls() {
		if !slices.Contains([]string{"list", "describe", "find", "status", "inspect"}, strings.Fields(call)[0]) {
			t.Errorf("a call: %s", call)
		}
	}
	w.runs("web", "app:2")
	if len(w.diary()) != diary || len(r.Mistakes) > 0 {
		t.Errorf("%v, %v", w.diary(), r.Mistakes)
	}
	if told.last.Commit != refused || !strings.Contains(told.last.Err, "not deployed") {
		t.Errorf("the forge is told %+v", told.last)
	}
	// What was deployed is kept up meanwhile.
	w.machine.Remove("web")
	w.fail()
	w.runs("web", "app:2")
	// And the way out is as good as ever.
	*k = keys{alice: k.alice}
	w.repo.ResetBranch("main", deployed)
	w.signed(k, map[string]string{web1: web("app:3")}, "Three")
	w.cycle()
	w.runs("web", "app:3")
	if told.last.Commit != w.repo.Hash("main") || told.last.Err != "" {
		t.Errorf("the forge is told %+v", told.last)
	}
}

func TestTheFirstCommitMustBeSignedToo(t *testing.T) {
	w, k := newSignedWorld(t)
	w.commit(map[string]string{web1: web("app:1")}, "One")
	if r := w.fail(); sync.React(r.Err) != sync.NeedsCommit || len(w.watched.Calls()) > 0 {
		t.Errorf("%v, %v", r.Err, w.watched.Calls())
	}
	w.repo.Sign("main", k.alice, w.time())
	w.cycle()
	w.runs("web", "app:1")
	// What was accepted stays so when its key expires, and is taken up again after a
	// restart; a plan says the same.
	k.options = `valid-before="20260203040600Z"`
	w.wait(time.Hour)
	w.open(w.repo.Dir)
	w.cycle()
	if r := w.syncer.Plan(t.Context()); r.Err != nil || r.GitErr != nil {
		t.Errorf("%v, %v", r.Err, r.GitErr)
	}
}

func TestARewindIsRefusedByAGitsyncThatLostItsData(t *testing.T) {
	w, k := newSignedWorld(t)
	w.signed(k, map[string]string{web1: web("app:1")}, "One")
	w.signed(k, map[string]string{web1: web("app:2")}, "Two")
	w.cycle()
	w.repo.ResetBranch("main", w.repo.Git("rev-parse", "main~1"))
	w.opts.DataDir, w.opts.Verify.Memory = t.TempDir(), nil
	w.open(w.repo.Dir)
	if r := w.fail(); !errors.Is(r.Err, trust.ErrRewind) || sync.React(r.Err) != sync.NeedsPerson {
		t.Errorf("%v", r.Err)
	}
	w.runs("web", "app:2")
	w.opts.Verify.AllowRewind = true
	w.open(w.repo.Dir)
	w.cycle()
	w.runs("web", "app:1")
}

// Whoever may push to the state branch can remove a record together with a rewind: the labels
// of what runs say it all the same.
func TestARewindIsRefusedWithoutDataDirectoryAndRecord(t *testing.T) {
	w, k := newSignedWorld(t)
	first := w.signed(k, map[string]string{web1: web("app:1"), "README.md": "1"}, "One")
	w.signed(k, map[string]string{web1: web("app:2")}, "Two")
	w.cycle()
	lost := func() {
		w.repo.DeleteBranch("gitsync/state")
		w.opts.DataDir, w.opts.Memory, w.opts.Verify.Memory = t.TempDir(), nil, nil
		w.open(w.repo.Dir)
	}
	second := w.repo.Hash("main")
	w.repo.ResetBranch("main", first)
	lost()
	if r := w.syncer.Plan(t.Context()); !errors.Is(hostNamed(t, r, "web1").Err, trust.ErrRewind) {
		t.Errorf("the plan: %v", problems(r))
	}
	for range 2 {
		r := w.fail()
		if h := hostNamed(t, r, "web1"); !errors.Is(h.Err, trust.ErrRewind) || sync.React(h.Err) != sync.NeedsPerson || !strings.Contains(h.Err.Error(), second[:7]) {
			t.Errorf("%v", problems(r))
		}
		w.runs("web", "app:2")
		w.wait(time.Hour)
		w.open(w.repo.Dir)
	}
	// What was built on it is deployed, by a data directory as new as that.
	w.repo.ResetBranch("main", second)
	w.signed(k, map[string]string{web1: web("app:3")}, "Three")
	lost()
	w.cycle()
	w.runs("web", "app:3")
	// And so is an older one that an operator accepts, from then on without a word.
	w.repo.ResetBranch("main", first)
	lost()
	w.fail()
	w.opts.Verify.AllowRewind = true
	w.open(w.repo.Dir)
	w.wait(time.Hour)
	w.cycle()
	w.runs("web", "app:1")
	w.opts.Verify.AllowRewind = false
	w.open(w.repo.Dir)
	w.cycle()
}

// Who accepts a tip with --allow-rewind, beside a daemon that refused it, is heard by that.
func TestATipThatAnOperatorAcceptsIsDeployedByARunningDaemon(t *testing.T) {
	t.Parallel()
	w, k := newSignedWorld(t)
	w.signed(k, map[string]string{web1: web("app:1")}, "One")
	w.cycle()
	w.commit(map[string]string{"README.md": "1"}, strings.Repeat("x", 5<<20))
	tip := w.signed(k, map[string]string{web1: web("app:2")}, "Two")
	for range 2 {
		if r := w.fail(); !errors.Is(r.GitErr, trust.ErrRewind) {
			t.Errorf("%v", r.GitErr)
		}
	}
	w.runs("web", "app:1")
	if err := w.opts.Verify.Memory.Accept(gitrepo.Hash(tip), w.time()); err != nil {
		t.Fatal(err)
	}
	w.cycle()
	w.runs("web", "app:2")
}

// What is no commit's name in a record is asked of no server, and holds nothing up.
func TestARecordOfNoCommitRefusesNone(t *testing.T) {
	t.Parallel()
	w, k := newSignedWorld(t)
	first := w.signed(k, map[string]string{web1: web("app:1")}, "One")
	w.cycle()
	w.forgeText("web1", first, `"none have x"`)
	w.opts.Memory, w.opts.Verify.Memory = nil, nil
	w.lostData()
	w.signed(k, map[string]string{web1: web("app:2")}, "Two")
	if r := w.syncer.Once(t.Context()); r.GitErr != nil {
		t.Errorf("%v", r.GitErr)
	}
	w.runs("web", "app:2")
}

// What lies between may be more than is looked at: the error says who can let it be, and how.
func TestAHistoryThatIsTooLargeAboveWhatRunsWaitsForAnOperator(t *testing.T) {
	t.Parallel()
	w, k := newSignedWorld(t)
	w.signed(k, map[string]string{web1: web("app:1")}, "One")
	w.cycle()
	w.commit(map[string]string{"README.md": "1"}, strings.Repeat("x", 5<<20))
	w.signed(k, map[string]string{web1: web("app:2")}, "Two")
	w.repo.DeleteBranch("gitsync/state")
	w.opts.DataDir, w.opts.Memory, w.opts.Verify.Memory = t.TempDir(), nil, nil
	w.open(w.repo.Dir)
	r := w.fail()
	if h := hostNamed(t, r, "web1"); !errors.Is(h.Err, trust.ErrRewind) || sync.React(h.Err) != sync.NeedsPerson || !strings.Contains(h.Err.Error(), "--allow-rewind") {
		t.Errorf("%v", problems(r))
	}
	w.runs("web", "app:1")
	w.opts.Verify.AllowRewind = true
	w.open(w.repo.Dir)
	w.wait(time.Hour)
	w.cycle()
	w.runs("web", "app:2")
}
