package sync

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/rs/zerolog"

	"github.com/gitsync/gitsync/container"
	"github.com/gitsync/gitsync/container/types"
	"github.com/gitsync/gitsync/internal/disk"
	"github.com/gitsync/gitsync/lease"
	"github.com/gitsync/gitsync/runtime"
)

// hostLease takes the lease of a host's machines for a cycle.
type hostLease struct {
	cycle *cycle
	host  *HostResult
}

var _ container.Lease = hostLease{}

// leaseOf returns the lease of a host; none where nothing is deployed.
func (c *cycle) leaseOf(h *HostResult) (container.Lease, bool) {
	if c.instance == nil || c.planOnly {
		return nil, false
	}
	return hostLease{c, h}, true
}

// Hold implements container.Lease. After a wait all is read again: the commit, the records
// and the machine.
func (l hostLease) Hold(ctx context.Context, host string, rt runtime.Runtime, work func(ctx context.Context) error) error {
	c := l.cycle
	err := c.instance.Hold(ctx, rt, lease.Claim{
		Repo: l.host.leaseRepo(), Host: host, Address: c.opts.owner(), Until: c.waitUntil,
		Waiting: func(other container.LeaseHolder) {
			zerolog.Ctx(ctx).Info().Str("host", host).Str("instance", other.Instance).Str("address", other.Address).
				Time("since", other.Since).Msg("waiting for another gitsync instance that works on the host")
		},
	}, work)
	if errors.Is(err, lease.ErrWaited) {
		c.Trigger()
	}
	return err
}

// Sweep implements container.Lease.
func (l hostLease) Sweep(ctx context.Context, rt runtime.Runtime, found []types.ContainerSummary) {
	if err := l.cycle.instance.Sweep(ctx, rt, l.host.leaseRepo(), found); err != nil {
		zerolog.Ctx(ctx).Debug().Err(err).Str("host", l.host.Name).Msg("leases of instances that are gone stay for now")
	}
}

// isOutOfDate says whether a host was left alone since what was known of it is out of
// date.
func isOutOfDate(err error) bool {
	return errors.Is(err, lease.ErrWaited) || errors.Is(err, container.ErrChanged)
}

// isTurned says whether a host was left alone since another instance works there, or has.
func isTurned(err error) bool { return isOutOfDate(err) || errors.Is(err, lease.ErrBusy) }

// gaveWay says whether another instance is why a host did not converge.
func gaveWay(err error) bool { return isTurned(err) || errors.Is(err, lease.ErrLost) }

// keeperFile, in the data directory of a repo, names it.
const keeperFile = "instance"

// keeperForm is that of rand.Text.
var keeperForm = regexp.MustCompile(`^[A-Z2-7]{26,}\s*$`)

// keeperOf names whoever has a data directory, which one process at a time has: that takes
// over the leases of those that had it before. Empty without one. A copy of the directory
// on another machine is another keeper.
func keeperOf(dir string) (string, error) {
	if dir == "" {
		return "", nil
	}
	file := filepath.Join(dir, keeperFile)
	id, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) || err == nil && !keeperForm.Match(id) {
		// One that a crash left empty, cut or full of zeros names many directories.
		id = []byte(rand.Text())
		err = os.WriteFile(file, id, 0o600)
	}
	if err != nil {
		return "", fmt.Errorf("name this data directory for leases: %w", disk.Explain(dir, 0, err))
	}
	machine, err := os.Hostname()
	if err != nil {
		machine = "localhost"
	}
	sum := sha256.Sum256([]byte(machine + "\x00" + strings.TrimSpace(string(id))))
	return hex.EncodeToString(sum[:8]), nil
}

// leaseRepo is for whom leases are taken: the identity of the host's containers, so that
// instances with other addresses of the repo take turns too.
func (h *HostResult) leaseRepo() string {
	if origin := h.Current.Origin; origin != nil && origin.Repo != "" {
		return origin.Repo
	}
	return h.cycle.opts.owner()
}

// Lease says which instance works on the host; nil for none. The check told it.
func (h *HostResult) Lease() *container.LeaseHolder {
	for _, holder := range container.LeaseHolders(h.Current.Leases) {
		if holder.Repo == h.leaseRepo() && !holder.Idle && holder.Valid(h.Current.Time) {
			return &holder
		}
	}
	return nil
}
