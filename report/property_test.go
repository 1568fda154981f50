package report_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gitsync/gitsync/report"
	"github.com/gitsync/gitsync/report/forge"
)

// flaky is a forge that fails at random, before or after it did what was asked.
type flaky struct {
	rand   *rand.Rand
	well   atomic.Bool
	status map[string]forge.Status
}

func (f *flaky) Status(ctx context.Context, s forge.Status) error {
	const took = true
	fail := func(took bool, err error) error {
		if took {
			f.set(s)
		}
		return err
	}
	if f.well.Load() {
		return fail(took, nil)
	}
	switch f.rand.IntN(7) {
	case 0:
		return fail(!took, errDown)
	case 1:
		return fail(took, fmt.Errorf("post status: %w", context.DeadlineExceeded))
	case 2:
		return fail(!took, &forge.RateLimited{Until: time.Now().Add(time.Duration(f.rand.IntN(600)) * time.Second), Err: errDown})
	case 3:
		return fail(!took, forge.ErrAuth)
	case 4:
		select { // it is slow, and is told of something else meanwhile
		case <-ctx.Done():
			return fail(f.rand.IntN(2) == 0, ctx.Err())
		case <-time.After(time.Duration(f.rand.IntN(60)) * time.Second):
		}
	}
	return fail(took, nil)
}

func (f *flaky) Deployment(context.Context, forge.Deployment) error { return forge.ErrUnsupported }

func (f *flaky) set(s forge.Status) { f.status[s.Commit+" "+s.Context] = s }

// wanted are the last statuses that fleets ask for.
type wanted map[string]forge.Status

func (w wanted) add(f report.Fleet, o report.StatusOptions) {
	for key, s := range w {
		if s.State == forge.Pending && s.Commit != f.Commit {
			s.State = forge.Error // superseded; the words are another test's
			s.Description = ""
			w[key] = s
		}
	}
	for _, s := range report.Statuses(f, o) {
		w[s.Commit+" "+s.Context] = s
	}
}

func TestWhateverFailsTheLastStatusOfEachCommitArrives(t *testing.T) {
	for seed := range uint64(seeds()) {
		synctest.Test(t, func(t *testing.T) { tellAtRandom(t, seed) })
	}
}

func tellAtRandom(t *testing.T, seed uint64) {
	random := rand.New(rand.NewPCG(seed, 5))
	f := &flaky{rand: rand.New(rand.NewPCG(seed, 6)), status: map[string]forge.Status{}}
	o := report.Options{
		Forge: f, File: filepath.Join(t.TempDir(), "outbox.json"),
		Statuses: report.StatusOptions{PerHost: random.IntN(2) == 0},
	}
	want := wanted{}
	r := report.New(o)
	stop := start(t.Context(), t, r)
	for range 40 {
		switch random.IntN(8) {
		case 0: // the process is killed, and starts anew
			stop()
			r = report.New(o)
			stop = start(t.Context(), t, r)
		case 1: // a run that ends
			stop()
			_ = r.Flush(t.Context())
			stop = start(t.Context(), t, r)
		case 2, 3:
			pass(time.Duration(random.IntN(400)) * time.Second)
		default:
			fleet := fleetAtRandom(random)
			want.add(fleet, o.Statuses)
			r.Tell(t.Context(), fleet)
		}
		pass(time.Duration(random.IntN(20)) * time.Second)
	}
	synctest.Wait()
	f.well.Store(true)
	pass(2 * time.Hour)
	stop()
	if err := r.Flush(t.Context()); err != nil {
		t.Errorf("seed %d: %v", seed, err)
	}
	for key, w := range want {
		got := f.status[key]
		if w.Description == "" {
			got.Description = ""
		}
		if got != w {
			t.Errorf("seed %d: %s is %+v, want %+v", seed, key, got, w)
		}
	}
	if len(f.status) > len(want) {
		t.Errorf("seed %d: told of %d contexts, want %d", seed, len(f.status), len(want))
	}
}

// fleetAtRandom is one of two hosts at one of four commits.
func fleetAtRandom(random *rand.Rand) report.Fleet {
	phases := []report.Phase{report.Deployed, report.Deployed, report.Working, report.Failed, report.Invalid, report.Away}
	var hosts []report.Host
	for _, name := range []string{"web1", "web2"} {
		h := host(name, phases[random.IntN(len(phases))])
		if random.IntN(3) == 0 {
			h.Drift = []report.Drift{memory}
			h.Drift[0].Repaired = random.IntN(2) == 0
		}
		hosts = append(hosts, h)
	}
	f := at('a'+rune(random.IntN(4)), hosts...)
	f.When = time.Now()
	if random.IntN(10) == 0 {
		f.Err = "push gitsync/state: refused"
	}
	return f
}

// seeds is how many worlds are tried: more at length, as in make test-long.
func seeds() int {
	if os.Getenv("GITSYNC_LONG") != "" {
		return 500
	}
	return 25
}
