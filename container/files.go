package container

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/gitsync/gitsync/container/types"
	"github.com/gitsync/gitsync/runtime"
)

const (
	defaultFileMode = 0o600
	parentDirMode   = 0o755
	mountDirMode    = 0o700
)

// ErrNotOurs means that a file or a name on the host belongs to somebody else.
var ErrNotOurs = errors.New("gitsync did not create it")

// hostFiles reads and writes files of a machine. Whoever is done with it closes it.
type hostFiles struct {
	carriers
	// readers holds, by directory of the host, the carrier that has it to read.
	readers map[string]string
	// lists is the carrier that has [ManifestDir] to write.
	lists string
	// accounts holds what images know of users and groups, see accountsOf.
	accounts map[string]map[string]string
	// inherits says that the list of a former owner names files that ours does not.
	inherits bool
}

func newHostFiles(rt runtime.Runtime, origin *Origin) *hostFiles {
	return &hostFiles{carriers: carriers{rt: rt, origin: origin}, readers: map[string]string{}}
}

// maxBinds bounds the directories of one carrier: an engine mounts all of them for each
// file that is read.
const maxBinds = 64

// open has the directories ready to read. One that does not exist is left out.
func (h *hostFiles) open(ctx context.Context, dirs []string) error {
	wanted := map[string]bool{}
	for _, dir := range dirs {
		if h.readers[dir] == "" {
			wanted[dir] = true
		}
	}
	for some := range slices.Chunk(sortedKeys(wanted), maxBinds) {
		if err := h.openNew(ctx, some); err != nil {
			return err
		}
	}
	return nil
}

// openNew halves the directories until it knows which of them are missing.
func (h *hostFiles) openNew(ctx context.Context, dirs []string) error {
	id, err := h.bind(ctx, dirs, true)
	switch {
	case err == nil:
		for _, dir := range dirs {
			h.readers[dir] = id
		}
		return nil
	case !errors.Is(err, runtime.ErrNoSource):
		return err
	case len(dirs) == 1:
		return nil
	}
	if err := h.openNew(ctx, dirs[:len(dirs)/2]); err != nil {
		return err
	}
	return h.openNew(ctx, dirs[len(dirs)/2:])
}

// read returns the files of the host by path; a missing one is nil.
func (h *hostFiles) read(ctx context.Context, paths []string) (map[string]*types.File, error) {
	found := map[string]*types.File{}
	if err := h.open(ctx, directories(paths)); err != nil {
		return nil, err
	}
	inside := map[string][]string{}
	for _, p := range paths {
		found[p] = nil
		if id := h.readers[path.Dir(p)]; id != "" {
			inside[id] = append(inside[id], hostPath(p))
		}
	}
	for _, id := range sortedKeys(inside) {
		files, err := h.rt.Read(ctx, id, inside[id])
		if err != nil {
			return nil, fmt.Errorf("read config files: %w", err)
		}
		for _, f := range files {
			f.Path = strings.TrimPrefix(f.Path, ConfigMountpoint)
			found[f.Path] = f
		}
	}
	return found, nil
}

func directories(paths []string) []string {
	dirs := map[string]bool{}
	for _, p := range paths {
		dirs[path.Dir(p)] = true
	}
	return sortedKeys(dirs)
}

// look returns the modes of those of the paths that exist, links as links. What is directly
// below the root directory is its administrator's: a link there is followed.
func (h *hostFiles) look(ctx context.Context, paths []string) (map[string]os.FileMode, error) {
	tops := map[string]bool{}
	for _, p := range paths {
		tops[topOf(p)] = true
	}
	if err := h.open(ctx, sortedKeys(tops)); err != nil {
		return nil, err
	}
	inside := map[string][]string{}
	for _, p := range paths {
		if id := h.readers[topOf(p)]; id != "" {
			inside[id] = append(inside[id], hostPath(p))
		}
	}
	found := map[string]os.FileMode{}
	for _, id := range sortedKeys(inside) {
		modes, err := h.rt.Stat(ctx, id, inside[id])
		if err != nil {
			return nil, fmt.Errorf("look at the directories of config files: %w", err)
		}
		for p, mode := range modes {
			found[strings.TrimPrefix(p, ConfigMountpoint)] = mode
		}
	}
	return found, nil
}

// topOf returns the directory directly below the root directory that a path is in, or is.
func topOf(p string) string {
	first, _, _ := strings.Cut(strings.TrimPrefix(p, "/"), "/")
	return "/" + first
}

// write puts files on the host, directory by directory in the order of the files. Each
// directory has a carrier of its own, so that nobody who may write one of them leads a file
// into another.
func (h *hostFiles) write(ctx context.Context, files []*types.File) error {
	var dirs []string
	inside := map[string][]*types.File{}
	for _, f := range files {
		dir := path.Dir(f.Path)
		if inside[dir] == nil {
			dirs = append(dirs, dir)
		}
		moved := *f
		moved.Path = hostPath(f.Path)
		inside[dir] = append(inside[dir], &moved)
	}
	for _, dir := range dirs {
		if err := h.writeInto(ctx, dir, inside[dir]); err != nil {
			return fmt.Errorf("write config files: %w", err)
		}
	}
	return nil
}

func (h *hostFiles) writeInto(ctx context.Context, dir string, files []*types.File) (err error) {
	id := h.lists
	if dir != ManifestDir || id == "" {
		if id, err = h.writable(ctx, dir); err != nil {
			return err
		}
	}
	if dir == ManifestDir {
		h.lists = id
	} else {
		defer func() { err = joinErrors(err, h.remove(ctx, id)) }()
	}
	return h.copy(ctx, id, h.origin.stagingIn(dir), files)
}

// writable makes a carrier that has the directory to write. Where it does not exist it is
// made.
func (h *hostFiles) writable(ctx context.Context, dir string) (string, error) {
	id, err := h.bind(ctx, []string{dir}, false)
	if !errors.Is(err, runtime.ErrNoSource) {
		return id, err
	}
	if err := h.makeDir(ctx, dir, parentDirMode); err != nil {
		return "", err
	}
	return h.bind(ctx, []string{dir}, false)
}

// makeDir makes a directory, and those above it that are missing, with the nearest one that
// exists bound.
func (h *hostFiles) makeDir(ctx context.Context, dir string, mode int64) error {
	parent := path.Dir(dir)
	id, err := h.bind(ctx, []string{parent}, false)
	for errors.Is(err, runtime.ErrNoSource) && parent != "/" {
		parent = path.Dir(parent)
		id, err = h.bind(ctx, []string{parent}, false)
	}
	if err != nil {
		return err
	}
	err = h.rt.Copy(ctx, id, []*types.File{{Path: hostPath(dir) + "/", Mode: mode}})
	return joinErrors(err, h.remove(ctx, id))
}

// copy writes files of one directory so that nobody sees a part of one, where the runtime
// can do that. It reads them back: another gitsync that writes for the same host at the same
// moment may have had its own file at the staging path.
func (h *hostFiles) copy(ctx context.Context, id, staging string, files []*types.File) error {
	stager, ok := h.rt.(runtime.Stager)
	if !ok {
		return h.rt.Copy(ctx, id, files)
	}
	if err := stager.CopyStaged(ctx, id, hostPath(staging), files); err != nil {
		return err
	}
	paths := make([]string, 0, len(files))
	for _, f := range files {
		paths = append(paths, f.Path)
	}
	found, err := h.rt.Read(ctx, id, paths)
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
	return h.rt.Copy(ctx, id, wrong)
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
func fileDifference(want, found *types.File) string {
	path := want.Path
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
