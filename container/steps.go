package container

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"

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
	credential, err := e.credentials.For(ctx, s.Image)
	if err != nil {
		return err
	}
	zerolog.Ctx(ctx).Info().Str("host", e.name).Str("image", s.Image).Msg("pull")
	err = puller.Pull(ctx, s.Image, runtime.PullOptions{Credential: credential, Progress: e.progress})
	if err != nil && credential.Withheld != "" {
		return fmt.Errorf("%w (it was pulled without the login that is known for its registry: %s)", err, credential.Withheld)
	}
	return err
}

func (e *executor) create(ctx context.Context, s Step) (undo, error) {
	if s.Done {
		return e.removal(s, s.ID), nil
	}
	desired := e.desired[s.Container]
	err := e.makeMountDirs(ctx, desired)
	if err != nil {
		return undo{}, err
	}
	if err := e.checkSources(ctx, desired.Container.Config); err != nil {
		return undo{}, err
	}
	opened, err := e.open(ctx, desired)
	if err != nil {
		return undo{}, err
	}
	config := opened.Container.Config
	config.Name = s.Name
	if config.Mounts, err = e.carryVolumes(ctx, s.Replaces, config); err != nil {
		return undo{}, err
	}
	config.Labels = e.origin.labels(s.Container, desired)
	maps.Copy(config.Labels, desired.Container.Config.Labels)
	id, err := e.rt.Create(ctx, &config)
	if err != nil {
		return undo{}, e.explainTaken(ctx, s, err)
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.created[s.Container] = id
	if s.Keep {
		e.record(s.Container, id, types.StatusCreated)
		return undo{}, nil
	}
	return e.removal(s, id), nil
}

// removal takes a creation back.
func (e *executor) removal(s Step, id string) undo {
	return undo{what: "remove " + s.Name, turn: turnRemove, run: func(ctx context.Context) error {
		return notFoundIsFine(e.rt.Delete(ctx, id))
	}}
}

// makeMountDirs makes the directories that bind mounts ask for.
func (e *executor) makeMountDirs(ctx context.Context, desired *HostConfiguredContainer) error {
	if len(mountDirs(desired.Container.Config)) == 0 {
		return nil
	}
	// A directory is not made behind a link.
	if err := e.checkSources(ctx, desired.Container.Config); err != nil {
		return err
	}
	e.filesMu.Lock()
	defer e.filesMu.Unlock()
	return e.files.makeMountDirs(ctx, desired.Container.Config)
}

// carryVolumes adds the volumes without a name of the container that is replaced:
// they hold its data.
func (e *executor) carryVolumes(ctx context.Context, replaced string, config types.ContainerConfig) ([]types.Mount, error) {
	inspector, ok := e.rt.(runtime.Inspector)
	if replaced == "" || !ok {
		return config.Mounts, nil
	}
	details, err := inspector.Inspect(ctx, replaced)
	if err != nil {
		return nil, fmt.Errorf("look for the volumes of the old container: %w", err)
	}
	mounts := slices.Clone(config.Mounts)
	for _, target := range sortedKeys(details.AnonymousVolumes) {
		carried := types.Mount{Type: types.MountVolume, Source: details.AnonymousVolumes[target], Target: target}
		i := slices.IndexFunc(mounts, func(m types.Mount) bool { return path.Clean(m.Target) == path.Clean(target) })
		_, isTmpfs := config.Tmpfs[target]
		switch {
		case i >= 0 && mounts[i].Source == "":
			mounts[i].Type, mounts[i].Source = types.MountVolume, carried.Source
		case i < 0 && !isTmpfs:
			mounts = append(mounts, carried)
		}
	}
	return mounts, nil
}

// explainTaken says who has the name that the runtime refused. It may be a container of
// ours that came after the look: of another gitsync, or of one that was killed while
// the runtime was at work for it.
func (e *executor) explainTaken(ctx context.Context, s Step, err error) error {
	finder, ok := e.rt.(runtime.Finder)
	if !ok || !errors.Is(err, runtime.ErrNameInUse) {
		return err
	}
	row, findErr := finder.Find(ctx, s.Name)
	if findErr != nil {
		return err
	}
	if e.origin != nil && e.origin.owns(row.Labels) && row.Labels[LabelContainer] == s.Container {
		return fmt.Errorf("%w: another gitsync has just created it", ErrInterrupted)
	}
	return fmt.Errorf("%w: %s", err, takenText(row, e.current))
}

func (e *executor) rename(ctx context.Context, s Step, id string) (undo, error) {
	renamer, ok := e.rt.(runtime.Renamer)
	if !ok {
		return undo{}, errors.New("this runtime cannot rename containers")
	}
	rename := func(ctx context.Context, name string) error {
		call := func(ctx context.Context) error { return renamer.Rename(ctx, id, name) }
		if s.Instance == Created {
			// A new container that is restarted is no success.
			return call(ctx)
		}
		return e.atRest(ctx, s, id, call)
	}
	if !s.Done {
		if err := rename(ctx, s.Name); err != nil {
			return undo{}, err
		}
	}
	if s.Keep {
		return undo{}, nil
	}
	return undo{what: fmt.Sprintf("rename %s to %s", s.Name, s.From), run: func(ctx context.Context) error {
		return rename(ctx, s.From)
	}}, nil
}

// stop stops a container. When that is cut short the engine goes on with it, so that
// taking it back waits for its end: a start before that would do nothing, and leave
// the container down.
func (e *executor) stop(ctx context.Context, s Step, id string) (undo, error) {
	back := undo{}
	if s.WasRunning {
		back = undo{what: "start the old container of " + s.Container, turn: turnStart, run: func(ctx context.Context) error {
			return errors.Join(e.rt.Stop(ctx, id), e.rt.Start(ctx, id), e.pauseAgain(ctx, s, id))
		}}
	}
	if s.Done {
		return back, nil
	}
	return back, notFoundIsFine(e.rt.Stop(ctx, id))
}

// start starts a container. One that this deploy created counts as deployed from
// then on, until that is taken back.
func (e *executor) start(ctx context.Context, s Step, id string) (undo, error) {
	e.mu.Lock()
	before := e.state[s.Container]
	e.mu.Unlock()
	replaces := s.Instance == Created || s.Done
	wasPending := before != nil && before.ReadyPending
	back := undo{}
	if !s.Keep {
		back = undo{what: "stop " + s.Name, run: func(ctx context.Context) error {
			if replaces {
				e.putBack(s.Container, before)
			}
			e.setPending(s.Container, wasPending)
			return notFoundIsFine(e.rt.Stop(ctx, id))
		}}
	}
	if !s.Done {
		if err := e.startChecked(ctx, s.Container, id); err != nil {
			return back, err
		}
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.begun[id] = true
	if replaces {
		e.record(s.Container, id, types.StatusRunning)
	} else if before != nil {
		before.Container.Status = &types.ContainerStatus{ID: id, Status: types.StatusRunning}
	}
	if c := e.state[s.Container]; c != nil && e.desired[s.Container].hasPostStart() {
		c.PostStartPending = true
	}
	return back, nil
}

// putBack makes the old container the one that is known to be there.
func (e *executor) putBack(key string, before *HostConfiguredContainer) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if before == nil {
		delete(e.state, key)
	} else {
		e.state[key] = before
	}
}

// waitReady waits, and remembers while it does that the container is not known to
// be ready.
func (e *executor) waitReady(ctx context.Context, s Step, id string) error {
	if s.Condition != "" {
		return e.wait(ctx, s, id)
	}
	e.setPending(s.Container, true)
	err := e.wait(ctx, s, id)
	if err == nil {
		e.setPending(s.Container, false)
	}
	return err
}

// setPending records whether a container is still to become ready.
func (e *executor) setPending(key string, pending bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if c := e.state[key]; c != nil {
		c.ReadyPending = pending
	}
}

// signal tells a container that its files changed. Taking that back tells it again,
// when they have been put back.
func (e *executor) signal(ctx context.Context, s Step, id string) (undo, error) {
	signaler, ok := e.rt.(runtime.Signaler)
	if !ok {
		return undo{}, errors.New("this runtime sends no signals")
	}
	e.mu.Lock()
	wasPending := e.state[s.Container] != nil && e.state[s.Container].ReadyPending
	e.mu.Unlock()
	back := undo{what: "send " + s.Signal + " to " + s.Name + " again", turn: turnStart, run: func(ctx context.Context) error {
		e.setPending(s.Container, wasPending)
		err := signaler.Signal(ctx, id, s.Signal)
		if errors.Is(err, runtime.ErrNotRunning) {
			err = e.rt.Start(ctx, id)
		}
		return errors.Join(err, e.pauseAgain(ctx, s, id))
	}}
	return back, signaler.Signal(ctx, id, s.Signal)
}

// putRight changes a container that goes on to exist.
func (e *executor) putRight(ctx context.Context, s Step) error {
	adjuster, ok := e.rt.(runtime.Adjuster)
	if !ok {
		return errors.New("this runtime changes no containers that exist")
	}
	if s.Action == ActionUnpause {
		return adjuster.Unpause(ctx, s.ID)
	}
	config := e.desired[s.Container].Container.Config
	return e.atRest(ctx, s, s.ID, func(ctx context.Context) error { return adjuster.Adjust(ctx, s.ID, &config) })
}

func (e *executor) remove(ctx context.Context, s Step) error {
	if s.Volumes {
		return notFoundIsFine(discard(ctx, e.rt, s.ID))
	}
	if err := e.removeByName(ctx, s); err != nil {
		return err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	known := e.state[s.Container]
	if e.desired[s.Container] == nil && known != nil && (!known.Container.Status.Exists() || known.Container.Status.ID == s.ID) {
		delete(e.state, s.Container)
	}
	return nil
}

// removeByName removes a container as long as it has the name that this plan knows it by.
// Whoever goes on with an update, or takes it back, renames before removing: so of two
// gitsyncs that are at one update by accident, neither removes what the other one keeps.
func (e *executor) removeByName(ctx context.Context, s Step) error {
	finder, ok := e.rt.(runtime.Finder)
	if !ok {
		return notFoundIsFine(e.rt.Delete(ctx, s.ID))
	}
	row, err := finder.Find(ctx, s.Name)
	if err == nil && row.ID == s.ID {
		target := s.Name
		if strings.Trim(target, "0123456789abcdef") == "" {
			// An engine takes such a name, when nobody has it any more, for the beginning
			// of an ID: that may be a container of somebody else.
			target = s.ID
		}
		if err = e.rt.Delete(ctx, target); err == nil {
			return nil
		}
	}
	if err != nil && !errors.Is(err, runtime.ErrNotFound) {
		return err
	}
	status, err := e.rt.Status(ctx, s.ID)
	if err == nil && status.Exists() {
		err = fmt.Errorf("%w: another gitsync, or a person, has given the container another name than %s", ErrInterrupted, s.Name)
	}
	return err
}

func (e *executor) postStart(key string) error {
	hooks := e.desired[key].Hooks
	if err := (*hooks.PostStart)(); err != nil {
		return err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
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
