package container

import (
	"context"
	"errors"
	"slices"
	stdsync "sync"

	"golang.org/x/sync/errgroup"

	"github.com/gitsync/gitsync/container/types"
	"github.com/gitsync/gitsync/internal/panics"
	"github.com/gitsync/gitsync/runtime"
)

// lookAtSettings asks how the containers are set up that are as desired by their labels:
// labels are a hint, the runtime's own answer is what counts.
func (m *machine) lookAtSettings(ctx context.Context, rt runtime.Runtime, opts CheckOptions) error {
	describer, ok := rt.(runtime.Describer)
	if !ok {
		return nil
	}
	var mu stdsync.Mutex
	group, describing := errgroup.WithContext(ctx)
	group.SetLimit(m.parallel)
	for _, key := range sortedKeys(m.desired) {
		main, want := m.current.Containers[key].Main, m.desired[key]
		if main == nil || want.Drift.policy() == Ignore || !sameSpec(main.Labels[LabelSpec], want, m.previous[key]) || !m.asks(key, main, opts) {
			continue
		}
		group.Go(func() (err error) {
			defer panics.Into(&err)
			facts, err := describer.Describe(describing, main.ID)
			if errors.Is(err, runtime.ErrNotFound) {
				// It went between two calls: the next look tells.
				return nil
			}
			mu.Lock()
			defer mu.Unlock()
			m.current.Facts[key] = facts
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return err
	}
	return m.lookAtDefaults(ctx, rt, describer)
}

// lookAtDefaults finds out what the runtime fills in where nothing is asked for. Only a
// container that somebody made by hand can differ in that: the recorded one got it from
// this runtime, when it was created. So it takes a container that is never started, as for
// config files, and only when there is somebody else's work. Where there can be no such
// container nothing is known, and nothing compared.
func (m *machine) lookAtDefaults(ctx context.Context, rt runtime.Runtime, describer runtime.Describer) error {
	for _, key := range sortedKeys(m.current.Facts) {
		facts, recorded := m.current.Facts[key], idOf(m.previous[key])
		if recorded == "" || recorded == facts.ID || len(facts.Filled) == 0 {
			continue
		}
		sample, err := m.sample(ctx, rt, describer)
		if errors.Is(err, runtime.ErrUnreachable) || ctx.Err() != nil {
			return err
		}
		m.current.Filled = sample.Filled
		return nil
	}
	return nil
}

// sample describes a container for which nothing was asked.
func (m *machine) sample(ctx context.Context, rt runtime.Runtime, describer runtime.Describer) (facts types.ContainerFacts, err error) {
	carriers := &carriers{rt: rt, origin: m.origin}
	id, err := carriers.bind(ctx, nil, true)
	if err == nil {
		facts, err = describer.Describe(ctx, id)
	}
	return facts, errors.Join(err, carriers.close(ctx))
}

// asks says whether a look asks for the settings of a container. One that has another ID
// than the recorded one is somebody else's work, or that of a gitsync that was killed.
func (m *machine) asks(key string, main *types.ContainerSummary, opts CheckOptions) bool {
	recorded := idOf(m.previous[key])
	return !opts.SkipSettings || slices.Contains(opts.SettingsOf, main.ID) || recorded != "" && recorded != main.ID
}
