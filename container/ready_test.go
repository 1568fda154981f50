package container_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gitsync/gitsync/container"
	"github.com/gitsync/gitsync/container/types"
	"github.com/gitsync/gitsync/runtime"
	"github.com/gitsync/gitsync/runtime/runtimetest"
)

// life is what becomes of the process of one container of a slowEngine.
type life struct {
	// ends are the times, from the start on, at which the process ends and comes back at
	// once; exits is when it ends for good, and 0 when it does not.
	ends  []time.Duration
	exits time.Duration
	// lapses are those of the ends that the runtime does not count: an engine that is
	// restarted begins again.
	lapses bool
}

// slowEngine is a runtime at the end of a slow link: requests take a while to arrive, and
// answers to come back. What it answers is true when the request arrives.
type slowEngine struct {
	runtimetest.Full
	life
	// way is how long request number n is on its way, and its answer.
	way func(n int) (there, back time.Duration)

	id      string
	started time.Time
	n       int
	// ran is how long the process had run at the last answer, and counted how often the
	// runtime had restarted it.
	ran     time.Duration
	counted int
}

func (s *slowEngine) Start(ctx context.Context, id string) error {
	err := s.Full.Start(ctx, id)
	s.id, s.started = id, time.Now()
	return err
}

func (s *slowEngine) Inspect(ctx context.Context, id string) (types.ContainerDetails, error) {
	s.n++
	there, back := s.way(s.n)
	<-time.After(there)
	details, err := s.Full.Inspect(ctx, id)
	if id == s.id && details.Status == types.StatusRunning {
		s.age(&details)
	}
	<-time.After(back)
	return details, err
}

// age makes the details those of this moment. The engine's clock is years behind ours.
func (s *slowEngine) age(details *types.ContainerDetails) {
	begun := s.began(time.Now())
	for _, end := range s.ends {
		if at := s.started.Add(end); !at.After(time.Now()) {
			details.FinishedAt = at.AddDate(-3, 0, 0)
			if !s.lapses {
				details.Restarts++
			}
		}
	}
	details.StartedAt = begun.AddDate(-3, 0, 0)
	s.ran, s.counted = time.Since(begun), details.Restarts
	if s.exits > 0 && time.Since(s.started) >= s.exits {
		details.Status, details.ExitCode, details.FinishedAt = types.StatusExited, 3, s.started.Add(s.exits).AddDate(-3, 0, 0)
	}
}

// began is when the run that goes on at a moment began.
func (s *slowEngine) began(now time.Time) time.Time {
	begun := s.started
	for _, end := range s.ends {
		if at := s.started.Add(end); !at.After(now) {
			begun = at
		}
	}
	return begun
}

// behind puts a slow engine before the world.
func (w *world) behind(s *slowEngine) {
	w.hooks = func(rt runtime.Runtime) runtime.Runtime {
		s.Full = rt.(runtimetest.Full)
		return s
	}
}

func monitor(d time.Duration) func(*container.HostConfiguredContainer) {
	return func(m *container.HostConfiguredContainer) { m.Update = &container.Update{Monitor: types.Duration(d)} }
}

// stall holds one answer up.
func stall(which int, d time.Duration) func(int) (time.Duration, time.Duration) {
	return func(n int) (time.Duration, time.Duration) {
		if n == which {
			return 0, d
		}
		return 0, 0
	}
}

func TestReadyIsWhatTheEngineSays(t *testing.T) {
	for name, tt := range map[string]struct {
		life
		way    func(int) (time.Duration, time.Duration)
		change func(*container.HostConfiguredContainer)
		want   string
		took   time.Duration
	}{
		"one that runs is ready when its monitor is over": {took: 5 * time.Second},
		"one that ends while an answer is held up has failed": {
			life: life{exits: time.Second}, way: stall(3, time.Minute), want: "it ended with exit code 3", took: time.Minute,
		},
		"one that ends while the first answer is held up has failed": {
			life: life{exits: time.Second}, way: stall(1, time.Minute), want: "it ended with exit code 3", took: time.Minute,
		},
		"one that is restarted before the first answer has failed": {
			life: life{ends: []time.Duration{time.Millisecond}}, way: func(int) (time.Duration, time.Duration) { return 10 * time.Millisecond, 0 }, want: "it ended, and was restarted",
		},
		"one that the engine itself starts again runs for its monitor from then on": {
			life: life{ends: []time.Duration{3 * time.Second}, lapses: true}, took: 8 * time.Second,
		},
		"one that runs is ready although an answer took longer than the time-out": {way: stall(3, 90*time.Second), took: 90 * time.Second},
		"one whose monitor is as long as its time-out is ready": {
			way:    func(int) (time.Duration, time.Duration) { return 100 * time.Millisecond, 100 * time.Millisecond },
			change: func(m *container.HostConfiguredContainer) { monitor(time.Minute)(m); timeout(time.Minute)(m) }, took: time.Minute,
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				if tt.way == nil {
					tt.way = func(int) (time.Duration, time.Duration) { return 0, 0 }
				}
				w.behind(&slowEngine{life: tt.life, way: tt.way})
				web := spec("web", monitor(5*time.Second))
				if tt.change != nil {
					tt.change(web)
				}
				begun := time.Now()
				err := w.deploy(web)
				if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
					t.Errorf("deploy: %v, want %q", err, tt.want)
				}
				if took := time.Since(begun); took < tt.took || took > tt.took+3*time.Second {
					t.Errorf("it took %s, want %s", took, tt.took)
				}
			})
		})
	}
}

// However long requests and answers are on their way, and however often a container is
// restarted: what is said to be ready has run for its monitor without an end.
func TestNoWaitingForAnAnswerCountsAsRunning(t *testing.T) {
	for seed := range histories() {
		synctest.Test(t, func(t *testing.T) {
			random := rand.New(rand.NewPCG(seed, 3))
			some := func(most time.Duration) time.Duration { return time.Duration(random.Int64N(int64(most))) }
			engine := &slowEngine{life: life{lapses: random.IntN(2) == 0}, way: func(int) (time.Duration, time.Duration) {
				return some(time.Second), some([]time.Duration{time.Millisecond, time.Second, 20 * time.Second}[random.IntN(3)])
			}}
			for range random.IntN(3) {
				engine.ends = append(engine.ends, some(15*time.Second))
			}
			if random.IntN(2) == 0 {
				engine.exits = 15*time.Second + some(5*time.Second)
			}
			w := newWorld(t)
			w.behind(engine)
			err := w.deploy(spec("web", monitor(5*time.Second)))
			if err == nil && (engine.ran < 5*time.Second || engine.counted > 0) {
				t.Errorf("seed %d: ready after %s without an end, %d restarts: %+v", seed, engine.ran, engine.counted, engine.life)
			}
			if err != nil && !errors.Is(err, container.ErrNotReady) {
				t.Errorf("seed %d: deploy: %v", seed, err)
			}
		})
	}
}

// A container that was restarted before anybody looked may still come up: the next try is
// about what happens from then on.
func TestRestartsOfLongAgoDoNotCount(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.behind(&slowEngine{life: life{ends: []time.Duration{time.Second}}, way: stall(0, 0)})
		if err := w.deploy(spec("web", monitor(5*time.Second))); !errors.Is(err, container.ErrNotReady) {
			t.Fatalf("deploy: %v, want ErrNotReady", err)
		}
		w.mustDeploy(spec("web", monitor(5*time.Second)))
		w.want("web=nginx:1.26")
	})
}
