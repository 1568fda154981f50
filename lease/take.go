package lease

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strconv"
	"time"

	"github.com/gitsync/gitsync/container"
	"github.com/gitsync/gitsync/runtime"
)

// lease is one that is held, or about to be.
type lease struct {
	*Instance
	engine
	Claim
	// own is the container, and since when it is held, by the engine's clock.
	own   container.LeaseHolder
	since time.Time
	// ends is when it has run out at the latest, by this process's monotonic clock.
	ends time.Time
	// unsure says that the engine may have created a container without telling its ID.
	unsure bool
}

// look is what one list of the leases told.
type look struct {
	holders []container.LeaseHolder
	// now is the engine's time, not before asked, which is ours.
	now, asked time.Time
}

func (l *lease) look(ctx context.Context) (look, error) {
	asked := time.Now()
	rows, err := l.List(ctx, l.labels())
	if err != nil {
		return look{}, fmt.Errorf("look for leases: %w", err)
	}
	now, err := l.Time()
	return look{container.LeaseHolders(rows), now, asked}, err
}

// holder returns who else holds a lease; nil for nobody.
func (l *lease) holder(found look) *container.LeaseHolder {
	for _, h := range found.holders {
		if h.ID != l.own.ID && l.heldBy(h, found.now) {
			return &h
		}
	}
	return nil
}

// maxRefused bounds how often the name of a lease may be in use although no lease has it.
const maxRefused = 5

// take waits for the lease, and takes it where nobody had to be waited for.
func (l *lease) take(ctx context.Context) error {
	waitedFor, refused := "", 0
	for pause := firstPause; ; pause = min(pause+pause/2, maxPause) {
		holder, err := l.try(ctx, waitedFor != "")
		switch {
		case err != nil && (!errors.Is(err, runtime.ErrNameInUse) || refused == maxRefused):
			return err
		case err != nil:
			refused++
		case err == nil && holder == nil:
			return nil
		case holder != nil && holder.Instance != waitedFor:
			waitedFor = holder.Instance
			if l.Waiting != nil {
				l.Waiting(*holder)
			}
		}
		if holder != nil && !l.Until.IsZero() && !time.Now().Before(l.Until) {
			return fmt.Errorf("%w: %s; it gives the host back when its work is done, or %s after it has crashed", ErrBusy, holder, l.opts.Lifetime)
		}
		if err := rest(ctx, pause/2+rand.N(pause)); err != nil {
			return err
		}
	}
}

func rest(ctx context.Context, pause time.Duration) error {
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// try takes the lease unless somebody else holds it, who is returned then. When somebody
// was waited for, it is not taken: what the work is based on is out of date.
func (l *lease) try(ctx context.Context, waited bool) (*container.LeaseHolder, error) {
	found, err := l.look(ctx)
	if err != nil {
		return nil, err
	}
	if holder := l.holder(found); holder != nil {
		return holder, nil
	}
	if waited {
		return nil, ErrWaited
	}
	l.since = found.now
	if err := l.create(ctx, found); err != nil {
		l.release(ctx)
		return nil, err
	}
	// Whoever comes later sees this one; whoever came before is seen here.
	after, err := l.look(ctx)
	if err == nil && !slices.ContainsFunc(after.holders, func(h container.LeaseHolder) bool { return h.ID == l.own.ID }) {
		err = fmt.Errorf("%w: somebody has removed it", ErrLost)
	}
	holder := l.holder(after)
	if err != nil || holder != nil {
		l.release(ctx)
		return holder, err
	}
	for _, h := range after.holders {
		if h.ID != l.own.ID && !l.stays(h, after.now) {
			if err := remove(ctx, l.engine, h.ID); err != nil {
				l.release(ctx)
				return nil, err
			}
		}
	}
	return nil, nil
}

// create creates the container with the next number.
func (l *lease) create(ctx context.Context, found look) error {
	generation := 0
	for _, h := range found.holders {
		generation = max(generation, h.Generation)
	}
	name := nameOf(l.Repo, l.Host, generation+1)
	labels := l.labels()
	maps.Copy(labels, map[string]string{
		container.LabelLeaseInstance: l.name, container.LabelLeaseKeeper: l.opts.Keeper, container.LabelLeaseAddress: l.Address,
		container.LabelLeaseSince: l.since.UTC().Format(time.RFC3339), container.LabelLeaseUntil: found.now.Add(l.opts.Lifetime).UTC().Format(time.RFC3339),
	})
	l.hold(name)
	id, err := l.Create(ctx, emptyContainer(name, labels))
	if err != nil {
		l.letGo(name)
		if errors.Is(err, runtime.ErrNameInUse) {
			return fmt.Errorf("take the lease of the host: container %s: %w", name, err)
		}
		l.unsure = true
		return fmt.Errorf("take the lease of the host: %w (nothing was changed there; gitsync creates a container of the image %s, which it imports: the engine, or the proxy before its socket, must allow POST /images/create, POST /containers/create and DELETE /containers/{id}; see docs/security.md)", err, runtime.EmptyImage)
	}
	l.own = container.LeaseHolder{ID: id, Name: name, Generation: generation + 1}
	l.ends = found.asked.Add(l.opts.Lifetime)
	return nil
}

// release gives the lease back, if there is one. Where that fails it runs out.
func (l *lease) release(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), releaseTimeout)
	defer cancel()
	if l.own.ID != "" {
		_ = remove(ctx, l.engine, l.own.ID)
		l.letGo(l.own.Name)
		l.own = container.LeaseHolder{}
	}
	if !l.unsure {
		return
	}
	if found, err := l.look(ctx); err == nil {
		for _, h := range found.holders {
			if !l.heldBy(h, found.now) && !l.stays(h, found.now) {
				_ = remove(ctx, l.engine, h.ID)
			}
		}
	}
}

// nameOf is the name of a lease of an identity for a host directory.
func nameOf(repo, host string, generation int) string {
	sum := sha256.Sum256([]byte(repo + "\x00" + host))
	return container.LeasePrefix + hex.EncodeToString(sum[:6]) + "-" + strconv.Itoa(generation)
}
