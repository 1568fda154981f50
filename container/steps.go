package container

import (
	"context"
	"errors"
	"fmt"
	"maps"

	"github.com/rs/zerolog"

	"github.com/gitsync/gitsync/container/types"
	"github.com/gitsync/gitsync/runtime"
)

// pull fetches an image that is not present. Unlike other steps it ends with the
// context at once, since nothing is touched yet. Its own bound is progress.
func (e *executor) pull(ctx context.Context, s Step) error {
	puller, ok := e.rt.(runtime.Puller)
	if !ok {
		return nil
	}
	present, err := puller.HasImage(ctx, s.Image)
	if err != nil || present {
		return err
	}
	zerolog.Ctx(ctx).Info().Str("host", e.name).Str("image", s.Image).Msg("pull")
	return puller.Pull(ctx, s.Image, e.progress)
}

func (e *executor) create(ctx context.Context, s Step) (undo, error) {
	desired := e.desired[s.Container]
	helper := e.helper(desired)
	if err := helper.makeMountDirs(ctx, desired.Container.Config); err != nil {
		return undo{}, err
	}
	config := desired.Container.Config
	config.Name = s.Name
	config.Labels = e.origin.labels(s.Container, desired)
	maps.Copy(config.Labels, desired.Container.Config.Labels)
	id, err := e.rt.Create(ctx, &config)
	if err != nil {
		return undo{}, e.explainTaken(ctx, s.Name, err)
	}
	e.created[s.Container] = id
	if s.Keep {
		e.record(s.Container, id, types.StatusCreated)
		return undo{}, nil
	}
	return undo{what: "remove " + s.Name, run: func(ctx context.Context) error {
		return notFoundIsFine(e.rt.Delete(ctx, id))
	}}, nil
}

// explainTaken says who has the name that the runtime refused.
func (e *executor) explainTaken(ctx context.Context, name string, err error) error {
	finder, ok := e.rt.(runtime.Finder)
	if !ok || !errors.Is(err, runtime.ErrNameInUse) {
		return err
	}
	row, findErr := finder.Find(ctx, name)
	if findErr != nil {
		return err
	}
	return fmt.Errorf("%w: %s", err, takenText(row))
}

func (e *executor) rename(ctx context.Context, s Step, id string) (undo, error) {
	renamer, ok := e.rt.(runtime.Renamer)
	if !ok {
		return undo{}, errors.New("this runtime cannot rename containers")
	}
	if err := renamer.Rename(ctx, id, s.Name); err != nil {
		return undo{}, err
	}
	return undo{what: fmt.Sprintf("rename %s to %s", s.Name, s.From), run: func(ctx context.Context) error {
		return renamer.Rename(ctx, id, s.From)
	}}, nil
}

// stop stops a container. When that is cut short the engine goes on with it, so that
// taking it back waits for its end: a start before that would do nothing, and leave
// the container down.
func (e *executor) stop(ctx context.Context, s Step, id string) (undo, error) {
	back := undo{}
	if s.WasRunning {
		back = undo{what: "start " + s.Name, last: true, run: func(ctx context.Context) error {
			return errors.Join(e.rt.Stop(ctx, id), e.rt.Start(ctx, id))
		}}
	}
	return back, notFoundIsFine(e.rt.Stop(ctx, id))
}

// start starts a container. One that this deploy created counts as deployed from
// then on.
func (e *executor) start(ctx context.Context, s Step, id string) (undo, error) {
	before := e.state[s.Container]
	back := undo{}
	if s.Instance == Created {
		back = undo{what: "stop " + s.Name, run: func(ctx context.Context) error {
			if before != nil && before.Container.Status.Exists() && before.Container.Status.ID != id {
				e.state[s.Container] = before
			}
			return notFoundIsFine(e.rt.Stop(ctx, id))
		}}
	}
	if err := e.rt.Start(ctx, id); err != nil {
		return back, err
	}
	if s.Instance == Created {
		e.record(s.Container, id, types.StatusRunning)
	} else if before != nil {
		before.Container.Status = &types.ContainerStatus{ID: id, Status: types.StatusRunning}
	}
	if c := e.state[s.Container]; c != nil && e.desired[s.Container].hasPostStart() {
		c.PostStartPending = true
	}
	return back, nil
}

func (e *executor) remove(ctx context.Context, s Step) error {
	if err := notFoundIsFine(e.rt.Delete(ctx, s.ID)); err != nil {
		return err
	}
	known := e.state[s.Container]
	if e.desired[s.Container] == nil && known != nil && (!known.Container.Status.Exists() || known.Container.Status.ID == s.ID) {
		delete(e.state, s.Container)
	}
	return nil
}

func (e *executor) postStart(key string) error {
	hooks := e.desired[key].Hooks
	if err := (*hooks.PostStart)(); err != nil {
		return err
	}
	if c := e.state[key]; c != nil {
		c.PostStartPending = false
	}
	return nil
}

// record makes the desired container the one that is known to be there.
func (m *machine) record(key, id, status string) {
	c := m.desired[key].clone()
	c.Container.Status = &types.ContainerStatus{ID: id, Status: status}
	m.state[key] = c
}

// helper returns a configuration container for the files of m. Where owners are
// names it must be of the container's own image, which knows their numbers;
// otherwise any that is there already serves.
func (e *executor) helper(m *HostConfiguredContainer) *configContainer {
	image := m.Container.Config.Image
	if !m.ownersAreNames() {
		for _, h := range e.helpers {
			return h
		}
	}
	if e.helpers[image] == nil {
		e.helpers[image] = &configContainer{rt: e.rt, image: image, origin: e.origin}
	}
	return e.helpers[image]
}

func (m *HostConfiguredContainer) ownersAreNames() bool {
	for p := range m.ConfigFiles {
		f := m.desiredFile(p)
		if !isID(f.User) || !isID(f.Group) {
			return true
		}
	}
	return false
}

// writeFiles writes those files that differ. A file that is there, and that we
// did not write, is left as it is: that is an error.
func (e *executor) writeFiles(ctx context.Context, s Step) (undo, error) {
	desired := e.desired[s.Container]
	helper := e.helper(desired)
	if err := helper.refuseLinks(ctx, s.Paths); err != nil {
		return undo{}, err
	}
	found, err := helper.read(ctx, s.Paths)
	if err != nil {
		return undo{}, err
	}
	owned, err := helper.owned(ctx)
	if err != nil {
		return undo{}, err
	}
	var write, previous []*types.File
	for _, p := range s.Paths {
		file := found[p]
		if fileDifference(desired, p, file) == "" && owned[p] && !desired.ownersAreNames() {
			continue
		}
		if file != nil && file.Content != desired.ConfigFiles[p] && !owned[p] && !e.recordedFile(p) {
			return undo{}, fmt.Errorf("file %s is on the host already, and %w: move it away, or give it the content that the repo has", p, ErrNotOurs)
		}
		if file != nil {
			previous = append(previous, file)
		}
		write = append(write, desired.desiredFile(p))
	}
	return undo{what: "restore the config files", run: func(ctx context.Context) error {
		return helper.write(ctx, previous)
	}}, helper.writeOwned(ctx, write, owned)
}

// recordedFile says whether the recorded state tells that the file is ours.
func (e *executor) recordedFile(path string) bool {
	for _, m := range e.previous {
		if _, ok := m.ConfigFiles[path]; ok {
			return true
		}
	}
	return false
}
