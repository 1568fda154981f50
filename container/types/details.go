package types

import "time"

// The states of a health check, in the words of Docker. A container without a
// check has none of them.
const (
	HealthStarting  = "starting"
	HealthHealthy   = "healthy"
	HealthUnhealthy = "unhealthy"
)

// ContainerDetails is what a runtime knows about one container.
type ContainerDetails struct {
	ContainerStatus
	// Health is one of the Health… constants; empty without a health check.
	Health string `json:"health,omitempty"`
	// HealthDelay is how long after its start the first health check that counts can
	// take to end, by the settings of the container or its image; 0 without a check.
	HealthDelay Duration `json:"healthDelay,omitempty"`
	// HealthLog holds the last checks, oldest first.
	HealthLog []HealthResult `json:"healthLog,omitempty"`
	// ExitCode is that of the last process; it means nothing before that has ended.
	ExitCode int `json:"exitCode"`
	// OOMKilled says that the last process was killed for want of memory.
	OOMKilled bool `json:"oomKilled,omitempty"`
	// Error is what the runtime says about a start that failed.
	Error string `json:"error,omitempty"`
	// Restarts counts how often the runtime restarted the container by itself since
	// it was started: a start by anybody else counts from 0 again.
	Restarts int `json:"restarts,omitempty"`
	// StartedAt is when the container was last started, by the host's clock; zero
	// when it never was.
	StartedAt time.Time `json:"startedAt,omitzero"`
	// FinishedAt is when its last process ended, by the host's clock; zero when none has.
	FinishedAt time.Time `json:"finishedAt,omitzero"`
	// AnonymousVolumes maps a path in the container to the volume without a name of
	// its own that is mounted there.
	AnonymousVolumes map[string]string `json:"anonymousVolumes,omitempty"`
}

// HealthResult is one run of a health check.
type HealthResult struct {
	// ExitCode is 0 for a success.
	ExitCode int `json:"exitCode"`
	// Output is what the check printed, cut by the runtime.
	Output string `json:"output,omitempty"`
}
