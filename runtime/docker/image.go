package docker

import (
	"archive/tar"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	cerrdefs "github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/image"

	"github.com/gitsync/gitsync/runtime"
)

const (
	// defaultPullStall is how long a pull may make no progress before it is given up.
	defaultPullStall = 2 * time.Minute
	// progressInterval is how often progress is told.
	progressInterval = 200 * time.Millisecond
)

// HasImage implements runtime.Puller.
func (r *Runtime) HasImage(ctx context.Context, ref string) (bool, error) {
	if err := checkImage(ref); err != nil {
		return false, err
	}
	_, err := r.api.ImageInspect(ctx, ref)
	if cerrdefs.IsNotFound(err) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("look for image %s: %w", ref, r.classify(ctx, err))
	}
	return true, nil
}

// Pull implements runtime.Puller. It takes as long as it makes progress.
func (r *Runtime) Pull(ctx context.Context, ref string, opts runtime.PullOptions) error {
	if err := r.pull(ctx, ref, opts); err != nil {
		return pullError(ref, opts.Credential, err)
	}
	return nil
}

func (r *Runtime) pull(ctx context.Context, ref string, opts runtime.PullOptions) error {
	auth, err := encodeCredential(ref, opts.Credential)
	if err != nil {
		return err
	}
	pullCtx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	stalled := time.AfterFunc(r.pullStall, func() {
		cancel(fmt.Errorf("the registry sent nothing for %s", r.pullStall))
	})
	defer stalled.Stop()
	stream, err := r.api.ImagePull(pullCtx, ref, image.PullOptions{RegistryAuth: auth})
	if err != nil {
		return r.classifyPull(pullCtx, err)
	}
	defer func() { _ = stream.Close() }()
	tracker := &layers{image: ref, report: opts.Progress, layers: map[string][2]int64{}}
	bounded := &io.LimitedReader{R: stream}
	decoder := json.NewDecoder(bounded)
	for {
		// The decoder holds a message as a whole.
		bounded.N = maxPullMessage
		var message pullMessage
		err := decoder.Decode(&message)
		switch {
		case errors.Is(err, io.EOF) && bounded.N > 0:
			tracker.tell(true)
			return nil
		case err != nil && bounded.N == 0:
			return fmt.Errorf("the engine's answer has a message of more than %d bytes", maxPullMessage)
		case err != nil:
			return r.classifyPull(pullCtx, err)
		case message.Error != "":
			return r.classifyPull(pullCtx, errors.New(message.Error))
		}
		stalled.Reset(r.pullStall)
		tracker.add(message)
	}
}

// maxPullMessage bounds a line of the engine's answer to a pull.
const maxPullMessage = 1 << 20

// pullMessage is a line of the engine's answer to a pull.
type pullMessage struct {
	ID     string `json:"id"`
	Status string `json:"status"`
	Detail struct {
		Current int64 `json:"current"`
		Total   int64 `json:"total"`
	} `json:"progressDetail"`
	Error string `json:"error"`
}

// layers adds the progress of all layers up.
type layers struct {
	image  string
	report func(runtime.PullProgress)
	layers map[string][2]int64
	told   time.Time
}

func (l *layers) add(m pullMessage) {
	if m.ID == "" || m.Detail.Total == 0 || m.Status != "Downloading" {
		return
	}
	l.layers[m.ID] = [2]int64{m.Detail.Current, m.Detail.Total}
	l.tell(false)
}

func (l *layers) tell(end bool) {
	if l.report == nil || !end && time.Since(l.told) < progressInterval {
		return
	}
	l.told = time.Now()
	progress := runtime.PullProgress{Image: l.image}
	for _, layer := range l.layers {
		progress.Done += layer[0]
		progress.Total += layer[1]
	}
	if end {
		progress.Done = progress.Total
	}
	l.report(progress)
}

func (r *Runtime) classifyPull(ctx context.Context, err error) error {
	if cause := context.Cause(ctx); cause != nil {
		return cause
	}
	text := strings.ToLower(err.Error())
	for _, sign := range []string{"manifest unknown", "not found", "pull access denied", "repository does not exist", "name unknown"} {
		if strings.Contains(text, sign) {
			return fmt.Errorf("%w: %w: check its name and tag, and that the host may pull it", runtime.ErrImageNotFound, err)
		}
	}
	return r.classify(ctx, err)
}

// ImportImage makes an image of one layer from a tar archive.
func (r *Runtime) ImportImage(ctx context.Context, ref string, rootfs io.Reader, entrypoint, env []string) error {
	command, err := json.Marshal(entrypoint)
	if err != nil {
		return err
	}
	changes := []string{"ENTRYPOINT " + string(command)}
	for _, e := range env {
		changes = append(changes, "ENV "+e)
	}
	return r.importImage(ctx, ref, rootfs, changes)
}

func (r *Runtime) importImage(ctx context.Context, ref string, rootfs io.Reader, changes []string) error {
	stream, err := r.api.ImageImport(ctx, image.ImportSource{Source: rootfs, SourceName: "-"}, ref, image.ImportOptions{Changes: changes})
	if err != nil {
		return fmt.Errorf("import image %s: %w", ref, r.classify(ctx, err))
	}
	defer func() { _ = stream.Close() }()
	decoder := json.NewDecoder(stream)
	for {
		var message pullMessage
		err := decoder.Decode(&message)
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return fmt.Errorf("import image %s: %w", ref, r.classify(ctx, err))
		case message.Error != "":
			return fmt.Errorf("import image %s: %s", ref, message.Error)
		}
	}
}

// importEmpty makes the image of containers that hold no files: an archive without any.
func (r *Runtime) importEmpty(ctx context.Context) error {
	var archive bytes.Buffer
	if err := tar.NewWriter(&archive).Close(); err != nil {
		return err
	}
	return r.importImage(ctx, runtime.EmptyImage, &archive, nil)
}

// RemoveImage removes a reference, and the image with its last one. One that does
// not exist is no error.
func (r *Runtime) RemoveImage(ctx context.Context, ref string) error {
	_, err := r.api.ImageRemove(ctx, ref, image.RemoveOptions{PruneChildren: true})
	if err != nil && !cerrdefs.IsNotFound(err) {
		return fmt.Errorf("remove image %s: %w", ref, r.classify(ctx, err))
	}
	return nil
}
