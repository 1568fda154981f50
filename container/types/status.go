package types

import "time"

// The states of a container, in the words of Docker.
const (
	StatusCreated    = "created"
	StatusRunning    = "running"
	StatusRestarting = "restarting"
	StatusPaused     = "paused"
	StatusExited     = "exited"
	StatusDead       = "dead"
)

// ContainerStatus is what a runtime says about one container.
//
// A status without ID means that the container does not exist.
type ContainerStatus struct {
	// ID is the runtime's own identifier.
	ID string `json:"id,omitempty"`
	// Status is one of the Status… constants, or container.StatusMissing.
	Status string `json:"status,omitempty"`
	// ImageID is the runtime's identifier of the image that the container was made of,
	// where it is known: a name of an image may lead to another one by now.
	ImageID string `json:"imageID,omitempty"`
}

// Exists says whether the container is there, running or not.
func (s *ContainerStatus) Exists() bool { return s != nil && s.ID != "" }

// Running says whether the container runs.
func (s *ContainerStatus) Running() bool { return s.Exists() && s.Status == StatusRunning }

// Restarting says whether the runtime keeps restarting the container.
func (s *ContainerStatus) Restarting() bool { return s.Exists() && s.Status == StatusRestarting }

// ContainerSummary is a row of a runtime's container list.
type ContainerSummary struct {
	ID string `json:"id"`
	// Name is the name on the host, without the slash that Docker's API puts
	// before it.
	Name string `json:"name"`
	// Image is the reference that the container was created from.
	Image string `json:"image"`
	// Labels are the container's labels, but for those of gitsync's own ([LabelPrefix]) that
	// it only has from its image.
	Labels map[string]string `json:"labels,omitempty"`
	// ImageGone says that the image is no longer there, so that any of the labels may be
	// the image's.
	ImageGone bool `json:"imageGone,omitempty"`
	// Status is one of the Status… constants.
	Status string `json:"status"`
	// Detail is the runtime's own sentence, such as "Up 3 hours (healthy)".
	Detail string `json:"detail,omitempty"`
	// Ports are those that the container publishes on the host now.
	Ports []PortMap `json:"ports,omitempty"`
	// Created is when the container was created.
	Created time.Time `json:"created"`
}
