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
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(m.parallel)
	for _, key := range sortedKeys(m.desired) {
		main, want := m.current.Containers[key].Main, m.desired[key]
		if main == nil || want.Drift.policy() == Ignore || !sameSpec(main.Labels[LabelSpec], want, m.previous[key]) || !m.asks(key, main, opts) {
			continue
		}
		group.Go(func() (err error) {
			defer panics.Into(&err)
			facts, err := describer.Describe(ctx, main.ID)
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
	return group.Wait()
}

// asks says whether a look asks for the settings of a container. One that has another ID
// than the recorded one is somebody else's work, or that of a gitsync that was killed.
func (m *machine) asks(key string, main *types.ContainerSummary, opts CheckOptions) bool {
	recorded := idOf(m.previous[key])
	return !opts.SkipSettings || slices.Contains(opts.SettingsOf, main.ID) || recorded != "" && recorded != main.ID
}
