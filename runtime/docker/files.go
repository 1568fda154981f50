package docker

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	cerrdefs "github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/container"

	"github.com/gitsync/gitsync/container/types"
	"github.com/gitsync/gitsync/runtime"
)

// maxRead bounds a file that is read.
const maxRead = 16 << 20

// Copy implements runtime.Runtime: one upload, whatever the number of files.
func (r *Runtime) Copy(ctx context.Context, id string, files []*types.File) error {
	if len(files) == 0 {
		return nil
	}
	return r.copy(ctx, id, files, "")
}

// CopyStaged implements runtime.Stager. The engine writes an archive's files one after
// the other, in place of what is there: so each file comes under another name first,
// and then as a hard link to that.
func (r *Runtime) CopyStaged(ctx context.Context, id, staging string, files []*types.File) error {
	if len(files) == 0 {
		return nil
	}
	err := r.copy(ctx, id, append(slices.Clone(files), &types.File{Path: staging, Mode: 0o600}), staging)
	if err != nil && strings.Contains(err.Error(), "cross-device link") {
		return r.Copy(ctx, id, files)
	}
	return err
}

// copy uploads files. With a staging path each but the one of that path is a link to
// what was there before it.
func (r *Runtime) copy(ctx context.Context, id string, files []*types.File, staging string) error {
	if err := checkID(id); err != nil {
		return err
	}
	names := &accounts{read: func(name string) ([]byte, error) { return r.readIn(ctx, id, name) }}
	missing, err := r.missingParents(ctx, id, files)
	if err != nil {
		return err
	}
	var archive bytes.Buffer
	w := tar.NewWriter(&archive)
	for _, dir := range missing {
		if err := w.WriteHeader(&tar.Header{Typeflag: tar.TypeDir, Name: relative(dir) + "/", Mode: 0o755, ModTime: time.Now()}); err != nil {
			return err
		}
	}
	for _, f := range files {
		if err := writeFile(w, f, names, staging); err != nil {
			return fmt.Errorf("copy %s: %w", f.Path, err)
		}
	}
	if err := w.Close(); err != nil {
		return err
	}
	if err := r.api.CopyToContainer(ctx, id, "/", &archive, container.CopyToContainerOptions{}); err != nil {
		return fmt.Errorf("copy files to container %s: %w", short(id), r.classify(ctx, err))
	}
	return nil
}

func writeFile(w *tar.Writer, f *types.File, names *accounts, staging string) error {
	uid, err := names.id("passwd", f.User)
	if err != nil {
		return err
	}
	gid, err := names.id("group", f.Group)
	if err != nil {
		return err
	}
	header := &tar.Header{Typeflag: tar.TypeReg, Name: relative(f.Path), Mode: f.Mode, Uid: uid, Gid: gid, Size: int64(len(f.Content)), ModTime: time.Now()}
	if strings.HasSuffix(f.Path, "/") {
		header.Typeflag, header.Name, header.Size = tar.TypeDir, relative(f.Path)+"/", 0
		return w.WriteHeader(header)
	}
	link := *header
	staged := staging != "" && f.Path != staging
	if staged {
		header.Name = relative(staging)
		link.Typeflag, link.Linkname, link.Size = tar.TypeLink, header.Name, 0
	}
	if err := w.WriteHeader(header); err != nil {
		return err
	}
	if _, err = io.WriteString(w, f.Content); err != nil || !staged {
		return err
	}
	return w.WriteHeader(&link)
}

func relative(p string) string { return strings.Trim(path.Clean(p), "/") }

// missingParents returns the directories that must be made, parents first. Those
// that exist must not be in an archive: the engine would change their modes.
func (r *Runtime) missingParents(ctx context.Context, id string, files []*types.File) ([]string, error) {
	exists := map[string]bool{"/": true}
	var missing []string
	for _, f := range files {
		for dir := path.Dir(path.Clean(f.Path)); !exists[dir]; dir = path.Dir(dir) {
			modes, err := r.Stat(ctx, id, []string{dir})
			if err != nil {
				return nil, err
			}
			exists[dir] = true
			mode, there := modes[dir]
			if there && !mode.IsDir() && mode&os.ModeSymlink == 0 {
				return nil, fmt.Errorf("copy %s: %w: %s is no directory", f.Path, runtime.ErrInvalid, dir)
			}
			if there {
				break
			}
			missing = append(missing, dir)
		}
	}
	slices.Sort(missing)
	return missing, nil
}

