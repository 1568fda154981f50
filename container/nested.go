package container

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/gitsync/gitsync/container/types"
)

// NestedMounts says what becomes of a mount of a path of the host that a container may
// replace by a link, since it may write a directory above it: with /data and /data/media
// mounted, whoever has the first decides what the second is.
type NestedMounts string

// What becomes of nested mounts.
const (
	// NestedChecked has each directory on the way looked at for links, right before a
	// container is created and again after it was started. Whoever is quick enough is not
	// found: it is a guard rail. The zero value means the same.
	NestedChecked NestedMounts = "checked"
	// NestedDenied has no container started while another one may replace the source of a
	// mount, and none created with a source behind a link, which one that is gone may have
	// left.
	NestedDenied NestedMounts = "deny"
	// NestedAllowed checks nothing.
	NestedAllowed NestedMounts = "allow"
)

// ErrNestedMount means that the source of a mount is, or may become, another place of the
// host than the repo says.
var ErrNestedMount = errors.New("the source of a mount may be another place of the host")

// checkSources fails when a source of the container's mounts is behind a link, where a
// container may have planted that.
func (e *executor) checkSources(ctx context.Context, config types.ContainerConfig) error {
	doubtful, err := e.doubtful(ctx, config)
	if err != nil || len(doubtful) == 0 {
		return err
	}
	e.filesMu.Lock()
	defer e.filesMu.Unlock()
	modes, err := e.files.look(ctx, sortedKeys(doubtful))
	if err != nil {
		return err
	}
	for _, p := range sortedKeys(modes) {
		if modes[p]&os.ModeSymlink != 0 {
			return fmt.Errorf("%w: %s is a symbolic link on the host%s: mount the path that it leads to, or put nestedMounts: allow for the host into the agent's policy",
				ErrNestedMount, p, doubtful[p])
		}
	}
	return nil
}

// doubtful returns the paths on the way to the sources of the container's mounts that are
// not to be links, and why.
func (e *executor) doubtful(ctx context.Context, config types.ContainerConfig) (map[string]string, error) {
	sources := bindSources(config)
	if e.nested == NestedAllowed || len(sources) == 0 {
		return nil, nil
	}
	writers, err := e.running(ctx, false)
	if err != nil {
		return nil, err
	}
	writers = append(writersIn(e.desired), writers...)
	doubtful := map[string]string{}
	for _, source := range sources {
		if e.nested == NestedDenied {
			for p := source; p != topOf(p); p = parentOf(p) {
				// /etc/localtime and its like are links by right: whoever can plant one directly
				// in /etc has the machine already.
				if parentOf(p) != "/etc" {
					doubtful[p] = ""
				}
			}
		}
		for _, w := range writers {
			if !w.above(source) {
				continue
			}
			for p := source; w.above(p); p = parentOf(p) {
				doubtful[p] = fmt.Sprintf(", and container %s may write %s", w.container, w.source)
			}
		}
	}
	return doubtful, nil
}

// parentOf returns the directory that a path is in.
func parentOf(p string) string {
	if i := strings.LastIndexByte(p, '/'); i > 0 {
		return p[:i]
	}
	return "/"
}

// bindSources returns the paths of the host that a container mounts.
func bindSources(config types.ContainerConfig) []string {
	var sources []string
	for _, m := range config.Mounts {
		if m.Kind() == types.MountBind {
			sources = append(sources, types.HostPath(m.Source))
		}
	}
	return sources
}

// refuseNested fails, where nested mounts are denied, as long as a container of ours runs
// that may replace a source of the mounts: the repo may have dropped it, or its mount.
func (e *executor) refuseNested(ctx context.Context, config types.ContainerConfig) error {
	sources := bindSources(config)
	if e.nested != NestedDenied || len(sources) == 0 {
		return nil
	}
	writers, err := e.running(ctx, false)
	if err != nil {
		return err
	}
	for _, w := range writers {
		for _, source := range sources {
			if !w.ours || !w.above(source) {
				continue
			}
			if stays, err := e.stays(ctx, w); err != nil {
				return err
			} else if stays {
				return fmt.Errorf("%w: mount %s is below %s, which container %s may write, and that still runs: deploy its change, or its removal, first", ErrNestedMount, source, w.source, w.container)
			}
		}
	}
	return nil
}

// startChecked starts a container, and stops it again when the source of a mount is behind a
// link: that may have been planted between the check before its creation and the start.
func (e *executor) startChecked(ctx context.Context, key, id string) error {
	var config types.ContainerConfig
	if m := e.desired[key]; m != nil {
		config = m.Container.Config
	}
	if m := e.previous[key]; m != nil && idOf(m) == id {
		// It was created earlier, perhaps with other mounts.
		config.Mounts = slices.Concat(config.Mounts, m.Container.Config.Mounts)
	}
	if err := e.refuseNested(ctx, config); err != nil {
		return err
	}
	if err := e.rt.Start(ctx, id); err != nil {
		return err
	}
	err := e.checkSources(ctx, config)
	if err == nil {
		return nil
	}
	// It must not go on, also where the check failed since the deploy is over.
	stopCtx, cancel := context.WithTimeout(context.WithoutCancel(ctx), e.timeout(Step{Action: ActionStop, Container: key}))
	defer cancel()
	if stopErr := notFoundIsFine(e.rt.Stop(stopCtx, id)); stopErr != nil {
		return joinErrors(fmt.Errorf("it was started, and may still run: %w", err), stopErr)
	}
	return fmt.Errorf("it was started, and stopped again: %w", err)
}
