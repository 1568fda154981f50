package container

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/gitsync/gitsync/container/types"
	"github.com/gitsync/gitsync/runtime"
)

// ConfigMountpoint is where the configuration container has the host's file
// system.
const ConfigMountpoint = "/mnt/host"

const (
	defaultFileMode = 0o600
	mountDirMode    = 0o700
)

// ErrNotOurs means that a file or a name on the host belongs to somebody else.
var ErrNotOurs = errors.New("gitsync did not create it")

// configContainer carries files to and from the host: a container of an image
// that is there anyway, never started, with the host's file system mounted. It is
// created when it is first needed.
type configContainer struct {
	rt     runtime.Runtime
	image  string
	origin *Origin
	id     string
	// inherits says that the list of a former owner names files that ours does not.
	inherits bool
}

// instance returns the helper's ID.
func (c *configContainer) instance(ctx context.Context) (string, error) {
	if c.id != "" {
		return c.id, nil
	}
	labels := map[string]string{LabelRole: roleConfig, LabelOwner: c.origin.owner()}
	if c.origin != nil {
		labels[LabelHost] = c.origin.Host
		if c.origin.Repo != "" {
			labels[LabelRepo] = c.origin.Repo
		}
	}
	id, err := c.rt.Create(ctx, &types.ContainerConfig{
		Name:   "gitsync-config-" + strings.ToLower(rand.Text()[:10]),
		Image:  c.image,
		Args:   []string{"gitsync-never-starts-this"},
		Mounts: []types.Mount{{Source: "/", Target: ConfigMountpoint}},
		Labels: labels,
		// No network, so that nothing is allocated for it.
		NetworkMode: "none",
	})
	if err != nil {
		return "", fmt.Errorf("create the container that carries config files: %w", err)
	}
	c.id = id
	return id, nil
}

// close removes the helper. It uses a context of its own when the caller's is
// done, since a helper must not stay behind.
func (c *configContainer) close(ctx context.Context) error {
	if c.id == "" {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanupTimeout)
	defer cancel()
	err := c.rt.Delete(ctx, c.id)
	if err != nil && !errors.Is(err, runtime.ErrNotFound) {
		return fmt.Errorf("remove the container that carries config files: %w", err)
	}
	c.id = ""
	return nil
}

// read returns the files of the host by path; a missing one is nil.
func (c *configContainer) read(ctx context.Context, paths []string) (map[string]*types.File, error) {
	found := map[string]*types.File{}
	if len(paths) == 0 {
		return found, nil
	}
	id, err := c.instance(ctx)
	if err != nil {
		return nil, err
	}
	inside := make([]string, 0, len(paths))
	for _, p := range paths {
		found[p] = nil
		inside = append(inside, hostPath(p))
	}
	files, err := c.rt.Read(ctx, id, inside)
	if err != nil {
		return nil, fmt.Errorf("read config files: %w", err)
	}
	for _, f := range files {
		f.Path = strings.TrimPrefix(f.Path, ConfigMountpoint)
		found[f.Path] = f
	}
	return found, nil
}

// write puts files on the host.
func (c *configContainer) write(ctx context.Context, files []*types.File) error {
	if len(files) == 0 {
		return nil
	}
	id, err := c.instance(ctx)
	if err != nil {
		return err
	}
	inside := make([]*types.File, 0, len(files))
	for _, f := range files {
		moved := *f
		moved.Path = hostPath(f.Path)
		if strings.HasSuffix(f.Path, "/") {
			moved.Path += "/"
		}
		inside = append(inside, &moved)
	}
	if err := c.copy(ctx, id, inside); err != nil {
		return fmt.Errorf("write config files: %w", err)
	}
	return nil
}

