package container

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/rs/zerolog"

	"github.com/gitsync/gitsync/container/types"
	"github.com/gitsync/gitsync/secret"
)

// writeFiles writes those files that differ. A file that is there, and that we
// did not write, is left as it is: that is an error.
func (e *executor) writeFiles(ctx context.Context, s Step) (undo, error) {
	e.filesMu.Lock()
	defer e.filesMu.Unlock()
	if s.Recorded {
		return e.writeRecorded(ctx, s)
	}
	desired, err := e.open(ctx, e.desired[s.Container])
	if err != nil {
		return undo{}, err
	}
	want, err := e.wantedFiles(ctx, desired, s.Paths)
	if err != nil {
		return undo{}, err
	}
	if err := e.files.refuseLinks(ctx, s.Paths); err != nil {
		return undo{}, err
	}
	found, err := e.files.read(ctx, s.Paths)
	if err != nil {
		return undo{}, err
	}
	owned, err := e.files.owned(ctx)
	if err != nil {
		return undo{}, err
	}
	var write, previous []*types.File
	for i, p := range s.Paths {
		file := found[p]
		if back := e.fileBefore(ctx, s.Container, p, file); back != nil {
			previous = append(previous, back)
		}
		if fileDifference(want[i], file) == "" && owned[p] {
			continue
		}
		if file != nil && file.Content != want[i].Content && !owned[p] && !e.recordedFile(p) {
			return undo{}, fmt.Errorf("file %s is on the host already, and %w: move it away, or give it the content that the repo has", p, ErrNotOurs)
		}
		write = append(write, want[i])
	}
	if err := e.refuseWritable(ctx, write); err != nil {
		return undo{}, err
	}
	back := e.restoral(previous)
	if s.Keep {
		back = undo{}
	}
	return back, e.files.writeOwned(ctx, write, owned)
}

// wantedFiles returns config files as they should be on the host.
func (e *executor) wantedFiles(ctx context.Context, m *HostConfiguredContainer, paths []string) ([]*types.File, error) {
	var files []*types.File
	for _, p := range paths {
		file, err := e.files.numbered(ctx, m.Container.Config.Image, m.desiredFile(p))
		if err != nil {
			return nil, err
		}
		files = append(files, file)
	}
	return files, nil
}

// fileBefore returns what a config file is to be again when the update fails; nil when it
// was not there. The record comes before what was found: a crash may have left the new file
// there already.
func (e *executor) fileBefore(ctx context.Context, key, path string, found *types.File) *types.File {
	deployed := e.deployedWith(key, path)
	if deployed == nil {
		return found
	}
	file, err := e.files.numbered(ctx, deployed.Container.Config.Image, deployed.desiredFile(path))
	if err != nil {
		// The image of what was deployed may be gone.
		return found
	}
	return file
}

// deployedWith returns the recorded container when it says what the config file held; nil
// for one with secrets, whose values the record does not have.
func (e *executor) deployedWith(key, path string) *HostConfiguredContainer {
	deployed := e.previous[key]
	if e.options.Unconfirmed || deployed == nil || !has(deployed.ConfigFiles, path) || len(deployed.Secrets) > 0 && secret.Refers(deployed.ConfigFiles[path]) {
		return nil
	}
	return deployed
}

// writeRecorded puts the config files back as they were deployed last. A secret in them
// has the value that it has now: an older one is nowhere.
func (e *executor) writeRecorded(ctx context.Context, s Step) (undo, error) {
	deployed, err := e.open(ctx, e.previous[s.Container])
	if err != nil {
		return undo{}, err
	}
	if err := e.files.refuseLinks(ctx, s.Paths); err != nil {
		return undo{}, err
	}
	owned, err := e.files.owned(ctx)
	if err != nil {
		return undo{}, err
	}
	// The record alone makes no file ours.
	files, err := e.wantedFiles(ctx, deployed, slices.DeleteFunc(slices.Clone(s.Paths), func(p string) bool { return !owned[p] }))
	if err != nil {
		return undo{}, err
	}
	if s.Done {
		return e.restoral(files), nil
	}
	if err := e.refuseWritable(ctx, files); errors.Is(err, ErrWritable) {
		// What was deployed by an earlier version: its container starts with what is there.
		zerolog.Ctx(ctx).Warn().Err(err).Str("host", e.name).Str("container", s.Container).Msg("config files are not put back")
		return undo{}, nil
	} else if err != nil {
		return undo{}, err
	}
	return undo{}, e.files.write(ctx, files)
}

// restoral writes files as they were.
func (e *executor) restoral(files []*types.File) undo {
	return undo{what: "restore the config files", run: func(ctx context.Context) error {
		e.filesMu.Lock()
		defer e.filesMu.Unlock()
		return e.files.write(ctx, files)
	}}
}

// recordedFile says whether the recorded state tells that the file is ours.
func (e *executor) recordedFile(path string) bool {
	for _, m := range e.previous {
		if !e.options.Unconfirmed && has(m.ConfigFiles, path) {
			return true
		}
	}
	return false
}

func has(files map[string]string, path string) bool {
	_, ok := files[path]
	return ok
}
