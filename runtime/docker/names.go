package docker

import (
	"context"
	"fmt"
	"regexp"
	"strings"

	"github.com/docker/docker/api/types/container"

	"github.com/gitsync/gitsync/runtime"
)

// named is what a container, a network or a volume can be called, by name or ID. Such a
// text is a step of a URL's path: with a slash or two dots it would be another call, and
// it may come from a state branch that somebody tampered with.
var named = regexp.MustCompile(`^[a-zA-Z0-9][a-zA-Z0-9_.-]*$`)

// checkID refuses what can be no container's ID or name.
func checkID(id string) error {
	if !named.MatchString(id) || len(id) > 255 {
		return fmt.Errorf("%w: %.80q can be no container's ID", runtime.ErrNotFound, id)
	}
	return nil
}

// checkImage refuses what can be no image's reference or ID.
func checkImage(ref string) error {
	for step := range strings.SplitSeq(ref, "/") {
		if step == "" || step == "." || step == ".." {
			return fmt.Errorf("%w: %.80q can be no image", runtime.ErrInvalid, ref)
		}
	}
	if strings.ContainsFunc(ref, func(r rune) bool { return r <= ' ' || r > '~' || strings.ContainsRune(`?#%\`, r) }) {
		return fmt.Errorf("%w: %.80q can be no image", runtime.ErrInvalid, ref)
	}
	return nil
}

// inspect asks for all about a container, and refuses an answer that lacks what every
// engine tells.
func (r *Runtime) inspect(ctx context.Context, id string) (container.InspectResponse, error) {
	if err := checkID(id); err != nil {
		return container.InspectResponse{}, err
	}
	c, err := r.api.ContainerInspect(ctx, id)
	if err != nil {
		return container.InspectResponse{}, err
	}
	if c.ContainerJSONBase == nil || c.State == nil || c.HostConfig == nil || c.Config == nil || checkID(c.ID) != nil {
		return container.InspectResponse{}, fmt.Errorf("%w: it lacks what every engine tells about a container", errAnswer)
	}
	return c, nil
}
