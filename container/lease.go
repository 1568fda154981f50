package container

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/gitsync/gitsync/container/types"
	"github.com/gitsync/gitsync/runtime"
)

// Lease keeps other instances of gitsync from working on a machine at the same time.
type Lease interface {
	// Hold does the work while the lease of the machine is held. It waits for its turn
	// before, and ends the context of the work when the lease is lost.
	Hold(ctx context.Context, host string, rt runtime.Runtime, work func(ctx context.Context) error) error
	// Sweep removes those of the leases that a check found which nobody holds any more.
	Sweep(ctx context.Context, rt runtime.Runtime, found []types.ContainerSummary)
}

// ErrChanged means that containers came or went between the check and the deployment.
// Nothing was done: check again.
var ErrChanged = errors.New("the containers of the host changed since they were checked")

// sighting tells a container from the one that has its name later.
type sighting struct{ id, name string }

func sightings(rows []types.ContainerSummary) []sighting {
	var seen []sighting
	for _, row := range rows {
		if row.Labels[LabelRole] == "" {
			seen = append(seen, sighting{row.ID, row.Name})
		}
	}
	return seen
}

// deploy makes the plan of the last look and carries it out, where that changes something
// while the lease of the machine is held.
func (m *machine) deploy(ctx context.Context) error {
	plan := m.plan()
	m.forgetFound()
	works := slices.ContainsFunc(plan.Steps(), func(s Step) bool { return s.Action != ActionForget })
	if m.lease == nil || !works && len(m.current.Leases) == 0 {
		return m.carryOut(ctx, plan)
	}
	rt, release, err := m.connect(ctx, m.Host, m.Runtime)
	if err != nil {
		return fmt.Errorf("host %s: %w", m.name, err)
	}
	defer release()
	if !works {
		m.lease.Sweep(ctx, rt, m.current.Leases)
		return m.carryOut(ctx, plan)
	}
	return m.lease.Hold(ctx, m.name, rt, func(ctx context.Context) error {
		if err := m.unchanged(ctx, rt); err != nil {
			return fmt.Errorf("host %s: %w", m.name, err)
		}
		return m.carryOut(ctx, plan)
	})
}

// unchanged says whether the containers are still those of the look: another instance may
// have worked here before the lease was taken.
func (m *machine) unchanged(ctx context.Context, rt runtime.Runtime) error {
	rows, err := m.rows(ctx, rt)
	if err != nil {
		return err
	}
	if !slices.Equal(sightings(rows), m.seen) {
		return ErrChanged
	}
	return nil
}
