package container

import (
	"context"
	"errors"
	"fmt"
	"path"

	"github.com/rs/zerolog"

	"github.com/gitsync/gitsync/container/types"
	"github.com/gitsync/gitsync/runtime"
)

// ErrWritable means that a container may replace a directory on the way to a path of the
// host by a link to another place.
var ErrWritable = errors.New("a container may write a directory above it")

// writer is a container that may write what is below a path of the host.
type writer struct {
	container, source, target string
	// ours says that the repo, or the record, has the container; runs that it was found
	// running, and is not only wanted.
	ours, runs bool
}

// above says whether the writer may replace a directory on the way to a path, or the path.
func (w writer) above(p string) bool { return types.Below(types.HostPath(p), w.source) }

// writersIn returns who may write what, as the containers are configured.
func writersIn(containers ContainersState) []writer {
	var writers []writer
	for _, key := range sortedKeys(containers) {
		c := containers[key].Container.Config
		for _, m := range c.Mounts {
			if m.Kind() == types.MountBind && !m.ReadOnly {
				writers = append(writers, writer{container: c.Name, source: types.HostPath(m.Source), target: m.Target, ours: true})
			}
		}
	}
	return writers
}

// running returns who may write what, of all containers that run on the machine. The
// machine is asked once, and again where that is asked for: containers come and go while a
// plan is carried out, and those that come are wanted.
func (e *executor) running(ctx context.Context, again bool) ([]writer, error) {
	e.mu.Lock()
	known, listed := e.writers, e.listed
	e.mu.Unlock()
	lister, ok := e.rt.(runtime.MountLister)
	if !ok || listed && !again {
		return known, nil
	}
	mounts, err := lister.HostMounts(ctx)
	if err != nil {
		return nil, err
	}
	var writers []writer
	for _, m := range mounts {
		if !m.ReadOnly {
			writers = append(writers, writer{container: m.Container, source: types.HostPath(m.Source), target: m.Target, ours: e.ofOurs(m), runs: true})
		}
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.writers, e.listed = writers, true
	return writers, nil
}

// ofOurs says whether a container is the repo's, be it of another host directory.
func (e *executor) ofOurs(m types.HostMount) bool {
	if e.has(m.ID) {
		return true
	}
	return e.origin != nil && (m.Labels[LabelOwner] == e.origin.Owner && e.origin.Owner != "" || m.Labels[LabelRepo] == e.origin.Repo && e.origin.Repo != "")
}

// refuseWritable fails for config files in directories that a container of ours may replace
// by links: the engine resolves their names again when a file is written. Of containers of
// others it warns.
func (e *executor) refuseWritable(ctx context.Context, files []*types.File) error {
	if len(files) == 0 {
		return nil
	}
	writers, err := e.running(ctx, false)
	if err != nil {
		return err
	}
	for _, f := range files {
		for _, w := range append(writersIn(e.desired), writers...) {
			switch {
			case !w.above(path.Dir(f.Path)):
			case !w.ours:
				zerolog.Ctx(ctx).Warn().Str("host", e.name).Str("path", f.Path).Str("container", w.container).Str("mount", w.source).
					Msg("a container that gitsync does not manage may replace the directory of a config file by a link")
			default:
				if stays, err := e.stays(ctx, w); err != nil {
					return err
				} else if stays {
					return fmt.Errorf("config file %s: %w", f.Path, w.refusal(path.Dir(f.Path)))
				}
			}
		}
	}
	return nil
}

// stays says whether a writer is still there: one that ran before may be gone.
func (e *executor) stays(ctx context.Context, w writer) (bool, error) {
	if !w.runs {
		return true, nil
	}
	writers, err := e.running(ctx, true)
	for _, now := range writers {
		if now == w {
			return true, err
		}
	}
	return false, err
}

// refusal says why a directory is not safe, and what to do.
func (w writer) refusal(dir string) error {
	text := fmt.Sprintf("container %s may write %s, and so replace %s by a link: move the file to %s itself or out of it, or make the mount read-only (%s:%s:ro)",
		w.container, w.source, dir, w.source, w.source, w.target)
	if w.runs {
		text += "; where the repo does that already, the container runs as it was: deploy its change with one commit, and the file with the next"
	}
	return fmt.Errorf("%w: %s", ErrWritable, text)
}