// Read implements runtime.Runtime.
func (r *Runtime) Read(ctx context.Context, id string, paths []string) ([]*types.File, error) {
	var files []*types.File
	for _, p := range paths {
		file, err := r.readFile(ctx, id, p)
		if err != nil {
			return nil, fmt.Errorf("read %s: %w", p, err)
		}
		if file != nil {
			files = append(files, file)
		}
	}
	return files, nil
}

// readFile returns nil when there is no such file.
func (r *Runtime) readFile(ctx context.Context, id, p string) (*types.File, error) {
	if err := checkID(id); err != nil {
		return nil, err
	}
	stream, stat, err := r.api.CopyFromContainer(ctx, id, p)
	if cerrdefs.IsNotFound(err) && !strings.Contains(strings.ToLower(err.Error()), "no such container") {
		return nil, nil
	}
	if err != nil {
		return nil, r.classify(ctx, err)
	}
	defer func() { _ = stream.Close() }()
	switch {
	case stat.Mode&os.ModeSymlink != 0:
		return nil, fmt.Errorf("%w: it is a symbolic link to %s", runtime.ErrNotRegular, stat.LinkTarget)
	case !stat.Mode.IsRegular():
		return nil, fmt.Errorf("%w: it is %s", runtime.ErrNotRegular, stat.Mode.Type())
	case stat.Size > maxRead:
		return nil, fmt.Errorf("it has %d bytes, and the limit is %d", stat.Size, maxRead)
	}
	reader := tar.NewReader(stream)
	header, err := reader.Next()
	if err != nil {
		return nil, r.classify(ctx, err)
	}
	content, err := io.ReadAll(io.LimitReader(reader, maxRead))
	if err != nil {
		return nil, r.classify(ctx, err)
	}
	return &types.File{
		Path: p, Content: string(content), Mode: header.Mode & 0o7777,
		User: strconv.Itoa(header.Uid), Group: strconv.Itoa(header.Gid),
	}, nil
}

func (r *Runtime) readIn(ctx context.Context, id, name string) ([]byte, error) {
	file, err := r.readFile(ctx, id, name)
	if err != nil || file == nil {
		return nil, errors.Join(err, fmt.Errorf("the image has no %s", name))
	}
	return []byte(file.Content), nil
}

// Stat implements runtime.Runtime.
func (r *Runtime) Stat(ctx context.Context, id string, paths []string) (map[string]os.FileMode, error) {
	if err := checkID(id); err != nil {
		return nil, err
	}
	modes := map[string]os.FileMode{}
	for _, p := range paths {
		stat, err := r.api.ContainerStatPath(ctx, id, p)
		switch {
		case err == nil:
			modes[p] = stat.Mode
		case !cerrdefs.IsNotFound(err):
			return nil, fmt.Errorf("look at %s: %w", p, r.classify(ctx, err))
		}
	}
	if len(modes) < len(paths) {
		// The answer does not tell whether the path or the container is missing.
		if status, err := r.Status(ctx, id); err != nil || !status.Exists() {
			return nil, errors.Join(err, fmt.Errorf("look into container %s: %w", short(id), runtime.ErrNotFound))
		}
	}
	return modes, nil
}

// accounts looks users and groups up in a container's own files: the engine does
// not resolve names in archives.
type accounts struct {
	read  func(name string) ([]byte, error)
	files map[string][]byte
}

func (a *accounts) id(file, name string) (int, error) {
	if name == "" {
		return 0, nil
	}
	if id, err := strconv.Atoi(name); err == nil {
		return id, nil
	}
	content, known := a.files[file]
	if !known {
		var err error
		if content, err = a.read("/etc/" + file); err != nil {
			return 0, fmt.Errorf("%w: look up %s: %w: give a number instead", runtime.ErrInvalid, name, err)
		}
		if a.files == nil {
			a.files = map[string][]byte{}
		}
		a.files[file] = content
	}
	if number, known := runtime.AccountNumber(string(content), name); known {
		return strconv.Atoi(number)
	}
	return 0, fmt.Errorf("%w: the image's /etc/%s has no %s: give a number instead", runtime.ErrInvalid, file, name)
}
