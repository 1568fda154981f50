package forge

// State is what a commit status says, in GitHub's words; each forge has words of its own
// for them.
type State string

// The states.
const (
	// Pending: it is under way.
	Pending State = "pending"
	// Success: all is as the commit says.
	Success State = "success"
	// Warning: it works, and is not as the commit says. Forges that do not know it are
	// told Failure.
	Warning State = "warning"
	// Failure: it ran and failed.
	Failure State = "failure"
	// Error: it could not be decided.
	Error State = "error"
)

// Status is a commit status: what one context says about one commit. The newest one of a
// context counts.
type Status struct {
	// Commit is the full hash of the commit.
	Commit string `json:"commit"`
	// Context tells statuses of one commit apart, such as gitsync/deploy.
	Context string `json:"context"`
	State   State  `json:"state"`
	// Description is a sentence; what the forge has no room for is cut off.
	Description string `json:"description"`
	// TargetURL is where to read more; empty for none.
	TargetURL string `json:"targetURL,omitempty"`
}

// Deployment says that a commit was deployed to an environment.
type Deployment struct {
	// Commit is the full hash of the commit, and Branch the one that it was the tip of.
	Commit string `json:"commit"`
	Branch string `json:"branch"`
	// Environment is a host, or another name for where it was deployed.
	Environment string `json:"environment"`
	// State is Pending, Success, Failure or Error.
	State State `json:"state"`
	// Description is a sentence; what the forge has no room for is cut off.
	Description string `json:"description"`
	// TargetURL is where to read more; empty for none.
	TargetURL string `json:"targetURL,omitempty"`
}
