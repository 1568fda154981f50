package container

import (
	"context"
	"fmt"
	"os"
	"path"
	"strings"

	"github.com/gitsync/gitsync/container/types"
)

// makeMountDirs creates the missing directories among the bind mounts whose
// source ends in a slash. It is an error when one of them is a file.
func (h *hostFiles) makeMountDirs(ctx context.Context, config types.ContainerConfig) error {
	dirs := mountDirs(config)
	if err := h.open(ctx, dirs); err != nil {
		return fmt.Errorf("look for mount sources: %w", err)
	}
	for _, dir := range dirs {
		exists, err := h.isDir(ctx, dir)
		if err == nil && !exists {
			err = h.makeDir(ctx, dir, mountDirMode)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// isDir says whether a directory is there that was opened.
func (h *hostFiles) isDir(ctx context.Context, dir string) (bool, error) {
	id := h.readers[dir]
	if id == "" {
		return false, nil
	}
	modes, err := h.rt.Stat(ctx, id, []string{hostPath(dir)})
	if err != nil {
		return false, fmt.Errorf("look for mount sources: %w", err)
	}
	mode, exists := modes[hostPath(dir)]
	if exists && mode&os.ModeSymlink == 0 && !mode.IsDir() {
		return false, fmt.Errorf("mount source %s/ is a file on the host, and should be a directory", dir)
	}
	return exists, nil
}

// mountDirs are the sources of the bind mounts that are directories by their slash.
func mountDirs(config types.ContainerConfig) []string {
	var paths []string
	for _, m := range config.Mounts {
		if m.Kind() == types.MountBind && strings.HasSuffix(m.Source, "/") && path.Clean(m.Source) != "/" {
			paths = append(paths, path.Clean(m.Source))
		}
	}
	return paths
}
