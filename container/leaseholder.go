package container

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/gitsync/gitsync/container/types"
)

// The labels of a lease, beside [LabelRole] and [LabelHost].
const (
	// LabelLeaseRepo is the identity of the repo whose containers are managed.
	LabelLeaseRepo = "io.gitsync.lease.repo"
	// LabelLeaseInstance names the process that holds the lease.
	LabelLeaseInstance = "io.gitsync.lease.instance"
	// LabelLeaseKeeper tells who may take over the lease of a crashed process.
	LabelLeaseKeeper = "io.gitsync.lease.keeper"
	// LabelLeaseAddress is the address and the branch of the holder's repo.
	LabelLeaseAddress = "io.gitsync.lease.address"
	// LabelLeaseIdle is "true" where the instance manages the machine, and does not work
	// there now.
	LabelLeaseIdle = "io.gitsync.lease.idle"
	// LabelLeaseSince and LabelLeaseUntil are times of the engine's clock.
	LabelLeaseSince = "io.gitsync.lease.since"
	LabelLeaseUntil = "io.gitsync.lease.until"
)

const (
	// leaseMargin is added to the end of a lease: engines tell the time in whole seconds.
	leaseMargin = 2 * time.Second
	// maxLeaseLifetime and maxIdleLifetime bound what a label can claim.
	maxLeaseLifetime = 5 * time.Minute
	maxIdleLifetime  = 48 * time.Hour
	// LeasePrefix begins the names of leases; a number ends them.
	LeasePrefix = "gitsync-lease-"
)

// LeaseHolder is what a lease says.
type LeaseHolder struct {
	// ID and Name are those of the container that is the lease.
	ID   string `json:"-"`
	Name string `json:"container"`
	// Repo is the identity of the repo, Instance the process, and Address the address and
	// branch of its repo.
	Repo     string `json:"repo"`
	Instance string `json:"instance"`
	Address  string `json:"address"`
	// Since and Until are times of the engine's clock.
	Since time.Time `json:"since"`
	Until time.Time `json:"until"`

	// Idle says that the instance manages the machine, and does not work there now: nobody
	// waits for it.
	Idle bool `json:"-"`
	// Keeper tells who may take over the lease of a crashed process, and Generation counts
	// the renewals.
	Keeper     string `json:"-"`
	Generation int    `json:"-"`
}

// String says who works, where from and since when; or who was there last.
func (h LeaseHolder) String() string {
	if h.Idle {
		return fmt.Sprintf("instance %s at %s manages this host (last full check %s)", h.Instance, h.Address, h.Since.Format(time.RFC3339))
	}
	return fmt.Sprintf("instance %s at %s has been working there since %s", h.Instance, h.Address, h.Since.Format(time.RFC3339))
}

// Valid says whether the lease is not over yet, at a time of the engine's clock.
func (h LeaseHolder) Valid(now time.Time) bool { return !now.After(h.Until.Add(leaseMargin)) }

// isLease says whether a row is a lease, by its label and its name.
func isLease(row types.ContainerSummary) bool {
	return row.Labels[LabelRole] == RoleLease && strings.HasPrefix(row.Name, LeasePrefix)
}

// LeaseHolders returns what the leases among these containers say, in their order.
func LeaseHolders(rows []types.ContainerSummary) []LeaseHolder {
	var holders []LeaseHolder
	for _, row := range rows {
		if !isLease(row) {
			continue
		}
		h := LeaseHolder{
			ID: row.ID, Name: row.Name, Repo: row.Labels[LabelLeaseRepo], Instance: row.Labels[LabelLeaseInstance],
			Address: row.Labels[LabelLeaseAddress], Keeper: row.Labels[LabelLeaseKeeper], Idle: row.Labels[LabelLeaseIdle] == "true",
		}
		_, number, _ := strings.Cut(strings.TrimPrefix(row.Name, LeasePrefix), "-")
		// What is no number, or no time, is none of ours: it counts as the smallest.
		h.Generation, _ = strconv.Atoi(number)
		h.Since, _ = time.Parse(time.RFC3339, row.Labels[LabelLeaseSince])
		h.Until, _ = time.Parse(time.RFC3339, row.Labels[LabelLeaseUntil])
		lifetime := maxLeaseLifetime
		if h.Idle {
			lifetime = maxIdleLifetime
		}
		if most := row.Created.Add(lifetime); h.Until.After(most) {
			h.Until = most
		}
		holders = append(holders, h)
	}
	return holders
}