// copy writes files so that nobody sees a part of one, where the runtime can do that.
// It reads them back: another gitsync that writes for the same host at the same moment
// may have had its own file at the staging path.
func (c *configContainer) copy(ctx context.Context, id string, files []*types.File) error {
	stager, ok := c.rt.(runtime.Stager)
	isDir := func(f *types.File) bool { return strings.HasSuffix(f.Path, "/") }
	if !ok || slices.ContainsFunc(files, isDir) {
		return c.rt.Copy(ctx, id, files)
	}
	if err := stager.CopyStaged(ctx, id, hostPath(c.origin.Staging()), files); err != nil {
		return err
	}
	paths := make([]string, 0, len(files))
	for _, f := range files {
		paths = append(paths, f.Path)
	}
	found, err := c.rt.Read(ctx, id, paths)
	if err != nil {
		return err
	}
	content := map[string]string{}
	for _, f := range found {
		content[f.Path] = f.Content
	}
	wrong := slices.DeleteFunc(slices.Clone(files), func(f *types.File) bool {
		got, there := content[f.Path]
		return there && got == f.Content
	})
	if len(wrong) == 0 {
		return nil
	}
	return c.rt.Copy(ctx, id, wrong)
}

// makeMountDirs creates the missing directories among the bind mounts whose
// source ends in a slash. It is an error when one of them is a file.
func (c *configContainer) makeMountDirs(ctx context.Context, config types.ContainerConfig) error {
	paths := mountDirs(config)
	if len(paths) == 0 {
		return nil
	}
	id, err := c.instance(ctx)
	if err != nil {
		return err
	}
	modes, err := c.rt.Stat(ctx, id, paths)
	if err != nil {
		return fmt.Errorf("look for mount sources: %w", err)
	}
	var missing []*types.File
	for _, p := range paths {
		mode, exists := modes[p]
		onHost := strings.TrimPrefix(p, ConfigMountpoint)
		switch {
		case !exists:
			missing = append(missing, &types.File{Path: onHost + "/", Mode: mountDirMode})
		case mode&os.ModeSymlink == 0 && !mode.IsDir():
			return fmt.Errorf("mount source %s/ is a file on the host, and should be a directory", onHost)
		}
	}
	return c.write(ctx, missing)
}

// mountDirs are the paths, inside the helper, of the bind mounts that are directories by
// their slash.
func mountDirs(config types.ContainerConfig) []string {
	var paths []string
	for _, m := range config.Mounts {
		if m.Kind() == types.MountBind && strings.HasSuffix(m.Source, "/") && m.Source != "/" {
			paths = append(paths, hostPath(m.Source))
		}
	}
	return paths
}

// desiredFile returns the config file as it should be on the host.
func (m *HostConfiguredContainer) desiredFile(path string) *types.File {
	a := m.ConfigFileAttributes[path]
	file := &types.File{Path: path, Content: m.ConfigFiles[path], Mode: fileMode(a), User: a.User, Group: a.Group}
	if file.User == "" {
		file.User = m.Container.Config.User
	}
	if file.Group == "" {
		file.Group = m.Container.Config.Group
	}
	return file
}

func fileMode(a FileAttributes) int64 {
	if a.Mode == 0 {
		return defaultFileMode
	}
	return a.Mode
}

// fileDifference says in what a file on the host differs, or nothing. Owners that
// are names are not compared, since only the image knows their numbers.
func fileDifference(m *HostConfiguredContainer, path string, found *types.File) string {
	want := m.desiredFile(path)
	switch {
	case found == nil:
		return fmt.Sprintf("config file %s is missing on the host", path)
	case found.Content != want.Content:
		return fmt.Sprintf("config file %s differs on the host", path)
	case found.Mode&0o7777 != want.Mode:
		return fmt.Sprintf("config file %s has mode %04o on the host instead of %04o", path, found.Mode&0o7777, want.Mode)
	case differentOwner(want.User, found.User) || differentOwner(want.Group, found.Group):
		return fmt.Sprintf("config file %s belongs to %s:%s on the host instead of %s:%s", path,
			zeroID(found.User), zeroID(found.Group), zeroID(want.User), zeroID(want.Group))
	}
	return ""
}

func differentOwner(want, found string) bool {
	return isID(want) && zeroID(want) != zeroID(found)
}

// isID says whether an owner is a number, or left to its default, rather than a
// name.
func isID(owner string) bool {
	_, err := strconv.Atoi(zeroID(owner))
	return err == nil
}

func zeroID(id string) string {
	if id == "" {
		return "0"
	}
	return id
}
