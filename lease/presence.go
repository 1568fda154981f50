package lease

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"strings"
	"time"

	"github.com/gitsync/gitsync/container"
	"github.com/gitsync/gitsync/container/types"
	"github.com/gitsync/gitsync/runtime"
)

// Stay tells everybody for a while that this instance manages the machine, also when it does
// not work there: nobody waits for that, and who has the same identity at another address
// takes nothing over meanwhile. It replaces what an earlier call told.
func (i *Instance) Stay(ctx context.Context, rt runtime.Runtime, claim Claim, lifetime time.Duration) error {
	e, ok := rt.(engine)
	if !ok {
		return errPowers
	}
	l := &lease{Instance: i, engine: e, Claim: claim}
	found, err := l.look(ctx)
	if err != nil {
		return err
	}
	labels := l.labels()
	maps.Copy(labels, map[string]string{
		container.LabelLeaseInstance: i.name, container.LabelLeaseKeeper: i.opts.Keeper, container.LabelLeaseAddress: claim.Address,
		container.LabelLeaseIdle:  "true",
		container.LabelLeaseSince: found.now.UTC().Format(time.RFC3339), container.LabelLeaseUntil: found.now.Add(lifetime).UTC().Format(time.RFC3339),
	})
	if _, err := e.Create(ctx, emptyContainer(presenceName(claim), labels)); err != nil {
		return fmt.Errorf("say on host %s who manages it: %w", claim.Host, err)
	}
	return l.removeStays(ctx, found)
}

// Leave takes back what [Instance.Stay] told.
func (i *Instance) Leave(ctx context.Context, rt runtime.Runtime, claim Claim) error {
	e, ok := rt.(engine)
	if !ok {
		return errPowers
	}
	l := &lease{Instance: i, engine: e, Claim: claim}
	found, err := l.look(ctx)
	if err != nil {
		return err
	}
	return l.removeStays(ctx, found)
}

// removeStays removes what this instance told, and the crashed ones whose place it has.
func (l *lease) removeStays(ctx context.Context, found look) error {
	var errs []error
	for _, h := range found.holders {
		if h.Idle && (h.Instance == l.name || !l.stays(h, found.now)) {
			errs = append(errs, remove(ctx, l.engine, h.ID))
		}
	}
	return errors.Join(errs...)
}

// stays says whether an instance that is alive, as far as is known, manages the machine.
func (i *Instance) stays(h container.LeaseHolder, now time.Time) bool {
	return h.Idle && h.Valid(now) && (h.Instance == i.name || i.opts.Keeper == "" || h.Keeper != i.opts.Keeper)
}

// presenceName is one that nobody has: it locks nothing.
func presenceName(claim Claim) string {
	sum := sha256.Sum256([]byte(claim.Repo + "\x00" + claim.Host))
	return container.LeasePrefix + hex.EncodeToString(sum[:6]) + "-idle-" + strings.ToLower(rand.Text()[:10])
}

// emptyContainer is never started.
func emptyContainer(name string, labels map[string]string) *types.ContainerConfig {
	return &types.ContainerConfig{
		Name: name, Image: runtime.EmptyImage, Args: []string{"gitsync-never-starts-this"}, NetworkMode: "none", Labels: container.AllLabels(labels),
	}
}
