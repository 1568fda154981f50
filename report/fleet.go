package report

import "time"

// Fleet is what one gitsync knows of its hosts: when a new commit came, and after each
// cycle. It is a value; what is told to whom is decided from it alone.
type Fleet struct {
	// Commit is the full hash of the tip that is to be deployed; empty when Git could
	// never be read. Subject is its first line.
	Commit  string
	Subject string
	// When is the time of the look.
	When time.Time
	// Err is why the cycle as a whole failed; empty when it did not.
	Err string
	// Hosts are in the order of their names. A cycle that failed may know only some of
	// them, or none.
	Hosts []Host
}

// Phase says where a host stands with the commit.
type Phase string

// The phases.
const (
	// Deployed: the host is as the commit says.
	Deployed Phase = "deployed"
	// Working: the host is being deployed to, or waits for its turn in a roll-out.
	Working Phase = "working"
	// Failed: containers could not be deployed, or are held back by a guard.
	Failed Phase = "failed"
	// Invalid: the host's directory does not validate; it is left as it is.
	Invalid Phase = "invalid"
	// Away: the host could not be looked at.
	Away Phase = "away"
)

// Host is one host of a fleet.
type Host struct {
	Name  string
	Phase Phase
	// Unseen says that the phase is what the record tells, since this process has not
	// looked yet: then nobody is told that all is well, or what is wrong.
	Unseen bool
	// Deployed is the full hash of the newest commit that changed the host and was
	// deployed to it; empty when nothing was.
	Deployed string
	// DeployedAt is when that was: of several hosts, the one with the latest time has
	// the newest commit.
	DeployedAt time.Time
	// Problems say what failed: the words of errors, and file:line:column for mistakes.
	Problems []Problem
	// Drift is what differs from what was deployed, without a commit.
	Drift []Drift
	// Suspended are the containers that are left alone for now, with the reason; the key
	// "" is the whole host.
	Suspended map[string]string
	// Since is when the host was last as it should be, where that is known and it is not
	// now.
	Since time.Time
}

// Problem is a failure of one container, or of its host where Container is empty.
type Problem struct {
	Container string
	Text      string
}

// Drift is a difference between what was deployed and what is there.
type Drift struct {
	Container string
	// Field is what differs, such as status, image or env.TZ.
	Field string
	// Wanted and Found are never secret: values that could be are described.
	Wanted, Found string
	// Repaired says that it was put right in this cycle.
	Repaired bool
	// Fought says that somebody undoes the repairs, so that they are paused.
	Fought bool
}
